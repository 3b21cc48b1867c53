"""The form in which every source reaches the solver: train rows, and test rows cut into history and ground truth.

Terms (strong generalisation): a test row is absent from `train` (its row there is empty). Its history is what a
model may see, its ground truth what it must predict. History and ground truth are disjoint.
"""

import dataclasses

import numpy as np
import pyarrow as pa

from alx_solver.csr import CsrMatrix


class DatasetError(ValueError):
    """A dataset cannot be read or used. The message names the file, the value and the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LinkDataset:
    """One graph (or any sparse matrix) with held-out rows.

    Attributes:
      name: what reports call it.
      train: [rows, cols]; the rows of `test_rows` are empty.
      test_rows: int64[test], ascending row ids.
      history: [test, cols], row i belongs to `test_rows[i]`.
      ground_truth: [test, cols], in the same order.
      urls: the nodes' URLs by node id (strings), or None. Only a graph, whose rows and columns are the same nodes,
        has them.
    """

    name: str
    train: CsrMatrix
    test_rows: np.ndarray
    history: CsrMatrix
    ground_truth: CsrMatrix
    urls: pa.Array | None = None

    def __post_init__(self) -> None:
        tests = len(self.test_rows)
        for field in ("history", "ground_truth"):
            matrix: CsrMatrix = getattr(self, field)
            if (matrix.num_rows, matrix.num_cols) != (tests, self.train.num_cols):
                raise DatasetError(
                    f"{self.name}: {field} must be {tests} x {self.train.num_cols} (test rows x columns), "
                    f"got {matrix.num_rows} x {matrix.num_cols}."
                )
        if tests and not 0 <= int(self.test_rows.min()) <= int(self.test_rows.max()) < self.train.num_rows:
            raise DatasetError(f"{self.name}: test row ids must be in [0, {self.train.num_rows}).")
        if (np.diff(self.test_rows) <= 0).any():
            raise DatasetError(f"{self.name}: test row ids must be strictly ascending.")
        if (self.train.row_lengths[self.test_rows] > 0).any():
            raise DatasetError(f"{self.name}: a test row also stands in train; build the graph again.")
        if self.urls is not None and not len(self.urls) == self.train.num_rows == self.train.num_cols:
            raise DatasetError(f"{self.name}: got {len(self.urls)} URLs for {self.train.num_rows} nodes.")

    @property
    def num_test_rows(self) -> int:
        return len(self.test_rows)

    def head(self, max_test_rows: int) -> "LinkDataset":
        """The same dataset with `max_test_rows` test rows at most, evenly spaced over the ids (for quick looks)."""
        if max_test_rows < 1:
            raise DatasetError(f"max_test_rows must be at least 1, got {max_test_rows}.")
        if self.num_test_rows <= max_test_rows:
            return self
        chosen = np.linspace(0, self.num_test_rows - 1, max_test_rows).astype(np.int64)
        return dataclasses.replace(
            self,
            test_rows=self.test_rows[chosen],
            history=take_rows(self.history, chosen),
            ground_truth=take_rows(self.ground_truth, chosen),
        )


def row_ids(matrix: CsrMatrix) -> np.ndarray:
    """int64[entries]: the row of every stored entry."""
    return np.repeat(np.arange(matrix.num_rows, dtype=np.int64), matrix.row_lengths)


def select_entries(matrix: CsrMatrix, keep: np.ndarray) -> CsrMatrix:
    """The same shape with only the entries where `keep` (bool[entries]) is true."""
    counts = np.bincount(row_ids(matrix)[keep], minlength=matrix.num_rows)
    return CsrMatrix(
        indptr=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)]),
        indices=matrix.indices[keep],
        values=None if matrix.values is None else matrix.values[keep],
        num_cols=matrix.num_cols,
    )


def take_rows(matrix: CsrMatrix, rows: np.ndarray) -> CsrMatrix:
    """The rows asked for (int64[taken], any order), as a matrix of as many rows."""
    starts, lengths = matrix.indptr[rows], matrix.row_lengths[rows]
    indptr = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    # Entry e of taken row i lies at starts[i] + (e - indptr[i]) of the source.
    source = np.arange(indptr[-1], dtype=np.int64) + np.repeat(starts - indptr[:-1], lengths)
    return CsrMatrix(
        indptr=indptr,
        indices=matrix.indices[source],
        values=None if matrix.values is None else matrix.values[source],
        num_cols=matrix.num_cols,
    )
