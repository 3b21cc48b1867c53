"""Edges of partitions to rows of variants: ids, split and hold-out, and everything one part of a graph is written from.

Edges are at their source's partition. There each source gets its ids and is found a test row or not; edges then go to
their target's partition for the target's ids and, in test rows, the hash that orders the hold-out, which needs both
URLs; from there each variant's edges go to the part of the row (`train`, `test`) and to that of the column (`train_t`).
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from beam_pipelines.block import Block
from beam_pipelines.degree_filter import degrees, has_bit, split_by
from beam_pipelines.node_ids import id_columns, ids_of_columns
from webgraph.graph_layout import GraphLayout
from webgraph.node_block import NodeBlock
from webgraph.row_block import RowBlock
from webgraph.split import SplitOptions, assign_split, edge_hashes, ground_truth_mask

MAX_JOINED_EDGES = 1 << 21
"""Edges that are given their ids and split by part at once: some 200 MB with six variants."""


def ids_of_pages(num_pages: int, blocks: Iterable[Block], num_variants: int) -> np.ndarray:
    """Returns int64[variants, num_pages] from the blocks of `node_ids.return_ids`, -1 where a page has no id."""
    ids = np.full((num_variants, num_pages), -1, dtype=np.int64)
    for block in blocks:
        ids[:, block["page"]] = ids_of_columns(block)
    return ids


def send_edges(
    filtered: Block, ids: np.ndarray, split: SplitOptions, num_partitions: int
) -> Iterator[tuple[int, Block]]:
    """Yields (partition of the target, block), at the source's partition.

    A block has, a source: `id_<variant>`, `is_test` (mask of variants in which it is a test row) and `url` (empty
    where it is none's); an edge: `source` (index), `target` (page number), `mask`.
    """
    test = _test_rows(filtered, ids.shape[0], split)
    url_of = dict(zip(filtered["page"].tolist(), filtered["url"].to_pylist(), strict=True))
    for number, chosen in split_by(filtered["target_partition"], num_partitions):
        sources, index = np.unique(filtered["source"][chosen], return_inverse=True)
        urls = [url_of[page] if test[page] else b"" for page in sources.tolist()]
        yield (
            number,
            {
                **id_columns(ids[:, sources]),
                "is_test": test[sources],
                "url": pa.array(urls, type=pa.large_binary()),
                "source": index.astype(np.uint32),
                "target": filtered["target"][chosen],
                "mask": filtered["mask"][chosen],
            },
        )


def _test_rows(filtered: Block, num_variants: int, split: SplitOptions) -> np.ndarray:
    """uint64[pages of the partition]: in which variants a page is a test row."""
    num_pages = int(filtered["num_pages"][0])
    row_lengths = degrees(filtered["source"], filtered["mask"], num_nodes=num_pages, num_variants=num_variants)
    test = np.zeros(num_pages, dtype=np.uint64)
    chosen = filtered["page"][assign_split(filtered["url"].to_pylist(), split)]
    for variant in range(num_variants):
        test[chosen] |= (row_lengths[variant, chosen] >= 2).astype(np.uint64) << np.uint64(variant)
    return test


def join_edges(blocks: Iterable[Block], max_edges: int = MAX_JOINED_EDGES) -> Iterator[Block]:
    """Joins blocks of `send_edges` that came to one partition, until they hold `max_edges` edges.

    Every partition sends a block to every other, and each block is then split by the parts of all variants: joined
    first, they are split once and not once a partition that they came from.
    """
    held: list[Block] = []
    num_edges = 0
    for block in blocks:
        held.append(block)
        num_edges += len(block["source"])
        if num_edges >= max_edges:
            yield _concatenate_edges(held)
            held, num_edges = [], 0
    if held:
        yield _concatenate_edges(held)


def _concatenate_edges(blocks: Sequence[Block]) -> Block:
    shift = np.cumsum([0, *(len(block["is_test"]) for block in blocks[:-1])])
    source = [block["source"] + before for block, before in zip(blocks, shift, strict=True)]
    joined: Block = {"source": np.concatenate(source), "url": pa.concat_arrays([block["url"] for block in blocks])}
    for name in blocks[0]:
        if name not in joined:
            joined[name] = np.concatenate([block[name] for block in blocks])
    return joined


def rows_of_edges(
    block: Block, ids: np.ndarray, url_of_page: dict[int, bytes], layouts: Sequence[GraphLayout], split: SplitOptions
) -> Iterator[tuple[int, int, Block]]:
    """Yields (variant, part, block) for a block of `send_edges` or `join_edges`, at the target's partition.

    Args:
      ids: int64[variants, pages] of this partition.
      url_of_page: URLs of this partition's kept pages.

    The blocks are edges with `kind` 0, in the part of the row: `row`, `col`, `hash`, `is_test`; or with `kind` 1, in
    the part of the column: the same, without `hash`.
    """
    source, target, mask = block["source"], block["target"], block["mask"]
    hashes = _hold_out_hashes(block, url_of_page, split)
    source_ids = ids_of_columns(block)
    for variant, layout in enumerate(layouts):
        chosen = np.flatnonzero(has_bit(mask, variant))
        if not len(chosen):
            continue
        row, col = source_ids[variant][source[chosen]], ids[variant][target[chosen]]
        is_test = has_bit(block["is_test"][source[chosen]], variant).astype(np.uint8)
        for kind, part_of in ((0, layout.part_of(row)), (1, layout.part_of(col))):
            for part, inside in split_by(part_of, layout.num_parts):
                yield (
                    variant,
                    part,
                    {
                        "kind": np.array([kind]),
                        "row": row[inside],
                        "col": col[inside],
                        "is_test": is_test[inside],
                        "hash": hashes[chosen[inside]] if kind == 0 else np.empty(0, np.uint64),
                    },
                )


def _hold_out_hashes(block: Block, url_of_page: dict[int, bytes], split: SplitOptions) -> np.ndarray:
    """uint64[edges]: `webgraph.split.edge_hashes` where the source is some variant's test row, else 0."""
    hashes = np.zeros(len(block["source"]), dtype=np.uint64)
    in_test = np.flatnonzero(block["is_test"][block["source"]] & block["mask"])
    if not len(in_test):
        return hashes
    in_test = in_test[np.argsort(block["source"][in_test], kind="stable")]
    sources = block["source"][in_test]
    starts = np.flatnonzero(np.diff(sources, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(sources)], strict=True):
        edges = in_test[start:stop]
        targets = [url_of_page[page] for page in block["target"][edges].tolist()]
        hashes[edges] = edge_hashes(block["url"][int(sources[start])].as_py(), targets, split)
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
    blocks = list(blocks)
    start, stop = layout.part_range(part)
    by_row, by_col = ([block for block in blocks if int(block["kind"][0]) == kind] for kind in (0, 1))
    row, col, is_test, hashes = (_join(by_row, name) for name in ("row", "col", "is_test", "hash"))
    t_row, t_col, t_is_test = (_join(by_col, name) for name in ("row", "col", "is_test"))
    test = is_test.astype(bool)
    train_t = ~t_is_test.astype(bool)
    return PartContent(
        train=_rows(row[~test], col[~test], start),
        train_t=_rows(t_col[train_t], t_row[train_t], start),
        test=_held_out_rows(row[test], col[test], hashes[test], start, split),
        nodes=NodeBlock(
            node_id=np.arange(start, stop, dtype=np.int64),
            url=urls,
            out_degree=np.bincount(row - start, minlength=stop - start),
            in_degree=np.bincount(t_col - start, minlength=stop - start),
        ),
    )


def _rows(row: np.ndarray, col: np.ndarray, start: int) -> RowBlock:
    """Sorted rows of unordered edges; rows are at least `start`."""
    order = _row_order(row, col, start)
    row_tag, lengths = np.unique(row[order], return_counts=True)
    return RowBlock.without_ground_truth(row_tag, _offsets(lengths), col[order])


def _held_out_rows(row: np.ndarray, col: np.ndarray, hashes: np.ndarray, start: int, split: SplitOptions) -> RowBlock:
    order = _row_order(row, col, start)
    row, col, hashes = row[order], col[order], hashes[order]
    row_tag, lengths = np.unique(row, return_counts=True)
    offsets = _offsets(lengths)
    is_truth = np.zeros(len(col), dtype=bool)
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        is_truth[first:last] = ground_truth_mask(hashes[first:last], split)
    truth_lengths = np.add.reduceat(is_truth, offsets[:-1], dtype=np.int64) if len(row_tag) else lengths
    return RowBlock(
        row_tag=row_tag,
        col_offsets=_offsets(lengths - truth_lengths),
        col_tag=col[~is_truth],
        gt_offsets=_offsets(truth_lengths),
        gt_tag=col[is_truth],
    )


def _row_order(row: np.ndarray, col: np.ndarray, start: int) -> np.ndarray:
    span = int(col.max(initial=0)) + 1
    if (int(row.max(initial=start)) - start + 1) * span < 2**63:
        return np.argsort((row - start) * span + col)
    return np.lexsort((col, row))


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _join(blocks: Sequence[Block], name: str) -> np.ndarray:
    dtype = {"hash": np.uint64, "is_test": np.uint8}.get(name, np.int64)
    return np.concatenate([block[name] for block in blocks]) if blocks else np.empty(0, dtype=dtype)
