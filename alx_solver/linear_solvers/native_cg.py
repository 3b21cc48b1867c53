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

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import llvmlite.binding
import numba
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import CutTiles, WholeTiles
from alx_solver.linear_solvers.matrix_free_cg import MatrixFreeCg
from alx_solver.linear_solvers.xla_handler import data, dimension, register_handler

BLOCK_ROWS = 4
"""Rows whose products with alpha H'H are taken together."""

# A block of more numbers than this (512 KiB) is solved row by row.
_BLOCK_NUMBERS = 1 << 17

BUFFER_NUMBERS = 1 << 22
"""Numbers of a long row's embeddings that are kept: 16 MiB."""


def _take_whole_vectors() -> None:
    """Lets Numba use vectors of 512 bits, which LLVM avoids on Intel's server processors: an epoch took 15 % longer.

    The setting is of the whole process, and works only before Numba compiles anything. One of the user's is kept.
    """
    features = llvmlite.binding.get_host_cpu_features()
    config: Any = numba.config
    if features.get("avx512f") and not config.CPU_FEATURES:
        config.CPU_FEATURES = f"{features.flatten()},-prefer-256-bit"


_take_whole_vectors()

# Sums may be reordered, so that loops become vectors; NaN and Inf keep their meaning.
_compiled = numba.njit(fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")


@dataclasses.dataclass(frozen=True)
class _Variant:
    """What a kernel is compiled for: its loops over `dim` are of constant length."""

    kind: str  # "whole" or "cut"
    dim: int
    steps: int
    is_weighted: bool
    row_dtype: str
    col_dtype: str
    buffer_numbers: int

    @property
    def name(self) -> str:
        weights = "weighted" if self.is_weighted else "binary"
        dtypes = f"{self.row_dtype}_{self.col_dtype}"
        return f"alx_native_cg_{self.kind}_{self.dim}_{self.steps}_{weights}_{dtypes}_{self.buffer_numbers}"


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
    variant = _Variant(
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
def _register(variant: _Variant) -> None:
    register_handler(variant.name, (_whole_handler if variant.kind == "whole" else _cut_handler)(variant))


def _load_and_store(dtype: str) -> tuple[Any, Callable, Callable]:
    """The type of a table's numbers in memory, and functions that copy an embedding from and to it."""
    if dtype == "float32":

        @_compiled
        def copy(source: Any, target: Any) -> None:
            for j in range(len(target)):
                target[j] = source[j]

        return numba.float32, copy, copy
    if dtype != "bfloat16":
        raise ValueError(f"The native kernel has tables of float32 or bfloat16, not {dtype}: take kernel 'xla'.")

    @_compiled
    def widen(source: Any, target: Any) -> None:
        bits = target.view(np.uint32)
        for j in range(len(target)):
            bits[j] = np.uint32(source[j]) << np.uint32(16)

    @_compiled
    def narrow(source: Any, target: Any) -> None:
        bits = source.view(np.uint32)
        for j in range(len(source)):  # to nearest, ties to even
            rounded = bits[j] + np.uint32(0x7FFF) + ((bits[j] >> np.uint32(16)) & np.uint32(1))
            target[j] = np.uint16(0x7FC0) if source[j] != source[j] else np.uint16(rounded >> np.uint32(16))

    return numba.uint16, widen, narrow


@_compiled
def _dot(x: Any, y: Any) -> Any:
    total = np.float32(0)
    for j in range(len(x)):
        total += x[j] * y[j]
    return total


@_compiled
def _add_scaled(scale: Any, x: Any, y: Any) -> None:
    """y += scale x."""
    for j in range(len(x)):
        y[j] += scale * x[j]


@_compiled
def _quotient(numerator: Any, denominator: Any) -> Any:
    return numerator / denominator if denominator > 0 else np.float32(0)


def _background_product(dim: int) -> Callable:
    """A function that sets y = p alpha H'H + lambda_r p for `count` rows; all BLOCK_ROWS at once, or one by one."""

    @_compiled
    def four_rows(p: Any, background: Any, y: Any) -> None:
        for i in range(0, dim - 3, 4):
            a0, a1, a2, a3 = p[i], p[i + 1], p[i + 2], p[i + 3]
            b0, b1, b2, b3 = p[dim + i], p[dim + i + 1], p[dim + i + 2], p[dim + i + 3]
            c0, c1, c2, c3 = p[2 * dim + i], p[2 * dim + i + 1], p[2 * dim + i + 2], p[2 * dim + i + 3]
            d0, d1, d2, d3 = p[3 * dim + i], p[3 * dim + i + 1], p[3 * dim + i + 2], p[3 * dim + i + 3]
            for j in range(dim):
                g0, g1 = background[i * dim + j], background[(i + 1) * dim + j]
                g2, g3 = background[(i + 2) * dim + j], background[(i + 3) * dim + j]
                y[j] += a0 * g0 + a1 * g1 + a2 * g2 + a3 * g3
                y[dim + j] += b0 * g0 + b1 * g1 + b2 * g2 + b3 * g3
                y[2 * dim + j] += c0 * g0 + c1 * g1 + c2 * g2 + c3 * g3
                y[3 * dim + j] += d0 * g0 + d1 * g1 + d2 * g2 + d3 * g3
        for i in range(dim // 4 * 4, dim):
            for row in range(BLOCK_ROWS):
                for j in range(dim):
                    y[row * dim + j] += p[row * dim + i] * background[i * dim + j]

    @_compiled
    def one_row(p: Any, background: Any, y: Any) -> None:
        for i in range(0, dim - 3, 4):
            a0, a1, a2, a3 = p[i], p[i + 1], p[i + 2], p[i + 3]
            for j in range(dim):
                y[j] += (
                    a0 * background[i * dim + j]
                    + a1 * background[(i + 1) * dim + j]
                    + a2 * background[(i + 2) * dim + j]
                    + a3 * background[(i + 3) * dim + j]
                )
        for i in range(dim // 4 * 4, dim):
            for j in range(dim):
                y[j] += p[i] * background[i * dim + j]

    @_compiled
    def product(p: Any, background: Any, ridge: Any, y: Any, count: int) -> None:
        for row in range(count):
            for j in range(dim):
                y[row, j] = ridge[row] * p[row, j]
        if count == BLOCK_ROWS:
            four_rows(p.reshape(-1), background, y.reshape(-1))
        else:
            for row in range(count):
                one_row(p[row], background, y[row])

    return product


def _entry_passes(dim: int, is_weighted: bool) -> tuple[Callable, Callable]:
    """Two functions over a row's entries: y += sum of c (offset + sign e.p) e; and the sum of c (e.p)^2."""

    @_compiled
    def scores(embeddings: Any, e: int, p: Any) -> Any:
        e0, e1, e2, e3 = embeddings[e], embeddings[e + 1], embeddings[e + 2], embeddings[e + 3]
        s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for j in range(dim):
            s0 += e0[j] * p[j]
            s1 += e1[j] * p[j]
            s2 += e2[j] * p[j]
            s3 += e3[j] * p[j]
        return s0, s1, s2, s3

    @_compiled
    def add_products(
        embeddings: Any, weights: Any, length: int, p: Any, y: Any, offset: np.float32, sign: np.float32
    ) -> None:
        for e in range(0, length - 3, 4):
            s0, s1, s2, s3 = scores(embeddings, e, p)
            s0, s1, s2, s3 = offset + sign * s0, offset + sign * s1, offset + sign * s2, offset + sign * s3
            if is_weighted:
                s0, s1, s2, s3 = s0 * weights[e], s1 * weights[e + 1], s2 * weights[e + 2], s3 * weights[e + 3]
            e0, e1, e2, e3 = embeddings[e], embeddings[e + 1], embeddings[e + 2], embeddings[e + 3]
            for j in range(dim):
                y[j] += s0 * e0[j] + s1 * e1[j] + s2 * e2[j] + s3 * e3[j]
        for e in range(length // 4 * 4, length):
            score = offset + sign * _dot(embeddings[e], p)
            _add_scaled(score * weights[e] if is_weighted else score, embeddings[e], y)

    @_compiled
    def energy(embeddings: Any, weights: Any, length: int, p: Any) -> Any:
        total = np.float32(0)
        for e in range(0, length - 3, 4):
            s0, s1, s2, s3 = scores(embeddings, e, p)
            if is_weighted:
                total += s0 * s0 * weights[e] + s1 * s1 * weights[e + 1]
                total += s2 * s2 * weights[e + 2] + s3 * s3 * weights[e + 3]
            else:
                total += s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3
        for e in range(length // 4 * 4, length):
            score = _dot(embeddings[e], p)
            total += score * score * weights[e] if is_weighted else score * score
        return total

    return add_products, energy


def _block_solver(variant: _Variant) -> Callable:
    """A function that solves `count` rows whose starts are in `x`, and leaves their solutions there."""
    dim, steps = variant.dim, variant.steps
    background_product = _background_product(dim)
    add_products, energy = _entry_passes(dim, variant.is_weighted)
    _, load, _ = _load_and_store(variant.col_dtype)

    @_compiled
    def gather(collected: Any, ids: Any, embeddings: Any) -> None:
        for e in range(len(ids)):
            load(collected[np.uint32(ids[e])], embeddings[e])

    @_compiled
    def add_all_products(entries: Any, row: int, p: Any, y: Any, offset: np.float32, sign: np.float32) -> None:
        collected, ids, weights, lengths, embeddings = entries
        length, most = lengths[row], embeddings.shape[1]
        for first in range(0, length, most):
            part = min(most, length - first)
            if length > most:
                gather(collected, ids[row, first : first + part], embeddings[row])
            add_products(embeddings[row], weights[row, first:], part, p, y, offset, sign)

    @_compiled
    def whole_energy(entries: Any, row: int, p: Any) -> Any:
        collected, ids, weights, lengths, embeddings = entries
        length, most, total = lengths[row], embeddings.shape[1], np.float32(0)
        for first in range(0, length, most):
            part = min(most, length - first)
            if length > most:
                gather(collected, ids[row, first : first + part], embeddings[row])
            total += energy(embeddings[row], weights[row, first:], part, p)
        return total

    @_compiled
    def solve(count: int, entries: Any, ridge: Any, background: Any, x: Any, work: Any) -> None:
        collected, ids, _, lengths, embeddings = entries
        r, directions, products, energies = work
        one, zero = np.float32(1), np.float32(0)
        background_product(x, background, ridge, r, count)
        for row in range(count):  # r = b - A x
            if lengths[row] <= embeddings.shape[1]:
                gather(collected, ids[row, : lengths[row]], embeddings[row])
            for j in range(dim):
                r[row, j] = -r[row, j]
            add_all_products(entries, row, x[row], r[row], one, -one)
        for step in range(steps):
            p, ap = directions[step], products[step]
            for row in range(count):
                p[row] = r[row]
                for before in range(step):  # conjugate to each direction before
                    part = _quotient(_dot(r[row], products[before, row]), energies[before, row])
                    _add_scaled(-part, directions[before, row], p[row])
            background_product(p, background, ridge, ap, count)
            for row in range(count):
                if step < steps - 1:
                    add_all_products(entries, row, p[row], ap[row], zero, one)
                    energies[step, row] = _dot(p[row], ap[row])
                    size = _quotient(_dot(r[row], p[row]), energies[step, row])
                    _add_scaled(-size, ap[row], r[row])
                else:  # the last step needs p.Ap only
                    size = _quotient(_dot(r[row], p[row]), _dot(p[row], ap[row]) + whole_energy(entries, row, p[row]))
                _add_scaled(size, p[row], x[row])

    return solve


def _work_space(variant: _Variant) -> Callable:
    """A function that makes the start and the vectors of a block's CG."""
    dim, steps = variant.dim, variant.steps

    @_compiled
    def make() -> Any:
        x, r = np.zeros((BLOCK_ROWS, dim), np.float32), np.zeros((BLOCK_ROWS, dim), np.float32)
        directions = np.zeros((steps, BLOCK_ROWS, dim), np.float32)
        products = np.zeros((steps, BLOCK_ROWS, dim), np.float32)
        return x, (r, directions, products, np.zeros((steps, BLOCK_ROWS), np.float32))

    return make


def _tables(variant: _Variant) -> Callable:
    """A function that gives the tables of a call, and alpha H'H, as arrays."""
    dim = variant.dim
    row_type, col_type = _load_and_store(variant.row_dtype)[0], _load_and_store(variant.col_dtype)[0]

    @_compiled
    def tables(arguments: Any, results: Any) -> Any:
        solved = data(results, 0, (dimension(arguments, 0, 0), dimension(arguments, 0, 1), dim), row_type)
        row_shard = data(arguments, 1, (dimension(arguments, 1, 0), dim), row_type)
        collected = data(arguments, 2, (dimension(arguments, 2, 0), dim), col_type)
        return solved, row_shard, collected, data(arguments, 6, (dim * dim,), numba.float32)

    return tables


def _whole_handler(variant: _Variant) -> Callable:
    """The custom call of `solve_tiles`."""
    dim, is_weighted, most = variant.dim, variant.is_weighted, max(1, variant.buffer_numbers // variant.dim)
    _, load_row, store_row = _load_and_store(variant.row_dtype)
    solve, make_work_space, tables_of = _block_solver(variant), _work_space(variant), _tables(variant)

    @_compiled
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
        x, work = make_work_space()
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


def _cut_handler(variant: _Variant) -> Callable:
    """The custom call of `solve_groups`: the dense rows of a group's slots follow each other."""
    dim, is_weighted, most = variant.dim, variant.is_weighted, max(1, variant.buffer_numbers // variant.dim)
    _, load_row, store_row = _load_and_store(variant.row_dtype)
    solve, make_work_space, tables_of = _block_solver(variant), _work_space(variant), _tables(variant)

    @_compiled
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
        x, work = make_work_space()
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
