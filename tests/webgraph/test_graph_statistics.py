"""Statistics against sums over the oracle's plain lists."""

import statistics
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.oracles.graph import OracleGraph
from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.graph_directory import GraphDirectory
from webgraph.graph_statistics import graph_statistics


def test_figures_equal_plain_sums(tmp_path: Path) -> None:
    graph = made_graph()
    write_graph(tmp_path / "made", graph)
    found = graph_statistics(GraphDirectory.open(tmp_path / "made"))
    edges = [(row, col) for row, cols in graph.train.items() for col in cols]
    edges += [(row, col) for row, (history, truth) in graph.test.items() for col in history + truth]
    hosts = [urlsplit(url).hostname for url in graph.urls]
    assert found.num_nodes == len(graph.urls)
    assert found.num_edges == len(edges)
    assert found.num_hosts == len(set(hosts)) == 3
    assert found.split_rows == {"train": len(graph.train), "train_t": len(graph.train_t), "test": len(graph.test)}
    assert found.same_host_edges == pytest.approx(sum(hosts[row] == hosts[col] for row, col in edges) / len(edges))
    median = statistics.median_low(abs(row - col) for row, col in edges)
    assert found.median_distance is not None
    assert (found.median_distance + 1) // 2 <= median <= found.median_distance
    for degrees, figures in ((graph.out_degree, found.out_degree), (graph.in_degree, found.in_degree)):
        assert figures is not None
        assert figures.mean == pytest.approx(statistics.mean(degrees))
        assert figures.quantiles[0] == sorted(degrees)[(len(degrees) - 1) // 2]
        assert figures.largest == max(degrees)
        assert figures.largest_node == graph.urls[degrees.index(max(degrees))]
        assert figures.without == degrees.count(0)


def test_empty_graph(tmp_path: Path) -> None:
    write_graph(tmp_path / "empty", OracleGraph([], {}, {}, {}, [], []), num_parts=1, tfrecord_shards=None)
    found = graph_statistics(GraphDirectory.open(tmp_path / "empty"))
    assert (found.num_hosts, found.out_degree, found.same_host_edges, found.median_distance) == (None,) * 4
