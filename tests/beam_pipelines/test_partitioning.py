"""How work is cut: blocks keep their size however large the input is, and memory limits are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.partitioning import (
    BYTES_PER_BLOCK,
    BYTES_PER_PARTITION,
    NODES_PER_RANGE,
    SAMPLES_PER_RANGE,
    choose_num_partitions,
    choose_num_ranges,
    choose_num_samples,
)

_SIZES = st.integers(0, 10**15)


@pytest.mark.parametrize(
    ("total_bytes", "expected"),
    [(0, 1), (1, 1), (50_000_000, 2), (2_000_000_000, 60), (1 << 34, 512), (64_000 * 350_000_000, 18_488)],
)
def test_partitions_of_known_inputs(total_bytes: int, expected: int) -> None:
    assert choose_num_partitions(total_bytes) == expected


@given(_SIZES)
def test_blocks_between_partitions_keep_their_size(total_bytes: int) -> None:
    num_partitions = choose_num_partitions(total_bytes)
    assert (num_partitions - 1) ** 2 * BYTES_PER_BLOCK <= total_bytes
    assert total_bytes / num_partitions <= max(BYTES_PER_PARTITION, (total_bytes * BYTES_PER_BLOCK) ** 0.5 + 1)


@given(_SIZES, st.integers(1, 10**10))
def test_a_limit_of_a_partition_is_kept(total_bytes: int, limit: int) -> None:
    num_partitions = choose_num_partitions(total_bytes, max_bytes_per_partition=limit)
    assert total_bytes <= num_partitions * limit
    assert num_partitions >= choose_num_partitions(total_bytes)


def test_ranges_and_samples() -> None:
    assert [choose_num_ranges(n) for n in (0, 1, NODES_PER_RANGE, NODES_PER_RANGE + 1)] == [1, 1, 1, 2]
    assert choose_num_ranges(365_400_000) == 1195
    assert choose_num_samples(1, 1) == SAMPLES_PER_RANGE
    for num_ranges, num_partitions in ((1, 3), (2, 66), (1195, 18_488)):
        total = choose_num_samples(num_ranges, num_partitions) * num_partitions
        assert num_ranges * SAMPLES_PER_RANGE <= total < num_ranges * SAMPLES_PER_RANGE + num_partitions
