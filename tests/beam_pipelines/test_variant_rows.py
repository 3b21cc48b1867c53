"""Edges to rows of parts: the same rows however edges come in blocks, in as few blocks as there are parts."""

import numpy as np
import pyarrow as pa
import pytest

from beam_pipelines import variant_rows
from beam_pipelines.block import Block
from beam_pipelines.node_ids import id_columns
from beam_pipelines.variant_rows import RowKind, rows_of_edges
from webgraph.graph_layout import GraphLayout
from webgraph.split import SplitOptions, edge_hashes

_NUM_PAGES = 40
_LAYOUTS = tuple(GraphLayout(num_nodes=400, num_parts=parts, tfrecord_shards=None) for parts in (1, 3))
_IDS = np.stack([np.arange(_NUM_PAGES) * 10, np.arange(_NUM_PAGES) * 9])


def _url(page: int) -> bytes:
    return b"http://target/%d" % page


def _urls(pages: np.ndarray) -> list[bytes]:
    return [_url(page) for page in pages.tolist()]


def _blocks(num_blocks: int) -> list[Block]:
    """What several partitions send to one; every second source is a test row."""
    rng = np.random.default_rng(num_blocks)
    blocks: list[Block] = []
    for number in range(num_blocks):
        sources, edges = int(rng.integers(1, 5)), int(rng.integers(1, 9))
        test = (np.arange(sources) % 2 * 3).astype(np.uint8)
        urls = [b"http://%d.de/%d" % (number, source) if test[source] else b"" for source in range(sources)]
        blocks.append(
            {
                **id_columns(rng.integers(0, 400, (2, sources))),
                "is_test": test,
                "url": pa.array(urls, type=pa.large_binary()),
                "source": np.sort(rng.integers(0, sources, edges)).astype(np.uint32),
                "target": rng.integers(0, _NUM_PAGES, edges).astype(np.uint32),
                "mask": rng.integers(1, 4, edges).astype(np.uint8),
            }
        )
    return blocks


def _expected(blocks: list[Block]) -> list[tuple]:
    """One tuple an edge, kind and variant: variant, kind, row, col, hash."""
    rows = []
    for block in blocks:
        for source, target, mask in zip(*(block[name].tolist() for name in ("source", "target", "mask")), strict=True):
            for variant in (v for v in range(2) if mask >> v & 1):
                row, col = int(block[f"id_{variant}"][source]), int(_IDS[variant, target])
                if block["is_test"][source] >> variant & 1:
                    (digest,) = edge_hashes(block["url"][source].as_py(), [_url(target)], SplitOptions())
                    rows += [(variant, RowKind.TEST, row, col, digest), (variant, RowKind.TEST_INLINK, col, -1, 0)]
                else:
                    rows += [(variant, RowKind.TRAIN, row, col, 0), (variant, RowKind.TRAIN_T, col, row, 0)]
    return sorted(rows)


def _found(blocks: list[Block]) -> tuple[list[tuple], int]:
    """All rows as in `_expected`, and the number of blocks that they came in."""
    rows, count = [], 0
    for variant, part, block in rows_of_edges(blocks, _IDS, _urls, _LAYOUTS, SplitOptions()):
        count += 1
        start, stop = _LAYOUTS[variant].part_range(part)
        row = block["row"].astype(np.int64) + start
        assert (row < stop).all()
        col = block["col"].tolist() if "col" in block else [-1] * len(row)
        hashes = block["hash"].tolist() if "hash" in block else [0] * len(row)
        rows += [(variant, int(block["kind"][0]), *values) for values in zip(row.tolist(), col, hashes, strict=True)]
    return sorted(rows), count


@pytest.mark.parametrize("edges_per_flush", [1, 7, 1000])
def test_rows_do_not_depend_on_when_they_are_flushed(edges_per_flush: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variant_rows, "EDGES_PER_FLUSH", edges_per_flush)
    blocks = _blocks(20)
    assert _found(blocks)[0] == _expected(blocks)


def test_the_number_of_blocks_does_not_grow_with_those_that_came() -> None:
    most = len(RowKind) * sum(layout.num_parts for layout in _LAYOUTS)
    assert all(_found(_blocks(num_blocks))[1] <= most for num_blocks in (20, 60))


def test_nothing_comes_of_nothing() -> None:
    assert _found([]) == ([], 0)
