"""Exact top-k of query . column scores, blockwise, over a table that may be sharded over a mesh.

Scores are float32 in truth (precision HIGHEST; the original rounds them to bfloat16 first). A query's history and
the table's padding are never recommended. Ties go to the column that comes first in the table.

  queries [block, dim] --(on every device)--> scores of its columns, a column block at a time
     -> top k of the block -> merged with the top k so far -> [block, k] a device -> merged over devices

Memory a device: about `queries_per_block * columns_per_block * 4` bytes, twice. Oracle: a full NumPy argsort.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from alx_solver.csr import CsrMatrix
from alx_solver.mesh import to_host
from webgraph.option_values import make_plain

_GROUP = 32
_AXIS = "columns"

Best = tuple[Array, Array]
"""Scores f32[queries, k] and positions int32[queries, k], best first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TopKOptions:
    """Sizes of the blocks in which scores are computed: memory against speed, never results."""

    queries_per_block: int = 256
    columns_per_block: int = 1 << 17

    def __post_init__(self) -> None:
        make_plain(self)
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} must be at least 1, got {getattr(self, field.name)}.")


def top_k_columns(
    queries: Float[np.ndarray, "queries dim"],
    col_table: Float[Array, "padded dim"],
    col_ids: Int[np.ndarray, " padded"],
    history: CsrMatrix,
    k: int,
    options: TopKOptions | None = None,
) -> tuple[Int[np.ndarray, "queries k"], Float[np.ndarray, "queries k"]]:
    """Finds each query's k best columns outside its history.

    Args:
      queries: embeddings of the queries.
      col_table: embeddings of the columns, on one device or sharded by its first axis; bfloat16 or float32.
      col_ids: the column id at every position of the table, -1 where it is padding. With ids ascending by position,
        ties go to the lower id.
      history: [queries, cols], what each query has seen.
      k: how many columns to return.
      options: block sizes.

    Returns:
      Column ids, best first, and their scores; -1 and -inf where a query has fewer than k columns left.
    """
    options = options or TopKOptions()
    if history.num_rows != len(queries) or len(col_ids) != len(col_table):
        raise ValueError(
            f"Got {len(queries)} queries with {history.num_rows} histories, and {len(col_table)} table rows with "
            f"{len(col_ids)} ids; each pair must be equal."
        )
    mesh = _mesh_of(col_table)
    by_shard = NamedSharding(mesh, PartitionSpec(_AXIS))
    valid = jax.make_array_from_callback(col_ids.shape, by_shard, lambda index: col_ids[index] >= 0)
    table = jax.device_put(col_table, NamedSharding(mesh, PartitionSpec(_AXIS, None)))
    blocks = _query_blocks(queries, history, col_ids, options.queries_per_block)
    width = min(k, len(col_ids))
    rank = partial(_rank_block, k=width, columns_per_block=options.columns_per_block, mesh=mesh)
    found = [tuple(map(to_host, rank(*block, table, valid))) for block in blocks]
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    if found:
        scores[:, :width] = np.concatenate([part for part, _ in found])[: len(queries)]
        # What was found at -inf may lie beyond the table; it is replaced by -1.
        positions = np.minimum(np.concatenate([part for _, part in found])[: len(queries)], len(col_ids) - 1)
        ids[:, :width] = np.where(np.isneginf(scores[:, :width]), -1, col_ids[positions])
    return ids, scores


def _mesh_of(table: Array) -> Mesh:
    """A one-axis mesh over the table's devices, in the order of its shards."""
    if not table.is_fully_addressable:
        assert isinstance(table.sharding, NamedSharding)
        return Mesh(table.sharding.mesh.devices.reshape(-1), (_AXIS,))
    shards = sorted(table.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    devices = [shard.device for shard in shards]
    if table.sharding.is_fully_replicated:
        devices = devices[:1]
    return Mesh(np.array(devices), (_AXIS,))


def _query_blocks(
    queries: np.ndarray, history: CsrMatrix, col_ids: np.ndarray, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (queries [size, dim], rows int32[pairs], positions int32[pairs]): blocks and their history, of one shape.

    Padding pairs lie beyond the table and are dropped by the scatter.
    """
    positions = np.full(history.num_cols, len(col_ids), dtype=np.int64)
    positions[col_ids[col_ids >= 0]] = np.flatnonzero(col_ids >= 0)
    size = min(size, max(1, len(queries)))
    starts = range(0, len(queries), size)
    bounds = [(history.indptr[start], history.indptr[min(start + size, len(queries))]) for start in starts]
    capacity = max((int(high - low) for low, high in bounds), default=0)
    for start, (low, high) in zip(starts, bounds, strict=True):
        block = np.zeros((size, queries.shape[1]), dtype=np.float32)
        block[: len(queries) - start] = queries[start : start + size]
        rows = np.zeros(capacity, dtype=np.int32)
        lengths = np.diff(history.indptr[start : start + size + 1])
        rows[: high - low] = np.repeat(np.arange(len(lengths)), lengths)
        seen = np.full(capacity, len(col_ids), dtype=np.int32)
        seen[: high - low] = positions[history.indices[low:high]]
        yield block, rows, seen


@partial(jax.jit, static_argnames=("k", "columns_per_block", "mesh"))
def _rank_block(
    queries: Array,
    seen_rows: Array,
    seen_positions: Array,
    table: Array,
    valid: Array,
    *,
    k: int,
    columns_per_block: int,
    mesh: Mesh,
) -> Best:
    """Ranks one block of queries: (scores f32[block, k], positions int32[block, k])."""

    def rank_shard(queries: Array, seen_rows: Array, seen_positions: Array, table: Array, valid: Array) -> Best:
        first = jax.lax.axis_index(_AXIS) * table.shape[0]
        scores, local = _rank_shard(queries, seen_rows, seen_positions - first, table, valid, k, columns_per_block)
        return scores, local + first

    replicated, sharded = PartitionSpec(), PartitionSpec(_AXIS)
    scores, positions = jax.shard_map(
        rank_shard,
        mesh=mesh,
        in_specs=(replicated, replicated, replicated, sharded, sharded),
        out_specs=(PartitionSpec(None, _AXIS), PartitionSpec(None, _AXIS)),
        check_vma=False,
    )(queries, seen_rows, seen_positions, table, valid)
    # [block, devices * k]: shards stand in the order of their positions, so that a stable top-k keeps ties in order.
    best, at = jax.lax.top_k(scores, k)
    return best, jnp.take_along_axis(positions, at, axis=1)


def _rank_shard(
    queries: Array, seen_rows: Array, seen_positions: Array, table: Array, valid: Array, k: int, columns_per_block: int
) -> Best:
    """The shard's best: (scores f32[block, k], local positions int32[block, k])."""
    length = table.shape[0]
    width = min(columns_per_block, length)
    num_blocks = -(-length // width)

    def step(index: Array, best: Best) -> Best:
        # The last block is moved back to end at the table's end; what it repeats is masked.
        start = jnp.minimum(index * width, length - width)
        block = jax.lax.dynamic_slice_in_dim(table, start, width).astype(jnp.float32)
        fresh = jax.lax.dynamic_slice_in_dim(valid, start, width) & (start + jnp.arange(width) >= index * width)
        scores = jnp.matmul(queries, block.T, precision=jax.lax.Precision.HIGHEST)
        scores = jnp.where(fresh[None, :], scores, -jnp.inf)
        # Negative indices would count from the end: send them beyond it, where the scatter drops them.
        local = seen_positions - start
        local = jnp.where(local < 0, width, local)
        scores = scores.at[seen_rows, local].set(-jnp.inf, mode="drop")
        values, at = grouped_top_k(scores, min(k, width))
        values = jnp.concatenate([best[0], values], axis=1)
        at = jnp.concatenate([best[1], (at + start).astype(jnp.int32)], axis=1)
        values, chosen = jax.lax.top_k(values, k)
        return values, jnp.take_along_axis(at, chosen, axis=1)

    shape = (queries.shape[0], k)
    empty = (jnp.full(shape, -jnp.inf, jnp.float32), jnp.zeros(shape, jnp.int32))
    return jax.lax.fori_loop(0, num_blocks, step, empty)


def grouped_top_k(scores: Float[Array, "queries width"], k: int) -> tuple[Array, Array]:
    """`jax.lax.top_k`, with most of the sorting replaced by maxima; the same result, ties included.

    The k groups of the greatest maxima (ties to the first) hold the top k: for an entry of any other group, each of
    those k groups has an entry that is greater, or equal and earlier.
    """
    queries, width = scores.shape
    num_groups = -(-width // _GROUP)
    if num_groups <= k:
        return jax.lax.top_k(scores, k)
    padding = num_groups * _GROUP - width
    groups = jnp.pad(scores, ((0, 0), (0, padding)), constant_values=-jnp.inf).reshape(queries, num_groups, _GROUP)
    _, chosen = jax.lax.top_k(groups.max(axis=-1), k)
    chosen = jnp.sort(chosen, axis=1)
    candidates = jnp.take_along_axis(groups, chosen[:, :, None], axis=1).reshape(queries, k * _GROUP)
    values, at = jax.lax.top_k(candidates, k)
    return values, jnp.take_along_axis(chosen, at // _GROUP, axis=1) * _GROUP + at % _GROUP
