"""Metrics against hand-computed answers and against the set-based oracle (`tests/oracles/recall.py`)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alx_solver.csr import CsrMatrix
from alx_solver.recall import bootstrap_interval, ranking_metrics
from tests.oracles.recall import slow_ndcg, slow_recall


def csr(rows: list[list[int]], num_cols: int) -> CsrMatrix:
    return CsrMatrix(
        indptr=np.cumsum([0, *map(len, rows)]).astype(np.int64),
        indices=np.array([column for row in rows for column in row], dtype=np.int32),
        values=None,
        num_cols=num_cols,
    )


def test_known_answers_by_hand():
    # Row 0 finds 2 of 3 at places 1 and 3; row 1 has no ground truth; row 2 finds its only one at place 2.
    ranked = np.array([[7, 1, 5, -1], [0, 1, 2, 3], [9, 4, 0, 1]])
    metrics = ranking_metrics(ranked, csr([[2, 5, 7], [], [4]], 10))
    assert metrics.rows.tolist() == [0, 2]
    assert metrics.values["recall@20"] == pytest.approx([2 / 3, 1])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert metrics.values["ndcg@100"] == pytest.approx([(1 + 1 / 2) / ideal, 1 / math.log2(3)])
    assert metrics.means["recall@50"] == pytest.approx(5 / 6)


def test_recall_divides_by_k_when_there_is_more_truth_than_places():
    ranked = np.arange(100)[None, :]
    metrics = ranking_metrics(ranked, csr([list(range(10, 90))], 200))
    assert metrics.values["recall@20"] == pytest.approx([10 / 20])
    assert metrics.values["recall@50"] == pytest.approx([40 / 50])


def test_minus_one_is_never_a_hit():
    # -1 of row 1 would be the key of row 0's last column, were it not excluded.
    metrics = ranking_metrics(np.array([[0, 1], [-1, -1]]), csr([[9], [3]], 10))
    assert metrics.values["recall@20"].tolist() == [0, 0]


def test_no_ground_truth_gives_no_means_and_no_error():
    assert ranking_metrics(np.zeros((2, 3), int), csr([[], []], 5)).means == {}


def test_row_counts_must_agree():
    with pytest.raises(ValueError, match="recommendations for 2 rows and ground truth for 1"):
        ranking_metrics(np.zeros((2, 3), int), csr([[1]], 5))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_equals_the_slow_oracle(seed):
    random = np.random.default_rng(seed)
    columns = int(random.integers(120, 300))
    truth = [np.sort(random.choice(columns, random.integers(1, 110), replace=False)).tolist() for _ in range(5)]
    ranked = np.stack([random.permutation(columns)[:100] for _ in truth])
    metrics = ranking_metrics(ranked, csr(truth, columns))
    for row, wanted in enumerate(truth):
        found = ranked[row].tolist()
        assert metrics.values["recall@20"][row] == pytest.approx(slow_recall(found, set(wanted), 20))
        assert metrics.values["recall@50"][row] == pytest.approx(slow_recall(found, set(wanted), 50))
        assert metrics.values["ndcg@100"][row] == pytest.approx(slow_ndcg(found, set(wanted), 100))


def test_bootstrap_interval_is_seeded_and_near_the_normal_one():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    low, high = bootstrap_interval(values, seed=1, samples=4000)
    assert (low, high) == bootstrap_interval(values, seed=1, samples=4000)
    error = 1.96 * values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + error, abs=0.1 * error)
    with pytest.raises(ValueError, match="Need values"):
        bootstrap_interval(np.empty(0), seed=1)
