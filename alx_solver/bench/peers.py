"""Seconds an epoch of our linear solvers beside others' ALS, on one matrix, in one run, taken in turns.

An epoch is both half-steps: all rows, then all columns. The first epoch of everyone (compilation, page faults, the JVM)
is not counted. A peer that is not installed is left out, and named.
"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from alx_solver.als import AlsTrainer
from alx_solver.bench.implicit_peer import implicit_epoch
from alx_solver.bench.machine import describe_machine, describe_matrix
from alx_solver.bench.numpy_peer import numpy_epoch
from alx_solver.bench.spark_peer import spark_epoch
from alx_solver.bench.timing import timed
from alx_solver.csr import CsrMatrix
from alx_solver.options import Hyperparameters, Precision, SolverOptions
from webgraph.option_values import make_plain

Epoch = Callable[[], float]
"""Runs one epoch and returns its seconds."""
PEERS: dict[str, Callable[[CsrMatrix, int], Epoch]] = {
    "implicit": implicit_epoch,
    "spark": spark_epoch,
    "numpy": numpy_epoch,
}
"""By name; each is made for a matrix and a width, and raises ImportError where it is not installed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PeerOptions:
    """What is timed.

    Attributes:
      linear_solvers: ours, by name.
      peers: of `PEERS`.
      repeats: counted epochs of each.
      dim: width of an embedding.
      table_dtype: of our tables.

    Raises:
      ValueError: nothing to time, or an unknown peer.
    """

    linear_solvers: tuple[str, ...] = ("matrix_free_cg", "cholesky")
    peers: tuple[str, ...] = ("implicit",)
    repeats: int = 5
    dim: int = 128
    table_dtype: str = "float32"

    def __post_init__(self) -> None:
        make_plain(self)
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}.")
        if not self.linear_solvers:
            raise ValueError("linear_solvers must name at least one solver.")
        unknown = sorted(set(self.peers) - set(PEERS))
        if unknown:
            raise ValueError(f"unknown peer {unknown[0]!r}; valid: {', '.join(PEERS)}.")


def bench_peers(
    matrix: CsrMatrix, name: str, options: PeerOptions, devices: Sequence[jax.Device] | None = None
) -> dict[str, Any]:
    """Times epochs.

    Returns:
      `seconds` by solver (median, least, greatest, all), who is absent and why, and where they were measured.
    """
    runs: dict[str, Epoch] = {solver: _our_epoch(matrix, solver, options, devices) for solver in options.linear_solvers}
    absent = {}
    for peer in options.peers:
        try:
            runs[peer] = PEERS[peer](matrix, options.dim)
        except ImportError as error:
            absent[peer] = str(error)
    seconds: dict[str, list[float]] = {solver: [] for solver in runs}
    for turn in range(options.repeats + 1):
        for solver, run in runs.items():
            elapsed = run()
            if turn > 0:
                seconds[solver].append(elapsed)
    return {
        "dataset": name,
        "matrix": describe_matrix(matrix),
        "options": dataclasses.asdict(options),
        "machine": describe_machine(devices),
        "seconds": {solver: _summary(values) for solver, values in seconds.items()},
        "absent": absent,
    }


def _our_epoch(
    matrix: CsrMatrix, linear_solver: str, options: PeerOptions, devices: Sequence[jax.Device] | None
) -> Epoch:
    trainer = AlsTrainer(
        matrix,
        Hyperparameters(dim=options.dim, regularization=1e-3, unobserved_weight=1e-3, seed=0),
        solver=SolverOptions(linear_solver=linear_solver),
        precision=Precision(table=options.table_dtype),
        devices=devices,
    )
    state = trainer.init()

    def run() -> float:
        nonlocal state

        def epoch() -> None:
            nonlocal state
            state = trainer.epoch(state)
            jax.block_until_ready((state.row_table, state.col_table))

        return timed(epoch)

    return run


def _summary(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values), "all": values}


def draw_peers(figure: Any, result: Mapping[str, Any]) -> None:
    """One panel of bars: median seconds, with the least and greatest."""
    axes = figure.subplots()
    names = list(result["seconds"])
    rows = [result["seconds"][name] for name in names]
    medians = [row["median"] for row in rows]
    spread = [[row["median"] - row["least"] for row in rows], [row["greatest"] - row["median"] for row in rows]]
    ours = set(result["options"]["linear_solvers"])
    axes.barh(
        names, medians, xerr=spread, capsize=3, color=["#1f5fa8" if name in ours else "#b0b0b0" for name in names]
    )
    for place, median in enumerate(medians):
        axes.annotate(f"{median:.3g} s", (median, place), textcoords="offset points", xytext=(8, 8), fontsize="small")
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="seconds an epoch")
    axes.margins(x=0.12)
    axes.grid(True, axis="x", alpha=0.3)
    size = f"{result['matrix']['entries']:,} entries, d = {result['options']['dim']}"
    figure.suptitle(f"{result['dataset']}: {size}, {result['machine']['devices']}")
