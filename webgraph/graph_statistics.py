"""Figures that describe a graph: counts, degree quantiles, and how local its edges are."""

import dataclasses

import numpy as np

from webgraph.canonical_url import host_of
from webgraph.graph_directory import GraphDirectory
from webgraph.node_block import NodeBlock

QUANTILES = (0.5, 0.9, 0.99)

_NODES_A_STEP = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class DegreeStatistics:
    """Degrees of all nodes. `quantiles` are those of `QUANTILES`, each a degree that some node has (lower)."""

    mean: float
    quantiles: tuple[int, ...]
    largest: int
    largest_node: str
    without: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphStatistics:
    """Figures of one graph.

    Attributes:
      num_nodes, num_edges: of all splits together.
      num_hosts: distinct hosts of the nodes; None in a graph without URLs.
      split_rows, split_edges: by split; edges of `test` are history and ground truth.
      out_degree, in_degree: None in a graph without nodes.
      same_host_edges: share of the edges of `train` and `test` inside one host; None without URLs or edges.
      median_distance: upper bound, 2^b - 1, of the median of |row - column| over those edges.
      bytes_an_edge: Parquet bytes of `train` an edge.
    """

    num_nodes: int
    num_edges: int
    num_hosts: int | None
    split_rows: dict[str, int]
    split_edges: dict[str, int]
    out_degree: DegreeStatistics | None
    in_degree: DegreeStatistics | None
    same_host_edges: float | None
    median_distance: int | None
    bytes_an_edge: float | None


def graph_statistics(graph: GraphDirectory) -> GraphStatistics:
    """Reads a graph once; memory: its nodes, and one row group of edges."""
    nodes = graph.read_nodes()
    hosts = host_numbers(nodes) if nodes.has_urls else None
    same_host, distances = _edge_figures(graph, hosts)
    splits = graph.manifest.graph.splits
    train_bytes = sum(file.bytes for file in graph.manifest.files if file.name.startswith("train-"))
    return GraphStatistics(
        num_nodes=graph.num_nodes,
        num_edges=graph.num_edges,
        num_hosts=None if hosts is None else int(hosts[-1]) + 1,
        split_rows={name: counts.rows for name, counts in splits.items()},
        split_edges={name: counts.edges for name, counts in splits.items()},
        out_degree=_degree_statistics(nodes.out_degree, nodes),
        in_degree=_degree_statistics(nodes.in_degree, nodes),
        same_host_edges=same_host / graph.num_edges if hosts is not None and graph.num_edges else None,
        median_distance=_median_bound(distances),
        bytes_an_edge=train_bytes / splits["train"].edges if splits["train"].edges else None,
    )


def host_numbers(nodes: NodeBlock) -> np.ndarray:
    """Returns int64[nodes]: hosts numbered from 0 in node order, in which the pages of a host are neighbours."""
    numbers = np.empty(nodes.num_nodes, dtype=np.int64)
    number, last = -1, None
    for start in range(0, nodes.num_nodes, _NODES_A_STEP):
        for node, url in enumerate(nodes.url[start : start + _NODES_A_STEP].to_pylist(), start):
            host = host_of(url)
            number += host != last
            last = host
            numbers[node] = number
    return numbers


def _edge_figures(graph: GraphDirectory, hosts: np.ndarray | None) -> tuple[int, np.ndarray]:
    """Edges inside one host, and int64[64] numbers of edges by the bit length of their distance in ids."""
    same_host, distances = 0, np.zeros(65, dtype=np.int64)
    for split in ("train", "test"):
        for block in graph.iter_row_blocks(split):
            for offsets, columns in ((block.col_offsets, block.col_tag), (block.gt_offsets, block.gt_tag)):
                rows = np.repeat(block.row_tag, np.diff(offsets))
                if hosts is not None:
                    same_host += int(np.count_nonzero(hosts[rows] == hosts[columns]))
                lengths = np.frexp(np.abs(rows - columns).astype(np.float64))[1]  # bit length, exact below 2^53
                distances += np.bincount(lengths, minlength=65)
    return same_host, distances


def _median_bound(distances: np.ndarray) -> int | None:
    if not distances.sum():
        return None
    bits = int(np.searchsorted(np.cumsum(distances), (distances.sum() + 1) // 2))
    return 2**bits - 1


def _degree_statistics(degrees: np.ndarray, nodes: NodeBlock) -> DegreeStatistics | None:
    if not len(degrees):
        return None
    largest = int(np.argmax(degrees))
    return DegreeStatistics(
        mean=float(degrees.mean()),
        quantiles=tuple(np.quantile(degrees, QUANTILES, method="lower").tolist()),
        largest=int(degrees[largest]),
        largest_node=nodes.url[largest].as_py() or str(largest),
        without=int(np.count_nonzero(degrees == 0)),
    )
