"""Seconds an epoch on a GPU: gather and CG in one Pallas kernel, beside XLA's program for the same tiles.

    python benchmarks/fused_cg.py GRAPH... [--dims 64 128] [--table-dtype float32] [--repeats 7] [--output FILE.json]

Both trainers are alike but for `SolverOptions(kernel=...)` and run their epochs in turn; after the last, the losses are
compared. A larger tile is XLA's better case on a GPU (fewer kernels to start), so it is tried with tiles of 1 and of
32 MiB; the kernel takes all tiles of a width at once, whatever their size.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
from rich.console import Console

from alx_solver.als import AlsTrainer
from alx_solver.csr import CsrMatrix
from alx_solver.linear_solvers.fused_cg import fits
from alx_solver.options import BatchOptions, Hyperparameters, Precision, SolverOptions
from benchmarks.environment import environment
from benchmarks.epochs_in_turn import epochs_in_turn
from benchmarks.graph_argument import read_graph


def measure(name: str, matrix: CsrMatrix, dim: int, table: str, repeats: int) -> dict[str, Any]:
    model = Hyperparameters(dim=dim, regularization=0.1, unobserved_weight=1e-3, seed=0)
    large = BatchOptions(tile_entries=(32 << 20) // (4 * dim), max_tile_rows=1 << 16)
    cases = {
        "pallas": ("pallas", BatchOptions()),
        "xla, tiles of 1 MiB": ("xla", BatchOptions()),
        "xla, tiles of 32 MiB": ("xla", large),
    }
    trainers = {
        case: AlsTrainer(
            matrix,
            model,
            solver=SolverOptions(kernel=kernel),
            precision=Precision(table=table),
            batches=batches,
            devices=jax.devices("gpu")[:1],
        )
        for case, (kernel, batches) in cases.items()
    }
    seconds = epochs_in_turn(trainers, repeats)
    losses = {case: trainer.objective(trainer.epoch(trainer.init())).total for case, trainer in trainers.items()}
    sides = [trainers["pallas"].row_side.batches, trainers["pallas"].col_side.batches]
    entries = [tiles.ids.size for side in sides for tiles in side.whole if fits(tiles.ids.shape[-1], dim)]
    stored = trainers["pallas"].row_side.stored_entries + trainers["pallas"].col_side.stored_entries
    return {
        "graph": name,
        "dim": dim,
        "table": table,
        "device": jax.devices("gpu")[0].device_kind,
        "share_of_entries_in_the_kernel": sum(entries) / stored,
        "loss_after_one_epoch": losses,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+", help="SciPy .npz files or adjacency text files")
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--table-dtype", default="float32")
    parser.add_argument("--repeats", type=int, default=7, help="timed epochs of each")
    parser.add_argument("--output", default="benchmarks/results/fused_cg.json")
    arguments = parser.parse_args()
    if jax.default_backend() != "gpu":
        sys.exit(
            f"the kernel is written for GPUs, and there is none here ({jax.default_backend()}): nothing to measure"
        )
    results = []
    for path in arguments.graphs:
        name, matrix = read_graph(path)
        results += [measure(name, matrix, d, arguments.table_dtype, arguments.repeats) for d in arguments.dims]
    document = {"environment": environment(), "results": results}
    Path(arguments.output).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for result in results:
        medians = {case: round(found["wall_median"], 4) for case, found in result["seconds"].items()}
        Console().print(result["graph"], result["dim"], result["table"], medians)


if __name__ == "__main__":
    main()
