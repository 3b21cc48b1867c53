"""Training against the NumPy float64 oracle, for every solver, on 1 and 8 devices. Oracle: tests/oracles/als.py."""

import itertools

import jax
import numpy as np
import pytest
import scipy.sparse

from alx_solver.als import NotFiniteError
from alx_solver.options import LINEAR_SOLVERS, BatchOptions, ExchangeOptions, Hyperparameters, Precision, SolverOptions
from tests.alx_solver.problems import make_trainer, power_law, relative_error, well_filled
from tests.oracles import als as oracle

DEVICES = (1, 8)
TO_TOLERANCE = 1e-8


def converged(name: str) -> SolverOptions:
    """The exact solvers as they are, the iterative ones run to a tolerance."""
    if name == "subspace":  # a sweep of one block of all dimensions is exact already
        return SolverOptions(linear_solver=name, tolerance=1e-5, max_cg_steps=5)
    return SolverOptions(linear_solver=name, tolerance=TO_TOLERANCE)


def run(trainer, epochs: int):
    """State, losses and the tables of the start."""
    state = trainer.init()
    start = trainer.row_embeddings(state), trainer.col_embeddings(state)
    losses = [trainer.objective(state).total]
    for _ in range(epochs):
        state = trainer.epoch(state)
        losses.append(trainer.objective(state).total)
    return state, losses, start


@pytest.mark.parametrize("num_devices", DEVICES)
@pytest.mark.parametrize("name", LINEAR_SOLVERS)
def test_solver_run_to_the_end_equals_exact_als(name, num_devices):
    matrix = power_law()
    for strength in (1e-4, 1e-3, 1e-2):
        trainer = make_trainer(matrix, num_devices=num_devices, solver=converged(name), lam=strength, alpha=strength)
        state, losses, start = run(trainer, 4)
        rows, cols = list(oracle.train(matrix, *start, strength, strength, epochs=4))[-1]
        assert relative_error(trainer.row_embeddings(state), rows) < 1e-3
        assert relative_error(trainer.col_embeddings(state), cols) < 1e-3
        expected = sum(oracle.objective(matrix, rows, cols, strength, strength))
        assert losses[-1] == pytest.approx(expected, rel=1e-3)
        assert all(after < before for before, after in itertools.pairwise(losses)), losses


@pytest.mark.parametrize("num_devices", DEVICES)
def test_few_step_cg_equals_the_same_iteration_in_float64(num_devices):
    matrix = well_filled()
    for strength in (1e-4, 1e-3, 1e-2):
        solver = SolverOptions(cg_steps=3)
        trainer = make_trainer(matrix, num_devices=num_devices, solver=solver, lam=strength, alpha=strength)
        state, losses, start = run(trainer, 4)
        rows, cols = list(oracle.train(matrix, *start, strength, strength, epochs=4, cg_steps=3))[-1]
        assert relative_error(trainer.row_embeddings(state), rows) < 1e-3
        assert relative_error(trainer.col_embeddings(state), cols) < 1e-3
        assert all(after < before for before, after in itertools.pairwise(losses)), losses


@pytest.mark.parametrize("name", LINEAR_SOLVERS)
def test_loss_is_the_same_whatever_the_exchange_and_the_devices(name):
    """At fixed settings; `benchmarks/same_loss.py` does this on a real graph with all of them, and recall."""
    solver, losses = SolverOptions(linear_solver=name, cg_steps=2, subspace_block=3), []
    for exchange, summed, num_devices in (("table", None, 1), ("auto", 20, 3), ("routed", None, 8)):
        options = ExchangeOptions(name=exchange, summed_min_length=summed)
        trainer = make_trainer(well_filled(), num_devices=num_devices, solver=solver, exchange=options)
        losses.append(trainer.objective(trainer.epoch(trainer.init())).total)
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


@pytest.mark.parametrize("name", LINEAR_SOLVERS)
def test_every_product_of_a_lowered_half_step_is_float32_with_highest_precision(name):
    """Operands of gramians and solves, as the program says it: on a CPU all precisions are alike. bfloat16 tables."""
    options = ExchangeOptions(name="partial", summed_min_length=20)
    trainer = make_trainer(
        power_law(),
        num_devices=8,
        solver=SolverOptions(linear_solver=name, subspace_block=3),
        exchange=options,
        precision=Precision(table="bfloat16"),
    )
    state, side = trainer.init(), trainer.row_side
    lowered = side.half_step.lower(state.row_table, state.col_table, side.batches, side.exchange_arrays, side.rule)
    products = [line for line in lowered.as_text().splitlines() if "dot_general" in line]
    assert len(products) >= 7  # gramian, and entries and background of whole, cut and summed rows
    for line in products:
        assert "precision = [HIGHEST, HIGHEST]" in line, line
        operands = line.rsplit(" : ", 1)[1].split("->")[0]
        assert operands.count("f32>") == 2 and "bf16" not in operands, line


@pytest.mark.parametrize("num_devices", DEVICES)
@pytest.mark.parametrize("name", ["cholesky", "matrix_free_cg"])
def test_weights_are_confidences(name, num_devices):
    matrix = power_law(weighted=True)
    trainer = make_trainer(matrix, num_devices=num_devices, solver=converged(name), binary=False)
    state, losses, start = run(trainer, 2)
    rows, cols = list(oracle.train(matrix, *start, 1e-2, 1e-2, epochs=2))[-1]
    assert relative_error(trainer.row_embeddings(state), rows) < 1e-3
    assert relative_error(trainer.col_embeddings(state), cols) < 1e-3
    assert losses[-1] == pytest.approx(sum(oracle.objective(matrix, rows, cols, 1e-2, 1e-2)), rel=1e-3)


def test_the_start_is_the_same_on_any_number_of_devices():
    tables = []
    for num_devices in (1, 3, 8):
        trainer = make_trainer(power_law(), num_devices=num_devices)
        state = trainer.init()
        tables.append((trainer.row_embeddings(state), trainer.col_embeddings(state)))
    for rows, cols in tables[1:]:
        np.testing.assert_array_equal(rows, tables[0][0])
        np.testing.assert_array_equal(cols, tables[0][1])
    rows, cols = tables[0]
    assert np.unique(rows[:, 0]).size == rows.shape[0]  # no two rows share random numbers
    assert not np.intersect1d(rows, cols).size  # nor do the tables
    assert rows.std() == pytest.approx(1 / np.sqrt(8), rel=0.1)


def test_empty_rows_and_padding_are_zero():
    trainer = make_trainer(power_law(), num_devices=8)
    state = trainer.epoch(trainer.init())
    rows, cols = trainer.row_embeddings(state), trainer.col_embeddings(state)
    np.testing.assert_array_equal(rows[[3, 12, 13, 14, 15]], 0)
    np.testing.assert_array_equal(cols[[68, 69]], 0)
    for table, ranges in ((state.row_table, trainer.row_ranges), (state.col_table, trainer.col_ranges)):
        padding = np.asarray(table)[ranges.global_ids() < 0]
        assert len(padding) >= 8
        np.testing.assert_array_equal(padding, 0)


def test_a_second_run_gives_the_same_bytes():
    tables = []
    for _ in range(2):
        trainer = make_trainer(power_law(), num_devices=8)
        tables.append(trainer.row_embeddings(trainer.epoch(trainer.init())))
    np.testing.assert_array_equal(tables[0], tables[1])


@pytest.mark.parametrize(
    "batches",
    [
        BatchOptions(widths=(4,), tile_entries=8, cut_width=4, cut_slots=2),  # every row of more than 4 entries is cut
        BatchOptions(tile_entries=4096),  # widths picked from the lengths, one tile a width
        BatchOptions(widths=(128,)),  # no row is cut
    ],
    ids=["cut", "picked", "whole"],
)
def test_batch_shapes_do_not_change_the_solution(batches):
    expected = make_trainer(power_law())
    expected_rows = expected.row_embeddings(expected.epoch(expected.init()))
    trainer = make_trainer(power_law(), num_devices=2, batches=batches)
    assert relative_error(trainer.row_embeddings(trainer.epoch(trainer.init())), expected_rows) < 1e-5


def test_bfloat16_tables_stay_near_float32():
    exact = make_trainer(power_law())
    rounded = make_trainer(power_law(), num_devices=8, precision=Precision(table="bfloat16"))
    losses = []
    for trainer in (exact, rounded):
        state = trainer.epoch(trainer.epoch(trainer.init()))
        losses.append(trainer.objective(state).total)
    assert state.row_table.dtype == "bfloat16"
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_nan_stops_training_with_epoch_table_and_causes():
    trainer = make_trainer(power_law())
    state = trainer.init()
    rows, cols = trainer.row_embeddings(state), trainer.col_embeddings(state)
    cols[5, 2] = np.nan
    with pytest.raises(NotFiniteError, match=r"epoch 4: the row table holds NaN or Inf. Likely causes: regularization"):
        trainer.epoch(trainer.state_from_tables(rows, cols, epoch=3))


def test_checkerboard_is_learnt():
    """Known answer: rows link to the columns of their own colour, so those score near 1 and the others near 0."""
    board = np.add.outer(np.arange(24), np.arange(20)) % 2 == 0
    trainer = make_trainer(scipy.sparse.csr_array(board.astype(np.float32)), lam=1e-4, alpha=1e-1, num_devices=8)
    state, _, _ = run(trainer, 6)
    scores = trainer.row_embeddings(state) @ trainer.col_embeddings(state).T
    assert scores[board].min() > 0.9
    assert np.abs(scores[~board]).max() < 0.05


def test_unknown_solver_raises_with_the_valid_ones():
    with pytest.raises(ValueError, match="unknown linear_solver 'newton'; valid: auto, cholesky, lu, qr"):
        SolverOptions(linear_solver="newton")


def test_a_model_without_seed_raises():
    with pytest.raises(TypeError, match="seed"):
        Hyperparameters(regularization=1e-3, unobserved_weight=1e-3)  # type: ignore[call-arg]


def test_eight_devices_are_there():
    assert len(jax.devices()) == 8
