"""Tiles on which a kernel of whole rows is held against the plain path."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from alx_solver.dense_batching import WholeTiles
from alx_solver.exchange.table import TableOnDevice
from alx_solver.half_step import OperatorOf, ShardSolver
from alx_solver.linear_solvers import MatrixFreeCg
from alx_solver.linear_solvers.row_kernels import tile_solver
from alx_solver.regularization import RegularizationRule

TABLE_ROWS, SHARD_ROWS, TILES, TILE_ROWS = 50, 30, 3, 4
PLAIN = MatrixFreeCg(steps=3, tolerance=None, max_steps=1)
CASES = [
    # width, dim, weighted, table: widths that are a power of two and not, a row alone and several in a program
    (16, 32, False, "float32"),
    (5, 32, True, "float32"),
    (1, 64, False, "bfloat16"),
    (12, 64, True, "bfloat16"),
    (100, 64, False, "float32"),
    (24, 128, True, "float32"),
    (64, 128, False, "bfloat16"),
    (256, 128, True, "float32"),
    (9, 6, True, "float32"),
]


def problem(width: int, dim: int, weighted: bool, dtype: str):
    """Tiles, row shard, collected table and systems; the last row of either table is zero, the padding's."""
    rng = np.random.default_rng(width + dim)
    shape = (TILES, TILE_ROWS)
    lengths = rng.integers(1, width + 1, shape)
    lengths[0, 0], lengths[1, 2], lengths[2, 1] = width, 0, 0  # a full row; a row without entries; an empty slot
    ids = rng.integers(0, TABLE_ROWS - 1, (*shape, width))
    padding = np.arange(width) >= lengths[..., None]
    ids[padding] = TABLE_ROWS - 1
    weights = np.where(padding, 0, rng.uniform(0.25, 4, ids.shape)).astype(np.float32) if weighted else None
    rows = rng.permutation(SHARD_ROWS - 1)[: TILES * TILE_ROWS].reshape(shape)
    rows[2, 1] = SHARD_ROWS - 1
    tiles = WholeTiles(
        jnp.asarray(ids, jnp.int32),
        None if weights is None else jnp.asarray(weights),
        jnp.asarray(rows, jnp.int32),
        jnp.asarray(lengths, jnp.int32),
        jnp.asarray([0, 2, TILES], jnp.int32),  # two stages
    )
    tables = []
    for count in (SHARD_ROWS, TABLE_ROWS):
        table = rng.normal(size=(count, dim)) / np.sqrt(dim)
        table[-1] = 0
        tables.append(jnp.asarray(table, dtype))
    hidden = rng.normal(size=(200, dim)) / np.sqrt(dim)
    background = jnp.asarray(0.05 * hidden.T @ hidden, jnp.float32)
    rule = RegularizationRule(jnp.float32(0.3), jnp.float32(0.01), jnp.float32(1.0), jnp.float32(TABLE_ROWS))
    return tiles, *tables, OperatorOf(background, rule, jax.lax.Precision.HIGHEST)


def solve(solver, stage, tiles, row_shard, collected, operator):
    shard_solver = ShardSolver(TableOnDevice(), solver, jax.lax.Precision.HIGHEST)
    into = jnp.full((TILES, TILE_ROWS, row_shard.shape[1]), 7, row_shard.dtype)
    return jax.jit(lambda stage: shard_solver.solve_whole(tiles, stage, row_shard, collected, operator, into))(stage)


def assert_equal_solutions(kernel: str, width: int, dim: int, weighted: bool, dtype: str) -> None:
    given = problem(width, dim, weighted, dtype)
    fused = dataclasses.replace(PLAIN, kernel=kernel)
    assert tile_solver(fused, width, dim) is not None and tile_solver(PLAIN, width, dim) is None
    for stage, tiles_of_stage in enumerate((slice(0, 2), slice(2, 3))):
        found = np.asarray(solve(fused, jnp.int32(stage), *given), np.float32)
        expected = np.asarray(solve(PLAIN, jnp.int32(stage), *given), np.float32)
        other = np.delete(np.arange(TILES), tiles_of_stage)
        np.testing.assert_array_equal(found[other], 7)  # tiles of the other stage stay as they are
        tolerance = 2**-8 if dtype == "bfloat16" else 1e-5  # solutions are stored in the table's type
        np.testing.assert_allclose(found[tiles_of_stage], expected[tiles_of_stage], rtol=tolerance, atol=tolerance / 10)
        assert np.isfinite(found).all()
