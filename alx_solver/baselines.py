"""Recommendations that need no model: what a trained one has to beat.

  random        a seeded sample of columns without replacement
  most popular  columns by number of train entries (in-degree), ties to the lower id
  same host     the most popular columns of the row's own host, then the most popular of all

All leave a row's history out, as the ranking of a model does. They return int64[test rows, k], -1 where a row has
no more columns.
"""

from collections.abc import Iterator

import numpy as np

from alx_solver.csr import CsrMatrix
from alx_solver.datasets import LinkDataset
from webgraph.canonical_url import host_of

NO_HOSTS = "the dataset has no URLs, so no hosts"


def rank_random(dataset: LinkDataset, k: int, *, seed: int) -> np.ndarray:
    """Ranks columns at random."""
    columns = dataset.train.num_cols
    random = np.random.default_rng(seed)
    ranked = np.full((dataset.num_test_rows, k), -1, dtype=np.int64)
    for row, history in enumerate(_rows(dataset.history)):
        wanted = k + len(history)
        drawn = _distinct(random.integers(0, columns, min(2 * wanted, columns)))
        # Drawing with replacement and dropping repeats is uniform too, and does not touch all columns; where it
        # leaves too few, a whole permutation does.
        _fill(ranked[row], drawn if len(drawn) >= wanted else random.permutation(columns), history)
    return ranked


def rank_popular(dataset: LinkDataset, k: int) -> np.ndarray:
    """Ranks columns by train entries."""
    order = popularity_order(dataset.train)
    ranked = np.full((dataset.num_test_rows, k), -1, dtype=np.int64)
    for row, history in enumerate(_rows(dataset.history)):
        _fill(ranked[row], order[: k + len(history)], history)
    return ranked


def rank_popular_of_host(dataset: LinkDataset, k: int) -> np.ndarray:
    """Ranks the columns of the row's own host by train entries, then all others.

    Raises:
      ValueError: the dataset has no URLs.
    """
    if dataset.urls is None:
        raise ValueError(f"{dataset.name}: {NO_HOSTS}; build the graph from archives to have them.")
    everywhere = popularity_order(dataset.train)
    host, num_hosts = _host_codes(dataset.urls.to_pylist())
    by_host = everywhere[np.argsort(host[everywhere], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(host, minlength=num_hosts))])
    ranked = np.full((dataset.num_test_rows, k), -1, dtype=np.int64)
    for row, history in enumerate(_rows(dataset.history)):
        code, wanted = host[dataset.test_rows[row]], k + len(history)
        local = by_host[starts[code] : min(starts[code + 1], starts[code] + wanted)]
        others = everywhere[: wanted + len(local)]
        _fill(ranked[row], np.concatenate([local, others[~np.isin(others, local)]]), history)
    return ranked


def popularity_order(train: CsrMatrix) -> np.ndarray:
    """int64[cols]: columns by descending number of entries, ties to the lower id."""
    return np.argsort(-np.bincount(train.indices, minlength=train.num_cols), kind="stable")


def _host_codes(urls: list[str]) -> tuple[np.ndarray, int]:
    """int64[nodes]: one number a host, and how many hosts there are."""
    codes: dict[str, int] = {}
    numbers = np.fromiter((codes.setdefault(host_of(url), len(codes)) for url in urls), np.int64, count=len(urls))
    return numbers, len(codes)


def _rows(matrix: CsrMatrix) -> Iterator[np.ndarray]:
    for row in range(matrix.num_rows):
        yield matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]


def _distinct(drawn: np.ndarray) -> np.ndarray:
    """The distinct values in the order of their first appearance."""
    return drawn[np.sort(np.unique(drawn, return_index=True)[1])]


def _fill(ranked: np.ndarray, candidates: np.ndarray, history: np.ndarray) -> None:
    """Writes the first candidates that are not in the history; `ranked` keeps -1 where they do not suffice."""
    chosen = candidates[~np.isin(candidates, history)][: len(ranked)]
    ranked[: len(chosen)] = chosen
