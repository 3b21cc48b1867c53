"""Dense batching against a brute force that reads every tile back, slot by slot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alx_solver.csr import CsrMatrix
from alx_solver.dense_batching import dense_batches
from alx_solver.options import BatchOptions
from alx_solver.ownership import balanced_ranges
from alx_solver.widths import candidate_widths, choose_widths

PADDING = 777


def matrix_of(lengths, *, weighted: bool, num_cols: int = 60) -> CsrMatrix:
    rng = np.random.default_rng(sum(lengths))
    rows = [np.sort(rng.permutation(num_cols)[:n]) for n in lengths]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    indices = np.concatenate([*rows, np.zeros(0, np.int64)]).astype(np.int64)
    values = rng.random(len(indices)).astype(np.float32) if weighted else None
    return CsrMatrix(indptr, indices, values, num_cols)


def read_back(batches, ranges):
    """{(device, local row): (slot, length, entries, weights)} of every slot that is not padding, by plain loops."""
    found = {}
    for device in range(ranges.num_devices):
        slot = 0
        for tiles in batches.whole:
            for t, r in np.ndindex(tiles.rows.shape[1:]):
                if tiles.rows[device, t, r] != ranges.zero_row:
                    ids = tiles.ids[device, t, r]
                    weights = None if tiles.weights is None else tiles.weights[device, t, r]
                    key = device, int(tiles.rows[device, t, r])
                    assert key not in found
                    found[key] = (slot, int(tiles.lengths[device, t, r]), ids, weights)
                else:
                    assert tiles.lengths[device, t, r] == 0 and (tiles.ids[device, t, r] == PADDING).all()
                slot += 1
        cut = batches.cut
        if cut is not None:
            for g, s in np.ndindex(cut.rows.shape[1:]):
                if cut.rows[device, g, s] != ranges.zero_row:
                    tiles = slice(cut.first_tile[device, g], cut.first_tile[device, g + 1])
                    mine = cut.segment_ids[device, tiles].reshape(-1) == s
                    ids = cut.ids[device, tiles].reshape(-1, cut.ids.shape[-1])[mine].reshape(-1)
                    weights = None
                    if cut.weights is not None:
                        weights = cut.weights[device, tiles].reshape(-1, cut.ids.shape[-1])[mine].reshape(-1)
                    key = device, int(cut.rows[device, g, s])
                    assert key not in found
                    found[key] = (slot, int(cut.lengths[device, g, s]), ids, weights)
                slot += 1
        assert (batches.positions[device] <= slot).all()
        found[device, "slots"] = slot
    return found


@settings(max_examples=150, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 55), min_size=1, max_size=40),
    num_devices=st.integers(1, 5),
    widths=st.sampled_from([None, (4,), (3, 8, 20), (60,)]),
    tile_entries=st.sampled_from([1, 8, 24, 4096]),
    cut_slots=st.integers(1, 5),
    weighted=st.booleans(),
)
def test_every_row_is_in_one_slot_with_its_entries(lengths, num_devices, widths, tile_entries, cut_slots, weighted):
    matrix = matrix_of(lengths, weighted=weighted)
    ranges = balanced_ranges(matrix.row_lengths, num_devices)
    options = BatchOptions(
        widths=widths, num_widths=3, max_width=16, tile_entries=tile_entries, cut_width=5, cut_slots=cut_slots
    )
    batches = dense_batches(matrix, ranges, matrix.indices + 1000, padding_position=PADDING, options=options)
    found = read_back(batches, ranges)
    owners = ranges.owners(np.arange(matrix.num_rows))
    for row, length in enumerate(lengths):
        key = owners[row], row - ranges.starts[owners[row]]
        if length == 0:
            assert key not in found
            assert batches.positions[key] == found[owners[row], "slots"]  # the zero row
            continue
        slot, stored_length, ids, weights = found.pop(key)
        assert stored_length == length
        assert batches.positions[key] == slot
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        np.testing.assert_array_equal(ids[ids != PADDING], matrix.indices[entries] + 1000)
        if weighted:
            np.testing.assert_array_equal(weights[ids != PADDING], matrix.values[entries])
            assert (weights[ids == PADDING] == 0).all()
    assert all(key[1] == "slots" for key in found)  # nothing else is in any slot
    assert (batches.positions[:, ranges.zero_row] == [found[d, "slots"] for d in range(num_devices)]).all()


def test_a_row_longer_than_a_tile_goes_over_several():
    matrix = matrix_of([50, 3], weighted=False)
    options = BatchOptions(widths=(4,), tile_entries=10, cut_width=5)
    ranges = balanced_ranges(matrix.row_lengths, 1)
    batches = dense_batches(matrix, ranges, matrix.indices, padding_position=PADDING, options=options)
    assert batches.cut is not None
    assert batches.cut.ids.shape == (1, 5, 2, 5)
    assert batches.cut.first_tile.tolist() == [[0, 5]]


def test_rows_of_a_last_tile_fill_the_next_width():
    """Five rows of 4 in tiles of 4, three of 8 in tiles of 2: the fifth makes two full tiles of the wider class."""
    lengths = np.array([4, 4, 4, 4, 4, 8, 8, 8])
    matrix = matrix_of(lengths, weighted=False)
    batches = dense_batches(
        matrix,
        balanced_ranges(lengths, 1),
        matrix.indices,
        padding_position=PADDING,
        options=BatchOptions(widths=(4, 8), tile_entries=16),
    )
    assert [tiles.ids.shape[1:] for tiles in batches.whole] == [(1, 4, 4), (2, 2, 8)]
    assert [int((tiles.lengths > 0).sum()) for tiles in batches.whole] == [4, 4]
    assert batches.processed_entries == 48  # 64 if every row stayed in its narrowest width


def test_a_row_that_fills_its_width_exactly_wastes_nothing():
    matrix = matrix_of([8, 8, 8], weighted=False)
    ranges = balanced_ranges(matrix.row_lengths, 1)
    batches = dense_batches(
        matrix, ranges, matrix.indices, padding_position=PADDING, options=BatchOptions(widths=(8,), tile_entries=16)
    )
    assert batches.stored_entries == 32  # two tiles of two rows, one slot of padding
    assert batches.cut is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 48), min_size=1, max_size=30), st.integers(1, 3))
def test_chosen_widths_pad_least(lengths, num_widths):
    """Oracle: all choices of at most `num_widths` candidates whose last covers the longest row."""
    from itertools import combinations

    lengths = np.array(lengths, np.int64)
    candidates = candidate_widths(int(lengths.max()))

    def cost(widths):
        widths = np.array(widths)
        return widths[np.searchsorted(widths, lengths)].sum()

    choices = [
        (*inner, candidates[-1]) for size in range(num_widths) for inner in combinations(candidates[:-1].tolist(), size)
    ]
    chosen = choose_widths(lengths, num_widths=num_widths, max_width=48)
    assert len(chosen) <= num_widths
    assert cost(chosen) == min(cost(choice) for choice in choices)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 100), min_size=0, max_size=40), st.integers(1, 9))
def test_ranges_are_a_partition_and_pad_inverts(lengths, num_devices):
    ranges = balanced_ranges(np.array(lengths, np.int64), num_devices)
    assert ranges.num_rows == len(lengths)
    assert (np.diff(ranges.starts) >= 0).all()
    assert np.diff(ranges.starts).max() < ranges.capacity  # at least one row of padding in every shard
    ids = ranges.global_ids()
    np.testing.assert_array_equal(ids[ids >= 0], np.arange(len(lengths)))
    assert (ids.reshape(num_devices, -1)[:, ranges.zero_row] == -1).all()
    table = np.random.default_rng(0).random((len(lengths), 3))
    np.testing.assert_array_equal(ranges.unpad(ranges.pad(table)), table)


def test_ranges_balance_entries():
    lengths = np.concatenate([np.full(100, 1000), np.full(9900, 10)]).astype(np.int64)
    ranges = balanced_ranges(lengths, 4)
    work = np.add.reduceat(lengths + 24, ranges.starts[:-1])
    assert work.max() / work.mean() < 1.01


@pytest.mark.parametrize("widths", [(), (8, 8), (8, 4), (0, 4)])
def test_widths_must_ascend(widths):
    with pytest.raises(ValueError, match="widths must be positive and ascend"):
        BatchOptions(widths=widths)
