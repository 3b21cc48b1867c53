"""Dense batching: ragged rows in tiles of static shape. NumPy only, no Python loop over rows.

Definitions. A *dense row* is a slice of a row of fixed width, padded at its end; a *tile* is a stack of dense rows
that is gathered and solved at once, small enough to stay in a core's cache. There are two kinds of tiles:

* `WholeTiles`, one class for each width: a row of n entries sits whole in one dense row of the narrowest width >= n, or
  of the next one where it would otherwise stand in a tile that is not full.

      width 4, 3 rows a tile     ids [5 7 . .]  rows [0]     (. = padding: the position of a zero row, weight 0)
                                     [2 3 8 9]       [4]
                                     [1 . . .]       [6]

* `CutTiles`: a row longer than the last width is cut into dense rows. `slots` such rows make a *group*, solved
  together; their dense rows follow each other over the tiles of the group, and `segment_ids` says to which slot of
  the group each belongs. A row may go over any number of tiles: only its partial sums meet, so no row is too long.

      width 4, 2 dense rows a tile   [a a a a] 0   [a a . .] 0   |  [c c c c] 0 ...
                                     [a a a a] 0   [b b b b] 1   |
                                     tile 0        tile 1        |  tile 2 (next group)

Every array (NumPy here, JAX on the devices) has a leading axis of devices: a device gets the tiles of the rows that
it owns. Rows without entries are in no tile: their solution is zero. `positions` gathers the table from the flat list
of all solved slots.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from alx_solver.csr import CsrMatrix
from alx_solver.options import BatchOptions
from alx_solver.ownership import RowRanges
from alx_solver.widths import choose_widths

MIN_WIDTH_SAVING = 1 << 12
"""Padded entries that a width must save: it compiles for about a quarter of a second."""

DEFAULT_TILE_ENTRIES = 2048
"""Where neither the options nor the width of an embedding say how many."""

_TILE_COST_ENTRIES = 256
"""What starting the some 60 kernels of a tile costs, in entries: an estimate."""


class WholeTiles(NamedTuple):
    """Rows that sit whole in one dense row of one width."""

    ids: Int32[Any, "devices tiles rows width"]  # positions of the entries' embeddings
    weights: Float32[Any, "devices tiles rows width"] | None  # confidences; None if binary
    rows: Int32[Any, "devices tiles rows"]  # local rows; padding is the shard's zero row
    lengths: Int32[Any, "devices tiles rows"]  # n_r; 0 at padding
    first_tile: Int32[Any, "devices stages_and_1"]  # tiles of stage s: first_tile[s] .. first_tile[s + 1] - 1


class CutTiles(NamedTuple):
    """Rows that are cut into dense rows."""

    ids: Int32[Any, "devices tiles dense_rows width"]
    weights: Float32[Any, "devices tiles dense_rows width"] | None
    segment_ids: Int32[Any, "devices tiles dense_rows"]  # slot within the group
    first_tile: Int32[Any, "devices groups_and_1"]  # tiles of group g: first_tile[g] .. first_tile[g + 1] - 1
    rows: Int32[Any, "devices groups slots"]
    lengths: Int32[Any, "devices groups slots"]
    first_group: Int32[Any, "devices stages_and_1"]  # groups of stage s: first_group[s] .. first_group[s + 1] - 1


class DenseBatches(NamedTuple):
    """All tiles of one half-step, and where its solutions go."""

    whole: tuple[WholeTiles, ...]
    cut: CutTiles | None
    # Local row -> index into all slots flattened: whole classes, then the cut groups, then the summed ones, then zero.
    positions: Int32[Any, "devices capacity"]
    summed: CutTiles | None = None  # entries by the owner of their column, see `summed_rows`

    @property
    def stored_entries(self) -> int:
        """Entries of all tiles on all devices, padding included."""
        cut = sum(tiles.ids.size for tiles in (self.cut, self.summed) if tiles is not None)
        return sum(tiles.ids.size for tiles in self.whole) + cut

    @property
    def processed_entries(self) -> int:
        """Those that an epoch reads: a device leaves the tiles out that it has only for their shape to be static."""
        several = [tiles for tiles in (*self.whole, self.cut, self.summed) if tiles is not None]
        return sum(int(tiles.first_tile[:, -1].sum()) * tiles.ids[0, 0].size for tiles in several)


class Entries(NamedTuple):
    """A matrix whose column ids are already positions of embeddings, and the number that pads them."""

    matrix: CsrMatrix
    positions: Int[np.ndarray, " entries"]
    padding: int


class RowStages(NamedTuple):
    """The stage of the half-step in which each row is solved."""

    stage: Int[np.ndarray, " rows"]
    num_stages: int


def dense_batches(
    matrix: CsrMatrix,
    ranges: RowRanges,
    entry_positions: Int[np.ndarray, " entries"],
    *,
    padding_position: int,
    options: BatchOptions,
    stages: RowStages | None = None,
    summed_rows: Int64[np.ndarray, " summed"] | None = None,
) -> DenseBatches:
    """Lays the rows of a matrix out in tiles.

    Args:
        matrix: the rows to be solved.
        ranges: the owners of these rows.
        entry_positions: for each entry of `matrix`, where its embedding stands in what the exchange gathers.
        padding_position: a position that holds a zero embedding.
        options: tile shapes.
        stages: in which stage each row is solved; None means one stage.
        summed_rows: ascending ids of rows that get slots after all others but no tiles, see `summed_rows`.

    Returns:
        The tiles; every row with entries is in exactly one slot.
    """
    lengths = matrix.row_lengths.copy()
    if summed_rows is not None:
        lengths[summed_rows] = 0
    stages = stages or RowStages(np.zeros(matrix.num_rows, np.int64), 1)
    widths = options.widths or choose_widths(
        lengths, num_widths=options.num_widths, max_width=options.max_width, min_saving=MIN_WIDTH_SAVING
    )
    row_class = np.searchsorted(np.array(widths), lengths)  # len(widths): to be cut
    owners = ranges.owners(np.arange(ranges.num_rows))
    row_class = _fill_wider(np.where(lengths > 0, row_class, -1), widths, owners, ranges.num_devices, options, stages)
    entries = Entries(matrix, entry_positions, padding_position)

    slots = np.full((ranges.num_devices, ranges.capacity), -1, np.int64)
    first_slot, whole = 0, []
    for index, width in enumerate(widths):
        rows = np.flatnonzero(row_class == index)
        if len(rows):
            tiles, slot = _whole_tiles(entries, rows, owners[rows], ranges, width, options, stages)
            slots[owners[rows], rows - ranges.starts[owners[rows]]] = first_slot + slot
            first_slot += tiles.rows[0].size
            whole.append(tiles)
    cut, rows = None, np.flatnonzero(row_class == len(widths))
    if len(rows):
        cut, slot = cut_tiles(entries, rows, owners[rows], ranges, options, stages)
        slots[owners[rows], rows - ranges.starts[owners[rows]]] = first_slot + slot
        first_slot += cut.rows[0].size
    if summed_rows is not None and len(summed_rows):
        slot = np.arange(len(summed_rows))
        slots[owners[summed_rows], summed_rows - ranges.starts[owners[summed_rows]]] = first_slot + slot
        groups, group_slots = group_shape(len(summed_rows), options.cut_slots)
        first_slot += groups * group_slots
    return DenseBatches(tuple(whole), cut, np.where(slots < 0, first_slot, slots).astype(np.int32))


def _fill_wider(
    row_class: Int64[np.ndarray, " rows"],
    widths: tuple[int, ...],
    owners: Int64[np.ndarray, " rows"],
    num_devices: int,
    options: BatchOptions,
    stages: RowStages,
) -> Int64[np.ndarray, " rows"]:
    """The classes when the rows of a last tile that is not full go to the next width where that pads less.

    From narrow to wide, so that a row may go on. The last width keeps its rows, and those that are cut stay cut.
    """
    row_class = row_class.copy()
    for index, (width, wider) in enumerate(itertools.pairwise(widths)):
        rows = np.flatnonzero(row_class == index)
        cell, rank, counts = _cells(owners[rows], stages.stage[rows], num_devices, stages.num_stages)
        tile_rows = _tile_rows(counts, width, options)
        left = counts % tile_rows
        moves = left * (wider - width) < np.where(left, (tile_rows - left) * width + _TILE_COST_ENTRIES, 0)
        kept = np.where(moves, counts - left, counts).reshape(-1)
        row_class[rows[rank >= kept[cell]]] = index + 1
    return row_class


def _whole_tiles(
    entries: Entries,
    rows: Int64[np.ndarray, " rows"],
    owners: Int64[np.ndarray, " rows"],
    ranges: RowRanges,
    width: int,
    options: BatchOptions,
    stages: RowStages,
) -> tuple[WholeTiles, Int64[np.ndarray, " rows"]]:
    """The tiles of one width, and each row's slot among its device's slots of this width."""
    cell, rank, counts = _cells(owners, stages.stage[rows], ranges.num_devices, stages.num_stages)
    tile_rows = _tile_rows(counts, width, options)
    first_tile = _starts(-(-counts // tile_rows))
    num_tiles = int(first_tile[:, -1].max())
    local_slot = first_tile[:, :-1].reshape(-1)[cell] * tile_rows + rank
    slot = owners * (num_tiles * tile_rows) + local_slot
    shape = (ranges.num_devices, num_tiles, tile_rows)
    ids, weights = _fill(entries, rows, slot * width, (*shape, width))
    described = _rows_and_lengths(entries.matrix, rows, slot, ranges, shape)
    return WholeTiles(ids, weights, *described, first_tile.astype(np.int32)), local_slot


def _tile_entries(options: BatchOptions) -> int:
    return options.tile_entries or DEFAULT_TILE_ENTRIES


def _tile_rows(counts: Int64[np.ndarray, "devices stages"], width: int, options: BatchOptions) -> int:
    """Rows of a tile, a power of two: classes with as many rows share what XLA compiles for rows.

    Few rows take smaller tiles where that pads less than it costs.
    """
    most = max(1, min(_tile_entries(options) // width, options.max_tile_rows))
    powers = [1 << power for power in range(most.bit_length())]
    return min(powers, key=lambda rows: int((-(-counts // rows)).sum()) * (rows * width + _TILE_COST_ENTRIES))


def cut_tiles(
    entries: Entries,
    rows: Int64[np.ndarray, " rows"],
    owners: Int64[np.ndarray, " rows"],
    ranges: RowRanges,
    options: BatchOptions,
    stages: RowStages,
) -> tuple[CutTiles, Int64[np.ndarray, " rows"]]:
    """The tiles of the rows that are cut, and each row's slot among its device's cut slots.

    Args:
        entries: of all rows.
        rows: ascending ids of those that are cut.
        owners: of these rows.
        ranges: of all rows.
        options: tile shapes.
        stages: of all rows; they ascend with the rows of a device.
    """
    width, num_devices = options.cut_width, ranges.num_devices
    cell, rank, counts = _cells(owners, stages.stage[rows], num_devices, stages.num_stages)
    num_slots = group_shape(int(counts.max()), options.cut_slots)[1]
    first_group = _starts(-(-counts // num_slots))
    num_groups = int(first_group[:, -1].max())
    rank = first_group[:, :-1].reshape(-1)[cell] * num_slots + rank
    tile_dense_rows = max(1, _tile_entries(options) // width)

    dense_rows = -(-entries.matrix.row_lengths[rows] // width)
    group = owners * num_groups + rank // num_slots  # over all devices; ascending, as `rows` are
    group_size = np.bincount(group, dense_rows, num_devices * num_groups).astype(np.int64)
    group_tiles = -(-group_size // tile_dense_rows).reshape(num_devices, num_groups)
    first_tile = np.concatenate([np.zeros((num_devices, 1), np.int64), np.cumsum(group_tiles, axis=1)], axis=1)
    num_tiles = int(first_tile[:, -1].max())

    within_group = _exclusive_cumsum(dense_rows) - _exclusive_cumsum(group_size)[group]
    group_start = (np.arange(num_devices)[:, None] * num_tiles + first_tile[:, :-1]) * tile_dense_rows
    first_dense_row = group_start.reshape(-1)[group] + within_group
    shape = (num_devices, num_tiles, tile_dense_rows)
    ids, weights = _fill(entries, rows, first_dense_row * width, (*shape, width))
    segment_ids = np.zeros(num_devices * num_tiles * tile_dense_rows, np.int32)
    segment_ids[_ramps(first_dense_row, dense_rows)] = np.repeat(rank % num_slots, dense_rows)
    slot = owners * (num_groups * num_slots) + rank
    described = _rows_and_lengths(entries.matrix, rows, slot, ranges, (num_devices, num_groups, num_slots))
    firsts = first_tile.astype(np.int32), first_group.astype(np.int32)
    return CutTiles(ids, weights, segment_ids.reshape(shape), firsts[0], *described, firsts[1]), rank


def _fill(
    entries: Entries, rows: Int64[np.ndarray, " rows"], starts: Int64[np.ndarray, " rows"], shape: tuple[int, ...]
) -> tuple[Int32[np.ndarray, "devices tiles slots width"], Float32[np.ndarray, "devices tiles slots width"] | None]:
    """Writes the entries of each row from its start on in a flat array of `shape`; the rest is padding."""
    lengths = entries.matrix.row_lengths[rows]
    source, target = _ramps(entries.matrix.indptr[rows], lengths), _ramps(starts, lengths)
    ids = np.full(int(np.prod(shape)), entries.padding, np.int32)
    ids[target] = entries.positions[source]
    if entries.matrix.values is None:
        return ids.reshape(shape), None
    weights = np.zeros(ids.size, np.float32)
    weights[target] = entries.matrix.values[source]
    return ids.reshape(shape), weights.reshape(shape)


def _rows_and_lengths(
    matrix: CsrMatrix,
    rows: Int64[np.ndarray, " rows"],
    slot: Int64[np.ndarray, " rows"],
    ranges: RowRanges,
    shape: tuple[int, ...],
) -> tuple[Int32[np.ndarray, "devices tiles slots"], Int32[np.ndarray, "devices tiles slots"]]:
    """Local row and number of entries of every slot."""
    local_rows = np.full(int(np.prod(shape)), ranges.zero_row, np.int32)
    lengths = np.zeros(local_rows.size, np.int32)
    local_rows[slot] = rows - ranges.starts[ranges.owners(rows)]
    lengths[slot] = matrix.row_lengths[rows]
    return local_rows.reshape(shape), lengths.reshape(shape)


def group_shape(rows: int, most_slots: int) -> tuple[int, int]:
    """Groups, and slots of each, for rows that are solved together: even groups of at most `most_slots`."""
    groups = -(-rows // most_slots)
    return groups, -(-rows // max(1, groups))


def _cells(
    owners: Int64[np.ndarray, " rows"], stage: Int[np.ndarray, " rows"], num_devices: int, num_stages: int
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"], Int64[np.ndarray, "devices stages"]]:
    """Each row's cell (owner, stage), its rank there, and the rows of each cell; cells ascend with the rows."""
    cell = owners * num_stages + stage
    counts = np.bincount(cell, minlength=num_devices * num_stages).astype(np.int64)
    rank = np.arange(len(owners)) - _exclusive_cumsum(counts)[cell]
    return cell, rank, counts.reshape(num_devices, num_stages)


def _starts(counts: Int64[np.ndarray, "devices stages"]) -> Int64[np.ndarray, "devices stages_and_1"]:
    """First number of each stage if the numbers of a device count through its stages; then their number."""
    return np.concatenate([np.zeros((len(counts), 1), np.int64), np.cumsum(counts, axis=1)], axis=1)


def _ramps(starts: Int64[np.ndarray, " rows"], lengths: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " entries"]:
    """start, start + 1, ..., start + length - 1 of each row, one after the other."""
    return np.repeat(starts - _exclusive_cumsum(lengths), lengths) + np.arange(lengths.sum())


def _exclusive_cumsum(counts: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    return np.cumsum(counts) - counts


def _ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
