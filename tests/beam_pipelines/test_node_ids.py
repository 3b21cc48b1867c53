"""Node ids: dense, in order of URLs, whatever the partitions, ranges and samples."""

import random

import numpy as np
import pyarrow as pa
import pytest

from beam_pipelines.node_ids import (
    choose_range_limits,
    number_nodes,
    return_ids,
    sample_sort_keys,
    send_nodes,
    sort_keys,
    sort_nodes,
)
from beam_pipelines.variant_rows import ids_of_pages
from tests.oracles.graph import node_order

_URLS = [f"http{'s' * (n % 2)}://{'www.' * (n % 3)}h{n % 7}.{('de', 'in', 'com')[n % 3]}/p/{n * 37 % 101}?{n}" for n in range(400)]  # fmt: skip # noqa: E501
_KEPT = [random.Random(1).randrange(1, 8) for _ in _URLS]  # masks of three variants


def _partitions(num_partitions: int) -> list[dict]:
    """Pages spread at random; a partition has pages that are in no variant, so numbers have gaps."""
    chosen = random.Random(num_partitions)
    members: list[list[int]] = [[] for _ in range(num_partitions)]
    for page in chosen.sample(range(len(_URLS)), len(_URLS)):
        members[chosen.randrange(num_partitions)].append(page)
    return [
        {
            "page": np.arange(len(pages), dtype=np.uint32) * 2 + 1,
            "kept": np.array([_KEPT[page] for page in pages], dtype=np.uint8),
            "url": pa.array([_URLS[page].encode() for page in pages], type=pa.large_binary()),
        }
        for pages in members
    ]


def _ids(num_partitions: int, limits: list[bytes]) -> list[dict[str, int]]:
    partitions = _partitions(num_partitions)
    ranges: dict[int, list[dict]] = {}
    for number, filtered in enumerate(partitions):
        for value, block in send_nodes(number, filtered, limits):
            ranges.setdefault(value, []).append(block)
    first_ids, back = [0, 0, 0], {}
    for value in sorted(ranges):
        nodes, counts = sort_nodes(ranges[value], 3)
        ids = number_nodes(nodes, first_ids)
        for number, block in return_ids(nodes, ids, num_partitions):
            back.setdefault(number, []).append(block)
        first_ids = [first + count for first, count in zip(first_ids, counts, strict=True)]
    found: list[dict[str, int]] = [{}, {}, {}]
    for number, filtered in enumerate(partitions):
        ids = ids_of_pages(2 * len(filtered["page"]) + 1, back.get(number, []), 3)
        assert (ids[:, ::2] == -1).all()
        for page, url in zip(filtered["page"].tolist(), filtered["url"].to_pylist(), strict=True):
            for variant in range(3):
                if ids[variant, page] >= 0:
                    found[variant][url.decode()] = int(ids[variant, page])
    return found


@pytest.mark.parametrize("num_partitions", [1, 2, 7])
@pytest.mark.parametrize("limits", ["none", "sampled", "same", "first", "last"])
def test_ids_are_positions_in_the_order_of_urls(num_partitions: int, limits: str) -> None:
    keys = [sort_keys(block["url"]) for block in _partitions(num_partitions)]
    chosen = {
        "none": [],
        "sampled": choose_range_limits(
            [sample_sort_keys(block["url"], 256) for block in _partitions(num_partitions)], 5
        ),
        "same": [keys[0][0]] * 4,
        "first": [b""],
        "last": [b"\xff"],
    }[limits]
    found = _ids(num_partitions, chosen)
    for variant in range(3):
        members = [url for url, mask in zip(_URLS, _KEPT, strict=True) if mask >> variant & 1]
        assert found[variant] == {url: node for node, url in enumerate(sorted(members, key=node_order))}


def test_limits_are_quantiles_of_the_samples() -> None:
    samples = [[b"%03d" % number for number in range(0, 100, 2)], [b"%03d" % number for number in range(1, 100, 2)]]
    assert choose_range_limits(samples, 4) == [b"025", b"050", b"075"]
    assert choose_range_limits([[], []], 3) == [b"", b""]
    assert choose_range_limits(samples, 1) == []


def test_samples_do_not_depend_on_order() -> None:
    urls = [b"http://a.de/%d" % number for number in range(2000)]
    sample = sample_sort_keys(pa.array(urls, type=pa.large_binary()), 256)
    assert len(sample) == len(set(sample)) == 256
    assert sample == sample_sort_keys(pa.array(urls[::-1], type=pa.large_binary()), 256)
