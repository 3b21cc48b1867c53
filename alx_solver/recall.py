"""Ranking metrics of recommended columns against held-out ground truth.

For a test row with ground truth G (non-empty) and recommendations r_1, r_2, ..., best first, without its history:

  Recall@k = |{r_1..r_k} in G| / min(k, |G|)
  NDCG@k   = DCG@k / ideal DCG@k, binary relevance:
             DCG@k = sum over i <= k with r_i in G of 1 / log2(i + 1)
             ideal DCG@k = sum over i <= min(k, |G|) of 1 / log2(i + 1)

A metric of a model is the mean over the test rows that have ground truth; the others are left out (the original
divides by all rows). Values of single rows are kept, so that intervals can be computed by resampling rows.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from alx_solver.csr import CsrMatrix

RECALL_CUTOFFS = (20, 50)
NDCG_CUTOFF = 100
NUM_RANKED = 100
"""How many recommendations a row needs for all metrics."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RankingMetrics:
    """Metrics of every test row that has ground truth.

    Attributes:
      rows: int64[rows], which rows of the ground truth matrix the values belong to.
      values: metric name ("recall@20", "recall@50", "ndcg@100") to float64[rows].
    """

    rows: np.ndarray
    values: dict[str, np.ndarray]

    @property
    def means(self) -> dict[str, float]:
        """Mean over rows by metric name; empty if there is no row."""
        return {name: float(values.mean()) for name, values in self.values.items() if len(values)}


def ranking_metrics(ranked: Int[np.ndarray, "rows ranked"], ground_truth: CsrMatrix) -> RankingMetrics:
    """Computes the metrics of this module.

    Args:
      ranked: column ids, best first, distinct in a row; -1 where a row has no more recommendations.
      ground_truth: [rows, cols].

    Raises:
      ValueError: the numbers of rows differ.
    """
    if len(ranked) != ground_truth.num_rows:
        raise ValueError(f"Got recommendations for {len(ranked)} rows and ground truth for {ground_truth.num_rows}.")
    lengths = ground_truth.row_lengths
    rows = np.flatnonzero(lengths > 0)
    hits, lengths = is_hit(ranked, ground_truth)[rows], lengths[rows]
    values = {f"recall@{k}": recall_at(hits, lengths, k) for k in RECALL_CUTOFFS}
    values[f"ndcg@{NDCG_CUTOFF}"] = ndcg_at(hits, lengths, NDCG_CUTOFF)
    return RankingMetrics(rows=rows, values=values)


def is_hit(ranked: Int[np.ndarray, "rows ranked"], ground_truth: CsrMatrix) -> np.ndarray:
    """bool[rows, ranked]: whether a recommendation is in its row's ground truth."""
    width = ground_truth.num_cols
    truth_rows = np.repeat(np.arange(ground_truth.num_rows, dtype=np.int64), ground_truth.row_lengths)
    truth = np.sort(truth_rows * width + ground_truth.indices)
    keys = np.arange(len(ranked), dtype=np.int64)[:, None] * width + ranked
    if not len(truth):
        return np.zeros(keys.shape, dtype=bool)
    found = truth[np.minimum(np.searchsorted(truth, keys), len(truth) - 1)] == keys
    return found & (ranked >= 0)


def recall_at(hits: np.ndarray, lengths: np.ndarray, k: int) -> Float[np.ndarray, " rows"]:
    """Recall@k of rows with `lengths` >= 1 ground-truth entries, from bool[rows, ranked] hits."""
    return hits[:, :k].sum(axis=1) / np.minimum(k, lengths)


def ndcg_at(hits: np.ndarray, lengths: np.ndarray, k: int) -> Float[np.ndarray, " rows"]:
    """NDCG@k of rows with `lengths` >= 1 ground-truth entries, from bool[rows, ranked] hits."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gained = hits[:, :k] @ discounts[: hits.shape[1]]
    return gained / np.cumsum(discounts)[np.minimum(k, lengths) - 1]


def bootstrap_interval(
    values: Float[np.ndarray, " rows"], *, seed: int, samples: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over rows. For two models give the rows' differences (paired).

    Args:
      values: one value a row; at least one.
      seed: of the resampling.
      samples: number of resamples.
      level: coverage, in (0, 1).

    Returns:
      The limits of the interval.
    """
    if not len(values) or not 0 < level < 1 or samples < 1:
        raise ValueError(f"Need values, samples >= 1 and 0 < level < 1, got {len(values)}, {samples}, {level}.")
    random = np.random.default_rng(seed)
    means = [values[random.integers(0, len(values), len(values))].mean() for _ in range(samples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
