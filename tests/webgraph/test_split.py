"""The split against its definition, written out slowly."""

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from webgraph.split import (
    SplitOptions,
    assign_split,
    decimal_names,
    edge_hashes,
    ground_truth_mask,
    num_ground_truth,
)

_NAMES = [b"https://www.example.org/%d" % number for number in range(20_000)]


def _slow_ground_truth(row: bytes, destinations: list[bytes], seed: int, fraction: float) -> set[bytes]:
    """Of n edges, the max(1, round(n * fraction)) of least hash, and at least one edge is left."""
    count = min(len(destinations) - 1, max(1, round(len(destinations) * fraction)))
    position = {name: number for number, name in enumerate(destinations)}
    by_hash = sorted(
        destinations, key=lambda name: (xxhash.xxh3_64_intdigest(row + b"\n" + name, seed), position[name])
    )
    return set(by_hash[:count])


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5])
def test_test_rows_are_those_of_small_hash(seed: int, fraction: float) -> None:
    found = assign_split(_NAMES[:2000], SplitOptions(seed=seed, test_fraction=fraction))
    expected = [xxhash.xxh3_64_intdigest(name, seed) < fraction * 2**64 for name in _NAMES[:2000]]
    assert found.tolist() == expected


def test_one_row_in_ten_is_a_test_row() -> None:
    share = assign_split(_NAMES, SplitOptions()).mean()
    assert abs(share - 0.1) < 4 * (0.1 * 0.9 / len(_NAMES)) ** 0.5


def test_seeds_choose_other_rows() -> None:
    one, other = (assign_split(_NAMES, SplitOptions(seed=seed)) for seed in (0, 1))
    assert abs((one & other).mean() - 0.01) < 0.003


@given(st.integers(0, 2**64 - 1), st.integers(2, 40), st.sampled_from([0.01, 0.25, 0.5, 0.99]))
@settings(max_examples=200)
def test_history_and_ground_truth_make_up_the_row(seed: int, num_edges: int, fraction: float) -> None:
    options = SplitOptions(seed=seed, ground_truth_fraction=fraction)
    row, destinations = b"http://a.de/", _NAMES[:num_edges]
    hashes = edge_hashes(row, destinations, options)
    mask = ground_truth_mask(np.array(hashes, dtype=np.uint64), options)
    truth = {name for name, is_truth in zip(destinations, mask, strict=True) if is_truth}
    assert truth == _slow_ground_truth(row, destinations, seed, fraction)
    assert 1 <= len(truth) < num_edges
    assert len(truth) == num_ground_truth(num_edges, options)


@pytest.mark.parametrize(
    ("num_edges", "expected"), [(2, 1), (3, 1), (4, 1), (6, 2), (7, 2), (8, 2), (10, 2), (14, 4), (100, 25)]
)
def test_a_quarter_rounded_half_to_even(num_edges: int, expected: int) -> None:
    assert num_ground_truth(num_edges, SplitOptions()) == expected


def test_equal_hashes_go_to_the_smaller_destination() -> None:
    hashes = np.array([5, 3, 5, 3, 3, 9, 9, 9], dtype=np.uint64)
    assert np.flatnonzero(ground_truth_mask(hashes, SplitOptions())).tolist() == [1, 3]


def test_hashes_above_2_to_the_63_are_unsigned() -> None:
    hashes = np.array([2**63 + 1, 1, 2**64 - 1, 2], dtype=np.uint64)
    assert np.flatnonzero(ground_truth_mask(hashes, SplitOptions())).tolist() == [1]


def test_a_row_of_one_edge_is_refused() -> None:
    with pytest.raises(ValueError, match="A test row needs at least two edges, got 1"):
        ground_truth_mask(np.array([1], dtype=np.uint64), SplitOptions())


def test_names_of_graphs_without_urls() -> None:
    assert list(decimal_names(12))[9:] == [b"9", b"10", b"11"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, r"seed must be in \[0, 2\*\*64\), got -1"),
        ({"seed": 2**64}, "seed must be in"),
        ({"test_fraction": 1.0}, r"test_fraction must be in \[0, 1\), got 1.0"),
        ({"test_fraction": -0.1}, "test_fraction must be in"),
        ({"ground_truth_fraction": 0.0}, r"ground_truth_fraction must be in \(0, 1\), got 0.0"),
        ({"ground_truth_fraction": 1.0}, "ground_truth_fraction must be in"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitOptions(**options)  # type: ignore[arg-type]
