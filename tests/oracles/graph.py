"""Slow, obviously right graphs with plain sets and dicts: TLDs, degree rule, node order, split, transpose.

It shares no code with `webgraph` but the hash function that the split's definition names.
"""

import dataclasses
from urllib.parse import urlsplit

import xxhash


@dataclasses.dataclass
class OracleGraph:
    """Rows by id; a test row is (history, ground truth). Lists are sorted."""

    urls: list[str]
    train: dict[int, list[int]]
    train_t: dict[int, list[int]]
    test: dict[int, tuple[list[int], list[int]]]
    out_degree: list[int]
    in_degree: list[int]

    @property
    def num_edges(self) -> int:
        return sum(self.out_degree)


def keep_by_degree(edges: set[tuple], min_degree: int, until_stable: bool = False) -> tuple[set, set[tuple]]:
    """Kept nodes and kept edges. Every node that may be kept is the end of some edge."""
    nodes = {node for edge in edges for node in edge}
    while True:
        kept = {
            node
            for node in nodes
            if sum(1 for s, _ in edges if s == node) >= min_degree
            and sum(1 for _, d in edges if d == node) >= min_degree
        }
        edges = {(s, d) for s, d in edges if s in kept and d in kept}
        if not until_stable or kept == nodes:
            return kept, edges
        nodes = kept


def variant_of(outlinks: dict[str, set[str]], tlds: tuple[str, ...], min_degree: int) -> tuple[set[str], set[tuple]]:
    """Kept links and edges of a variant, degrees counted once."""

    def inside(url: str) -> bool:
        return not tlds or (urlsplit(url).hostname or "").split(".")[-1] in tlds

    edges = {(s, d) for s, targets in outlinks.items() for d in targets if s != d and inside(s) and inside(d)}
    outs: dict[str, int] = {}
    ins: dict[str, int] = {}
    for s, d in edges:
        outs[s] = outs.get(s, 0) + 1
        ins[d] = ins.get(d, 0) + 1
    kept = {node for node in outs if outs[node] >= min_degree and ins.get(node, 0) >= min_degree}
    return kept, {(s, d) for s, d in edges if s in kept and d in kept}


def node_order(url: str) -> tuple[list[bytes], bytes, bytes, bytes, bytes]:
    """Host labels reversed, port, path, query, scheme; for hosts that are names."""
    parts = urlsplit(url)
    host, _, port = parts.netloc.partition(":")
    query = "?" + parts.query if "?" in url else ""
    labels = [label.encode() for label in reversed(host.split("."))]
    return labels, port.encode(), parts.path.encode(), query.encode(), parts.scheme.encode()


def build_graph(
    nodes: set[str],
    edges: set[tuple[str, str]],
    *,
    seed: int = 0,
    test_fraction: float = 0.1,
    gt_fraction: float = 0.25,
) -> OracleGraph:
    """The graph of a variant, split as the design says."""
    urls = sorted(nodes, key=node_order)
    ids = {url: node for node, url in enumerate(urls)}
    rows: dict[int, list[int]] = {}
    for s, d in edges:
        rows.setdefault(ids[s], []).append(ids[d])
    graph = OracleGraph(urls, {}, {}, {}, [0] * len(urls), [0] * len(urls))
    for row, cols in sorted(rows.items()):
        cols.sort()
        graph.out_degree[row] = len(cols)
        for col in cols:
            graph.in_degree[col] += 1
        name = urls[row].encode()
        if len(cols) >= 2 and xxhash.xxh3_64_intdigest(name, seed) < test_fraction * 2**64:
            hashes = {col: xxhash.xxh3_64_intdigest(name + b"\n" + urls[col].encode(), seed) for col in cols}
            by_hash = sorted(cols, key=lambda col, hashes=hashes: (hashes[col], col))
            chosen = by_hash[: min(len(cols) - 1, max(1, round(len(cols) * gt_fraction)))]
            graph.test[row] = ([col for col in cols if col not in chosen], sorted(chosen))
        else:
            graph.train[row] = cols
            for col in cols:
                graph.train_t.setdefault(col, []).append(row)
    graph.train_t = {row: sorted(cols) for row, cols in sorted(graph.train_t.items())}
    return graph
