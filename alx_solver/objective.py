"""The objective of `docs/als.md`, in closed form: O(entries dim + (rows + cols) dim^2), never O(rows cols).

    observed     sum over entries of c (1 - w_r.h_c)^2
    unobserved   alpha sum over all pairs of (w_r.h_c)^2 = alpha <W'W, H'H>
    regularizer  sum_r lambda_r |w_r|^2 + sum_c lambda_c |h_c|^2, lambda_r by `RegularizationRule`

Rows without entries count too: their embeddings are zero after a half-step, but not at the start.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import CutTiles, DenseBatches, WholeTiles
from alx_solver.exchange import Exchange
from alx_solver.gramian import sharded_gramian
from alx_solver.half_step import gather_rows, tile_of_cut
from alx_solver.mesh import REPLICATED, SHARDED
from alx_solver.observed import WholeEntries


@dataclasses.dataclass(frozen=True)
class Objective:
    """Value of the objective and its three parts; `total` is their sum."""

    total: float
    observed: float
    unobserved: float
    regularizer: float


@dataclasses.dataclass(frozen=True)
class _ShardErrors:
    """The entries' part of the objective on one device, and the gramians, inside `shard_map`."""

    exchange: Exchange
    precision: jax.lax.Precision
    padding_position: int

    def __call__(
        self,
        row_shard: Float[Array, "capacity dim"],
        col_shard: Float[Array, "col_capacity dim"],
        stacked: DenseBatches,
    ) -> tuple[Float32[Array, "1 tiles"], Float32[Array, "dim dim"], Float32[Array, "dim dim"]]:
        """Squared errors of every tile of this device, and both gramians."""
        batches: DenseBatches = jax.tree.map(lambda array: array[0], stacked)
        collected = self.exchange.collect(col_shard)
        sums = [self._whole(tiles, row_shard, collected) for tiles in batches.whole]
        if batches.cut is not None:
            sums.append(self._cut(batches.cut, row_shard, collected))
        errors = jnp.concatenate([*sums, jnp.zeros(1, jnp.float32)])
        return errors[None], sharded_gramian(row_shard, self.precision), sharded_gramian(col_shard, self.precision)

    def _squared_errors(
        self, entries: WholeEntries, embeddings: Float32[Array, "rows dim"], ids: Int32[Array, "rows width"]
    ) -> Float32[Array, ""]:
        """Sum of c (1 - w.h)^2 over the entries that are not padding."""
        errors = 1.0 - entries.predict(embeddings)
        return jnp.sum(jnp.where(ids != self.padding_position, entries.weighted(errors * errors), 0.0))

    def _whole(
        self, tiles: WholeTiles, row_shard: Float[Array, "capacity dim"], collected: Float[Array, "table dim"]
    ) -> Float32[Array, " tiles"]:
        def tile_errors(tile: tuple[Array, Array | None, Array]) -> Float32[Array, ""]:
            ids, weights, rows = tile
            entries = WholeEntries(gather_rows(collected, ids), weights, self.precision)
            return self._squared_errors(entries, gather_rows(row_shard, rows), ids)

        return jax.lax.map(tile_errors, (tiles.ids, tiles.weights, tiles.rows))

    def _cut(
        self, cut: CutTiles, row_shard: Float[Array, "capacity dim"], collected: Float[Array, "table dim"]
    ) -> Float32[Array, " tiles"]:
        tile_at = tile_of_cut(cut, collected, self.precision)
        indices = jnp.arange(cut.ids.shape[0], dtype=jnp.int32)
        groups = jnp.searchsorted(cut.first_tile, indices, side="right").astype(jnp.int32) - 1
        groups = jnp.minimum(groups, cut.rows.shape[0] - 1)  # tiles after the last group are all padding

        def tile_errors(index: Int32[Array, ""]) -> Float32[Array, ""]:
            entries, segment_ids = tile_at(index)
            embeddings = gather_rows(row_shard, cut.rows[groups[index]][segment_ids])
            return self._squared_errors(entries, embeddings, cut.ids[index])

        return jax.lax.map(tile_errors, indices)


@jax.jit
def _weighted_norms(table: Float[Array, "padded dim"], ridge: Float32[Array, " padded"]) -> Float32[Array, " padded"]:
    wide = table.astype(jnp.float32)
    return ridge * jnp.sum(wide * wide, axis=-1)


@functools.lru_cache(maxsize=64)
def _make_errors_and_gramians(
    mesh: Mesh, exchange: Exchange, precision: jax.lax.Precision, padding_position: int
) -> Callable[[jax.Array, jax.Array, DenseBatches], tuple[jax.Array, jax.Array, jax.Array]]:
    return jax.jit(
        jax.shard_map(
            _ShardErrors(exchange, precision, padding_position),
            mesh=mesh,
            in_specs=(SHARDED, SHARDED, SHARDED),
            out_specs=(SHARDED, REPLICATED, REPLICATED),
            check_vma=False,
        )
    )


def make_objective(
    mesh: Mesh,
    exchange: Exchange,
    *,
    unobserved_weight: float,
    padding_position: int,
    row_ridge: jax.Array,
    col_ridge: jax.Array,
    precision: jax.lax.Precision,
) -> Callable[[jax.Array, jax.Array, DenseBatches], Objective]:
    """The compiled objective.

    Args:
        mesh: the devices.
        exchange: brings the columns' embeddings.
        unobserved_weight: alpha.
        padding_position: `exchange.padding_position` of the columns.
        row_ridge: lambda_r at every row of the stored row table, [padded_rows] (anything at padding).
        col_ridge: the same of the columns.
        precision: of the matrix products.

    Returns:
        A function (row_table, col_table, row batches) -> `Objective`. Sums over tiles and gramians are float64.
    """

    errors_and_gramians = _make_errors_and_gramians(mesh, exchange, precision, padding_position)

    def objective(row_table: jax.Array, col_table: jax.Array, batches: DenseBatches) -> Objective:
        errors, row_gramian, col_gramian = errors_and_gramians(row_table, col_table, batches)
        norms = (_weighted_norms(row_table, row_ridge), _weighted_norms(col_table, col_ridge))
        observed = float(np.sum(np.asarray(errors), dtype=np.float64))
        product = np.asarray(row_gramian, np.float64) * np.asarray(col_gramian, np.float64)
        unobserved = unobserved_weight * float(product.sum())
        regularizer = float(sum(np.sum(np.asarray(norm), dtype=np.float64) for norm in norms))
        return Objective(observed + unobserved + regularizer, observed, unobserved, regularizer)

    return objective
