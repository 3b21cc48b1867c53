"""Which solver `linear_solver="auto"` takes, and that it is said."""

import json
from pathlib import Path

import numpy as np
import pytest

from alx_solver.linear_solvers.automatic import choose_linear_solver, mean_entries_a_row, resolved
from alx_solver.options import SolverOptions
from tests.alx_solver.problems import make_trainer, power_law

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "solver_choice.json"


@pytest.mark.parametrize(
    "case", json.loads(MEASURED.read_text())["results"], ids=lambda c: f"{c['dim']}-{c['entries_a_row']}"
)
def test_on_cpus_the_choice_is_the_fastest_that_was_measured(case):
    """Or no more than a tenth slower than the fastest, which is noise."""
    seconds = case["processor_seconds"]
    chosen = choose_linear_solver("cpu", case["dim"], case["entries_a_row"])
    assert seconds[chosen] <= 1.1 * min(seconds.values())


def test_accelerators_take_few_step_cg():
    for platform in ("gpu", "tpu"):
        assert choose_linear_solver(platform, 8, 5000) == "matrix_free_cg"


def test_mean_leaves_empty_rows_out():
    assert mean_entries_a_row(np.array([4, 0, 2]), np.array([6, 0])) == 4.0
    assert mean_entries_a_row(np.array([0, 0])) == 0.0


def test_what_was_taken_is_said(caplog):
    caplog.set_level("INFO")
    trainer = make_trainer(power_law())
    assert trainer.linear_solver.name == "matrix_free_cg"
    assert trainer.solver.linear_solver == "auto"  # what was asked for, as it is saved
    assert "linear solver matrix_free_cg: cpu, dim 8" in caplog.text
    assert trainer.describe_solver() == "matrix_free_cg, kernel native (cpu, dim 8)"
    exact = resolved(SolverOptions(), "cpu", 8, 600.0)
    assert exact.linear_solver == "cholesky"


def test_a_named_solver_stays_and_cg_options_mean_cg():
    named = SolverOptions(linear_solver="lu")
    assert resolved(named, "cpu", 8, 600.0) is named
    assert resolved(SolverOptions(tolerance=1e-3), "cpu", 8, 600.0).linear_solver == "matrix_free_cg"
    assert resolved(SolverOptions(kernel="native"), "cpu", 8, 600.0).linear_solver == "matrix_free_cg"
