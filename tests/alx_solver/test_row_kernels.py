"""Which kernel solves whole rows, and that trainings with kernels are those of the plain path."""

import sys

import numpy as np
import pytest

from alx_solver.linear_solvers import MatrixFreeCg, make_linear_solver, row_kernels
from alx_solver.linear_solvers.fused_cg import INTERPRETED
from alx_solver.linear_solvers.row_kernels import with_kernel
from alx_solver.options import BatchOptions, ExchangeOptions, Precision, SolverOptions
from tests.alx_solver.problems import make_trainer, power_law, relative_error


@pytest.mark.parametrize("kernel", ["native", "pallas"])
@pytest.mark.parametrize("num_devices", [1, 8])
def test_training_is_that_of_the_plain_path(num_devices, kernel):
    """Whole rows through the kernel, rows of more than 12 entries cut, rows without any; loss and tables."""
    tables, losses = [], []
    for name in ("xla", kernel):
        trainer = make_trainer(
            power_law(weighted=True), num_devices=num_devices, solver=SolverOptions(kernel=name), binary=False
        )
        state = trainer.epoch(trainer.epoch(trainer.init()))
        tables.append((trainer.row_embeddings(state), trainer.col_embeddings(state)))
        losses.append(trainer.objective(state).total)
    assert isinstance(trainer.linear_solver, MatrixFreeCg)
    assert trainer.linear_solver.kernel == {"native": "native", "pallas": INTERPRETED}[kernel]
    for found, expected in zip(tables[1], tables[0], strict=True):
        assert relative_error(found, expected) < 1e-5
    np.testing.assert_array_equal(tables[1][0][[3, 12, 13]], 0)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize("kernel", ["native", "pallas"])
def test_training_in_stages_with_bfloat16_tables(kernel):
    losses = []
    for name in ("xla", kernel):
        trainer = make_trainer(
            power_law(),
            num_devices=8,
            solver=SolverOptions(kernel=name),
            batches=BatchOptions(widths=(80,)),
            precision=Precision(table="bfloat16"),
            exchange=ExchangeOptions(name="routed", memory_fraction=0.6),
        )
        losses.append(trainer.objective(trainer.epoch(trainer.epoch(trainer.init()))).total)
    assert trainer.row_side.plan.device.num_stages > 1
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_the_kernel_of_a_platform(caplog):
    cg = make_linear_solver("matrix_free_cg", steps=3, tolerance=None, max_steps=1)
    assert with_kernel(cg, "auto", "gpu").kernel == with_kernel(cg, "pallas", "gpu").kernel == "pallas"
    assert with_kernel(cg, "auto", "cpu").kernel == with_kernel(cg, "native", "cpu").kernel == "native"
    for name, platform in (("xla", "gpu"), ("auto", "tpu"), ("xla", "cpu")):
        assert with_kernel(cg, name, platform) == cg
    assert not [record for record in caplog.records if record.name.startswith("alx_solver")]
    assert with_kernel(cg, "pallas", "cpu").kernel == INTERPRETED
    assert "kernel 'pallas' on a CPU is interpreted" in caplog.text
    for name, platform in (("pallas", "tpu"), ("native", "gpu")):
        with pytest.raises(ValueError, match=f"kernel '{name}' is written for a .pu, and these devices are {platform}"):
            with_kernel(cg, name, platform)
    for solver in (
        make_linear_solver("cholesky", steps=3, tolerance=None, max_steps=1),
        make_linear_solver("matrix_free_cg", steps=3, tolerance=1e-3, max_steps=9),
    ):
        assert with_kernel(solver, "auto", "gpu") == solver


def test_without_numba(monkeypatch, caplog):
    monkeypatch.setattr(row_kernels, "numba_fault", lambda: "is not installed")
    caplog.set_level("INFO")
    cg = make_linear_solver("matrix_free_cg", steps=3, tolerance=None, max_steps=1)
    assert with_kernel(cg, "auto", "cpu") == cg
    assert "Numba is not installed" in caplog.text
    with pytest.raises(ValueError, match="kernel 'native' needs Numba"):
        with_kernel(cg, "native", "cpu")


def test_numba_that_may_not_compile_is_left_out(monkeypatch, caplog):
    """NUMBA_DISABLE_JIT=1, or the same in Numba's own configuration."""
    assert row_kernels.numba_fault() is None
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    caplog.set_level("INFO")
    cg = make_linear_solver("matrix_free_cg", steps=3, tolerance=None, max_steps=1)
    assert with_kernel(cg, "auto", "cpu") == cg
    assert "Numba is told by NUMBA_DISABLE_JIT not to compile: kernel 'xla' solves all rows" in caplog.text
    with pytest.raises(
        ValueError, match="which is told by NUMBA_DISABLE_JIT not to compile: mend that, or take 'auto'"
    ):
        with_kernel(cg, "native", "cpu")


def test_numba_that_is_missing_or_cannot_be_imported_is_left_out(monkeypatch):
    def refuse(name):
        raise ImportError("Numba needs an older\nNumPy")

    monkeypatch.setattr(row_kernels.importlib, "import_module", refuse)
    assert row_kernels.numba_fault() == "cannot be imported (Numba needs an older NumPy)"
    monkeypatch.setitem(sys.modules, "numba", None)
    assert row_kernels.numba_fault() == "is not installed"


def test_options_name_the_valid_kernels():
    with pytest.raises(ValueError, match="unknown kernel 'cuda'; valid: auto, xla, native, pallas"):
        SolverOptions(kernel="cuda")
    with pytest.raises(ValueError, match="kernel 'pallas' is matrix_free_cg with a fixed number of steps, not 'lu'"):
        SolverOptions(kernel="pallas", linear_solver="lu")
    with pytest.raises(ValueError, match=r"not 'auto' with tolerance 0.001"):
        SolverOptions(kernel="pallas", tolerance=1e-3)
