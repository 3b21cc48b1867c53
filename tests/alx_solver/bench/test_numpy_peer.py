"""The NumPy peer solves what the oracle solves."""

import numpy as np

from alx_solver.bench.numpy_peer import half_step
from tests.alx_solver.problems import well_filled
from tests.oracles import als


def test_half_step_equals_the_oracle():
    matrix = well_filled().tocsr()
    random = np.random.default_rng(3)
    rows, cols = (random.standard_normal((size, 8)).astype(np.float32) for size in matrix.shape)
    expected = als.half_step(matrix, rows.astype(np.float64), cols.astype(np.float64), 1e-3, 1e-3, exponent=0.0)
    half_step(matrix, rows, cols)
    np.testing.assert_allclose(rows, expected, rtol=2e-3, atol=2e-4)
