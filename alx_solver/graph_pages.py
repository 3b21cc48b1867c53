"""A page of a graph by URL or id: its node and its known outlinks, read from the few row groups that hold them."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from alx_solver.csr import CsrMatrix
from webgraph.canonical_url import canonicalize
from webgraph.graph_directory import GraphDirectory
from webgraph.manifest import NO_URLS
from webgraph.node_lookup import find_node, nearest_urls, urls_of

_HINTS = 3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """What is known of a page.

    Attributes:
        node: its id; None of a page that is not in the graph.
        url: canonical; None where the graph has no URLs, or none was given.
        outlinks: int64, ascending: the row in `train`, the history of a test row, or what the user gave.
        ground_truth: int64, ascending: the held-out outlinks of a test row.
        ignored: URLs given as outlinks that are not in the graph.
    """

    node: int | None
    url: str | None
    outlinks: np.ndarray
    ground_truth: np.ndarray
    ignored: tuple[str, ...] = ()

    def history(self, num_cols: int) -> CsrMatrix:
        """The outlinks as a matrix of one row."""
        return CsrMatrix(np.array([0, len(self.outlinks)]), self.outlinks, None, num_cols)


def canonical(url: str) -> str:
    """The canonical form of a URL.

    Raises:
        ValueError: it is no http or https URL.
    """
    found = canonicalize(url)
    if found is None:
        raise ValueError(f"{url!r} is not an http or https URL; write it whole, like https://example.org/page")
    return found


def node_of_url(graph: GraphDirectory, url: str) -> int:
    """The node of a URL, which is brought into canonical form.

    Raises:
        ValueError: it is not in the graph; the message has URLs of the same host, if there are any.
    """
    wanted = canonical(url)
    node = find_node(graph, wanted)
    if node is None:
        near = nearest_urls(graph, wanted, _HINTS)
        hint = f"near it are {', '.join(near)}" if near else "nor is any other of its host"
        raise ValueError(f"{wanted} is not in {graph.path.name}; {hint}")
    return node


def find_page(graph: GraphDirectory, *, url: str | None = None, node: int | None = None) -> Page:
    """A page of the graph, by URL or by id.

    Raises:
        ValueError: neither is given, or there is no such page.
    """
    if node is None:
        if url is None:
            raise ValueError("no page given; add --url or --id")
        node = node_of_url(graph, url)
    if not 0 <= node < graph.num_nodes:
        raise ValueError(f"{graph.path.name} has no node {node}; ids are 0 to {graph.num_nodes - 1}")
    train, test = (graph.read_rows(split, node, node + 1) for split in ("train", "test"))
    found = train if train.num_rows else test
    return Page(node=node, url=url_or_none(graph, node), outlinks=found.col_tag, ground_truth=found.gt_tag)


def page_of_outlinks(graph: GraphDirectory, outlinks: Sequence[str], *, url: str | None = None) -> Page:
    """A page given by outlinks; those that are not in the graph are ignored, and listed.

    Raises:
        ValueError: none is in the graph, or a URL is no URL.
    """
    wanted = [canonical(link) for link in outlinks]
    nodes = {link: find_node(graph, link) for link in wanted}
    known = np.unique([node for node in nodes.values() if node is not None]).astype(np.int64)
    if not len(known):
        raise ValueError(f"none of the {len(wanted)} outlinks is in {graph.path.name}: nothing to go by")
    own = None if url is None else canonical(url)
    return Page(
        node=None if own is None else find_node(graph, own),
        url=own,
        outlinks=known,
        ground_truth=np.empty(0, np.int64),
        ignored=tuple(link for link, node in nodes.items() if node is None),
    )


def url_or_none(graph: GraphDirectory, node: int) -> str | None:
    """The URL of a node; None in a graph without URLs."""
    return None if graph.manifest.canonicalizer == NO_URLS else urls_of(graph, np.array([node]))[0]
