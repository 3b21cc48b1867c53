"""Checks of what follows from names: canonical URLs, their order, and the hashed split."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from webgraph.arrow_arrays import number_array
from webgraph.canonical_url import CANONICALIZER, canonicalize, node_sort_key, top_level_domain
from webgraph.graph_directory import GraphDirectory
from webgraph.node_block import NodeBlock
from webgraph.split import assign_split, edge_hashes, ground_truth_mask

_NODES_A_STEP = 1 << 16


def check_names(urls: pa.Array, tlds: tuple[str, ...]) -> Iterator[str]:
    """URLs are canonical, ascend by `node_sort_key` (so none stands twice), and lie under the variant's TLDs.

    Yields the first problem of each kind in each step of 65,536 nodes, and stops after a step with problems.
    """
    last = b""
    for start in range(0, len(urls), _NODES_A_STEP):
        problems: dict[str, str] = {}
        for node, url in enumerate(urls[start : start + _NODES_A_STEP].to_pylist(), start):
            if url is None or canonicalize(url) != url:
                problems.setdefault("form", f"the URL {url!r} of node {node} is not canonical ({CANONICALIZER}).")
                continue
            key = node_sort_key(url)
            if key <= last:
                problems.setdefault("order", f"the URL {url} of node {node} stands twice or out of order.")
            if tlds and top_level_domain(url) not in tlds:
                problems.setdefault("tld", f"the URL {url} of node {node} is not under {', '.join(tlds)}.")
            last = key
        yield from problems.values()
        if problems:
            return


def check_split_assignment(
    train_degree: np.ndarray, test_degree: np.ndarray, nodes: NodeBlock, graph: GraphDirectory
) -> Iterator[str]:
    """A row is in `test` exactly where its hash says so and it has at least two edges, and never in two splits.

    Args:
      train_degree, test_degree: int64[nodes], edges of each node's row in the two splits.
    """
    options = graph.manifest.split
    both = np.flatnonzero((train_degree > 0) & (test_degree > 0))
    if len(both):
        yield f"node {both[0]} ({nodes.url[int(both[0])]}) is a row of train and of test."
    for start in range(0, nodes.num_nodes, _NODES_A_STEP):
        step = slice(start, start + _NODES_A_STEP)
        ids = np.arange(nodes.num_nodes)[step]
        hashed = assign_split(node_names(ids, nodes), options)
        expected = hashed & (train_degree[step] + test_degree[step] >= 2)
        wrong = np.flatnonzero(expected != (test_degree[step] > 0))
        if len(wrong):
            node = int(ids[wrong[0]])
            should = "be" if expected[wrong[0]] else "not be"
            yield (
                f"node {node} ({nodes.url[node]}) should {should} a test row by its hash and degree "
                f"({len(wrong) - 1} more among the nodes {start} to {ids[-1]})."
            )
            return


def check_ground_truth(graph: GraphDirectory, nodes: NodeBlock) -> Iterator[str]:
    """The ground truth of every test row is what the edges' hashes choose. Yields the first row that differs.

    Rows with ids that no node has are left out: the check of the rows reports them.
    """
    for block in graph.iter_row_blocks("test"):
        names = node_names(np.where(_is_node(block.row_tag, nodes), block.row_tag, 0), nodes)
        for row, name in enumerate(names):
            history = block.col_tag[block.col_offsets[row] : block.col_offsets[row + 1]]
            truth = block.gt_tag[block.gt_offsets[row] : block.gt_offsets[row + 1]]
            edges = np.sort(np.concatenate([history, truth]))
            if len(edges) < 2:
                continue  # reported as a row that should not be a test row
            if not _is_node(edges, nodes).all() or not _is_node(block.row_tag[row], nodes):
                continue
            hashes = np.array(edge_hashes(name, node_names(edges, nodes), graph.manifest.split), dtype=np.uint64)
            chosen = edges[ground_truth_mask(hashes, graph.manifest.split)]
            if not np.array_equal(chosen, truth):
                yield (
                    f"test row {block.row_tag[row]} ({name.decode()}): its ground truth is not the one that its "
                    f"edges' hashes choose, first by node {np.setxor1d(chosen, truth)[0]}."
                )
                return


def _is_node(ids: np.ndarray, nodes: NodeBlock) -> np.ndarray:
    return (ids >= 0) & (ids < nodes.num_nodes)


def node_names(ids: np.ndarray, nodes: NodeBlock) -> list[bytes]:
    """Names by which the split hashes nodes: URLs, or decimal ids in a graph without URLs."""
    if nodes.has_urls:
        return nodes.url.take(number_array(ids)).cast(pa.large_binary()).to_pylist()
    return [b"%d" % node for node in ids.tolist()]
