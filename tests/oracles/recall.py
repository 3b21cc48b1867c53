"""Ranking metrics and top-k written slowly and plainly: the oracles of `alx_solver.recall` and `alx_solver.top_k`."""

import math

import numpy as np


def slow_recall(ranked: list[int], truth: set[int], k: int) -> float:
    """Hits among the first k over min(k, |truth|)."""
    return len(set(ranked[:k]) & truth) / min(k, len(truth))


def slow_ndcg(ranked: list[int], truth: set[int], k: int) -> float:
    """Binary-relevance NDCG@k, summed place by place."""
    gained = sum(1 / math.log2(place + 1) for place, column in enumerate(ranked[:k], start=1) if column in truth)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(truth)) + 1))
    return gained / ideal


def slow_top_k(query: np.ndarray, table: np.ndarray, seen: set[int], k: int) -> list[int]:
    """Columns by descending float64 score, ties to the lower id, without those seen."""
    scores = table.astype(np.float64) @ query.astype(np.float64)
    order = sorted(range(len(table)), key=lambda column: (-scores[column], column))
    return [column for column in order if column not in seen][:k]
