"""What a half-step asks of the device that has most to do: counts, independent of how fast the device is."""

import dataclasses

import numpy as np
from jaxtyping import Float64

NUM_BINS = 40

MANY_WIDTHS = 12
"""From so many shapes of tiles on, a backend is taken to solve them side by side: 24 were seen to be, and six not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HalfStepLoad:
    """Counts of one half-step on one device.

    Attributes:
        exact: whether they are those of a plan, or of a model.
        matrix_entries: of the whole matrix, without padding; what the roofline counts.
        shard_rows: rows of the table that is solved, on a device, padding included.
        col_shard_rows: the same of the other table.
        entries: entries in tiles of whole rows that the device reads, padding included where the kernel reads it.
        plain_entries: of those, the ones in tiles too wide for the kernel, which XLA solves.
        cut_entries: entries in tiles of cut rows that it reads, padding as above.
        summed_entries: entries in tiles of summed rows, padding included; XLA gathers them anew at each use.
        slots: rows that the device solves, padding included.
        several_widths: whether there are tiles of many shapes, which a backend may solve side by side.
        tiles: tiles that the device starts one by one: all but those of a kernel that takes a width at once.
        by_xla: whether XLA solves any of them, so that a tile's embeddings are in memory.
        kernel_bytes: what a kernel allocates itself, at most.
        stored_slots: solutions that are put out before the table is written.
        batch_bytes: of the tiles on a device.
        exchange_array_bytes: of what the exchange needs to know, on a device.
        collected_rows: embeddings that tiles gather from, the own shard included; 0 where that is the shard itself.
        received_rows: of those, what came.
        num_stages: of the exchange.
        moved_bytes: bytes a device sends, by part, without gramians.
        footprints: accesses to embeddings by the number of distinct ones touched since the last access to the same:
            bin b holds those of 2**(b - 1) to 2**b - 1. Sums to `entries` + `cut_entries` + `summed_entries`.
    """

    exact: bool
    matrix_entries: int
    shard_rows: int
    col_shard_rows: int
    entries: int
    plain_entries: int
    cut_entries: int
    summed_entries: int
    slots: int
    several_widths: bool
    tiles: int
    by_xla: bool
    kernel_bytes: int
    stored_slots: int
    batch_bytes: int
    exchange_array_bytes: int
    collected_rows: int
    received_rows: int
    num_stages: int
    moved_bytes: dict[str, float]
    footprints: Float64[np.ndarray, " bins"]

    @property
    def total_bytes(self) -> float:
        """Bytes a device sends, without gramians."""
        return sum(self.moved_bytes.values())
