"""The degree rule: which nodes of a graph are kept, by their numbers of outlinks and inlinks.

As published, degrees are counted once, in the graph after its TLD filter; nodes with at least K of both are kept, and
edges with an end that is not kept are dropped. So a kept node may be left with fewer than K edges, even with none.
Repeated until nothing changes, the rule gives the directed K-core: the largest set of nodes of which each has at
least K outlinks to and K inlinks from the set.
"""

import numpy as np


def kept_nodes(out_degree: np.ndarray, in_degree: np.ndarray, min_degree: int) -> np.ndarray:
    """Returns bool[nodes]: at least `min_degree` outlinks and inlinks. Both degrees are int64[nodes]."""
    return (out_degree >= min_degree) & (in_degree >= min_degree)


def apply_degree_rule(
    source: np.ndarray, destination: np.ndarray, num_nodes: int, min_degree: int, until_stable: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Applies the rule to a whole graph in memory.

    Args:
      source, destination: int64[edges], ids in [0, num_nodes); no edge twice.
      num_nodes: size of the graph.
      min_degree: K.
      until_stable: repeat until no node is dropped.

    Returns:
      kept, bool[num_nodes], and bool[edges], true where both ends are kept.
    """
    kept = np.ones(num_nodes, dtype=bool)
    edges = np.arange(len(source))
    while True:
        out_degree = np.bincount(source[edges], minlength=num_nodes)
        in_degree = np.bincount(destination[edges], minlength=num_nodes)
        still = kept & kept_nodes(out_degree, in_degree, min_degree)
        edges = edges[still[source[edges]] & still[destination[edges]]]
        unchanged = np.array_equal(still, kept)
        kept = still
        if unchanged or not until_stable:
            mask = np.zeros(len(source), dtype=bool)
            mask[edges] = True
            return kept, mask
