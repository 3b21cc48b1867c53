"""PyPI's `implicit`: CG of 3 steps on all cores, on our problem with alpha = lambda = 1e-3 and exponent 0."""

from collections.abc import Callable

import numpy as np
import scipy.sparse

from alx_solver.csr import CsrMatrix
from alx_solver.host_devices import num_cores


def implicit_epoch(matrix: CsrMatrix, dim: int) -> Callable[[], float]:
    """One epoch a call, going on from its own factors.

    Raises:
      ImportError: it is not installed.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    entries = scipy.sparse.csr_matrix(matrix.to_scipy().astype(np.float32))
    model = AlternatingLeastSquares(
        factors=dim,
        regularization=1e-3 * 1001,
        alpha=1001.0,
        use_cg=True,
        iterations=1,
        num_threads=num_cores(),
        random_state=0,
    )

    def run() -> float:
        elapsed: list[float] = []
        model.fit(entries, show_progress=False, callback=lambda iteration, seconds, loss: elapsed.append(seconds))
        return elapsed[0]

    return run
