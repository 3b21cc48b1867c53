"""Which linear solver is fastest, by width of an embedding and entries a row? What `linear_solver="auto"` goes by.

    python benchmarks/solver_choice.py [--dims 8 16 32 64 128] [--lengths 8 32 128 512]
        [--output FILE.json]

Rows and columns of a square random matrix all have about as many entries; seconds of an epoch (both half-steps), all
solvers in turns, median processor time. An exact solver that takes no longer than few-step CG is the better choice: its
epoch lowers the objective at least as far. Few-step CG is fair game where exact solves take longer, because an epoch
more costs less than exactness.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from alx_solver.host_devices import use_host_devices

CPU_DEVICES = use_host_devices(None)

import jax  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402

from alx_solver.als import AlsTrainer  # noqa: E402
from alx_solver.csr import CsrMatrix  # noqa: E402
from alx_solver.options import Hyperparameters, SolverOptions  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from benchmarks.epochs_in_turn import epochs_in_turn  # noqa: E402

SOLVERS = ("matrix_free_cg", "cholesky", "subspace")


def uniform_matrix(rows: int, length: int) -> CsrMatrix:
    """Square, about `length` entries in each row and column."""
    ids = np.random.default_rng(0).integers(0, rows, (rows, length))
    indptr = np.arange(rows + 1) * length
    matrix = scipy.sparse.csr_array((np.ones(rows * length, np.float32), ids.reshape(-1), indptr), (rows, rows))
    matrix.sum_duplicates()
    return CsrMatrix.from_scipy(matrix, binary=True)


def measure(dim: int, length: int, rows: int, repeats: int) -> dict[str, Any]:
    matrix = uniform_matrix(rows, length)
    devices = jax.devices()
    devices = devices[:CPU_DEVICES] if devices[0].platform == "cpu" else devices
    model = Hyperparameters(dim=dim, regularization=1e-2, unobserved_weight=1e-2, seed=0)
    trainers = {
        name: AlsTrainer(matrix, model, solver=SolverOptions(linear_solver=name), devices=devices) for name in SOLVERS
    }
    seconds = {name: run["processor_median"] for name, run in epochs_in_turn(trainers, repeats).items()}
    return {
        "dim": dim,
        "entries_a_row": length,
        "entries": matrix.num_entries,
        "processor_seconds": seconds,
        "fastest": min(seconds, key=seconds.__getitem__),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dims", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--lengths", type=int, nargs="+", default=[8, 32, 128, 512])
    parser.add_argument("--rows", type=int, default=2048, help="and columns (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "solver_choice.json")
    arguments = parser.parse_args()
    results = []
    for dim, length in itertools.product(arguments.dims, arguments.lengths):
        results.append(measure(dim, length, arguments.rows, arguments.repeats))
        print(results[-1])
        jax.clear_caches()
    arguments.output.write_text(json.dumps({"environment": environment(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
