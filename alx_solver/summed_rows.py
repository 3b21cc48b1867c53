"""Rows of which partial sums travel, not their columns' embeddings: the owners of the columns compute (equivalent
substitution).

A row's entries lie with the owners of their columns. For a product E' (c E p), where E stacks the embeddings of the
row's entries, device m computes E_m' (c E_m p) over its own columns; the sum over devices is the product. All devices
hold the same p and the same iterates, and solve the same rows, so that a product needs one all-reduce of dim numbers a
row and nothing has to be sent back. The owner keeps the solution.

The tiles are `CutTiles` of the rows cut by the owner of their columns; every device has the same groups and slots.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32, Int64

from alx_solver.csr import CsrMatrix
from alx_solver.dense_batching import CutTiles, Entries, RowStages, cut_tiles
from alx_solver.exchange.moves import sum_of_single
from alx_solver.linear_solvers import LinearSolver
from alx_solver.mesh import AXIS
from alx_solver.observed import ObservedEntries
from alx_solver.options import BatchOptions
from alx_solver.ownership import RowRanges
from alx_solver.summed_bytes import starts_warm, sums_products


def summed_tiles(
    matrix: CsrMatrix,
    rows: Int64[np.ndarray, " summed"],
    row_ranges: RowRanges,
    col_ranges: RowRanges,
    options: BatchOptions,
) -> CutTiles:
    """The tiles of these rows: ids are local rows of the column shard, lengths are those of the whole rows.

    Args:
        matrix: of all rows.
        rows: ascending ids of those that are summed, at least one.
        row_ranges: owners of the rows; on the others a row's place is the zero row.
        col_ranges: owners of the columns.
        options: tile shapes.
    """
    size, count = col_ranges.num_devices, len(rows)
    rank = np.full(matrix.num_rows, -1)
    rank[rows] = np.arange(count)
    entry_rank = np.repeat(rank, matrix.row_lengths)
    chosen = np.flatnonzero(entry_rank >= 0)
    owner = col_ranges.owners_of_all()[matrix.indices[chosen]]
    part = owner * count + entry_rank[chosen]
    order = np.argsort(part, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(part, minlength=size * count))])
    columns = matrix.indices[chosen][order]
    values = None if matrix.values is None else matrix.values[chosen][order]
    parts = CsrMatrix(indptr.astype(np.int64), columns, values, matrix.num_cols)
    part_ranges = RowRanges(np.arange(size + 1) * count, count + 1)
    stages = RowStages(np.zeros(size * count, np.int64), 1)
    entries = Entries(parts, (columns - col_ranges.starts[owner[order]]).astype(np.int32), col_ranges.zero_row)
    every = np.arange(size * count)
    tiles, _ = cut_tiles(entries, every, every // count, part_ranges, options, stages)

    shape = tiles.rows.shape
    owners = row_ranges.owners(rows)
    local = np.full((size, shape[1] * shape[2]), row_ranges.zero_row, np.int32)
    local[owners, np.arange(count)] = rows - row_ranges.starts[owners]
    lengths = np.zeros((size, shape[1] * shape[2]), np.int32)
    lengths[:, :count] = matrix.row_lengths[rows]
    return tiles._replace(rows=local.reshape(shape), lengths=lengths.reshape(shape))


@dataclasses.dataclass(frozen=True)
class SummedEntries:
    """The observed entries of rows that lie on all devices: every result is a sum over devices."""

    own: ObservedEntries

    def normal_product(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return jax.lax.psum(self.own.normal_product(p), AXIS)

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return jax.lax.psum(self.own.residual(x), AXIS)

    def right_hand_side(self) -> Float32[Array, "rows dim"]:
        return jax.lax.psum(self.own.right_hand_side(), AXIS)

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
        return jax.lax.psum(self.own.energy(p), AXIS)

    def matrix(self) -> Float32[Array, "rows dim dim"]:
        return jax.lax.psum(self.own.matrix(), AXIS)

    def errors(self, x: Float32[Array, "rows dim"]) -> None:
        """Not kept: they lie on all devices."""

    def errors_after(
        self, errors: Float32[Array, "rows width"] | None, delta: Float32[Array, "rows size"], first: Int32[Array, ""]
    ) -> None:
        """Not kept."""

    def block(
        self,
        x: Float32[Array, "rows dim"],
        errors: Float32[Array, "rows width"] | None,
        first: Int32[Array, ""],
        size: int,
    ) -> tuple[Float32[Array, "rows size"], Float32[Array, "rows size size"]]:
        return jax.lax.psum(self.own.block(x, None, first, size), AXIS)


@dataclasses.dataclass(frozen=True)
class FormedEntries:
    """The observed entries by their matrix and right-hand side, after which nothing travels any more."""

    formed: Float32[Array, "rows dim dim"]
    vector: Float32[Array, "rows dim"]
    precision: jax.lax.Precision

    def normal_product(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return jnp.einsum("rde,re->rd", self.formed, p, precision=self.precision)

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self.vector - self.normal_product(x)

    def right_hand_side(self) -> Float32[Array, "rows dim"]:
        return self.vector

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
        return jnp.sum(self.normal_product(p) * p, axis=-1)

    def matrix(self) -> Float32[Array, "rows dim dim"]:
        return self.formed

    def errors(self, x: Float32[Array, "rows dim"]) -> None:
        """Not kept: no entries are here."""

    def errors_after(
        self, errors: Float32[Array, "rows width"] | None, delta: Float32[Array, "rows size"], first: Int32[Array, ""]
    ) -> None:
        """Not kept."""

    def block(
        self,
        x: Float32[Array, "rows dim"],
        errors: Float32[Array, "rows width"] | None,
        first: Int32[Array, ""],
        size: int,
    ) -> tuple[Float32[Array, "rows size"], Float32[Array, "rows size size"]]:
        columns = jax.lax.dynamic_slice_in_dim(self.formed, first, size, axis=2)
        residual = jax.lax.dynamic_slice_in_dim(self.residual(x), first, size, axis=1)
        return residual, jax.lax.dynamic_slice_in_dim(columns, first, size, axis=1)


def summed_entries(own: ObservedEntries, solver: LinearSolver, precision: jax.lax.Precision) -> ObservedEntries:
    """The entries of all devices, in the form in which this solver moves least."""
    summed = SummedEntries(own)
    return summed if sums_products(solver) else FormedEntries(summed.matrix(), summed.right_hand_side(), precision)


def summed_start(
    row_shard: Float[Array, "capacity dim"], rows: Int32[Array, " slots"], solver: LinearSolver
) -> Float32[Array, "slots dim"]:
    """The rows' embeddings on all devices, from their owners; zero for a solver that does not read its start."""
    if not starts_warm(solver):
        return jnp.zeros((*rows.shape, row_shard.shape[1]), jnp.float32)
    return sum_of_single(row_shard.at[rows].get(mode="promise_in_bounds")).astype(jnp.float32)
