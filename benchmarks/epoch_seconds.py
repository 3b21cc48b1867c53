"""How long is an epoch, beside `implicit`'s CG on the same problem from the same start?

    python benchmarks/epoch_seconds.py GRAPH... [--dim 128] [--repeats 7] [--output FILE.json]

Both sides run in one process, epochs in turn, so that other load on the machine meets both alike. Ours: matrix-free
CG with 3 steps, float32 tables, one XLA device a core. implicit: use_cg=True with 3 steps, one thread a core, BLAS
with one thread. The same problem: ours with exponent 0 on the scale of lambda, unobserved_weight a and
regularization L is implicit's alpha = (1 + a) / a and regularization = L (1 + a) / a, its factors being ours times
sqrt(1 + a); both sides' objective is computed by ours. Wall and processor seconds are both given: where the machine
was shared, the second is the fairer.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={CORES}")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import implicit.cpu.als  # noqa: E402
import jax  # noqa: E402
import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from alx_solver.als import AlsState, AlsTrainer  # noqa: E402
from alx_solver.csr import CsrMatrix  # noqa: E402
from alx_solver.options import BatchOptions, Hyperparameters, SolverOptions  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from benchmarks.graph_argument import read_graph  # noqa: E402

STEPS = 3


class ImplicitCg:
    """implicit's CG half-steps, from the solver's start."""

    def __init__(self, matrix: CsrMatrix, model: Hyperparameters, rows: np.ndarray, cols: np.ndarray) -> None:
        weight = model.unobserved_weight
        self.scale = math.sqrt(1 + weight)
        confidence = np.float32((1 + weight) / weight)
        self.by_row = matrix.to_scipy().astype(np.float32) * confidence
        self.by_col = self.by_row.T.tocsr()
        self.regularization = model.regularization * float(confidence)
        self.rows, self.cols = rows * np.float32(self.scale), cols * np.float32(self.scale)
        self.peer = implicit.cpu.als.AlternatingLeastSquares(
            factors=model.dim, use_cg=True, num_threads=CORES, dtype=np.float32
        )
        self.peer.cg_steps = STEPS

    def epoch(self) -> None:
        solver = self.peer.solver
        solver(self.by_row, self.rows, self.cols, self.regularization, num_threads=CORES)
        solver(self.by_col, self.cols, self.rows, self.regularization, num_threads=CORES)

    def state(self, trainer: AlsTrainer) -> AlsState:
        """Its factors as a state of ours, for the objective."""
        return trainer.state_from_tables(self.rows / self.scale, self.cols / self.scale, 0)


def timed(action: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of an action that ends when its result is there."""
    wall, processor = time.perf_counter(), time.process_time()
    jax.block_until_ready(action())
    return time.perf_counter() - wall, time.process_time() - processor


def measure(path: str, arguments: argparse.Namespace) -> dict[str, Any]:
    name, matrix = read_graph(path)
    model = Hyperparameters(
        dim=arguments.dim,
        regularization=arguments.regularization,
        unobserved_weight=arguments.unobserved_weight,
        regularization_exponent=0.0,
        seed=0,
    )
    start = time.perf_counter()
    batches = BatchOptions(num_widths=arguments.num_widths, tile_entries=arguments.tile_entries)
    trainer = AlsTrainer(matrix, model, solver=SolverOptions(cg_steps=STEPS), batches=batches)
    planning = time.perf_counter() - start
    state = trainer.init()
    peer = ImplicitCg(matrix, model, trainer.row_embeddings(state), trainer.col_embeddings(state))

    start = time.perf_counter()
    state = trainer.epoch(state)  # warm-up of both: compilation, caches
    compiling = time.perf_counter() - start
    peer.epoch()
    ours, theirs = [], []
    losses = [(trainer.objective(state).total, trainer.objective(peer.state(trainer)).total)]
    for _ in range(arguments.repeats):

        def advance() -> Any:
            nonlocal state
            state = trainer.epoch(state)
            return state.col_table

        ours.append(timed(advance))
        theirs.append(timed(peer.epoch))
        losses.append((trainer.objective(state).total, trainer.objective(peer.state(trainer)).total))
    read = trainer.row_side.processed_entries + trainer.col_side.processed_entries
    stored = trainer.row_side.stored_entries + trainer.col_side.stored_entries
    return {
        "graph": name,
        "rows": matrix.num_rows,
        "cols": matrix.num_cols,
        "entries": matrix.num_entries,
        "dim": model.dim,
        "regularization": model.regularization,
        "unobserved_weight": model.unobserved_weight,
        "cg_steps": STEPS,
        "devices": trainer.mesh.size,
        "processed_entries_ratio": read / 2 / matrix.num_entries,
        "stored_entries_ratio": stored / 2 / matrix.num_entries,
        "planning_seconds": planning,
        "first_epoch_seconds": compiling,
        "ours": summary(ours),
        "implicit": summary(theirs),
        "ratio_wall": summary(ours)["wall_median"] / summary(theirs)["wall_median"],
        "ratio_processor": summary(ours)["processor_median"] / summary(theirs)["processor_median"],
        "objective_by_epoch": {"ours": [a for a, _ in losses], "implicit": [b for _, b in losses]},
        "greatest_relative_excess_of_our_objective": max(a / b - 1 for a, b in losses),
    }


def summary(seconds: list[tuple[float, float]]) -> dict[str, Any]:
    wall, processor = zip(*seconds, strict=True)
    return {
        "wall_median": statistics.median(wall),
        "processor_median": statistics.median(processor),
        "wall": list(wall),
        "processor": list(processor),
    }


def table_of(results: list[dict[str, Any]]) -> Table:
    table = Table(title="Seconds an epoch (median)")
    for heading in ("graph", "entries", "dim", "ours", "implicit", "ratio", "ours, processor", "implicit", "ratio"):
        table.add_column(heading, justify="left" if heading == "graph" else "right")
    for result in results:
        ours, theirs = result["ours"], result["implicit"]
        table.add_row(
            result["graph"],
            f"{result['entries']:,}",
            str(result["dim"]),
            f"{ours['wall_median']:.3f}",
            f"{theirs['wall_median']:.3f}",
            f"{result['ratio_wall']:.2f}",
            f"{ours['processor_median']:.3f}",
            f"{theirs['processor_median']:.3f}",
            f"{result['ratio_processor']:.2f}",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+", help="SciPy .npz files or adjacency text files")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7, help="timed epochs of each side")
    parser.add_argument("--regularization", type=float, default=0.1, help="the same for every row (exponent 0)")
    parser.add_argument("--unobserved-weight", type=float, default=1e-3)
    parser.add_argument("--num-widths", type=int, default=BatchOptions().num_widths)
    parser.add_argument("--tile-entries", type=int, help="default: 1 MiB of embeddings")
    parser.add_argument("--output", default="benchmarks/results/epoch_seconds.json")
    arguments = parser.parse_args()
    results = [measure(path, arguments) for path in arguments.graphs]
    Path(arguments.output).write_text(
        json.dumps({"environment": environment(), "results": results}, indent=1) + "\n", encoding="utf-8"
    )
    Console().print(table_of(results))


if __name__ == "__main__":
    main()
