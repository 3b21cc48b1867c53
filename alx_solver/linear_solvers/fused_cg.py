"""Matrix-free CG on whole rows in one kernel (Pallas, Triton backend), for GPUs.

The plain program gathers a tile's embeddings, [rows, width, dim], into device memory and reads them again in each pass
of CG. Here a program of the kernel takes some rows, gathers their embeddings from the table into registers once, takes
all steps there, and writes dim numbers a row. One launch solves all tiles of a width: programs of tiles that are not of
the stage end at once.

    registers   [rows of a program, width, dim], both sides padded to powers of two, float32
    device      reads ids, weights, each entry's embedding once, the start, and alpha H'H (from cache); writes dim a row

The steps are `cg_fixed_steps` itself, on a system whose products are multiplied and summed in float32, whatever
precision the solve asks for. A width goes through the kernel if a row of it fits (`fits`); wider rows, cut and summed
ones, and CG to a tolerance stay on the plain path. That is also the oracle.

TPUs stay on the plain path: Mosaic has no load by an array of indices from HBM; each row would be a DMA of its own from
ids that are prefetched as scalars, which is another kernel.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import WholeTiles
from alx_solver.linear_solvers.cg_iteration import cg_fixed_steps
from alx_solver.linear_solvers.matrix_free_cg import MatrixFreeCg

INTERPRETED = "pallas, interpreted"
"""The kernel's name in a solver where it is run step by step by XLA."""

MOST_NUMBERS = 1 << 15
"""Embeddings of one row, in numbers: 128 KiB of float32, half the registers of a multiprocessor of an A100 or H200."""

_PROGRAM_NUMBERS = 1 << 13  # short rows share a program up to here: 64 registers of each of 128 threads
_PROGRAM_VECTOR = 1 << 9  # numbers of a vector of CG, all rows of a program: about ten of them are alive at once
_WARP_NUMBERS, _WARP_VECTOR = 1 << 11, 1 << 7  # 64 registers of embeddings a thread, and 4 of each vector
_CHUNK = 16  # rows of alpha H'H that are multiplied at a time


def fits(width: int, dim: int) -> bool:
    """Whether a row's embeddings fit in the registers of one program."""
    return pl.next_power_of_2(width) * pl.next_power_of_2(dim) <= MOST_NUMBERS


@dataclasses.dataclass(frozen=True)
class _BlockSystem:
    """The rows' systems of a program, in its registers; a `LinearSystem`."""

    embeddings: Float32[Array, "rows width dim"]
    weights: Float32[Array, "rows width"] | None
    ridge: Float32[Array, " rows"]
    background_product: Callable[[Float32[Array, "rows dim"]], Float32[Array, "rows dim"]]

    def _predict(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows width"]:
        return jnp.sum(self.embeddings * p[:, None, :], axis=2)

    def _combine(self, scores: Float32[Array, "rows width"]) -> Float32[Array, "rows dim"]:
        weighted = scores if self.weights is None else scores * self.weights
        return jnp.sum(self.embeddings * weighted[:, :, None], axis=1)

    def _rest(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self.background_product(p) + self.ridge[:, None] * p

    def matvec(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self._combine(self._predict(p)) + self._rest(p)

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self._combine(1.0 - self._predict(x)) - self._rest(x)

    def right_hand_side(self) -> Float32[Array, "rows dim"]:
        return self._combine(jnp.ones(self.embeddings.shape[:2], jnp.float32))

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
        scores = self._predict(p)
        weighted = scores if self.weights is None else scores * self.weights
        return jnp.sum(weighted * scores, axis=1) + jnp.sum(self._rest(p) * p, axis=1)


@dataclasses.dataclass(frozen=True)
class _Block:
    """Shapes of a program: `rows` of `width` entries of `dim` numbers, and the powers of two that hold them."""

    rows: int
    width: int
    dim: int

    @classmethod
    def of(cls, tile_rows: int, width: int, dim: int) -> "_Block":
        """As many rows, a power of two that divides the tile's, as a program should hold."""
        vector, rows = pl.next_power_of_2(dim), 1
        most = min(_PROGRAM_VECTOR // vector, _PROGRAM_NUMBERS // (vector * pl.next_power_of_2(width)))
        while tile_rows % (2 * rows) == 0 and 2 * rows <= most:
            rows *= 2
        return cls(rows, width, dim)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.rows, pl.next_power_of_2(self.width), pl.next_power_of_2(self.dim)

    @property
    def warps(self) -> int:
        rows, width, dim = self.shape
        return min(16, max(1, rows * width * dim // _WARP_NUMBERS, rows * dim // _WARP_VECTOR))


def _places(shape: tuple[int, ...], axis: int) -> Int32[Array, "..."]:
    return jax.lax.broadcasted_iota(jnp.int32, shape, axis)


def _load(ref: Any, row: Int32[Array, "..."], column: Int32[Array, "..."], columns: int) -> Array:
    """ref[row, column], zero beyond its columns; `row` and `column` have one shape."""
    padded = pl.next_power_of_2(columns) != columns
    return plgpu.load(ref.at[row, column], mask=column < columns if padded else None, other=0 if padded else None)


def _background_product(background: Any, p: Float32[Array, "rows dim"], block: _Block) -> Float32[Array, "rows dim"]:
    """p alpha H'H, some rows of alpha H'H at a time: all of it would take the registers."""
    rows, _, dim = block.shape
    size = min(_CHUNK, dim)
    chunks = p.reshape(rows, dim // size, size)
    row, column = _places((size, dim), 0), _places((size, dim), 1)
    index = _places(chunks.shape, 1)

    def add(chunk: Int32[Array, ""], total: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        beyond = (chunk * size + row < block.dim) & (column < block.dim)
        ref = background.at[chunk * size + row, column]
        matrix = plgpu.load(ref) if dim == block.dim else plgpu.load(ref, mask=beyond, other=0.0)
        part = jnp.sum(jnp.where(index == chunk, chunks, 0.0), axis=1)
        return total + jnp.sum(part[:, :, None] * matrix[None], axis=1)

    return jax.lax.fori_loop(0, dim // size, add, jnp.zeros((rows, dim), jnp.float32))


def _kernel(block: _Block, tile_rows: int, steps: int, bounds: Any, *refs: Any) -> None:
    """One program: rows `first .. first + block.rows - 1` of all tiles' rows, if their tile is within `bounds`."""
    ids, weights, local_rows, ridge, background, row_shard, collected, _, solved = refs
    first = pl.program_id(0) * block.rows
    tile = first // tile_rows

    @pl.when((tile >= bounds[0]) & (tile < bounds[1]))
    def solve() -> None:
        rows, width, dim = block.shape
        row, lane = _places((rows, width), 0) + first, _places((rows, width), 1)
        positions = _load(ids, row, lane, block.width)
        entry_columns = _places(block.shape, 2)
        within = (_places(block.shape, 1) < block.width) & (entry_columns < block.dim)
        embeddings = plgpu.load(
            collected.at[jnp.broadcast_to(positions[:, :, None], block.shape), entry_columns], mask=within, other=0
        )
        flat_row, column = _places((rows, dim), 0) + first, _places((rows, dim), 1)
        start_rows = jnp.broadcast_to(local_rows[pl.ds(first, rows)][:, None], (rows, dim))
        system = _BlockSystem(
            embeddings.astype(jnp.float32),
            None if weights is None else _load(weights, row, lane, block.width),
            ridge[pl.ds(first, rows)],
            lambda p: _background_product(background, p, block),
        )
        start = _load(row_shard, start_rows, column, block.dim).astype(jnp.float32)
        solution = cg_fixed_steps(system, start, steps).astype(solved.dtype)
        mask = column < block.dim if dim != block.dim else None
        plgpu.store(solved.at[flat_row, column], solution, mask=mask)


def solve_tiles(
    solver: MatrixFreeCg,
    tiles: WholeTiles,
    bounds: Int32[Array, " 2"],
    row_shard: Float[Array, "capacity dim"],
    collected: Float[Array, "table dim"],
    background: Float32[Array, "dim dim"],
    ridge: Float32[Array, "tiles rows"],
    solved: Float[Array, "tiles rows dim"],
) -> Float[Array, "tiles rows dim"]:
    """`solved` with the solutions of tiles `bounds[0] .. bounds[1] - 1` of a width.

    Args:
        solver: gives the number of steps.
        tiles: of one device.
        bounds: first tile, and the one after the last.
        row_shard: previous embeddings.
        collected: what `tiles.ids` point into.
        background: alpha H'H.
        ridge: lambda_r of every slot.
        solved: of all tiles; its memory is taken.
    """
    num_tiles, tile_rows, width = tiles.ids.shape
    dim = row_shard.shape[-1]
    block = _Block.of(tile_rows, width, dim)
    flat = (num_tiles * tile_rows,)
    operands = (
        bounds,
        tiles.ids.reshape(*flat, width),
        None if tiles.weights is None else tiles.weights.reshape(*flat, width),
        tiles.rows.reshape(flat),
        ridge.reshape(flat),
        background,
        row_shard,
        collected,
        solved.reshape(*flat, dim),
    )
    given = [operand for operand in operands if operand is not None]
    call = pl.pallas_call(
        functools.partial(_without_weights if tiles.weights is None else _kernel, block, tile_rows, solver.steps),
        out_shape=jax.ShapeDtypeStruct(given[-1].shape, solved.dtype),
        grid=(flat[0] // block.rows,),
        input_output_aliases={len(given) - 1: 0},
        compiler_params=plgpu.CompilerParams(num_warps=block.warps, num_stages=1),
        interpret=solver.kernel == INTERPRETED,
        name=f"fused_cg_width_{width}_dim_{dim}",
    )
    return call(*given).reshape(solved.shape)


def _without_weights(block: _Block, tile_rows: int, steps: int, bounds: Any, ids: Any, *refs: Any) -> None:
    _kernel(block, tile_rows, steps, bounds, ids, None, *refs)
