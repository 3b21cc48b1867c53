"""Exact ALS in plain NumPy, a row at a time: what the equations say, and nothing else."""

from collections.abc import Callable

import numpy as np
import scipy.sparse

from alx_solver.bench.timing import timed
from alx_solver.csr import CsrMatrix

_WEIGHT = _REGULARIZATION = 1e-3


def numpy_epoch(matrix: CsrMatrix, dim: int) -> Callable[[], float]:
    """One epoch a call, going on from its own tables."""
    by_row = scipy.sparse.csr_matrix(matrix.to_scipy().astype(np.float32))
    by_col = by_row.T.tocsr()
    random = np.random.default_rng(0)
    rows, cols = (3e-3 * random.standard_normal((size, dim), dtype=np.float32) for size in by_row.shape)

    def epoch() -> None:
        half_step(by_row, rows, cols)
        half_step(by_col, cols, rows)

    return lambda: timed(epoch)


def half_step(matrix: scipy.sparse.csr_matrix, rows: np.ndarray, cols: np.ndarray) -> None:
    """Solves `(H_S' C H_S + alpha H'H + lambda I) w = H_S' C 1` for each row of the matrix, into `rows`."""
    background = _WEIGHT * cols.T @ cols + _REGULARIZATION * np.eye(cols.shape[1], dtype=np.float32)
    for row in range(matrix.shape[0]):
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        embeddings, weights = cols[matrix.indices[inside]], matrix.data[inside]
        rows[row] = np.linalg.solve(background + (embeddings.T * weights) @ embeddings, embeddings.T @ weights)
