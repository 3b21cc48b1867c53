"""Which columns of other devices a device needs, and in which rounds they come. No loop over rows or ids."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int32, Int64

from alx_solver.csr import CsrMatrix
from alx_solver.exchange.rounds import Schedule
from alx_solver.ownership import RowRanges


@dataclasses.dataclass(frozen=True, eq=False)
class Halo:
    """The distinct (device, column) pairs of entries whose column another device owns, sorted by device and column.

    Attributes:
        device: that needs the column.
        column: id.
        owner: of the column.
        shortest: entries of the shortest row on the device that needs it.
        remote: which entries of the matrix are of such a pair.
        item: of those entries, in order: the pair's index.
    """

    device: Int64[np.ndarray, " items"]
    column: Int64[np.ndarray, " items"]
    owner: Int64[np.ndarray, " items"]
    shortest: Int64[np.ndarray, " items"]
    remote: Bool[np.ndarray, " entries"]
    item: Int64[np.ndarray, " remote"]


def entry_rows(matrix: CsrMatrix) -> Int64[np.ndarray, " entries"]:
    """The row of every entry."""
    return np.repeat(np.arange(matrix.num_rows), matrix.row_lengths)


def find_halo(matrix: CsrMatrix, row_ranges: RowRanges, col_ranges: RowRanges) -> Halo:
    """The halo of all rows."""
    device = np.repeat(row_ranges.owners(np.arange(matrix.num_rows)), matrix.row_lengths)
    remote = col_ranges.owners_of_all()[matrix.indices] != device
    codes = device[remote] * matrix.num_cols + matrix.indices[remote]
    found, item = np.unique(codes, return_inverse=True)
    shortest = np.full(len(found), np.iinfo(np.int64).max)
    np.minimum.at(shortest, item, np.repeat(matrix.row_lengths, matrix.row_lengths)[remote])
    column = found % max(1, matrix.num_cols)
    return Halo(found // max(1, matrix.num_cols), column, col_ranges.owners(column), shortest, remote, item)


def demand_matrix(
    owner: Int64[np.ndarray, " items"], device: Int64[np.ndarray, " items"], num_devices: int
) -> Int64[np.ndarray, "devices devices"]:
    """[from, to]: how many of these items each owner has for each device."""
    return np.bincount(owner * num_devices + device, minlength=num_devices**2).reshape(num_devices, num_devices)


def place_items(
    schedule: Schedule,
    owner: Int64[np.ndarray, " items"],
    device: Int64[np.ndarray, " items"],
    num_devices: int,
    stage: Int64[np.ndarray, " items"] | None = None,
) -> Int64[np.ndarray, " items"]:
    """Where each item stands in what its device receives in all rounds (and in what its owner sends).

    Args:
        schedule: with room for all items.
        owner: who sends.
        device: who receives.
        num_devices: M.
        stage: if given, the schedule is run once a stage, and items of different stages may stand in the same place.
    """
    if not len(owner):
        return np.zeros(0, np.int64)
    pair = owner * num_devices + device
    rank = rank_within(pair if stage is None else stage * num_devices**2 + pair)

    step, sender = np.nonzero(schedule.amounts)
    offset = np.concatenate([[0], np.cumsum([each.capacity for each in schedule.rounds])])[step]
    amount = schedule.amounts[step, sender]
    segment_pair = sender * num_devices + schedule.targets[step, sender]
    by_pair = np.lexsort((step, segment_pair))
    segment_pair, amount, offset = segment_pair[by_pair], amount[by_pair], offset[by_pair]
    before = np.cumsum(amount) - amount
    first_of_pair = np.searchsorted(segment_pair, segment_pair)
    start = before - before[first_of_pair]  # rank of the first item of each segment within its pair
    scale = int(rank.max()) + int(amount.max()) + 1
    segment = np.searchsorted(segment_pair * scale + start, pair * scale + rank, side="right") - 1
    return offset[segment] + rank - start[segment]


def rank_within(group: Int64[np.ndarray, " items"]) -> Int64[np.ndarray, " items"]:
    """Rank of each item among those of its group, in order."""
    order = np.argsort(group, kind="stable")
    _, first, counts = np.unique(group[order], return_index=True, return_counts=True)
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(first, counts)
    return rank


def send_table(
    place: Int64[np.ndarray, " items"],
    owner: Int64[np.ndarray, " items"],
    column: Int64[np.ndarray, " items"],
    col_ranges: RowRanges,
    width: int,
) -> Int32[np.ndarray, "devices width"]:
    """Local row that each device puts at each place of what it sends; padding sends the shard's zero row."""
    table = np.full((col_ranges.num_devices, width), col_ranges.zero_row, np.int32)
    table[owner, place] = column - col_ranges.starts[owner]
    return table
