"""Matrix-free CG in one native kernel, for CPUs: compiled by Numba, called by XLA (`xla_handler.py`).

XLA's program reads a tile's embeddings from the second-level cache in each of seven half passes, gathers those of long
rows again for each, and writes every intermediate of some sixty small kernels. Here some rows are gathered into a
buffer and solved together: a pass over an entry takes its score and adds its embedding while that is in the first-level
cache, so that there are four passes for three steps; and the products with alpha H'H of several rows share each read of
it. Padding costs nothing.

    block        BLOCK_ROWS rows of a tile, or one row where they are long; [rows, entries, dim] float32 in the buffer
    an entry     score s = c (e.p), then y += s e; four entries at a time share the reads of p and y

A row of more entries than the buffer holds is gathered again, a part after the other, in each pass: no row is too long.
The steps are those of `cg_fixed_steps` (`cg_iteration.py`), which is the oracle, in float32; sums are taken in another
order.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numba
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import CutTiles, WholeTiles
from alx_solver.linear_solvers.matrix_free_cg import MatrixFreeCg
from alx_solver.linear_solvers.native.background_product import BLOCK_ROWS
from alx_solver.linear_solvers.native.block_solver import Variant, make_block_solver, make_work_space
from alx_solver.linear_solvers.native.compiled import allocating
from alx_solver.linear_solvers.native.number_formats import load_and_store
from alx_solver.linear_solvers.native.xla_handler import data, dimension, register_handler

# A block of more numbers than this (512 KiB) is solved row by row.
_BLOCK_NUMBERS = 1 << 17

BUFFER_NUMBERS = 1 << 22
"""Numbers of a long row's embeddings that are kept: 16 MiB."""


def buffer_bytes(solver: MatrixFreeCg, longest_row: int, dim: int) -> int:
    """A bound of what a call allocates: the embeddings of a block or of a long row, and the vectors of CG."""
    embeddings = min(max(_BLOCK_NUMBERS, longest_row * dim), max(BUFFER_NUMBERS, _BLOCK_NUMBERS))
    vectors = (2 + 2 * solver.steps) * BLOCK_ROWS * dim + solver.steps * BLOCK_ROWS
    return 4 * (embeddings + vectors)


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
    given = (bounds, row_shard, collected, background, ridge, tiles.rows, tiles.lengths)
    return _call("whole", solver, tiles.ids, tiles.weights, solved, *given)


def solve_groups(
    solver: MatrixFreeCg,
    cut: CutTiles,
    bounds: Int32[Array, " 2"],
    row_shard: Float[Array, "capacity dim"],
    collected: Float[Array, "table dim"],
    background: Float32[Array, "dim dim"],
    ridge: Float32[Array, "groups slots"],
    solved: Float[Array, "groups slots dim"],
) -> Float[Array, "groups slots dim"]:
    """`solved` with the solutions of groups `bounds[0] .. bounds[1] - 1`; other arguments as of `solve_tiles`."""
    given = (bounds, row_shard, collected, background, ridge, cut.rows, cut.lengths, cut.first_tile)
    return _call("cut", solver, cut.ids, cut.weights, solved, *given)


def _call(
    kind: str,
    solver: MatrixFreeCg,
    ids: Int32[Array, "tiles dense_rows width"],
    weights: Float32[Array, "tiles dense_rows width"] | None,
    solved: Float[Array, "tiles_or_groups slots dim"],
    bounds: Int32[Array, " 2"],
    row_shard: Float[Array, "capacity dim"],
    collected: Float[Array, "table dim"],
    *others: Array,
) -> Float[Array, "tiles_or_groups slots dim"]:
    variant = Variant(
        kind=kind,
        dim=row_shard.shape[-1],
        steps=solver.steps,
        is_weighted=weights is not None,
        row_dtype=str(row_shard.dtype),
        col_dtype=str(collected.dtype),
        buffer_numbers=BUFFER_NUMBERS,
    )
    _register(variant)
    given_weights = jnp.zeros((1, 1, 1), jnp.float32) if weights is None else weights
    tables = (_bits(solved), _bits(row_shard), _bits(collected))
    call = jax.ffi.ffi_call(
        variant.name, jax.ShapeDtypeStruct(solved.shape, tables[0].dtype), input_output_aliases={0: 0}
    )
    return jax.lax.bitcast_convert_type(call(*tables, bounds, ids, given_weights, *others), solved.dtype)


def _bits(table: Float[Array, "..."]) -> Array:
    """bfloat16 as uint16, which Numba knows."""
    return jax.lax.bitcast_convert_type(table, jnp.uint16) if table.dtype == jnp.bfloat16 else table


@functools.cache
def _register(variant: Variant) -> None:
    register_handler(variant.name, (_whole_handler if variant.kind == "whole" else _cut_handler)(variant))


def _tables(variant: Variant) -> Callable:
    """A function that gives the tables of a call, and alpha H'H, as arrays."""
    dim = variant.dim
    row_type, col_type = load_and_store(variant.row_dtype)[0], load_and_store(variant.col_dtype)[0]

    @allocating
    def tables(arguments: Any, results: Any) -> Any:
        solved = data(results, 0, (dimension(arguments, 0, 0), dimension(arguments, 0, 1), dim), row_type)
        row_shard = data(arguments, 1, (dimension(arguments, 1, 0), dim), row_type)
        collected = data(arguments, 2, (dimension(arguments, 2, 0), dim), col_type)
        return solved, row_shard, collected, data(arguments, 6, (dim * dim,), numba.float32)

    return tables


def _whole_handler(variant: Variant) -> Callable:
    """The custom call of `solve_tiles`."""
    dim, is_weighted, most = variant.dim, variant.is_weighted, max(1, variant.buffer_numbers // variant.dim)
    _, load_row, store_row = load_and_store(variant.row_dtype)
    solve, new_work_space, tables_of = make_block_solver(variant), make_work_space(variant), _tables(variant)

    @allocating
    def handle(arguments: Any, results: Any) -> None:
        solved, row_shard, collected, background = tables_of(arguments, results)
        tiles, tile_rows, width = dimension(arguments, 4, 0), dimension(arguments, 4, 1), dimension(arguments, 4, 2)
        bounds, shape = data(arguments, 3, (2,), numba.int32), (tiles, tile_rows)
        ids = data(arguments, 4, (tiles, tile_rows, width), numba.int32)
        weights = data(arguments, 5, (tiles, tile_rows, width) if is_weighted else (1, 1, 1), numba.float32)
        ridge = data(arguments, 7, shape, numba.float32)
        rows, lengths = data(arguments, 8, shape, numba.int32), data(arguments, 9, shape, numba.int32)

        # Always as many rows a block: a block of one adds up in another order.
        block = BLOCK_ROWS if tile_rows % BLOCK_ROWS == 0 and BLOCK_ROWS * width * dim <= _BLOCK_NUMBERS else 1
        embeddings = np.empty((block, min(width, most), dim), np.float32)
        no_weights = np.zeros((block, 1), np.float32)
        x, work = new_work_space()
        for tile in range(bounds[0], bounds[1]):
            for first in range(0, tile_rows, block):
                last = first + block
                for slot in range(block):
                    load_row(row_shard[np.uint32(rows[tile, first + slot])], x[slot])
                given = weights[tile, first:last] if is_weighted else no_weights
                entries = collected, ids[tile, first:last], given, lengths[tile, first:last], embeddings
                solve(block, entries, ridge[tile, first:last], background, x, work)
                for slot in range(block):
                    store_row(x[slot], solved[tile, first + slot])

    return handle


def _cut_handler(variant: Variant) -> Callable:
    """The custom call of `solve_groups`: the dense rows of a group's slots follow each other."""
    dim, is_weighted, most = variant.dim, variant.is_weighted, max(1, variant.buffer_numbers // variant.dim)
    _, load_row, store_row = load_and_store(variant.row_dtype)
    solve, new_work_space, tables_of = make_block_solver(variant), make_work_space(variant), _tables(variant)

    @allocating
    def handle(arguments: Any, results: Any) -> None:
        solved, row_shard, collected, background = tables_of(arguments, results)
        tile_entries, width = dimension(arguments, 4, 1) * dimension(arguments, 4, 2), dimension(arguments, 4, 2)
        stored, shape = dimension(arguments, 4, 0) * tile_entries, solved.shape[:2]
        bounds = data(arguments, 3, (2,), numba.int32)
        ids = data(arguments, 4, (1, stored), numba.int32)
        weights = data(arguments, 5, (1, stored if is_weighted else 1), numba.float32)
        ridge = data(arguments, 7, shape, numba.float32)
        rows, lengths = data(arguments, 8, shape, numba.int32), data(arguments, 9, shape, numba.int32)
        first_tile = data(arguments, 10, (shape[0] + 1,), numba.int32)

        embeddings = np.empty((1, max(1, min(lengths.max(), most)), dim), np.float32)
        x, work = new_work_space()
        for group in range(bounds[0], bounds[1]):
            first = first_tile[group] * tile_entries
            for slot in range(shape[1]):
                length = lengths[group, slot]
                given = weights[:, first : first + length] if is_weighted else weights
                entries = collected, ids[:, first : first + length], given, lengths[group, slot : slot + 1], embeddings
                load_row(row_shard[np.uint32(rows[group, slot])], x[0])
                solve(1, entries, ridge[group, slot : slot + 1], background, x, work)
                store_row(x[0], solved[group, slot])
                first += (length + width - 1) // width * width

    return handle
