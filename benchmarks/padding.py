"""How much padding do several widths save, and how much time, beside the original's single width of 16?

    python benchmarks/padding.py GRAPH... [--dim 128] [--repeats 5] [--untimed] [--output FILE.json]

The original (ALX, arXiv 2112.02194, section 4.3) cuts every row into dense rows of 16 entries. Here the same solver
(matrix-free CG, 3 steps) runs on both layouts, epochs in turn: all rows cut into dense rows of 16, and the widths that
are picked from the row lengths. Padding is entries read an epoch, over those of the matrix.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={CORES}")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from alx_solver.als import AlsTrainer  # noqa: E402
from alx_solver.options import BatchOptions, Hyperparameters, SolverOptions  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from benchmarks.epochs_in_turn import epochs_in_turn  # noqa: E402
from benchmarks.graph_argument import read_graph  # noqa: E402

PLAIN = SolverOptions(kernel="xla")
"""XLA's program multiplies padding as any entry; the native kernel does not."""
LAYOUTS = {"one width of 16": BatchOptions(widths=(1,), cut_width=16), "picked widths": BatchOptions()}


def measure(path: str, arguments: argparse.Namespace) -> dict[str, Any]:
    name, matrix = read_graph(path)
    model = Hyperparameters(dim=arguments.dim, regularization=0.1, unobserved_weight=1e-3, seed=0)
    trainers = {layout: AlsTrainer(matrix, model, PLAIN, batches=options) for layout, options in LAYOUTS.items()}
    seconds = epochs_in_turn(trainers, 0 if arguments.untimed else arguments.repeats)
    return {
        "graph": name,
        "entries": matrix.num_entries,
        "dim": model.dim,
        "devices": next(iter(trainers.values())).mesh.size,
        "layouts": {
            layout: {
                "padding": _ratio(trainer.row_side.processed_entries, trainer.col_side.processed_entries, matrix),
                "stored": _ratio(trainer.row_side.stored_entries, trainer.col_side.stored_entries, matrix),
                "widths": [len(side.batches.whole) for side in (trainer.row_side, trainer.col_side)],
                **seconds[layout],
            }
            for layout, trainer in trainers.items()
        },
    }


def _ratio(rows: int, cols: int, matrix: Any) -> float:
    return (rows + cols) / 2 / matrix.num_entries


def table_of(results: list[dict[str, Any]]) -> Table:
    table = Table(title="Entries read over entries of the matrix, and seconds an epoch (median)")
    for heading in ("graph", "layout", "read", "stored", "seconds", "processor seconds", "first epoch"):
        table.add_column(heading, justify="left" if heading in ("graph", "layout") else "right")
    for result in results:
        for layout, values in result["layouts"].items():
            seconds = [values[key] for key in ("wall_median", "processor_median", "first_epoch_seconds")]
            shown = ["" if value is None else f"{value:.3f}" for value in seconds]
            table.add_row(result["graph"], layout, f"{values['padding']:.3f}", f"{values['stored']:.3f}", *shown)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+", help="SciPy .npz files or adjacency text files")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5, help="timed epochs of each layout")
    parser.add_argument("--untimed", action="store_true", help="padding only")
    parser.add_argument("--output", default="benchmarks/results/padding.json")
    arguments = parser.parse_args()
    results = [measure(path, arguments) for path in arguments.graphs]
    Path(arguments.output).write_text(
        json.dumps({"environment": environment(), "results": results}, indent=1) + "\n", encoding="utf-8"
    )
    Console().print(table_of(results))


if __name__ == "__main__":
    main()
