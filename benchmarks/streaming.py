"""What does it cost to stream batches, and are the numbers the same?

    python benchmarks/streaming.py GRAPH... [--devices M] [--dim 128] [--output FILE]

Three trainers in one process: batches on the devices, in host memory, and on disk, the last two with a tenth of the
batches' bytes as limit of a device. Epochs are run in turn, after one that is not counted; the losses of all epochs
must be equal to the bit. The overhead is of processor seconds (reading and putting included), least of the epochs,
because the machine is shared; wall seconds are given too. Files are in the page cache: no disk is measured.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_GIVEN = sys.argv[sys.argv.index("--devices") + 1] if "--devices" in sys.argv else "1"
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={2 * int(_GIVEN)}"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax  # noqa: E402
from rich.console import Console  # noqa: E402

from alx_solver.als import AlsTrainer  # noqa: E402
from alx_solver.csr import CsrMatrix  # noqa: E402
from alx_solver.options import BatchOptions, ExchangeOptions, Hyperparameters, MemoryOptions  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from benchmarks.graph_argument import read_graph  # noqa: E402

EPOCHS = 7
WIDTHS = 6


def make(matrix: CsrMatrix, dim: int, devices: int, memory: MemoryOptions) -> AlsTrainer:
    return AlsTrainer(
        matrix,
        Hyperparameters(dim=dim, regularization=1e-3, unobserved_weight=1e-3, seed=0),
        devices=jax.devices()[:devices],
        exchange=ExchangeOptions(name="auto"),
        batches=BatchOptions(num_widths=WIDTHS),  # fewer than by default: three trainers are compiled
        memory=memory,
    )


def measure(matrix: CsrMatrix, name: str, dim: int, devices: int, share: int, folder: Path) -> dict[str, Any]:
    total = make(matrix, dim, devices, MemoryOptions()).placement.device_bytes
    limit = total // share
    memories = {
        "device": MemoryOptions(),
        "host": MemoryOptions(batch_memory=limit),
        "disk": MemoryOptions(batch_memory=limit, host_memory=1, directory=str(folder)),
    }
    trainers = {where: make(matrix, dim, devices, memory) for where, memory in memories.items()}
    states = {where: trainer.init() for where, trainer in trainers.items()}
    seconds: dict[str, list[float]] = {where: [] for where in trainers}
    processor: dict[str, list[float]] = {where: [] for where in trainers}
    losses: dict[str, list[float]] = {where: [] for where in trainers}
    for epoch in range(EPOCHS + 1):
        for where, trainer in trainers.items():
            assert trainer.placement.where == where
            started = time.perf_counter(), time.process_time()
            states[where] = trainer.epoch(states[where])
            jax.block_until_ready(states[where].col_table)
            if epoch:
                seconds[where].append(time.perf_counter() - started[0])
                processor[where].append(time.process_time() - started[1])
            losses[where].append(trainer.objective(states[where]).total)
    least = {where: min(taken) for where, taken in processor.items()}
    return {
        "graph": name,
        "entries": matrix.num_entries,
        "dim": dim,
        "devices": devices,
        "widths": WIDTHS,
        "batch_bytes_a_device": total,
        "limit_bytes_a_device": limit,
        "chunks": len(trainers["disk"].row_side.store.places) + len(trainers["disk"].col_side.store.places),
        "seconds": {
            where: {"wall_least": min(seconds[where]), "wall": seconds[where], "processor_least": least[where]}
            | {"processor_median": statistics.median(taken), "processor": taken}
            for where, taken in processor.items()
        },
        "processor_overhead": {where: least[where] / least["device"] - 1 for where in ("host", "disk")},
        "losses": losses["device"],
        "losses_equal_to_the_bit": losses["device"] == losses["host"] == losses["disk"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--share", type=int, default=10, help="the limit is one of so many parts of the batches")
    parser.add_argument("--output", default="benchmarks/results/streaming.json")
    arguments = parser.parse_args()
    console, output = Console(), Path(arguments.output)
    document = json.loads(output.read_text()) if output.exists() else {"results": {}}
    document["environment"] = environment()
    for path in arguments.graphs:
        name, matrix = read_graph(path)
        with tempfile.TemporaryDirectory() as folder:
            found = measure(matrix, name, arguments.dim, arguments.devices, arguments.share, Path(folder))
        document["results"][f"{name}, d = {arguments.dim}, devices: {arguments.devices}, limit 1/{arguments.share}"] = (
            found
        )
        output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        console.print(found)


if __name__ == "__main__":
    main()
