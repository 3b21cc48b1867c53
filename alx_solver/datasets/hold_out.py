"""Holds rows of a matrix out, by the rule of `webgraph.split`, for matrices that come without a split.

Also `validation_split`, which applies the same rule once more to the train rows, so that options can be tuned
without a look at the test rows.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from alx_solver.csr import CsrMatrix
from alx_solver.datasets.link_dataset import DatasetError, LinkDataset, select_entries, take_rows
from webgraph.split import SplitOptions, assign_split, edge_hashes, ground_truth_mask

NamesOf = Callable[[np.ndarray], list[bytes]]
_NAMES_AT_ONCE = 1 << 18

# Validation seeds are moved away from test seeds: with the same seed the two rules would pick the same rows.
_VALIDATION_SALT = 0x9E3779B97F4A7C15


def names_from_urls(urls: pa.Array | None) -> NamesOf:
    """Gives the function from ids to the names that are hashed: URLs, or decimal ids in a graph without."""
    if urls is None:
        return lambda ids: [b"%d" % node for node in ids.tolist()]
    return lambda ids: [url.encode() for url in urls.take(pa.array(ids)).to_pylist()]


def hold_out_rows(matrix: CsrMatrix, *, name: str, options: SplitOptions, urls: pa.Array | None = None) -> LinkDataset:
    """Splits a whole matrix into train rows and test rows with history and ground truth.

    Args:
      matrix: [rows, cols], columns ascending in each row.
      name: the dataset's name.
      options: seed and fractions. Rows with fewer than two entries are never test rows.
      urls: names of the nodes, or None for decimal ids.

    Raises:
      DatasetError: no row became a test row.
    """
    names_of = names_from_urls(urls)
    degrees = matrix.row_lengths
    candidates = np.flatnonzero(degrees >= 2)
    test_rows = candidates[_hashed_below_threshold(candidates, names_of, options)]
    if not len(test_rows):
        raise DatasetError(
            f"{name}: none of {len(candidates)} rows with two entries or more is held out at fraction "
            f"{options.test_fraction} and seed {options.seed}; use a larger fraction or another seed."
        )
    is_test = np.zeros(matrix.num_rows, dtype=bool)
    is_test[test_rows] = True
    train = select_entries(matrix, ~np.repeat(is_test, degrees))
    held_out = take_rows(matrix, test_rows)
    in_ground_truth = _ground_truth_entries(held_out, test_rows, names_of, options)
    return LinkDataset(
        name=name,
        train=train,
        test_rows=test_rows,
        history=select_entries(held_out, ~in_ground_truth),
        ground_truth=select_entries(held_out, in_ground_truth),
        urls=urls,
    )


def validation_split(dataset: LinkDataset, *, seed: int, fraction: float = 0.1) -> LinkDataset:
    """Holds a hashed fraction of the *train* rows out in the same protocol. The test rows take no part.

    Args:
      dataset: the dataset whose train rows are split.
      seed: of the validation rows; independent of the test split whatever that one's seed was.
      fraction: share of the train rows.

    Returns:
      A dataset named `<name>/validation`, whose `test_rows` are the validation rows.
    """
    options = SplitOptions(seed=(seed + 1) * _VALIDATION_SALT % 2**64, test_fraction=fraction)
    return hold_out_rows(dataset.train, name=f"{dataset.name}/validation", options=options, urls=dataset.urls)


def _hashed_below_threshold(ids: np.ndarray, names_of: NamesOf, options: SplitOptions) -> np.ndarray:
    """bool[ids], in slices so that only some names are in memory at once."""
    slices = [ids[start : start + _NAMES_AT_ONCE] for start in range(0, len(ids), _NAMES_AT_ONCE)]
    return np.concatenate([np.empty(0, bool), *(assign_split(names_of(part), options) for part in slices)])


def _ground_truth_entries(
    held_out: CsrMatrix, rows: np.ndarray, names_of: NamesOf, options: SplitOptions
) -> np.ndarray:
    """bool[entries of held_out]: which entries are ground truth."""
    marks = np.zeros(held_out.num_entries, dtype=bool)
    ends = held_out.indptr[1:]
    first = 0
    while first < held_out.num_rows:
        # As many whole rows as fit in one slice of names, at least one.
        limit = held_out.indptr[first] + _NAMES_AT_ONCE
        last = max(first + 1, int(np.searchsorted(ends, limit, side="right")))
        start, stop = int(held_out.indptr[first]), int(held_out.indptr[last])
        columns = names_of(held_out.indices[start:stop])
        for row, row_name in zip(range(first, last), names_of(rows[first:last]), strict=True):
            low, high = int(held_out.indptr[row]), int(held_out.indptr[row + 1])
            hashes = np.array(edge_hashes(row_name, columns[low - start : high - start], options), dtype=np.uint64)
            marks[low:high] = ground_truth_mask(hashes, options)
        first = last
    return marks
