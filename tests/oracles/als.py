"""Slow, obviously right ALS in NumPy float64: one dense system a row, no batching, no tricks.

Everything is computed from the definition in the design: the objective over all pairs, the normal equations of one
row at a time, and the textbook CG iteration on the explicit matrix.
"""

import numpy as np


def regularization_of(n: float, num_cols: int, lam: float, alpha: float, exponent: float = 1.0) -> float:
    return lam * (n + alpha * num_cols) ** exponent


def normal_equations(ids, weights, cols, lam_r: float, alpha: float):
    """A and b of one row, from its entries."""
    entries = cols[ids]
    a = (entries * weights[:, None]).T @ entries + alpha * cols.T @ cols + lam_r * np.eye(cols.shape[1])
    return a, entries.T @ weights


def cg(a, b, x, steps: int):
    """`steps` steps of conjugate gradients from x."""
    r = b - a @ x
    p = r.copy()
    for _ in range(steps):
        rr = r @ r
        if rr == 0:
            break
        ap = a @ p
        step = rr / (p @ ap)
        x = x + step * p
        r = r - step * ap
        p = r + (r @ r) / rr * p
    return x


def half_step(matrix, rows, cols, lam: float, alpha: float, *, exponent: float = 1.0, cg_steps: int | None = None):
    """All rows of a SciPy CSR matrix given cols: exact, or `cg_steps` warm CG steps. Empty rows become zero."""
    solved = np.zeros_like(rows)
    gram_free = np.asarray(cols, np.float64)
    background = alpha * gram_free.T @ gram_free
    for r in range(matrix.shape[0]):
        begin, end = matrix.indptr[r], matrix.indptr[r + 1]
        if begin == end:
            continue
        entries = gram_free[matrix.indices[begin:end]]
        weights = matrix.data[begin:end].astype(np.float64)
        lam_r = regularization_of(end - begin, matrix.shape[1], lam, alpha, exponent)
        a = (entries * weights[:, None]).T @ entries + background + lam_r * np.eye(cols.shape[1])
        b = entries.T @ weights
        solved[r] = np.linalg.solve(a, b) if cg_steps is None else cg(a, b, rows[r], cg_steps)
    return solved


def train(matrix, rows, cols, lam: float, alpha: float, *, epochs: int, exponent: float = 1.0, cg_steps=None):
    """Epochs of ALS from a start; yields (rows, cols) after each."""
    rows, cols = rows.astype(np.float64), cols.astype(np.float64)
    transposed = matrix.T.tocsr()
    for _ in range(epochs):
        rows = half_step(matrix, rows, cols, lam, alpha, exponent=exponent, cg_steps=cg_steps)
        cols = half_step(transposed, cols, rows, lam, alpha, exponent=exponent, cg_steps=cg_steps)
        yield rows, cols


def objective(matrix, rows, cols, lam: float, alpha: float, exponent: float = 1.0):
    """(observed, unobserved, regularizer) over the dense matrix of all pairs."""
    scores = rows.astype(np.float64) @ cols.astype(np.float64).T
    dense = matrix.toarray().astype(np.float64)
    observed = (dense * (1 - scores) ** 2).sum()
    unobserved = alpha * (scores**2).sum()
    lam_rows = [regularization_of(n, matrix.shape[1], lam, alpha, exponent) for n in np.diff(matrix.indptr)]
    lam_cols = [regularization_of(n, matrix.shape[0], lam, alpha, exponent) for n in np.diff(matrix.T.tocsr().indptr)]
    regularizer = np.dot(lam_rows, (rows.astype(np.float64) ** 2).sum(1)) + np.dot(
        lam_cols, (cols.astype(np.float64) ** 2).sum(1)
    )
    return observed, unobserved, regularizer
