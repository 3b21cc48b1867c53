"""Blocks of edges joined before they are split: the same rows, in as few blocks as there are parts."""

import numpy as np
import pyarrow as pa
import pytest

from beam_pipelines.block import Block
from beam_pipelines.variant_rows import join_edges, rows_of_edges
from webgraph.graph_layout import GraphLayout
from webgraph.split import SplitOptions

_NUM_PAGES = 40
_LAYOUTS = tuple(GraphLayout(num_nodes=400, num_parts=parts, tfrecord_shards=None) for parts in (1, 3))


def _blocks(num_blocks: int) -> list[Block]:
    """What several partitions send to one; every second source is a test row."""
    rng = np.random.default_rng(num_blocks)
    blocks: list[Block] = []
    for number in range(num_blocks):
        sources, edges = int(rng.integers(1, 5)), int(rng.integers(1, 9))
        test = np.arange(sources, dtype=np.uint64) % 2 * 3
        urls = [f"http://{number}.de/{source}".encode() if is_test else b"" for source, is_test in enumerate(test)]
        blocks.append(
            {
                "id_0": rng.integers(0, 400, sources),
                "id_1": rng.integers(0, 400, sources),
                "is_test": test,
                "url": pa.array(urls, type=pa.large_binary()),
                "source": rng.integers(0, sources, edges).astype(np.uint32),
                "target": rng.integers(0, _NUM_PAGES, edges).astype(np.uint32),
                "mask": rng.integers(1, 4, edges).astype(np.uint64),
            }
        )
    return blocks


def _rows(blocks: list[Block]) -> tuple[list[tuple], int]:
    """All rows, sorted, and the number of blocks that they came in."""
    ids = np.stack([np.arange(_NUM_PAGES) * 10, np.arange(_NUM_PAGES) * 9])
    urls = {page: f"http://target/{page}".encode() for page in range(_NUM_PAGES)}
    rows, count = [], 0
    for block in blocks:
        for variant, part, found in rows_of_edges(block, ids, urls, _LAYOUTS, SplitOptions()):
            count += 1
            kind = int(found["kind"][0])
            hashes = found["hash"].tolist() if kind == 0 else [0] * len(found["row"])
            columns = (found["row"].tolist(), found["col"].tolist(), found["is_test"].tolist(), hashes)
            rows += [(variant, part, kind, *row) for row in zip(*columns, strict=True)]
    return sorted(rows), count


@pytest.mark.parametrize("max_edges", [1, 7, 1000])
def test_joining_changes_no_row(max_edges: int) -> None:
    blocks = _blocks(20)
    joined = list(join_edges(iter(blocks), max_edges))
    assert _rows(joined)[0] == _rows(blocks)[0]
    assert sum(len(block["source"]) for block in joined) == sum(len(block["source"]) for block in blocks)
    longest = max(len(block["source"]) for block in blocks)
    assert all(len(block["source"]) < max_edges + longest for block in joined)


def test_the_number_of_blocks_does_not_grow_with_those_that_came() -> None:
    for num_blocks in (20, 60):
        (joined,) = join_edges(_blocks(num_blocks))
        assert _rows([joined])[1] == 2 * sum(layout.num_parts for layout in _LAYOUTS)


def test_nothing_comes_of_nothing() -> None:
    assert list(join_edges([])) == []
