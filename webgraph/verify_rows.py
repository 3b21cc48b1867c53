"""Checks of rows and edges: order, ranges, degrees, and that `train_t` is the transpose of `train`.

Two sets of edges are compared by fingerprints, so that neither has to fit in memory: for every node the sum modulo
2^64 of a 64-bit mix (splitmix64) of its neighbours. Where sets without duplicates differ, the sums agree with a chance
of about 2^-64 a node. The edges of a node that differs are then compared one by one.
"""

import dataclasses
from collections.abc import Iterator
from typing import Self

import numpy as np

from webgraph.graph_directory import GraphDirectory
from webgraph.manifest import VariantRecord
from webgraph.node_block import NodeBlock
from webgraph.row_block import RowBlock


@dataclasses.dataclass(kw_only=True, eq=False)
class RowScan:
    """What one pass over a split adds up. All arrays are [nodes]; ground truth counts as edges.

    Attributes:
      rows, history, ground_truth: counts.
      out_degree, in_degree: int64.
      row_print: uint64, fingerprint of each row's columns.
      col_print: uint64, fingerprint of the rows in which each column occurs.
      last_row: the last id seen, to check the order across row groups.
    """

    rows: int = 0
    history: int = 0
    ground_truth: int = 0
    out_degree: np.ndarray
    in_degree: np.ndarray
    row_print: np.ndarray
    col_print: np.ndarray
    last_row: int = -1

    @classmethod
    def empty(cls, num_nodes: int) -> Self:
        """A scan that has seen nothing."""
        return cls(
            out_degree=np.zeros(num_nodes, dtype=np.int64),
            in_degree=np.zeros(num_nodes, dtype=np.int64),
            row_print=np.zeros(num_nodes, dtype=np.uint64),
            col_print=np.zeros(num_nodes, dtype=np.uint64),
        )


def scan_split(graph: GraphDirectory, split: str, scan: RowScan, nodes: NodeBlock) -> Iterator[str]:
    """Reads a split once, adds it to `scan`, and yields what is wrong inside its rows, at most one a kind a block."""
    for part in range(graph.manifest.layout.num_parts):
        for block in graph.iter_part(split, part):
            scan.rows += block.num_rows
            scan.history += len(block.col_tag)
            scan.ground_truth += len(block.gt_tag)
            problem = _row_tag_problem(block.row_tag, scan.last_row, graph.manifest.layout.part_range(part))
            if problem:
                yield f"part {part}: {problem}"
                continue
            scan.last_row = int(block.row_tag[-1]) if block.num_rows else scan.last_row
            yield from _list_problems(block, split, graph.num_nodes, nodes)
            _add_edges(scan, block, graph.num_nodes)


def check_degrees(scans: dict[str, RowScan], nodes: NodeBlock, variant: VariantRecord) -> Iterator[str]:
    """Degrees in `nodes` are those of `train` and `test` together, and in a K-core at least K."""
    for name in ("out_degree", "in_degree"):
        counted = getattr(scans["train"], name) + getattr(scans["test"], name)
        wrong = np.flatnonzero(counted != getattr(nodes, name))
        if len(wrong):
            node = int(wrong[0])
            yield (
                f"node {describe_node(node, nodes)} has the {name} {getattr(nodes, name)[node]}, "
                f"but {counted[node]} edges{_and_more(wrong, 'node')}."
            )

        low = np.flatnonzero(counted < variant.min_degree)
        if variant.until_stable and len(low):
            node = int(low[0])
            yield (
                f"node {describe_node(node, nodes)} has the {name} {counted[node]}, below the K-core's "
                f"{variant.min_degree}{_and_more(low, 'node')}."
            )


def check_transpose(graph: GraphDirectory, scans: dict[str, RowScan], nodes: NodeBlock) -> Iterator[str]:
    """The row of a node in `train_t` lists exactly the rows of `train` that hold it."""
    train, train_t = scans["train"], scans["train_t"]
    wrong = np.flatnonzero((train.col_print != train_t.row_print) | (train.in_degree != train_t.out_degree))
    if not len(wrong):
        return
    node = int(wrong[0])
    row = graph.read_rows("train_t", node, node + 1)
    sources: list[np.ndarray] = []
    for block in graph.iter_row_blocks("train"):
        at = np.searchsorted(block.col_offsets, np.flatnonzero(block.col_tag == node), side="right") - 1
        sources.append(block.row_tag[at])
    only = np.setxor1d(row.col_tag, np.concatenate(sources)) if sources else row.col_tag
    where = "train_t" if len(only) and only[0] in row.col_tag else "train"
    edge = f", e.g. the edge from {describe_node(int(only[0]), nodes)}, only in {where}" if len(only) else ""
    more = _and_more(wrong, "node")
    yield f"node {describe_node(node, nodes)} has other inlinks in train_t than in train{edge}{more}."


def describe_node(node: int, nodes: NodeBlock) -> str:
    """A node for messages: its id and URL."""
    url = nodes.url[node].as_py() if 0 <= node < nodes.num_nodes else None
    return f"{node} ({url})" if url is not None else str(node)


def _row_tag_problem(tags: np.ndarray, last: int, part_range: tuple[int, int]) -> str | None:
    outside = np.flatnonzero((tags < part_range[0]) | (tags >= part_range[1]))
    if len(outside):
        return f"row_tag {tags[outside[0]]} lies outside its part's ids [{part_range[0]}, {part_range[1]})."
    descents = np.flatnonzero(np.diff(tags, prepend=last) <= 0)
    if len(descents):
        return f"row_tag {tags[descents[0]]} stands twice or out of order."
    return None


def _list_problems(block: RowBlock, split: str, num_nodes: int, nodes: NodeBlock) -> Iterator[str]:
    for name, offsets, values in (("col", block.col_offsets, block.col_tag), ("gt", block.gt_offsets, block.gt_tag)):

        def row_of(position: np.ndarray, offsets: np.ndarray = offsets) -> str:
            row = block.row_tag[np.searchsorted(offsets, position[0], side="right") - 1]
            return f"{split} row {describe_node(int(row), nodes)}"

        outside = np.flatnonzero((values < 0) | (values >= num_nodes))
        if len(outside):
            yield f"{row_of(outside)}: {name}_tag {values[outside[0]]} is no node id below {num_nodes}."
        inner = np.ones(len(values), dtype=bool)
        inner[offsets[:-1][offsets[:-1] < len(values)]] = False
        unsorted = np.flatnonzero(inner & (np.diff(values, prepend=-1) <= 0))
        if len(unsorted):
            yield f"{row_of(unsorted)}: {name}_tag {values[unsorted[0]]} stands twice or out of order."
        empty = np.flatnonzero((np.diff(offsets) == 0) if name == "col" or split == "test" else np.diff(offsets) != 0)
        if len(empty):
            what = "empty" if name == "col" or split == "test" else "not empty"
            yield f"{split} row {describe_node(int(block.row_tag[empty[0]]), nodes)}: {name}_tag is {what}."
    yield from _row_set_problems(block, split, nodes)


def _row_set_problems(block: RowBlock, split: str, nodes: NodeBlock) -> Iterator[str]:
    """Self-links, and edges that are history and ground truth at once."""
    rows = np.repeat(block.row_tag, np.diff(block.col_offsets))
    loops = np.flatnonzero(rows == block.col_tag)
    if len(loops) and nodes.has_urls:
        yield f"{split} row {describe_node(int(rows[loops[0]]), nodes)} links to itself."
    if len(block.gt_tag) and nodes.num_nodes:
        # One number an edge: its row's place in the block, and its column.
        places = np.arange(block.num_rows) * nodes.num_nodes
        history = np.repeat(places, np.diff(block.col_offsets)) + block.col_tag % nodes.num_nodes
        truth = np.repeat(places, np.diff(block.gt_offsets)) + block.gt_tag % nodes.num_nodes
        both = np.intersect1d(history, truth)
        if len(both):
            place, col = divmod(int(both[0]), nodes.num_nodes)
            yield (
                f"{split} row {describe_node(int(block.row_tag[place]), nodes)}: the edge to "
                f"{describe_node(col, nodes)} stands in history and ground truth."
            )


def _add_edges(scan: RowScan, block: RowBlock, num_nodes: int) -> None:
    for offsets, values in ((block.col_offsets, block.col_tag), (block.gt_offsets, block.gt_tag)):
        lengths = np.diff(offsets)
        rows = np.repeat(block.row_tag, lengths)
        known = (values >= 0) & (values < num_nodes)
        rows, values = rows[known], values[known]
        scan.out_degree[block.row_tag] += lengths
        scan.in_degree += np.bincount(values, minlength=num_nodes)
        np.add.at(scan.row_print, rows, _mix(values))
        np.add.at(scan.col_print, values, _mix(rows))


def _mix(ids: np.ndarray) -> np.ndarray:
    """splitmix64 of each id; https://prng.di.unimi.it/splitmix64.c."""
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _and_more(wrong: np.ndarray, what: str) -> str:
    return f" ({len(wrong) - 1} more {what}s differ)" if len(wrong) > 1 else ""
