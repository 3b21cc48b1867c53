"""One side of the training: the rows of a matrix laid out for their half-step, on a mesh."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from alx_solver.csr import CsrMatrix
from alx_solver.dense_batching import DenseBatches, dense_batches
from alx_solver.exchange import Exchange
from alx_solver.half_step import HalfStepFunction, ShardSolver, make_half_step
from alx_solver.linear_solvers import LinearSolver
from alx_solver.mesh import put_sharded
from alx_solver.options import BatchOptions
from alx_solver.ownership import RowRanges
from alx_solver.regularization import RegularizationRule

# Rows of a tile where each needs a dim x dim matrix: 32 of 128 x 128 float32 are 2 MB.
_MATRIX_TILE_ENTRIES = 32 * 128 * 128


@dataclasses.dataclass(frozen=True)
class Side:
    """A half-step ready to run.

    Attributes:
        ranges: owners of the rows that it solves.
        batches: their tiles, on the devices.
        rule: their lambda_r.
        half_step: the compiled function.
        stored_entries: entries of all tiles, padding included.
    """

    ranges: RowRanges
    batches: DenseBatches
    rule: RegularizationRule
    half_step: HalfStepFunction
    stored_entries: int

    def solve(self, row_table: jax.Array, col_table: jax.Array) -> jax.Array:
        """The row table solved given the column table; the given row table's memory is taken."""
        return self.half_step(row_table, col_table, self.batches, self.rule)


def make_side(
    mesh: Mesh,
    matrix: CsrMatrix,
    row_ranges: RowRanges,
    col_ranges: RowRanges,
    *,
    exchange: Exchange,
    solver: LinearSolver,
    rule: RegularizationRule,
    batches: BatchOptions,
    dim: int,
    precision: jax.lax.Precision,
) -> Side:
    """Plans and compiles the half-step that solves the rows of `matrix`.

    Args:
        mesh: the devices.
        matrix: [rows, cols].
        row_ranges: owners of its rows.
        col_ranges: owners of its columns.
        exchange: brings the columns' embeddings.
        solver: of the linear systems; one that forms matrices gets tiles of fewer rows.
        rule: lambda_r of its rows.
        batches: tile shapes.
        dim: width of an embedding.
        precision: of matrix products.
    """
    if solver.forms_matrix:
        rows = max(1, _MATRIX_TILE_ENTRIES // dim**2)
        batches = dataclasses.replace(
            batches, max_tile_rows=min(batches.max_tile_rows, rows), cut_slots=min(batches.cut_slots, rows)
        )
    planned = dense_batches(
        matrix,
        row_ranges,
        exchange.entry_positions(matrix, row_ranges, col_ranges),
        padding_position=exchange.padding_position(col_ranges),
        options=batches,
    )
    half_step = make_half_step(mesh, ShardSolver(exchange, solver, precision))
    return Side(row_ranges, put_sharded(mesh, planned), rule, half_step, planned.stored_entries)


def zero_table(mesh: Mesh, ranges: RowRanges, dim: int, dtype: jnp.dtype) -> jax.Array:
    """A sharded table of zeros, [padded_rows, dim]."""
    return put_sharded(mesh, jnp.zeros((ranges.padded_rows, dim), dtype))
