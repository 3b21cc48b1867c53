"""What share of the memory roofline does an epoch reach?

    python benchmarks/roofline.py GRAPH... [--dims 64 128] [--repeats 5] [--output FILE.json]

An epoch must read each entry's embedding once a half-step: 2 x entries x dim x 4 bytes. How fast memory gives them is
measured on this machine with all cores at work and without the solver's code (NumPy's `take` and `sum`, a thread a
core): rows at random from a table of this size, and a long array from end to end. The least seconds of an epoch follow
from each; the share reached is these over the median epoch (float32 tables, matrix-free CG with 3 steps, one device a
core). Real ids are not random: what a cache still holds comes faster, so the share of the first may pass 1.

For the devices that `alx plan` knows, the same of the planner's model and the makers' peaks: nothing there is measured.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={CORES}")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from alx_solver.als import AlsTrainer  # noqa: E402
from alx_solver.csr import CsrMatrix  # noqa: E402
from alx_solver.options import Hyperparameters, SolverOptions  # noqa: E402
from alx_solver.planner import PROFILES, PlanOptions, plan_shape  # noqa: E402
from alx_solver.planner.shape_load import ProblemShape  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from benchmarks.epochs_in_turn import epochs_in_turn  # noqa: E402
from benchmarks.graph_argument import read_graph  # noqa: E402

STREAMED = 1 << 28  # bytes a core, beyond all caches
GATHERED = 1 << 20  # embeddings a core and repeat
TAKEN = 2048  # at once, into a buffer that stays in cache


def bytes_a_second(work: Callable[[int], None], size: int, repeats: int) -> float:
    """Greatest over repeats, all cores together; `work(core)` reads `size` bytes."""
    best = 0.0
    with ThreadPoolExecutor(CORES) as pool:
        for _ in range(repeats + 1):
            began = time.perf_counter()
            list(pool.map(work, range(CORES)))
            best = max(best, CORES * size / (time.perf_counter() - began))
    return best


def gather_bandwidth(rows: int, dim: int, repeats: int) -> float:
    """Of embeddings at random ids of a float32 table."""
    table = np.ones((rows, dim), np.float32)
    ids = np.random.default_rng(0).integers(0, rows, (CORES, GATHERED // TAKEN, TAKEN))
    buffers = np.zeros((CORES, TAKEN, dim), np.float32)

    def work(core: int) -> None:
        for chosen in ids[core]:
            np.take(table, chosen, axis=0, out=buffers[core], mode="clip")  # "raise" would copy once more

    return bytes_a_second(work, GATHERED * dim * 4, repeats)


def stream_bandwidth(repeats: int) -> float:
    """Of reading an array from end to end."""
    arrays = [np.ones(STREAMED // 8) for _ in range(CORES)]
    return bytes_a_second(lambda core: arrays[core].sum() and None, STREAMED, repeats)


def measure(name: str, matrix: CsrMatrix, dim: int, stream: float, repeats: int) -> dict[str, Any]:
    model = Hyperparameters(dim=dim, regularization=0.1, unobserved_weight=1e-3, seed=0)
    trainer = AlsTrainer(matrix, model, solver=SolverOptions(cg_steps=3))
    seconds = epochs_in_turn({"ours": trainer}, repeats)["ours"]
    needed = 2 * matrix.num_entries * dim * 4
    random = gather_bandwidth(matrix.num_cols, dim, repeats)
    least = {"random": needed / random, "stream": needed / stream}
    return {
        "graph": name,
        "entries": matrix.num_entries,
        "dim": dim,
        "devices": trainer.mesh.size,
        "table_megabytes": matrix.num_cols * dim * 4 / 1e6,
        "bytes_needed": needed,
        "random_bandwidth": random,
        "stream_bandwidth": stream,
        "least_seconds": least,
        "epoch_seconds": seconds,
        "share_reached": {limit: value / seconds["wall_median"] for limit, value in least.items()},
    }


def modelled(name: str, matrix: CsrMatrix, dim: int) -> dict[str, dict[str, float]]:
    """By the planner, one device of each profile: nothing measured."""
    shape = ProblemShape(name=name, rows=matrix.num_rows, cols=matrix.num_cols, entries=matrix.num_entries)
    found = {}
    for device in PROFILES.values():
        plan = plan_shape(shape, PlanOptions(device=device, dim=dim))
        least, seconds = plan.roofline["memory"], plan.total_seconds
        found[device.name] = {"least_seconds": least, "seconds": seconds, "share_reached": least / seconds}
    return found


def table_of(results: list[dict[str, Any]]) -> Table:
    table = Table(title="Shares of the memory roofline")
    for heading in ("graph", "d", "s an epoch", "random, GB/s", "least s", "share", "stream, GB/s", "least s", "share"):
        table.add_column(heading, justify="left" if heading == "graph" else "right")
    for result in results:
        shown = [result["graph"], str(result["dim"]), f"{result['epoch_seconds']['wall_median']:.3f}"]
        for limit in ("random", "stream"):
            shown.append(f"{result[f'{limit}_bandwidth'] / 1e9:.1f}")
            shown += [f"{result['least_seconds'][limit]:.3f}", f"{result['share_reached'][limit]:.2f}"]
        table.add_row(*shown)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+", help="SciPy .npz files or adjacency text files")
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--repeats", type=int, default=5, help="timed epochs, and repeats of each bandwidth")
    parser.add_argument("--output", default="benchmarks/results/roofline.json")
    arguments = parser.parse_args()
    results, models = [], {}
    stream = stream_bandwidth(arguments.repeats)
    for path in arguments.graphs:
        name, matrix = read_graph(path)
        for dim in arguments.dims:
            results.append(measure(name, matrix, dim, stream, arguments.repeats))
            models[f"{name}, d = {dim}"] = modelled(name, matrix, dim)
    document = {"environment": environment(), "results": results, "modelled": models}
    Path(arguments.output).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    Console().print(table_of(results))


if __name__ == "__main__":
    main()
