"""Fold-in against one exact half-step of the oracle, and against training itself."""

import numpy as np
import pytest

from alx_solver.csr import CsrMatrix
from alx_solver.options import SolverOptions
from tests.alx_solver.problems import make_trainer, power_law, relative_error
from tests.oracles import als as oracle


@pytest.mark.parametrize("num_devices", [1, 8])
@pytest.mark.parametrize("solver", ["cholesky", "matrix_free_cg"])
def test_equals_an_exact_half_step_with_the_training_rule(solver, num_devices):
    trainer = make_trainer(power_law(), num_devices=num_devices, solver=SolverOptions(fold_in_solver=solver))
    state = trainer.epoch(trainer.init())
    queries = power_law(seed=8)[:17]
    expected = oracle.half_step(queries, np.zeros((17, 8)), trainer.col_embeddings(state), 1e-2, 1e-2)
    folded = trainer.fold_in(state, CsrMatrix.from_scipy(queries))
    assert folded.dtype == np.float32
    assert relative_error(folded, expected) < 1e-3
    np.testing.assert_array_equal(folded[np.diff(queries.indptr) == 0], 0)


def test_folding_the_training_rows_in_gives_their_next_embeddings():
    solver = SolverOptions(linear_solver="cholesky", fold_in_solver="cholesky")
    trainer = make_trainer(power_law(), solver=solver)
    state = trainer.epoch(trainer.init())
    folded = trainer.fold_in(state, trainer.matrix)
    again = trainer.fold_in(state, trainer.matrix)
    np.testing.assert_array_equal(folded, again)
    cols = trainer.col_embeddings(state)
    rows = trainer.row_embeddings(trainer.epoch(state))
    assert relative_error(folded, rows) < 1e-6
    assert cols.shape == (70, 8)


def test_plain_regularization_is_the_originals():
    trainer = make_trainer(power_law(), lam=0.5, solver=SolverOptions(fold_in_regularization="plain"))
    state = trainer.epoch(trainer.init())
    cols = trainer.col_embeddings(state)
    expected = oracle.half_step(power_law(), np.zeros((90, 8)), cols, 0.5, 1e-2, exponent=0.0)
    folded = trainer.fold_in(state, trainer.matrix)
    assert relative_error(folded, expected) < 1e-4
    scaled = oracle.half_step(power_law(), np.zeros((90, 8)), cols, 0.5, 1e-2)
    assert relative_error(folded, scaled) > 0.1


def test_a_history_of_other_columns_raises():
    trainer = make_trainer(power_law())
    with pytest.raises(ValueError, match="history has 90 columns, but the model has 70"):
        trainer.fold_in(trainer.init(), trainer.matrix.transpose())
