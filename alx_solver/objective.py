"""The objective of `docs/als.md`, in closed form: O(entries dim + (rows + cols) dim^2), never O(rows cols).

    observed     sum over entries of c (1 - w_r.h_c)^2
    unobserved   alpha sum over all pairs of (w_r.h_c)^2 = alpha <W'W, H'H>
    regularizer  sum_r lambda_r |w_r|^2 + sum_c lambda_c |h_c|^2, lambda_r by `RegularizationRule`

Rows without entries count too: their embeddings are zero after a half-step, but not at the start.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import CutTiles, DenseBatches, WholeTiles
from alx_solver.exchange import DeviceExchange
from alx_solver.exchange.moves import sum_of_single
from alx_solver.exchange.stages import over_stages
from alx_solver.gramian import sharded_gramian
from alx_solver.half_step import gather_rows, tile_of_cut
from alx_solver.mesh import REPLICATED, SHARDED, to_host
from alx_solver.observed import WholeEntries


@dataclasses.dataclass(frozen=True)
class Objective:
    """Value of the objective and its three parts; `total` is their sum."""

    total: float
    observed: float
    unobserved: float
    regularizer: float


@dataclasses.dataclass(frozen=True)
class ShardErrors:
    """The entries' part of the objective on one device, and the gramians, inside `shard_map`."""

    exchange: DeviceExchange
    precision: jax.lax.Precision
    padding_position: int

    def __call__(
        self,
        row_shard: Float[Array, "capacity dim"],
        col_shard: Float[Array, "col_capacity dim"],
        stacked: DenseBatches,
        stacked_arrays: Any,
    ) -> tuple[Float32[Array, "1 tiles"], Float32[Array, "dim dim"], Float32[Array, "dim dim"]]:
        """Squared errors of every tile of this device, and both gramians."""
        batches: DenseBatches = jax.tree.map(lambda array: array[0], stacked)
        arrays = jax.tree.map(lambda array: array[0], stacked_arrays)
        cut = [] if batches.cut is None else [batches.cut]

        def add_stage(stage: Int32[Array, ""], collected: Float[Array, "table dim"], sums: list) -> list:
            whole = [
                self.whole(tiles, stage, row_shard, collected, into)
                for tiles, into in zip(batches.whole, sums, strict=False)
            ]
            return whole + [self.cut(tiles, stage, row_shard, collected, sums[-1]) for tiles in cut]

        num_tiles = [tiles.ids.shape[0] for tiles in batches.whole] + [tiles.ids.shape[0] for tiles in cut]
        empty = [jnp.zeros(number, jnp.float32) for number in num_tiles]
        sums = over_stages(self.exchange, col_shard, arrays, add_stage, empty)
        if batches.summed is not None:
            sums.append(self.summed(batches.summed, row_shard, col_shard))
        errors = jnp.concatenate([*sums, jnp.zeros(1, jnp.float32)])
        return errors[None], sharded_gramian(row_shard, self.precision), sharded_gramian(col_shard, self.precision)

    def _squared_errors(
        self,
        entries: WholeEntries,
        embeddings: Float32[Array, "rows dim"],
        ids: Int32[Array, "rows width"],
        padding: int,
    ) -> Float32[Array, ""]:
        """Sum of c (1 - w.h)^2 over the entries that are not padding."""
        errors = 1.0 - entries.predict(embeddings)
        return jnp.sum(jnp.where(ids != padding, entries.weighted(errors * errors), 0.0))

    def whole(
        self,
        tiles: WholeTiles,
        stage: Int32[Array, ""],
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "table dim"],
        sums: Float32[Array, " tiles"],
    ) -> Float32[Array, " tiles"]:
        """`sums` with the squared errors of a stage's tiles."""

        def add_tile(index: Int32[Array, ""], sums: Float32[Array, " tiles"]) -> Float32[Array, " tiles"]:
            ids, weights = tiles.ids[index], None if tiles.weights is None else tiles.weights[index]
            entries = WholeEntries(gather_rows(collected, ids), weights, self.precision)
            rows = gather_rows(row_shard, tiles.rows[index])
            return sums.at[index].set(self._squared_errors(entries, rows, ids, self.padding_position))

        return jax.lax.fori_loop(tiles.first_tile[stage], tiles.first_tile[stage + 1], add_tile, sums)

    def cut(
        self,
        cut: CutTiles,
        stage: Int32[Array, ""],
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "table dim"],
        sums: Float32[Array, " tiles"],
    ) -> Float32[Array, " tiles"]:
        """`sums` with the squared errors of the tiles of a stage's groups."""
        tile_at, group_of = tile_of_cut(cut, collected, self.precision), _group_of_tiles(cut)

        def add_tile(index: Int32[Array, ""], sums: Float32[Array, " tiles"]) -> Float32[Array, " tiles"]:
            entries, segment_ids = tile_at(index)
            rows = gather_rows(row_shard, cut.rows[group_of[index]][segment_ids])
            return sums.at[index].set(self._squared_errors(entries, rows, cut.ids[index], self.padding_position))

        first, last = cut.first_tile[cut.first_group[stage]], cut.first_tile[cut.first_group[stage + 1]]
        return jax.lax.fori_loop(first, last, add_tile, sums)

    def summed(
        self, summed: CutTiles, row_shard: Float[Array, "capacity dim"], col_shard: Float[Array, "col_capacity dim"]
    ) -> Float32[Array, " tiles"]:
        """Errors at this device's columns of the rows that move partial sums; their embeddings come to all devices."""
        tile_at, group_of = tile_of_cut(summed, col_shard, self.precision), _group_of_tiles(summed)
        own = row_shard.at[summed.rows.reshape(-1)].get(mode="promise_in_bounds")
        every = sum_of_single(own).astype(jnp.float32).reshape(*summed.rows.shape, -1)

        def tile_errors(index: Int32[Array, ""]) -> Float32[Array, ""]:
            entries, segment_ids = tile_at(index)
            rows = every[group_of[index]][segment_ids]
            return self._squared_errors(entries, rows, summed.ids[index], col_shard.shape[0] - 1)

        return jax.lax.map(tile_errors, jnp.arange(summed.ids.shape[0], dtype=jnp.int32))


def _group_of_tiles(cut: CutTiles) -> Int32[Array, " tiles"]:
    """The group of every tile; tiles after the last group are all padding."""
    indices = jnp.arange(cut.ids.shape[0], dtype=jnp.int32)
    groups = jnp.searchsorted(cut.first_tile, indices, side="right").astype(jnp.int32) - 1
    return jnp.minimum(groups, cut.rows.shape[0] - 1)


@jax.jit
def _weighted_norms(table: Float[Array, "padded dim"], ridge: Float32[Array, " padded"]) -> Float32[Array, " padded"]:
    wide = table.astype(jnp.float32)
    return ridge * jnp.sum(wide * wide, axis=-1)


ErrorsAndGramians = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array, jax.Array]]


@functools.lru_cache(maxsize=64)
def make_errors_and_gramians(
    mesh: Mesh, exchange: DeviceExchange, precision: jax.lax.Precision, padding_position: int
) -> Callable[[jax.Array, jax.Array, DenseBatches, Any], tuple[jax.Array, jax.Array, jax.Array]]:
    """A function (row_table, col_table, row batches, exchange arrays) -> errors of every tile, both gramians."""
    return jax.jit(
        jax.shard_map(
            ShardErrors(exchange, precision, padding_position),
            mesh=mesh,
            in_specs=(SHARDED, SHARDED, SHARDED, SHARDED),
            out_specs=(SHARDED, REPLICATED, REPLICATED),
            check_vma=False,
        )
    )


def make_objective(
    errors_and_gramians: ErrorsAndGramians,
    *,
    unobserved_weight: float,
    row_ridge: jax.Array,
    col_ridge: jax.Array,
) -> Callable[[jax.Array, jax.Array], Objective]:
    """The objective.

    Args:
        errors_and_gramians: a function (row_table, col_table) -> squared errors of every tile, and both gramians.
        unobserved_weight: alpha.
        row_ridge: lambda_r at every row of the stored row table, [padded_rows] (anything at padding).
        col_ridge: the same of the columns.

    Returns:
        A function (row_table, col_table) -> `Objective`. Sums over tiles and gramians are float64.
    """

    def objective(row_table: jax.Array, col_table: jax.Array) -> Objective:
        errors, row_gramian, col_gramian = errors_and_gramians(row_table, col_table)
        norms = (_weighted_norms(row_table, row_ridge), _weighted_norms(col_table, col_ridge))
        observed = float(np.sum(to_host(errors), dtype=np.float64))
        product = to_host(row_gramian).astype(np.float64) * to_host(col_gramian)
        unobserved = unobserved_weight * float(product.sum())
        regularizer = float(sum(np.sum(to_host(norm), dtype=np.float64) for norm in norms))
        return Objective(observed + unobserved + regularizer, observed, unobserved, regularizer)

    return objective
