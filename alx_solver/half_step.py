"""A half-step: solve every row of one table given the other. As in als, rows given cols, then cols given rows.

On each device, inside `shard_map`: the gramian of the column table (a sum over devices), the embeddings that the
exchange collects, then a loop over the tiles of each class, which gathers a tile's embeddings, solves its rows and
puts the solutions out. A device does its own tiles only, however many the others have. The row shard is written once
at the end, by one planned gather from all that was put out.
A row belongs to the device that solves it, so solutions do not travel.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import CutTiles, DenseBatches, WholeTiles
from alx_solver.exchange import DeviceExchange
from alx_solver.exchange.moves import pick_rows, stack_rows
from alx_solver.exchange.stages import over_stages
from alx_solver.gramian import sharded_gramian
from alx_solver.linear_solvers import LinearSolver
from alx_solver.linear_solvers.row_kernels import group_solver, tile_solver
from alx_solver.mesh import REPLICATED, SHARDED
from alx_solver.normal_operator import NormalOperator
from alx_solver.observed import CutEntries, ObservedEntries, WholeEntries
from alx_solver.regularization import RegularizationRule
from alx_solver.summed_rows import summed_entries, summed_start

HalfStepFunction = Callable[[jax.Array, jax.Array, DenseBatches, Any, RegularizationRule], jax.Array]


def gather_rows(table: Float[Array, "table dim"], positions: Int32[Array, "..."]) -> Float32[Array, "... dim"]:
    """Rows of a table as float32; positions are planned on the host and not checked again."""
    return pick_rows(table, positions).astype(jnp.float32)


def tile_of_cut(cut: CutTiles, collected: Float[Array, "table dim"], precision: jax.lax.Precision) -> Callable:
    """A function of a tile's index: its entries and segment ids."""

    def tile(index: Int32[Array, ""]) -> tuple[WholeEntries, Int32[Array, " dense_rows"]]:
        weights = None if cut.weights is None else cut.weights[index]
        return WholeEntries(gather_rows(collected, cut.ids[index]), weights, precision), cut.segment_ids[index]

    return tile


@dataclasses.dataclass(frozen=True)
class OperatorOf:
    """The linear systems of rows, from their entries and lengths.

    Attributes:
        background: alpha H'H.
        rule: lambda_r.
        precision: of matrix products.
    """

    background: Float32[Array, "dim dim"]
    rule: RegularizationRule
    precision: jax.lax.Precision

    def ridge(self, lengths: Int32[Array, "..."]) -> Float32[Array, "..."]:
        """lambda_r."""
        return self.rule(lengths.astype(jnp.float32))

    def __call__(self, observed: ObservedEntries, lengths: Int32[Array, " rows"]) -> NormalOperator:
        return NormalOperator(observed, self.background, self.ridge(lengths), self.precision)


@dataclasses.dataclass(frozen=True)
class ShardSolver:
    """The work of one device in a half-step.

    Attributes:
        exchange: brings the columns' embeddings.
        solver: of the linear systems.
        precision: of matrix products.
    """

    exchange: DeviceExchange
    solver: LinearSolver
    precision: jax.lax.Precision

    def __call__(
        self,
        row_shard: Float[Array, "capacity dim"],
        col_shard: Float[Array, "col_capacity dim"],
        stacked: DenseBatches,
        stacked_arrays: Any,
        rule: RegularizationRule,
    ) -> Float[Array, "capacity dim"]:
        """The solved row shard, in the row shard's type.

        `stacked` and the exchange's arrays have a leading axis of length 1 (this device).
        """
        batches: DenseBatches = jax.tree.map(lambda array: array[0], stacked)
        arrays = jax.tree.map(lambda array: array[0], stacked_arrays)
        operator = self.operator_of(self.background(col_shard, rule), rule)

        def solve_stage(stage: Int32[Array, ""], collected: Float[Array, "table dim"], solved: list) -> list:
            done = [
                self.solve_whole(tiles, stage, row_shard, collected, operator, into)
                for tiles, into in zip(batches.whole, solved, strict=False)
            ]
            if batches.cut is not None:
                done.append(self.solve_cut(batches.cut, stage, row_shard, collected, operator, solved[-1]))
            return done

        dim = row_shard.shape[-1]
        shapes = [tiles.rows.shape for tiles in batches.whole]
        shapes += [] if batches.cut is None else [batches.cut.rows.shape]
        empty = [jnp.zeros((*shape, dim), row_shard.dtype) for shape in shapes]
        solved = over_stages(self.exchange, col_shard, arrays, solve_stage, empty)
        if batches.summed is not None:
            solved.append(self.solve_summed(batches.summed, row_shard, col_shard, operator))
        solved.append(jnp.zeros((1, dim), row_shard.dtype))  # what rows without entries get
        flat = stack_rows([each.reshape(-1, dim) for each in solved])  # [slots + 1, dim]
        return pick_rows(flat, batches.positions)

    def background(
        self, col_shard: Float[Array, "col_capacity dim"], rule: RegularizationRule
    ) -> Float32[Array, "dim dim"]:
        """alpha H'H."""
        return rule.unobserved_weight * sharded_gramian(col_shard, self.precision)

    def operator_of(self, background: Float32[Array, "dim dim"], rule: RegularizationRule) -> OperatorOf:
        """The linear systems of rows."""
        return OperatorOf(background, rule, self.precision)

    def solve_whole(
        self,
        tiles: WholeTiles,
        stage: Int32[Array, ""],
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "table dim"],
        operator: OperatorOf,
        solved: Float[Array, "tiles rows dim"],
    ) -> Float[Array, "tiles rows dim"]:
        """`solved` with the solutions of a stage's tiles."""
        solve_tiles = tile_solver(self.solver, tiles.ids.shape[-1], row_shard.shape[-1])
        if solve_tiles is not None:
            bounds = jax.lax.dynamic_slice_in_dim(tiles.first_tile, stage, 2)
            ridge = operator.ridge(tiles.lengths)
            return solve_tiles(self.solver, tiles, bounds, row_shard, collected, operator.background, ridge, solved)

        def solve_tile(
            index: Int32[Array, ""], solved: Float[Array, "tiles rows dim"]
        ) -> Float[Array, "tiles rows dim"]:
            weights = None if tiles.weights is None else tiles.weights[index]
            observed = WholeEntries(gather_rows(collected, tiles.ids[index]), weights, self.precision)
            start = gather_rows(row_shard, tiles.rows[index])
            solution = self.solver.solve(operator(observed, tiles.lengths[index]), start)
            return solved.at[index].set(solution.astype(solved.dtype))

        return jax.lax.fori_loop(tiles.first_tile[stage], tiles.first_tile[stage + 1], solve_tile, solved)

    def solve_cut(
        self,
        cut: CutTiles,
        stage: Int32[Array, ""],
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "table dim"],
        operator: OperatorOf,
        solved: Float[Array, "groups slots dim"],
    ) -> Float[Array, "groups slots dim"]:
        """`solved` with the solutions of a stage's groups."""
        solve_groups = group_solver(self.solver)
        if solve_groups is not None:
            bounds = jax.lax.dynamic_slice_in_dim(cut.first_group, stage, 2)
            ridge = operator.ridge(cut.lengths)
            return solve_groups(self.solver, cut, bounds, row_shard, collected, operator.background, ridge, solved)

        tile = tile_of_cut(cut, collected, self.precision)

        def solve_group(
            group: Int32[Array, ""], solved: Float[Array, "groups slots dim"]
        ) -> Float[Array, "groups slots dim"]:
            first, last, rows = cut.first_tile[group], cut.first_tile[group + 1], cut.rows[group]
            observed = CutEntries(tile, first, last, rows.shape[0], row_shard.shape[-1])
            solution = self.solver.solve(operator(observed, cut.lengths[group]), gather_rows(row_shard, rows))
            return solved.at[group].set(solution.astype(solved.dtype))

        return jax.lax.fori_loop(cut.first_group[stage], cut.first_group[stage + 1], solve_group, solved)

    def solve_summed(
        self,
        summed: CutTiles,
        row_shard: Float[Array, "capacity dim"],
        col_shard: Float[Array, "col_capacity dim"],
        operator: OperatorOf,
    ) -> Float[Array, "slots dim"]:
        """All devices solve all these rows, each from its own columns' entries and the others' sums."""
        tile = tile_of_cut(summed, col_shard, self.precision)

        def solve_group(group: tuple[Array, Array, Array, Array]) -> Float[Array, "slots dim"]:
            first, last, rows, lengths = group
            own = CutEntries(tile, first, last, rows.shape[0], row_shard.shape[-1])
            observed = summed_entries(own, self.solver, self.precision)
            solution = self.solver.solve(operator(observed, lengths), summed_start(row_shard, rows, self.solver))
            return solution.astype(row_shard.dtype)

        groups = (summed.first_tile[:-1], summed.first_tile[1:], summed.rows, summed.lengths)
        return jax.lax.map(solve_group, groups)


@functools.lru_cache(maxsize=64)
def make_half_step(mesh: Mesh, shard_solver: ShardSolver) -> HalfStepFunction:
    """The half-step over a mesh, compiled at its first use with each set of shapes and shared by all trainers.

    Returns:
        A function (row_table, col_table, batches, exchange arrays, rule) -> row_table over sharded arrays; the given
        row table is donated.
    """
    sharded = jax.shard_map(
        shard_solver,
        mesh=mesh,
        in_specs=(SHARDED, SHARDED, SHARDED, SHARDED, REPLICATED),
        out_specs=SHARDED,
        check_vma=False,
    )
    return jax.jit(sharded, donate_argnums=0)
