"""lambda_r by hand."""

import numpy as np
import pytest

from alx_solver.options import Hyperparameters
from alx_solver.regularization import RegularizationRule


@pytest.mark.parametrize(("exponent", "expected"), [(1.0, [0.2, 1.2]), (0.5, [0.2, 0.48989795]), (0.0, [0.1, 0.1])])
def test_scale_and_exponent(exponent, expected):
    model = Hyperparameters(regularization=0.1, unobserved_weight=0.01, regularization_exponent=exponent, seed=0)
    rule = RegularizationRule.of(model, num_cols=200)  # alpha N = 2
    expected = expected if exponent != 0.5 else [0.1 * 2**0.5, 0.1 * 12**0.5]
    np.testing.assert_allclose(rule(np.array([0.0, 10.0])), expected)
    np.testing.assert_allclose(RegularizationRule.of(model, 200, plain=True)(np.array([0.0, 10.0])), [0.1, 0.1])
