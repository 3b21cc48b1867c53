"""Finding nodes by URL against a plain list, over several parts and row groups."""

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.webgraph.graph_files import made_graph, write_graph
from webgraph import node_lookup, parquet_parts
from webgraph.canonical_url import host_of
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError
from webgraph.manifest import NO_URLS
from webgraph.node_lookup import find_node, iter_urls, nearest_urls, node_place, urls_of


@pytest.fixture(scope="module")
def urls() -> list[str]:
    return list(made_graph().urls)


@pytest.fixture(scope="module", params=[1, 2, 3])
def graph(request, tmp_path_factory) -> GraphDirectory:
    """Row groups of 16 nodes, so that every part has several."""
    folder = tmp_path_factory.mktemp("lookup") / "graph"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_parts, "NODES_PER_ROW_GROUP", 16)
        write_graph(folder, made_graph(), num_parts=request.param)
    return GraphDirectory.open(folder)


def test_every_node_is_found_by_its_url(graph, urls):
    assert [find_node(graph, url) for url in urls] == list(range(len(urls)))
    path = graph.path / graph.manifest.layout.parquet_file("nodes", 0)
    assert pq.ParquetFile(path).metadata.num_row_groups >= 2


@pytest.mark.parametrize(
    "url", ["https://a.aa/", "https://www.a.de/p/3/x", "https://www.b.in/", "https://zz.zz/", "http://www.a.de/p/3"]
)
def test_a_url_that_is_not_there_has_a_place_and_no_id(graph, urls, url):
    assert find_node(graph, url) is None
    key = node_lookup.node_sort_key(url)
    assert node_place(graph, url) == sum(node_lookup.node_sort_key(other) < key for other in urls)


def test_urls_come_in_the_order_asked_for(graph, urls):
    ids = np.array([len(urls) - 1, 0, 40, 40, 17])
    assert urls_of(graph, ids) == [urls[node] for node in ids]
    assert urls_of(graph, ids[:0]) == []
    assert [url for batch in iter_urls(graph, 7) for url in batch.to_pylist()] == urls


def test_nearest_urls_are_of_the_same_host(graph, urls):
    near = nearest_urls(graph, "https://www.b.in/p/1000", 4)
    assert len(near) == 4
    assert {host_of(url) for url in near} == {"www.b.in"}
    place = node_place(graph, "https://www.b.in/p/1000")
    assert all(abs(urls.index(url) - place) <= 4 for url in near)
    assert nearest_urls(graph, "https://nowhere.example/", 3) == []


def test_only_the_row_groups_that_are_needed_are_read(graph, urls, monkeypatch):
    read = []
    whole = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *a, **o: (read.append(a[1]), whole(*a, **o))[1])
    find_node(graph, urls[33])
    assert len(read) == 2  # one to find the place, one to compare


def test_a_graph_without_urls_says_so(graph):
    bare = dataclasses.replace(graph, manifest=dataclasses.replace(graph.manifest, canonicalizer=NO_URLS))
    with pytest.raises(GraphDirectoryError, match="has no URLs; name its nodes by id"):
        find_node(bare, "https://www.a.de/")
