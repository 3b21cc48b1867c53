"""Which node has a URL, and which URLs have some nodes, without reading all nodes of a graph.

Nodes are in order of `node_sort_key`, so that a URL is found by bisection: over the first URLs of the parts, then of a
part's row groups, then inside one row group. That reads the first page of a few row groups, and one row group whole.
"""

import bisect
import os
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webgraph.arrow_arrays import number_array
from webgraph.canonical_url import host_of, node_sort_key
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError
from webgraph.graph_layout import NODES
from webgraph.manifest import NO_URLS


def find_node(graph: GraphDirectory, url: str) -> int | None:
    """The id of the node with this canonical URL, or None.

    Raises:
      GraphDirectoryError: the graph has no URLs, or a file is damaged.
    """
    place = node_place(graph, url)
    if place < graph.num_nodes and urls_of(graph, np.array([place])) == [url]:
        return place
    return None


def node_place(graph: GraphDirectory, url: str) -> int:
    """The number of nodes that are ordered before this canonical URL.

    Raises:
      GraphDirectoryError: the graph has no URLs, or a file is damaged.
    """
    require_urls(graph)
    if not graph.num_nodes:
        return 0
    key = node_sort_key(url)
    limits = graph.manifest.layout.part_limits()
    parts = [part for part in range(graph.manifest.layout.num_parts) if limits[part] < limits[part + 1]]
    part = parts[_last_not_after(key, len(parts), lambda at: _first_key(graph, parts[at], 0))]
    with _open(graph, part) as file:
        starts = _row_group_starts(file)
        group = _last_not_after(key, len(starts) - 1, lambda at: _first_key_of_group(file, at))
        urls = file.read_row_group(group, columns=["url"], use_threads=False)["url"]
        within = bisect.bisect_left(urls, key, key=lambda scalar: node_sort_key(scalar.as_py()))
    return int(limits[part]) + starts[group] + within


def nearest_urls(graph: GraphDirectory, url: str, limit: int) -> list[str]:
    """At most `limit` URLs of the same host that are next to this canonical URL in the order of nodes."""
    place = node_place(graph, url)
    ids = np.arange(max(0, place - limit), min(graph.num_nodes, place + limit))
    same = [(abs(node - place + 0.5), found) for node, found in zip(ids.tolist(), urls_of(graph, ids), strict=True)]
    return [found for _, found in sorted(same) if host_of(found) == host_of(url)][:limit]


def urls_of(graph: GraphDirectory, ids: np.ndarray) -> list[str]:
    """The URLs of some nodes, in the order given; reads the row groups that hold them.

    Args:
      graph: with URLs.
      ids: int64[nodes], in [0, num_nodes).

    Raises:
      GraphDirectoryError: the graph has no URLs, or a file is damaged.
    """
    require_urls(graph)
    found: dict[int, str] = {}
    wanted = np.unique(ids)
    parts = graph.manifest.layout.part_of(wanted)
    for part in np.unique(parts).tolist():
        first = graph.manifest.layout.part_range(part)[0]
        in_part = wanted[parts == part] - first
        with _open(graph, part) as file:
            starts = _row_group_starts(file)
            groups = np.searchsorted(starts, in_part, side="right") - 1
            for group in np.unique(groups).tolist():
                urls = file.read_row_group(group, columns=["url"], use_threads=False)["url"]
                within = in_part[groups == group]
                taken = urls.take(number_array(within - starts[group])).to_pylist()
                found.update(zip((within + first).tolist(), taken, strict=True))
    return [found[node] for node in ids.tolist()]


def iter_urls(graph: GraphDirectory, nodes_at_once: int) -> Iterator[pa.Array]:
    """The URLs of all nodes in order of id, string arrays of at most `nodes_at_once`; only one in memory at a time."""
    require_urls(graph)
    for part in range(graph.manifest.layout.num_parts):
        with _open(graph, part) as file:
            for batch in file.iter_batches(nodes_at_once, columns=["url"], use_threads=False):
                yield batch.column(0)


def require_urls(graph: GraphDirectory) -> None:
    """Raises GraphDirectoryError where a graph has no URLs."""
    if graph.manifest.canonicalizer == NO_URLS:
        raise GraphDirectoryError(f"{graph.path} has no URLs; name its nodes by id, or build a graph from archives.")


def _open(graph: GraphDirectory, part: int) -> pq.ParquetFile:
    path = graph.path / graph.manifest.layout.parquet_file(NODES, part)
    try:
        return pq.ParquetFile(os.path.abspath(path))  # Arrow takes a leading ~ for a home
    except (pa.ArrowException, OSError) as error:
        raise GraphDirectoryError(f"{path} is damaged ({error}); copy or build it again.") from error


def _row_group_starts(file: pq.ParquetFile) -> list[int]:
    """The first node of each row group, counted from the file's first, and the number of nodes."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    return np.cumsum([0, *sizes]).tolist()


def _first_key(graph: GraphDirectory, part: int, group: int) -> bytes:
    with _open(graph, part) as file:
        return _first_key_of_group(file, group)


def _first_key_of_group(file: pq.ParquetFile, group: int) -> bytes:
    batch = next(file.iter_batches(1, row_groups=[group], columns=["url"], use_threads=False))
    return node_sort_key(batch.column(0)[0].as_py())


def _last_not_after(key: bytes, count: int, first_key: Callable[[int], bytes]) -> int:
    """The last of `count` ascending ranges whose first key is not after `key`; the first range if all are."""
    return max(0, bisect.bisect_right(range(count), key, key=first_key) - 1)
