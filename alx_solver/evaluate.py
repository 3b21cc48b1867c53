"""Metrics of a trained model and of the baselines, by one protocol.

A test row is folded in from its history (with the training regulariser unless told otherwise), every column is
scored, the history is left out, and the ranking is compared with the ground truth (`alx_solver.recall`).
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from alx_solver.als import AlsState, AlsTrainer
from alx_solver.baselines import NO_HOSTS, rank_popular, rank_popular_of_host, rank_random
from alx_solver.csr import CsrMatrix
from alx_solver.datasets import LinkDataset
from alx_solver.datasets.link_dataset import take_rows
from alx_solver.recall import NUM_RANKED, RankingMetrics, bootstrap_interval, ranking_metrics
from alx_solver.top_k import TopKOptions, top_k_columns

MODEL = "ALX"
_ROWS_AT_ONCE = 1 << 17


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RecallTable:
    """Metrics of several models on the same test rows.

    Attributes:
      metrics: model name to its metrics, the trained model first.
      absent: baseline name to the reason why it has no metrics.
    """

    metrics: dict[str, RankingMetrics]
    absent: dict[str, str]

    @property
    def best_baseline(self) -> str | None:
        """The baseline of the greatest Recall@20."""
        baselines = [name for name in self.metrics if name != MODEL]
        return max(baselines, key=lambda name: self.metrics[name].means.get("recall@20", 0.0), default=None)

    def gain(self, metric: str, *, seed: int = 0) -> dict[str, Any] | None:
        """Mean and 95 % bootstrap interval of the model's metric minus that of the best baseline, row by row."""
        baseline = self.best_baseline
        if baseline is None or MODEL not in self.metrics or not len(self.metrics[MODEL].rows):
            return None
        difference = self.metrics[MODEL].values[metric] - self.metrics[baseline].values[metric]
        low, high = bootstrap_interval(difference, seed=seed)
        return {"baseline": baseline, "metric": metric, "mean": float(difference.mean()), "low": low, "high": high}

    def to_json(self) -> dict[str, Any]:
        """Means by model and metric, the gain over the best baseline, and what is absent and why."""
        return {
            "means": {name: metrics.means for name, metrics in self.metrics.items()},
            "gain": self.gain("recall@20"),
            "absent": self.absent,
        }


def evaluate_model(
    trainer: AlsTrainer, state: AlsState, dataset: LinkDataset, options: TopKOptions | None = None
) -> RankingMetrics:
    """Metrics of the model on the dataset's test rows.

    Args:
      trainer: made for a matrix with the dataset's columns.
      state: its embeddings.
      dataset: whose test rows are evaluated.
      options: block sizes of the ranking.
    """
    col_ids = trainer.col_ranges.global_ids()
    ranked = [np.empty((0, NUM_RANKED), dtype=np.int64)]
    for history in _slices(dataset.history):
        queries = trainer.fold_in(state, history)
        ranked.append(top_k_columns(queries, state.col_table, col_ids, history, NUM_RANKED, options)[0])
    return ranking_metrics(np.concatenate(ranked), dataset.ground_truth)


def _slices(history: CsrMatrix) -> Iterator[CsrMatrix]:
    """The histories, so many rows at once; the very matrix if that is all, because `fold_in` keeps its plan by it."""
    if history.num_rows <= _ROWS_AT_ONCE:
        yield history
        return
    for start in range(0, history.num_rows, _ROWS_AT_ONCE):
        yield take_rows(history, np.arange(start, min(start + _ROWS_AT_ONCE, history.num_rows)))


def evaluate_baselines(dataset: LinkDataset, *, seed: int) -> RecallTable:
    """Metrics of the three baselines; the one that needs hosts is absent in a dataset without URLs."""
    rankings: dict[str, Callable[[], np.ndarray]] = {
        "random": lambda: rank_random(dataset, NUM_RANKED, seed=seed),
        "most popular": lambda: rank_popular(dataset, NUM_RANKED),
    }
    absent = {}
    if dataset.urls is None:
        absent["most popular of the same host"] = NO_HOSTS
    else:
        rankings["most popular of the same host"] = lambda: rank_popular_of_host(dataset, NUM_RANKED)
    metrics = {name: ranking_metrics(rank(), dataset.ground_truth) for name, rank in rankings.items()}
    return RecallTable(metrics=metrics, absent=absent)


def beside_baselines(model: RankingMetrics, dataset: LinkDataset, *, seed: int = 0) -> RecallTable:
    """The model's metrics and those of the baselines in one table."""
    baselines = evaluate_baselines(dataset, seed=seed)
    return dataclasses.replace(baselines, metrics={MODEL: model} | baselines.metrics)
