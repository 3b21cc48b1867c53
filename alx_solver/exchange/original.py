"""Exchange `original`: what ALX does, for comparison only (Mehta et al. 2021, section 4; its published code).

Batch by batch, the column ids of all devices' entries are all-gathered, every device looks up those that it owns among
them, the embeddings (zero where another owns them) are all-reduced for all devices, and each takes its own part. The
bytes grow with entries times devices, since a column travels once an entry, to everybody. ALX also all-gathers the
solved rows with their ids; here they stay with their owner, and these bytes (about two tables an epoch) are not spent.

As in ALX, rows are laid out in dense rows of `DENSE_ROW` entries, and what pads them travels too.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from alx_solver.exchange.interface import ExchangePlan, ExchangeRequest
from alx_solver.exchange.moves import sum_of_single
from alx_solver.mesh import AXIS

DENSE_ROW = 16
_BATCH_ENTRIES = 1 << 15


class OriginalArrays(NamedTuple):
    """What a device needs to know."""

    ids: Int32[Any, "devices batches entries"]  # positions in the stored table; padding is the first zero row


@dataclasses.dataclass(frozen=True)
class OriginalOnDevice:
    """All-gather of ids and all-reduce of embeddings, a batch at a time."""

    num_stages: int

    def collect(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: OriginalArrays
    ) -> Float[jax.Array, "collected dim"]:
        """A zero row and the embeddings of the first batch's entries."""
        zero = jnp.zeros((1, col_shard.shape[1]), col_shard.dtype)
        return jnp.concatenate([zero, self.fetch(col_shard, arrays, jnp.int32(0))])

    def fetch(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: OriginalArrays, stage: Int32[Array, ""]
    ) -> Float[jax.Array, "entries dim"]:
        """The embeddings of a batch's entries, one for each."""
        every = jax.lax.all_gather(arrays.ids[jnp.minimum(stage, self.num_stages - 1)], AXIS)  # [devices, entries]
        device, capacity = jax.lax.axis_index(AXIS), col_shard.shape[0]
        local = every - device * capacity
        owned = (local >= 0) & (local < capacity)
        found = col_shard.at[jnp.where(owned, local, capacity - 1)].get(mode="promise_in_bounds")
        return sum_of_single(found)[device]

    def store(
        self, collected: Float[jax.Array, "collected dim"], incoming: Float[jax.Array, "incoming dim"]
    ) -> Float[jax.Array, "collected dim"]:
        """The next batch in place of the last."""
        return jax.lax.dynamic_update_slice(collected, incoming, (1, 0))


@dataclasses.dataclass(frozen=True)
class OriginalExchange:
    """Plans ALX's batches."""

    name: ClassVar[str] = "original"

    def plan(self, request: ExchangeRequest) -> ExchangePlan:
        matrix, rows, cols = request.matrix, request.row_ranges, request.col_ranges
        padded = -(-matrix.row_lengths // DENSE_ROW) * DENSE_ROW
        before = np.concatenate([[0], np.cumsum(padded)])
        start = before[:-1] - before[rows.starts[:-1]][rows.owners_of_all()]
        stage = start // _BATCH_ENTRIES  # of the row's first entry: a row stays in one batch
        num_stages = int(stage.max(initial=0)) + 1
        owner = rows.owners_of_all()
        cell = owner * num_stages + stage  # ascending
        filled = np.bincount(cell, padded, rows.num_devices * num_stages).astype(np.int64)
        width = int(filled.max(initial=1))
        place = before[:-1] - (np.cumsum(filled) - filled)[cell]
        within = np.arange(matrix.num_entries) - np.repeat(matrix.indptr[:-1], matrix.row_lengths)
        entry_place = np.repeat(place, matrix.row_lengths) + within
        ids = np.full((rows.num_devices * num_stages, width), cols.zero_row, np.int32)
        ids[np.repeat(cell, matrix.row_lengths), entry_place] = cols.positions(matrix.indices)
        return ExchangePlan(
            name=self.name,
            device=OriginalOnDevice(num_stages),
            arrays=OriginalArrays(ids.reshape(rows.num_devices, num_stages, width)),
            entry_positions=(1 + entry_place).astype(np.int32),
            padding_position=0,
            summed_rows=np.zeros(0, np.int64),
            row_stage=stage.astype(np.int32),
            moved_bytes=self._bytes(request, num_stages, width),
            held_rows=2 * width * rows.num_devices,
        )

    @staticmethod
    def _bytes(request: ExchangeRequest, num_stages: int, width: int) -> dict[str, float]:
        size = request.num_devices
        calls = 1 if num_stages == 1 else num_stages + 1
        ids = calls * (size - 1) * width * 4
        return {"ids": float(ids), "embeddings": float(calls * 2 * (size - 1) * width * request.embedding_bytes)}
