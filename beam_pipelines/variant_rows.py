"""Edges of partitions to rows of variants: ids, split and hold-out, and everything one part of a graph is written from.

Edges are at their source's partition. There each source gets its ids and is found a test row or not; edges then go to
their target's partition for the target's ids and, in test rows, the hash that orders the hold-out, which needs both
URLs; from there each variant's edges go to the part of the row (`train`, `test`) and to that of the column (`train_t`).

What goes to a part is a block of `kind`, see `RowKind`, with `row`, relative to the first id of the part, and `col`.
"""

import dataclasses
import enum
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from beam_pipelines.block import Block
from beam_pipelines.degree_filter import degrees, has_bit, mask_type, split_by
from beam_pipelines.node_ids import id_columns, ids_of_columns
from beam_pipelines.sorted_columns import sorted_columns
from webgraph.arrow_arrays import binary_array, number_array
from webgraph.graph_layout import GraphLayout
from webgraph.node_block import NodeBlock
from webgraph.row_block import RowBlock
from webgraph.split import SplitOptions, assign_split, edge_hashes, ground_truth_mask

EDGES_PER_FLUSH = 1 << 20
"""Edges that are collected before they are spread over parts, so that a part does not get many small blocks."""


class RowKind(enum.IntEnum):
    """What the edges of a block are, at the part that they go to."""

    TRAIN = 0  # row, col
    TRAIN_T = 1  # row is the edge's column, col its row
    TEST = 2  # row, col and hash, which orders the hold-out
    TEST_INLINK = 3  # row is the column of an edge of a test row: it counts as an inlink and stands in no row


def ids_of_pages(num_pages: int, blocks: Iterable[Block], num_variants: int) -> np.ndarray:
    """Returns int64[variants, num_pages] from the blocks of `node_ids.return_ids`, -1 where a page has no id."""
    ids = np.full((num_variants, num_pages), -1, dtype=np.int64)
    for block in blocks:
        ids[:, block["page"]] = ids_of_columns(block)
    return ids


def send_edges(
    pages: Block, edges: Block, ids: np.ndarray, split: SplitOptions, num_partitions: int
) -> Iterator[tuple[int, Block]]:
    """Yields (partition of the target, block), at the source's partition.

    A block has, a source: the `id_columns`, `is_test` (mask of variants in which it is a test row) and `url` (empty
    where it is none's); an edge: `source` (index), `target` (page number), `mask`.
    """
    test = _test_rows(pages, edges, ids.shape[0], split)
    position = np.full(ids.shape[1], -1, dtype=np.int64)
    position[pages["page"]] = np.arange(len(pages["page"]))
    urls = pa.concat_arrays([pages["url"], binary_array([b""])])
    no_url = len(pages["url"])
    for number, chosen in split_by(edges["target_partition"], num_partitions):
        source = edges["source"][chosen]  # ascending
        starts = np.flatnonzero(np.diff(source, prepend=-1))
        sources = source[starts]
        url = np.where(test[sources] != 0, position[sources], no_url)
        yield (
            number,
            {
                **id_columns(ids[:, sources]),
                "is_test": test[sources],
                "url": urls.take(number_array(url)),
                "source": np.repeat(np.arange(len(starts), dtype=np.uint32), np.diff(starts, append=len(source))),
                "target": edges["target"][chosen],
                "mask": edges["mask"][chosen],
            },
        )


def _test_rows(pages: Block, edges: Block, num_variants: int, split: SplitOptions) -> np.ndarray:
    """Masks [pages of the partition]: in which variants a page is a test row."""
    num_pages = int(pages["num_pages"][0])
    row_lengths = degrees(edges["source"], edges["mask"], num_nodes=num_pages, num_variants=num_variants)
    test = np.zeros(num_pages, dtype=mask_type(num_variants))
    chosen = pages["page"][assign_split(pages["url"].to_pylist(), split)]
    for variant in range(num_variants):
        test[chosen[row_lengths[variant, chosen] >= 2]] |= test.dtype.type(1 << variant)
    return test


def rows_of_edges(
    blocks: Iterable[Block],
    ids: np.ndarray,
    url_of_page: Callable[[np.ndarray], list[bytes]],
    layouts: Sequence[GraphLayout],
    split: SplitOptions,
) -> Iterator[tuple[int, int, Block]]:
    """Yields (variant, part, block) for all blocks of `send_edges` at the target's partition.

    Args:
      ids: int64[variants, pages] of this partition.
      url_of_page: from numbers of this partition's kept pages to URLs.
    """
    spreaders = [_Spreader(variant, layout) for variant, layout in enumerate(layouts)]
    for block in blocks:
        source, target, mask = block["source"], block["target"], block["mask"]
        hashes = _hold_out_hashes(block, url_of_page, split)
        source_ids = ids_of_columns(block)
        test = mask & block["is_test"][source]
        for variant, spreader in enumerate(spreaders):
            chosen = np.flatnonzero(has_bit(mask, variant))
            row, col = source_ids[variant][source[chosen]], ids[variant][target[chosen]]
            spreader.add(row, col, has_bit(test[chosen], variant), hashes[chosen])
            if spreader.is_full:
                yield from spreader.flush()
    for spreader in spreaders:
        yield from spreader.flush()


class _Spreader:
    """Collects the edges of one variant and spreads them over its parts."""

    def __init__(self, variant: int, layout: GraphLayout) -> None:
        self._variant = variant
        self._layout = layout
        self._starts = layout.part_limits()
        self._col_type = np.uint32 if layout.num_nodes <= 2**32 else np.int64
        self._edges: list[tuple[np.ndarray, ...]] = []
        self._num_edges = 0

    @property
    def is_full(self) -> bool:
        return self._num_edges >= EDGES_PER_FLUSH

    def add(self, row: np.ndarray, col: np.ndarray, is_test: np.ndarray, hashes: np.ndarray) -> None:
        self._edges.append((row, col, is_test, hashes))
        self._num_edges += len(row)

    def flush(self) -> Iterator[tuple[int, int, Block]]:
        """Yields (variant, part, block) for all edges since the last call."""
        if not self._num_edges:
            return
        row, col, is_test, hashes = map(np.concatenate, zip(*self._edges, strict=True))
        self._edges, self._num_edges = [], 0
        train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        yield from self._spread(RowKind.TRAIN, row[train], col[train])
        yield from self._spread(RowKind.TRAIN_T, col[train], row[train])
        yield from self._spread(RowKind.TEST, row[test], col[test], hashes[test])
        yield from self._spread(RowKind.TEST_INLINK, col[test])

    def _spread(
        self, kind: RowKind, row: np.ndarray, col: np.ndarray | None = None, hashes: np.ndarray | None = None
    ) -> Iterator[tuple[int, int, Block]]:
        for part, inside in split_by(self._layout.part_of(row), self._layout.num_parts):
            block = {"kind": np.array([kind]), "row": (row[inside] - self._starts[part]).astype(np.uint32)}
            if col is not None:
                block["col"] = col[inside].astype(self._col_type)
            if hashes is not None:
                block["hash"] = hashes[inside]
            yield self._variant, part, block


def _hold_out_hashes(block: Block, url_of_page: Callable[[np.ndarray], list[bytes]], split: SplitOptions) -> np.ndarray:
    """uint64[edges]: `webgraph.split.edge_hashes` where the source is some variant's test row, else 0."""
    hashes = np.zeros(len(block["source"]), dtype=np.uint64)
    in_test = np.flatnonzero(block["is_test"][block["source"]] & block["mask"])
    if not len(in_test):
        return hashes
    sources = block["source"][in_test]  # ascending
    targets = url_of_page(block["target"][in_test])
    starts = np.flatnonzero(np.diff(sources, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(sources)], strict=True):
        url = block["url"][int(sources[start])].as_py()
        hashes[in_test[start:stop]] = edge_hashes(url, targets[start:stop], split)
    return hashes


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartContent:
    """What `graph_parts.part_files` writes for one part."""

    train: RowBlock
    train_t: RowBlock
    test: RowBlock
    nodes: NodeBlock

    def splits(self) -> dict[str, RowBlock]:
        return {"train": self.train, "train_t": self.train_t, "test": self.test}


def collect_part(
    layout: GraphLayout, part: int, blocks: Iterable[Block], urls: pa.LargeBinaryArray, split: SplitOptions
) -> PartContent:
    """Collects the content of one part.

    Args:
      blocks: all of `rows_of_edges` for this part.
      urls: of the part's nodes, in order of id.
    """
    start, stop = layout.part_range(part)
    of_kind: dict[int, list[Block]] = {kind: [] for kind in RowKind}
    for block in blocks:
        of_kind[int(block["kind"][0])].append(block)
    train = _rows(of_kind[RowKind.TRAIN], start)
    train_t = _rows(of_kind[RowKind.TRAIN_T], start)
    test = _held_out_rows(of_kind[RowKind.TEST], start, split)
    inlinks = _join(of_kind[RowKind.TEST_INLINK], "row", np.uint32)
    in_degree = np.bincount(inlinks, minlength=stop - start)
    in_degree[train_t.row_tag - start] += np.diff(train_t.col_offsets)
    out_degree = np.zeros(stop - start, dtype=np.int64)
    out_degree[train.row_tag - start] = np.diff(train.col_offsets)
    out_degree[test.row_tag - start] = np.diff(test.col_offsets) + np.diff(test.gt_offsets)
    return PartContent(
        train=train,
        train_t=train_t,
        test=test,
        nodes=NodeBlock(
            node_id=np.arange(start, stop, dtype=np.int64), url=urls, out_degree=out_degree, in_degree=in_degree
        ),
    )


def _rows(blocks: Sequence[Block], start: int) -> RowBlock:
    """Sorted rows of unordered edges."""
    row, col = _join(blocks, "row", np.uint32), _join(blocks, "col", np.uint32)
    row, col = (column.astype(np.int64) for column in sorted_columns(row, col))
    row_tag, offsets = _row_offsets(row)
    return RowBlock.without_ground_truth(row_tag + start, offsets, col)


def _held_out_rows(blocks: Sequence[Block], start: int, split: SplitOptions) -> RowBlock:
    row, col, hashes = (
        _join(blocks, "row", np.uint32),
        _join(blocks, "col", np.uint32),
        _join(blocks, "hash", np.uint64),
    )
    order = np.lexsort((col, row))
    row, col, hashes = row[order].astype(np.int64), col[order].astype(np.int64), hashes[order]
    row_tag, offsets = _row_offsets(row)
    is_truth = np.zeros(len(col), dtype=bool)
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        is_truth[first:last] = ground_truth_mask(hashes[first:last], split)
    truth_lengths = np.add.reduceat(is_truth, offsets[:-1], dtype=np.int64) if len(row_tag) else np.empty(0, np.int64)
    return RowBlock(
        row_tag=row_tag + start,
        col_offsets=_offsets(np.diff(offsets) - truth_lengths),
        col_tag=col[~is_truth],
        gt_offsets=_offsets(truth_lengths),
        gt_tag=col[is_truth],
    )


def _row_offsets(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distinct rows of sorted edges, int64[rows], and their limits, int64[rows + 1]."""
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    return row[starts], np.append(starts, len(row))


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _join(blocks: Sequence[Block], name: str, dtype: type) -> np.ndarray:
    return np.concatenate([block[name] for block in blocks]) if blocks else np.empty(0, dtype=dtype)
