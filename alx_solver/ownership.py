"""Which device owns which rows: contiguous ranges of ids, balanced by work, in shards of one capacity.

A table of N rows on M devices is stored as [M * capacity, dim]: shard m holds the ids
`starts[m] .. starts[m + 1] - 1` first and padding after. The last row of every shard is always padding, and
padding is always zero, so it adds nothing to a gramian, and an entry that points at it adds nothing to a row.

    ids     0 1 2 3 4 | 5 6        M = 2, capacity 6: the position of id 5 is 6
    stored  0 1 2 3 4 . 5 6 . . . .    (. = padding)
"""

import dataclasses

import numpy as np
from jaxtyping import Int, Int64, Shaped

# A row costs its solve whatever its length: about as much as this many entries (measured at d = 128).
_ROW_COST_ENTRIES = 24

# Rows weigh at least this share of the mean row, so that shards of a table stay even where lengths are not: the fullest
# shard sets everybody's capacity, and its owner sends most.
_ROW_COST_SHARE = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class RowRanges:
    """Owner and position of every row of one table.

    Attributes:
        starts: first id of each device's range, then the number of rows; `num_devices + 1` of them.
        capacity: rows of a shard, padding included.
    """

    starts: Int64[np.ndarray, " bounds"]
    capacity: int

    @property
    def num_devices(self) -> int:
        return len(self.starts) - 1

    @property
    def num_rows(self) -> int:
        return int(self.starts[-1])

    @property
    def padded_rows(self) -> int:
        """Rows of the stored table, padding included."""
        return self.num_devices * self.capacity

    @property
    def zero_row(self) -> int:
        """Local index of a row of every shard that is always padding."""
        return self.capacity - 1

    def owners(self, ids: Int[np.ndarray, " ids"]) -> Int64[np.ndarray, " ids"]:
        """The device that owns each id."""
        return np.searchsorted(self.starts, ids, side="right") - 1

    def owners_of_all(self) -> Int64[np.ndarray, " rows"]:
        """The device that owns each row."""
        return np.repeat(np.arange(self.num_devices), np.diff(self.starts))

    def positions(self, ids: Int[np.ndarray, " ids"]) -> Int64[np.ndarray, " ids"]:
        """Row of the stored table at which each id stands."""
        owners = self.owners(ids)
        return owners * self.capacity + (ids - self.starts[owners])

    def global_ids(self) -> Int64[np.ndarray, " padded"]:
        """The id that stands at each row of the stored table; -1 at padding."""
        ids = np.full(self.padded_rows, -1, np.int64)
        every = np.arange(self.num_rows)
        ids[self.positions(every)] = every
        return ids

    def unpad(self, stored: Shaped[np.ndarray, "padded dim"]) -> Shaped[np.ndarray, "rows dim"]:
        """The rows of a stored table in order of id, without padding."""
        return stored[self.positions(np.arange(self.num_rows))]

    def pad(self, rows: Shaped[np.ndarray, "rows *dim"]) -> Shaped[np.ndarray, "padded *dim"]:
        """The stored form of a table, zero at padding: the inverse of `unpad`."""
        stored = np.zeros((self.padded_rows, *rows.shape[1:]), rows.dtype)
        stored[self.positions(np.arange(self.num_rows))] = rows
        return stored


def balanced_ranges(row_lengths: Int64[np.ndarray, " rows"], num_devices: int) -> RowRanges:
    """Contiguous ranges that balance entries and rows.

    A row weighs its entries and a constant. A range may be empty where there are fewer rows than devices.

    Args:
        row_lengths: entries of each row.
        num_devices: M, at least 1.
    """
    mean = int(row_lengths.mean()) if len(row_lengths) else 0
    row_cost = max(_ROW_COST_ENTRIES, int(_ROW_COST_SHARE * mean))
    work = np.concatenate([[0], np.cumsum(row_lengths + row_cost)])
    targets = work[-1] * np.arange(1, num_devices) / num_devices
    inner = np.clip(np.searchsorted(work, targets), 0, len(row_lengths))
    starts = np.concatenate([[0], inner, [len(row_lengths)]]).astype(np.int64)
    return RowRanges(starts, int(np.diff(starts).max(initial=0)) + 1)
