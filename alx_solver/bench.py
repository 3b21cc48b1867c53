"""Seconds an epoch of our linear solvers beside PyPI `implicit`, on one matrix, in one process, taken in turns.

An epoch is both half-steps: all rows, then all columns. The first epoch of every solver (compilation, page faults)
is not counted. `implicit` runs its CG of 3 steps with all cores, and is left out where it is not installed.
"""

import dataclasses
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import scipy.sparse

from alx_solver.als import AlsTrainer
from alx_solver.csr import CsrMatrix
from alx_solver.host_devices import num_cores
from alx_solver.options import Hyperparameters, Precision, SolverOptions

IMPLICIT = "implicit (CG, 3 steps)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What is timed.

    Attributes:
      linear_solvers: ours, by name.
      repeats: counted epochs of each.
      dim: width of an embedding.
      table_dtype: of our tables.
      with_implicit: whether `implicit` runs too, if it is installed.
    """

    linear_solvers: tuple[str, ...] = ("matrix_free_cg", "conjugate_gradient", "cholesky")
    repeats: int = 5
    dim: int = 128
    table_dtype: str = "float32"
    with_implicit: bool = True

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}.")
        if not self.linear_solvers:
            raise ValueError("linear_solvers must name at least one solver.")


def bench_epochs(
    train: CsrMatrix, options: BenchOptions, devices: Sequence[jax.Device] | None = None
) -> dict[str, Any]:
    """Times epochs.

    Returns:
      `seconds` by solver (median, least, greatest, all), and where they were measured.
    """
    runs = {name: _our_epoch(train, name, options, devices) for name in options.linear_solvers}
    if options.with_implicit:
        peer = _implicit_epoch(train, options)
        runs |= {IMPLICIT: peer} if peer else {}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(options.repeats + 1):
        for name, run in runs.items():
            elapsed = run()
            if turn > 0:
                seconds[name].append(elapsed)
    return {
        "matrix": {"rows": train.num_rows, "cols": train.num_cols, "entries": train.num_entries},
        "options": dataclasses.asdict(options),
        "machine": describe_machine(devices),
        "seconds": {name: _summary(values) for name, values in seconds.items()},
    }


def describe_machine(devices: Sequence[jax.Device] | None = None) -> dict[str, Any]:
    """What the numbers were measured on."""
    devices = devices or jax.devices()
    return {
        "cores": num_cores(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
    }


def _our_epoch(
    train: CsrMatrix, linear_solver: str, options: BenchOptions, devices: Sequence[jax.Device] | None
) -> Callable[[], float]:
    trainer = AlsTrainer(
        train,
        Hyperparameters(dim=options.dim, regularization=1e-3, unobserved_weight=1e-3, seed=0),
        solver=SolverOptions(linear_solver=linear_solver),
        precision=Precision(table=options.table_dtype),
        devices=devices,
    )
    state = trainer.init()

    def run() -> float:
        nonlocal state
        started = time.perf_counter()
        state = trainer.epoch(state)
        jax.block_until_ready((state.row_table, state.col_table))
        return time.perf_counter() - started

    return run


def _implicit_epoch(train: CsrMatrix, options: BenchOptions) -> Callable[[], float] | None:
    """One epoch of implicit a call, going on from its own factors; None if it is not installed."""
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError:
        return None
    matrix = scipy.sparse.csr_matrix(train.to_scipy().astype(np.float32))
    # ALX's lambda = alpha = 1e-3 with a plain lambda scale, see `docs/als.md` for the mapping.
    model = AlternatingLeastSquares(
        factors=options.dim,
        regularization=1e-3 * 1001,
        alpha=1001.0,
        use_cg=True,
        iterations=1,
        num_threads=num_cores(),
        random_state=0,
    )

    def run() -> float:
        elapsed: list[float] = []
        model.fit(matrix, show_progress=False, callback=lambda iteration, seconds, loss: elapsed.append(seconds))
        return elapsed[0]

    return run


def _summary(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values), "all": values}
