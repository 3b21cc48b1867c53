"""One side of the training: the rows of a matrix laid out for their half-step, on a mesh."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from alx_solver.csr import CsrMatrix
from alx_solver.dense_batching import DenseBatches, RowStages, dense_batches
from alx_solver.exchange import Exchange, ExchangePlan, ExchangeRequest
from alx_solver.exchange.plan_cache import cached_plan
from alx_solver.half_step import HalfStepFunction, ShardSolver, make_half_step
from alx_solver.linear_solvers import LinearSolver
from alx_solver.mesh import put_sharded
from alx_solver.options import BatchOptions, ExchangeOptions
from alx_solver.ownership import RowRanges
from alx_solver.regularization import RegularizationRule
from alx_solver.summed_bytes import SummedRowCost
from alx_solver.summed_rows import summed_tiles

# Rows of a tile where each needs a dim x dim matrix: 32 of 128 x 128 float32 are 2 MB.
_MATRIX_TILE_ENTRIES = 32 * 128 * 128

# Numbers of a tile's embeddings: 1 MiB of float32, the second-level cache of a core.
TILE_NUMBERS = 1 << 18


@dataclasses.dataclass(frozen=True)
class Side:
    """A half-step ready to run.

    Attributes:
        ranges: owners of the rows that it solves.
        batches: their tiles, on the devices.
        plan: of the exchange, on the host.
        exchange_arrays: what the exchange needs on the devices.
        rule: their lambda_r.
        half_step: the compiled function.
        stored_entries: entries of all tiles, padding included.
        processed_entries: those of them that an epoch reads; the others only make the shapes of all devices alike.
    """

    ranges: RowRanges
    batches: DenseBatches
    plan: ExchangePlan
    exchange_arrays: Any
    rule: RegularizationRule
    half_step: HalfStepFunction
    stored_entries: int
    processed_entries: int

    def solve(self, row_table: jax.Array, col_table: jax.Array) -> jax.Array:
        """The row table solved given the column table; the given row table's memory is taken."""
        return self.half_step(row_table, col_table, self.batches, self.exchange_arrays, self.rule)


@dataclasses.dataclass(frozen=True)
class PlannedSide:
    """A half-step's layout on the host, before anything is on a device.

    Attributes:
        batches: the tiles, NumPy.
        plan: of the exchange.
    """

    batches: DenseBatches
    plan: ExchangePlan


def plan_side(
    matrix: CsrMatrix,
    row_ranges: RowRanges,
    col_ranges: RowRanges,
    *,
    exchange: Exchange,
    exchange_options: ExchangeOptions,
    table_dtypes: tuple[jnp.dtype, jnp.dtype],
    solver: LinearSolver,
    batches: BatchOptions,
    dim: int,
) -> PlannedSide:
    """Plans the half-step that solves the rows of `matrix`, for as many devices as the ranges have; needs none of them.

    Args:
        matrix: [rows, cols].
        row_ranges: owners of its rows.
        col_ranges: owners of its columns.
        exchange: brings the columns' embeddings.
        exchange_options: its options.
        table_dtypes: of the row table and of the column table.
        solver: of the linear systems; one that forms matrices gets tiles of fewer rows.
        batches: tile shapes.
        dim: width of an embedding.
    """
    if batches.tile_entries is None:
        batches = dataclasses.replace(batches, tile_entries=max(1, TILE_NUMBERS // dim))
    if solver.forms_matrix:
        rows = max(1, _MATRIX_TILE_ENTRIES // dim**2)
        batches = dataclasses.replace(
            batches, max_tile_rows=min(batches.max_tile_rows, rows), cut_slots=min(batches.cut_slots, rows)
        )
    plan = cached_plan(
        exchange,
        ExchangeRequest(
            matrix=matrix,
            row_ranges=row_ranges,
            col_ranges=col_ranges,
            embedding_bytes=dim * table_dtypes[1].itemsize,
            summed_row_cost=SummedRowCost.of(solver, dim, table_dtypes[0].itemsize, batches.cut_slots),
            options=exchange_options,
        ),
    )
    planned = dense_batches(
        matrix,
        row_ranges,
        plan.entry_positions,
        padding_position=plan.padding_position,
        options=batches,
        stages=RowStages(plan.row_stage, plan.device.num_stages),
        summed_rows=plan.summed_rows,
    )
    if len(plan.summed_rows):
        planned = planned._replace(summed=summed_tiles(matrix, plan.summed_rows, row_ranges, col_ranges, batches))
    return PlannedSide(planned, plan)


def make_side(
    mesh: Mesh,
    matrix: CsrMatrix,
    row_ranges: RowRanges,
    col_ranges: RowRanges,
    *,
    exchange: Exchange,
    exchange_options: ExchangeOptions,
    table_dtypes: tuple[jnp.dtype, jnp.dtype],
    solver: LinearSolver,
    rule: RegularizationRule,
    batches: BatchOptions,
    dim: int,
    precision: jax.lax.Precision,
) -> Side:
    """Plans the half-step that solves the rows of `matrix`, and puts the plan on the devices.

    Args:
        mesh: the devices.
        rule: lambda_r of its rows.
        precision: of matrix products.
        matrix, row_ranges, col_ranges, exchange, exchange_options, table_dtypes, solver, batches, dim: as `plan_side`.
    """
    planned = plan_side(
        matrix,
        row_ranges,
        col_ranges,
        exchange=exchange,
        exchange_options=exchange_options,
        table_dtypes=table_dtypes,
        solver=solver,
        batches=batches,
        dim=dim,
    )
    return put_side(mesh, planned, row_ranges, solver, rule, precision)


def put_side(
    mesh: Mesh,
    planned: PlannedSide,
    row_ranges: RowRanges,
    solver: LinearSolver,
    rule: RegularizationRule,
    precision: jax.lax.Precision,
) -> Side:
    """Puts a planned half-step on the devices."""
    plan = planned.plan
    return Side(
        ranges=row_ranges,
        batches=put_sharded(mesh, planned.batches),
        plan=dataclasses.replace(plan, arrays=(), entry_positions=plan.entry_positions[:0]),
        exchange_arrays=put_sharded(mesh, plan.arrays),
        rule=rule,
        half_step=make_half_step(mesh, ShardSolver(plan.device, solver, precision)),
        stored_entries=planned.batches.stored_entries,
        processed_entries=planned.batches.processed_entries,
    )


def zero_table(mesh: Mesh, ranges: RowRanges, dim: int, dtype: jnp.dtype) -> jax.Array:
    """A sharded table of zeros, [padded_rows, dim]."""
    return put_sharded(mesh, np.zeros((ranges.padded_rows, dim), dtype))
