"""The closed-form objective against the sum over the dense matrix. Oracle: tests/oracles/als.py."""

import pytest

from tests.alx_solver.problems import make_trainer, power_law
from tests.oracles import als as oracle


@pytest.mark.parametrize("num_devices", [1, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_sum_over_all_pairs(num_devices, weighted):
    matrix = power_law(weighted=weighted)
    trainer = make_trainer(matrix, num_devices=num_devices, binary=not weighted, lam=0.03, alpha=0.2)
    state = trainer.init()
    for _ in range(2):
        rows, cols = trainer.row_embeddings(state), trainer.col_embeddings(state)
        observed, unobserved, regularizer = oracle.objective(matrix, rows, cols, 0.03, 0.2)
        value = trainer.objective(state)
        assert value.observed == pytest.approx(observed, rel=1e-5)
        assert value.unobserved == pytest.approx(unobserved, rel=1e-5)
        assert value.regularizer == pytest.approx(regularizer, rel=1e-5)
        assert value.total == value.observed + value.unobserved + value.regularizer
        state = trainer.epoch(state)
