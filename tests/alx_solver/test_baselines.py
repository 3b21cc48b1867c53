"""Baselines against rankings worked out by hand and by plain Python."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse

from alx_solver.baselines import popularity_order, rank_popular, rank_popular_of_host, rank_random
from alx_solver.csr import CsrMatrix
from alx_solver.datasets import LinkDataset, hold_out_rows
from tests.alx_solver.planted import planted_csr
from webgraph.split import SplitOptions

URLS = ["http://a.de/0", "http://a.de/1", "http://b.de/2", "http://b.de:81/3", "http://a.de/4", "http://c.de/5"]


def by_hand() -> LinkDataset:
    """Six nodes; in-degrees in train 1 3 2 2 0 0; test row 5 (alone on its host) and test row 4 (host a.de)."""
    dense = np.zeros((6, 6))
    for row, columns in enumerate([[1, 2], [0, 2, 3], [1, 3], [1], [], []]):
        dense[row, columns] = 1
    return LinkDataset(
        name="hand",
        train=CsrMatrix.from_scipy(scipy.sparse.csr_array(dense)),
        test_rows=np.array([4, 5]),
        history=CsrMatrix(np.array([0, 1, 2]), np.array([2, 1]), None, 6),
        ground_truth=CsrMatrix(np.array([0, 1, 2]), np.array([1, 3]), None, 6),
        urls=pa.array(URLS),
    )


def test_most_popular_by_hand():
    assert popularity_order(by_hand().train).tolist() == [1, 2, 3, 0, 4, 5]
    assert rank_popular(by_hand(), 4).tolist() == [[1, 3, 0, 4], [2, 3, 0, 4]]


def test_most_popular_of_the_same_host_by_hand():
    # Row 4: a.de's 1, 0, 4 (itself), then the rest by popularity without its history 2. Row 5: c.de's 5, then the rest.
    assert rank_popular_of_host(by_hand(), 6).tolist() == [[1, 0, 4, 3, 5, -1], [5, 2, 3, 0, 4, -1]]


def test_a_graph_without_urls_has_no_hosts():
    dataset = hold_out_rows(planted_csr(), name="planted", options=SplitOptions(seed=5))
    with pytest.raises(ValueError, match="planted: the dataset has no URLs"):
        rank_popular_of_host(dataset, 5)


@pytest.mark.parametrize("k", [5, 300])
def test_random_is_seeded_distinct_and_without_history(k):
    dataset = hold_out_rows(planted_csr(), name="planted", options=SplitOptions(seed=5))
    ranked = rank_random(dataset, k, seed=1)
    np.testing.assert_array_equal(ranked, rank_random(dataset, k, seed=1))
    assert (ranked != rank_random(dataset, k, seed=2)).any()
    for row, history in zip(ranked, np.split(dataset.history.indices, dataset.history.indptr[1:-1]), strict=True):
        shown = row[row >= 0]
        assert len(set(shown)) == len(shown) == min(k, dataset.train.num_cols - len(history))
        assert not set(shown) & set(history)


def test_random_is_uniform():
    dataset = hold_out_rows(planted_csr(), name="planted", options=SplitOptions(seed=5))
    drawn = np.concatenate([rank_random(dataset, 20, seed=seed).ravel() for seed in range(40)])
    counts = np.bincount(drawn, minlength=240)
    assert abs(counts - counts.mean()).max() < 6 * np.sqrt(counts.mean())
