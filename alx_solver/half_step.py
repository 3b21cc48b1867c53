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

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import CutTiles, DenseBatches, WholeTiles
from alx_solver.exchange import Exchange
from alx_solver.gramian import sharded_gramian
from alx_solver.linear_solvers import LinearSolver
from alx_solver.mesh import REPLICATED, SHARDED
from alx_solver.normal_operator import NormalOperator
from alx_solver.observed import CutEntries, ObservedEntries, WholeEntries
from alx_solver.regularization import RegularizationRule

OperatorOf = Callable[[ObservedEntries, Int32[Array, " rows"]], NormalOperator]
HalfStepFunction = Callable[[jax.Array, jax.Array, DenseBatches, RegularizationRule], jax.Array]


def gather_rows(table: Float[Array, "table dim"], positions: Int32[Array, "..."]) -> Float32[Array, "... dim"]:
    """Rows of a table as float32; positions are planned on the host and not checked again."""
    return table.at[positions].get(mode="promise_in_bounds").astype(jnp.float32)


def tile_of_cut(cut: CutTiles, collected: Float[Array, "table dim"], precision: jax.lax.Precision) -> Callable:
    """A function of a tile's index: its entries and segment ids."""

    def tile(index: Int32[Array, ""]) -> tuple[WholeEntries, Int32[Array, " dense_rows"]]:
        weights = None if cut.weights is None else cut.weights[index]
        return WholeEntries(gather_rows(collected, cut.ids[index]), weights, precision), cut.segment_ids[index]

    return tile


@dataclasses.dataclass(frozen=True)
class ShardSolver:
    """The work of one device in a half-step.

    Attributes:
        exchange: brings the columns' embeddings.
        solver: of the linear systems.
        precision: of matrix products.
    """

    exchange: Exchange
    solver: LinearSolver
    precision: jax.lax.Precision

    def __call__(
        self,
        row_shard: Float[Array, "capacity dim"],
        col_shard: Float[Array, "col_capacity dim"],
        stacked: DenseBatches,
        rule: RegularizationRule,
    ) -> Float[Array, "capacity dim"]:
        """The solved row shard, in the row shard's type. `stacked` has a leading axis of length 1 (this device)."""
        batches: DenseBatches = jax.tree.map(lambda array: array[0], stacked)
        background = rule.unobserved_weight * sharded_gramian(col_shard, self.precision)
        collected = self.exchange.collect(col_shard)

        def operator(observed: ObservedEntries, lengths: Int32[Array, " rows"]) -> NormalOperator:
            return NormalOperator(observed, background, rule(lengths.astype(jnp.float32)), self.precision)

        solved = [self._solve_whole(tiles, row_shard, collected, operator) for tiles in batches.whole]
        if batches.cut is not None:
            solved.append(self._solve_cut(batches.cut, row_shard, collected, operator))
        solved.append(jnp.zeros((1, row_shard.shape[-1]), row_shard.dtype))  # what rows without entries get
        flat = jnp.concatenate(solved)  # [slots + 1, dim]
        return flat.at[batches.positions].get(mode="promise_in_bounds")

    def _solve_whole(
        self,
        tiles: WholeTiles,
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "table dim"],
        operator: OperatorOf,
    ) -> Float[Array, "slots dim"]:
        def solve_tile(
            index: Int32[Array, ""], solved: Float[Array, "tiles rows dim"]
        ) -> Float[Array, "tiles rows dim"]:
            weights = None if tiles.weights is None else tiles.weights[index]
            observed = WholeEntries(gather_rows(collected, tiles.ids[index]), weights, self.precision)
            start = gather_rows(row_shard, tiles.rows[index])
            solution = self.solver.solve(operator(observed, tiles.lengths[index]), start)
            return solved.at[index].set(solution.astype(solved.dtype))

        dim = row_shard.shape[-1]
        solved = jnp.zeros((*tiles.rows.shape, dim), row_shard.dtype)
        return jax.lax.fori_loop(0, tiles.num_tiles, solve_tile, solved).reshape(-1, dim)

    def _solve_cut(
        self,
        cut: CutTiles,
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "table dim"],
        operator: OperatorOf,
    ) -> Float[Array, "slots dim"]:
        tile = tile_of_cut(cut, collected, self.precision)
        dim = row_shard.shape[-1]

        def solve_group(group: tuple[Array, Array, Array, Array]) -> Float[Array, "slots dim"]:
            first, last, rows, lengths = group
            observed = CutEntries(tile, first, last, rows.shape[0], dim)
            solution = self.solver.solve(operator(observed, lengths), gather_rows(row_shard, rows))
            return solution.astype(row_shard.dtype)

        groups = (cut.first_tile[:-1], cut.first_tile[1:], cut.rows, cut.lengths)
        return jax.lax.map(solve_group, groups).reshape(-1, dim)


@functools.lru_cache(maxsize=64)
def make_half_step(mesh: Mesh, shard_solver: ShardSolver) -> HalfStepFunction:
    """The half-step over a mesh, compiled at its first use with each set of shapes and shared by all trainers.

    Returns:
        A function (row_table, col_table, batches, rule) -> row_table over sharded arrays; the given row table is
        donated.
    """
    sharded = jax.shard_map(
        shard_solver,
        mesh=mesh,
        in_specs=(SHARDED, SHARDED, SHARDED, REPLICATED),
        out_specs=SHARDED,
        check_vma=False,
    )
    return jax.jit(sharded, donate_argnums=0)
