"""Does training on a real graph equal a NumPy float64 ALS, for every solver, on one and eight devices?

    python benchmarks/oracle_check.py GRAPH [--dim 32] [--epochs 4] [--strengths 1e-4 1e-3 1e-2]

The oracle is `tests/oracles/als.py`, one dense float64 system a row: its seconds, not ours, bound the graph. Written
for each case: the relative difference of tables, of the scores of the observed entries and of the objective after the
last epoch, and whether the objective fell in every epoch.
"""

import argparse
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import numpy as np
from rich.console import Console

from alx_solver.als import AlsTrainer
from alx_solver.csr import CsrMatrix
from alx_solver.options import LINEAR_SOLVERS, Hyperparameters, SolverOptions
from benchmarks.environment import environment
from benchmarks.graph_argument import read_graph
from tests.oracles import als as oracle

TOLERANCE = 1e-8
CASES = {
    **{f"{name}, to the end": SolverOptions(linear_solver=name, tolerance=TOLERANCE) for name in LINEAR_SOLVERS},
    "matrix_free_cg, 3 steps": SolverOptions(linear_solver="matrix_free_cg", cg_steps=3),
}


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours.astype(np.float64) - theirs) / np.linalg.norm(theirs))


def observed_scores(matrix: CsrMatrix, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """w_r.h_c of every entry, in pieces that fit in memory."""
    row_ids = np.repeat(np.arange(matrix.num_rows), matrix.row_lengths)
    pieces = np.array_split(np.arange(matrix.num_entries), max(1, matrix.num_entries // 200_000))
    scores = [np.einsum("ed,ed->e", rows[row_ids[p]], cols[matrix.indices[p]], dtype=np.float64) for p in pieces]
    return np.concatenate(scores)


def objective64(matrix: CsrMatrix, rows: np.ndarray, cols: np.ndarray, model: Hyperparameters) -> float:
    """The objective in float64 by its closed form (the dense sum would not fit)."""
    lam, alpha = model.regularization, model.unobserved_weight
    observed = ((1 - observed_scores(matrix, rows, cols)) ** 2).sum()
    unobserved = alpha * ((rows.T @ rows) * (cols.T @ cols)).sum()
    row_lam = lam * (matrix.row_lengths + alpha * matrix.num_cols)
    col_lam = lam * (matrix.transpose().row_lengths + alpha * matrix.num_rows)
    return float(observed + unobserved + row_lam @ (rows**2).sum(1) + col_lam @ (cols**2).sum(1))


def train(
    matrix: CsrMatrix, model: Hyperparameters, solver: SolverOptions, devices: int, epochs: int
) -> dict[str, Any]:
    trainer = AlsTrainer(matrix, model, solver=solver, devices=jax.devices()[:devices])
    state = trainer.init()
    losses = [trainer.objective(state).total]
    for _ in range(epochs):
        state = trainer.epoch(state)
        losses.append(trainer.objective(state).total)
    return {"rows": trainer.row_embeddings(state), "cols": trainer.col_embeddings(state), "losses": losses}


def check(matrix: CsrMatrix, strength: float, arguments: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    model = Hyperparameters(
        dim=arguments.dim,
        regularization=strength,
        unobserved_weight=strength,
        init_stddev=arguments.dim**-0.5,
        seed=0,
    )
    start = AlsTrainer(matrix, model, devices=jax.devices()[:1])
    state = start.init()
    tables = start.row_embeddings(state), start.col_embeddings(state)
    expected, results = {}, []
    for steps in (None, 3):
        began = time.perf_counter()
        *_, last = oracle.train(matrix.to_scipy(), *tables, strength, strength, epochs=arguments.epochs, cg_steps=steps)
        expected[steps] = last
        console.print(f"oracle, {steps or 'no'} steps, strength {strength:g}: {time.perf_counter() - began:.0f} s")
    for (case, solver), devices in itertools.product(CASES.items(), (1, 8)):
        if arguments.solvers and solver.linear_solver not in arguments.solvers:
            continue
        rows, cols = expected[None if solver.tolerance else 3]
        ours = train(matrix, model, solver, devices, arguments.epochs)
        objective = objective64(matrix, rows, cols, model)
        scores = observed_scores(matrix, rows, cols)
        results.append(
            {
                "case": case,
                "devices": devices,
                "regularization": strength,
                "unobserved_weight": strength,
                "row_table_error": relative(ours["rows"], rows),
                "col_table_error": relative(ours["cols"], cols),
                "observed_scores_error": relative(observed_scores(matrix, ours["rows"], ours["cols"]), scores),
                "objective_error": abs(ours["losses"][-1] / objective - 1),
                "objective_falls": all(after < before for before, after in itertools.pairwise(ours["losses"])),
                "losses": ours["losses"],
            }
        )
        console.print({key: value for key, value in results[-1].items() if key != "losses"})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graph", help="a graph directory, a SciPy .npz file or an adjacency text file")
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--strengths", type=float, nargs="+", default=[1e-4, 1e-3, 1e-2], help="lambda = alpha")
    parser.add_argument("--solvers", nargs="+", choices=LINEAR_SOLVERS, help="all by default")
    parser.add_argument("--output", help="default: benchmarks/results/oracle_check-GRAPH.json")
    arguments = parser.parse_args()
    console = Console()
    name, matrix = read_graph(arguments.graph)
    cases = [case for strength in arguments.strengths for case in check(matrix, strength, arguments, console)]
    result = {
        "environment": environment(),
        "graph": name,
        "rows": matrix.num_rows,
        "entries": matrix.num_entries,
        "dim": arguments.dim,
        "epochs": arguments.epochs,
        "cases": cases,
    }
    output = Path(arguments.output or f"benchmarks/results/oracle_check-{name}.json")
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
