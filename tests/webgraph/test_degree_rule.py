"""The degree rule against sets. Oracle: tests/oracles/graph.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.graph import keep_by_degree
from webgraph.degree_rule import apply_degree_rule, kept_nodes

_EDGES = st.sets(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda edge: edge[0] != edge[1]), max_size=90)


@given(edges=_EDGES, min_degree=st.integers(1, 5), until_stable=st.booleans())
def test_equals_sets(edges: set[tuple[int, int]], min_degree: int, until_stable: bool) -> None:
    ordered = sorted(edges)
    source = np.array([s for s, _ in ordered], dtype=np.int64)
    destination = np.array([d for _, d in ordered], dtype=np.int64)
    kept, mask = apply_degree_rule(source, destination, 15, min_degree, until_stable)
    expected_nodes, expected_edges = keep_by_degree(edges, min_degree, until_stable)
    assert set(np.flatnonzero(kept).tolist()) == expected_nodes
    assert {edge for edge, keep in zip(ordered, mask.tolist(), strict=True) if keep} == expected_edges


def test_one_pass_may_leave_a_node_without_edges() -> None:
    # 0 has a link from 1 and to 2, but neither 1 nor 2 has both.
    kept, mask = apply_degree_rule(np.array([1, 0]), np.array([0, 2]), 3, 1)
    assert kept.tolist() == [True, False, False]
    assert not mask.any()
    assert not apply_degree_rule(np.array([1, 0]), np.array([0, 2]), 3, 1, until_stable=True)[0].any()


@pytest.mark.parametrize(("outlinks", "inlinks", "keep"), [(3, 3, True), (3, 2, False), (2, 3, False)])
def test_both_degrees_count(outlinks: int, inlinks: int, keep: bool) -> None:
    assert kept_nodes(np.array([outlinks]), np.array([inlinks]), 3).tolist() == [keep]
