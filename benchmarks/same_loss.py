"""Do all exchanges, device counts and process counts give the same loss and recall, for every linear solver?

    python benchmarks/same_loss.py GRAPH.npz [--dim 16] [--epochs 2] [--solvers NAME...] [--output FILE.json]

Every solver at fixed settings and float32 tables is trained with every exchange on 1, 2, 4 and 8 devices, and the
default solver on 2 processes of 4 devices as well. Beside one device with `table`: the relative difference of the loss,
and the difference of Recall@20. All tables are ranked by one and the same program on one device, so that the recall
tells of the tables alone. With bfloat16 tables, the difference of Recall@20 to float32 ones. On one device nothing
travels and all exchanges are one program but for their positions, so there all are tried with the default solver
alone.

Most of the time goes into compiling; solvers that are not named keep what stands in the file, so a few can be run at a
time.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DEVICES = (1, 2, 4, 8)
PROCESSES = 2
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
_WORKER = "--process-id" in sys.argv
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={max(DEVICES) // (PROCESSES if _WORKER else 1)}"

import jax  # noqa: E402
import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402

from alx_solver.als import AlsTrainer  # noqa: E402
from alx_solver.datasets import LinkDataset, load_dataset  # noqa: E402
from alx_solver.evaluate import evaluate_model  # noqa: E402
from alx_solver.mesh import is_writer  # noqa: E402
from alx_solver.options import (  # noqa: E402
    EXCHANGES,
    LINEAR_SOLVERS,
    BatchOptions,
    ExchangeOptions,
    Hyperparameters,
    Precision,
    SolverOptions,
)
from alx_solver.processes import join_processes  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from webgraph.split import SplitOptions  # noqa: E402

DEFAULT = "matrix_free_cg"
BATCHES = BatchOptions(widths=(64,))  # one width and cut rows: there are many programs to compile
SUMMED = 200  # entries from which `partial` sums a row; all rows would take minutes
Tables = tuple[np.ndarray, np.ndarray]


def trainer_of(
    dataset: LinkDataset, arguments: argparse.Namespace, solver: str, exchange: str, size: int, table: str = "float32"
) -> AlsTrainer:
    return AlsTrainer(
        dataset.train,
        Hyperparameters(dim=arguments.dim, regularization=1e-3, unobserved_weight=1e-3, seed=0),
        solver=SolverOptions(linear_solver=solver, cg_steps=3, subspace_block=8),
        precision=Precision(table=table),
        batches=BATCHES,
        devices=jax.devices()[:size],
        exchange=ExchangeOptions(name=exchange, summed_min_length=SUMMED if exchange == "partial" else None),
    )


def trained(trainer: AlsTrainer, epochs: int) -> tuple[float, Tables]:
    state = trainer.init()
    for _ in range(epochs):
        state = trainer.epoch(state)
    return trainer.objective(state).total, (trainer.row_embeddings(state), trainer.col_embeddings(state))


def train_in_processes(arguments: argparse.Namespace) -> dict[str, tuple[float, Tables]]:
    """Loss and tables of the default solver with each exchange, trained by several processes."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        coordinator = f"localhost:{found.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, arguments.graph, "--dim", str(arguments.dim), "--epochs"]
        command += [str(arguments.epochs), "--folder", folder, "--coordinator", coordinator]
        command += ["--num-processes", str(PROCESSES)]
        running = [subprocess.Popen([*command, "--process-id", str(process)]) for process in range(PROCESSES)]
        if any([process.wait() for process in running]):
            raise RuntimeError("a process failed; its error stands above")
        found_in = {name: np.load(Path(folder, f"{name}.npz")) for name in EXCHANGES}
        return {name: (float(file["loss"]), (file["rows"], file["cols"])) for name, file in found_in.items()}


def work(arguments: argparse.Namespace) -> None:
    """One of the processes; the first writes the results."""
    join_processes(arguments)
    dataset = read(arguments.graph)
    for name in EXCHANGES:
        loss, (rows, cols) = trained(trainer_of(dataset, arguments, DEFAULT, name, max(DEVICES)), arguments.epochs)
        if is_writer():
            np.savez(Path(arguments.folder, f"{name}.npz"), loss=loss, rows=rows, cols=cols)


def read(path: str) -> LinkDataset:
    return load_dataset(path, SplitOptions(seed=0, test_fraction=0.1))


def measure(dataset: LinkDataset, arguments: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    judge = trainer_of(dataset, arguments, DEFAULT, "table", 1)

    def recall(tables: Tables) -> float:
        return evaluate_model(judge, judge.state_from_tables(*tables, epoch=1), dataset).means["recall@20"]

    cases = []

    def add(solver: str, exchange: str, size: int, processes: int, table: str, found: tuple[float, Tables]) -> None:
        case = {"solver": solver, "exchange": exchange, "devices": size, "processes": processes, "table": table}
        case |= {"loss": found[0], "recall": recall(found[1])}
        one = next((each for each in cases if each["solver"] == solver), case)
        case |= {"loss_difference": case["loss"] / one["loss"] - 1, "recall_difference": case["recall"] - one["recall"]}
        cases.append(case)
        console.print(case)

    for solver in arguments.solvers:
        for size in DEVICES:
            for name in sorted(EXCHANGES, key=lambda name: name != "table"):
                if size > 1 or name == "table" or solver == DEFAULT:
                    found = trained(trainer_of(dataset, arguments, solver, name, size), arguments.epochs)
                    add(solver, name, size, 1, "float32", found)
        for size in (1, max(DEVICES)):
            trainer = trainer_of(dataset, arguments, solver, "table", size, "bfloat16")
            add(solver, "table", size, 1, "bfloat16", trained(trainer, arguments.epochs))
        jax.clear_caches()
    if DEFAULT in arguments.solvers:
        for name, found in train_in_processes(arguments).items():
            add(DEFAULT, name, max(DEVICES), PROCESSES, "float32", found)
    return cases


def worst(cases: list[dict[str, Any]], table: str) -> dict[str, float]:
    chosen = [case for case in cases if case["table"] == table]
    return {
        key: max((abs(case[key]) for case in chosen), default=0.0) for key in ("loss_difference", "recall_difference")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graph", help="a SciPy .npz file or an adjacency text file")
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--solvers", nargs="+", choices=LINEAR_SOLVERS, default=list(LINEAR_SOLVERS))
    parser.add_argument("--output", default="benchmarks/results/same_loss.json")
    for flag in ("--folder", "--coordinator"):
        parser.add_argument(flag, help=argparse.SUPPRESS)
    for flag in ("--num-processes", "--process-id"):
        parser.add_argument(flag, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if _WORKER:
        work(arguments)
        return
    dataset, console, output = read(arguments.graph), Console(), Path(arguments.output)
    cases = measure(dataset, arguments, console)
    if output.exists():
        earlier = json.loads(output.read_text(encoding="utf-8"))["cases"]
        cases = [case for case in earlier if case["solver"] not in arguments.solvers] + cases
    document = {
        "environment": environment(),
        "graph": dataset.name,
        "entries": dataset.train.num_entries,
        "dim": arguments.dim,
        "epochs": arguments.epochs,
        "worst": {table: worst(cases, table) for table in ("float32", "bfloat16")},
        "cases": cases,
    }
    output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    console.print(document["worst"])


if __name__ == "__main__":
    main()
