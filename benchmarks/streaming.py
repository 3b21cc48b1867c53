"""What does it cost to stream batches, and are the numbers the same?

    python benchmarks/streaming.py GRAPH... [--devices M] [--dim 128] [--output FILE]

Three trainers in one process: batches on the devices, in host memory, and on disk, the last two with a tenth of the
batches' bytes as limit of a device. Epochs are run in turn, after one that is not counted; the losses of all epochs
must be equal to the bit. Disk files are in the page cache after the first epoch unless memory is short: what is
measured is reading and putting, not a disk. Bytes on the devices are those of JAX's live arrays, at their greatest,
sampled while an epoch runs.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
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
from alx_solver.options import ExchangeOptions, Hyperparameters, MemoryOptions  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from benchmarks.graph_argument import read_graph  # noqa: E402

EPOCHS = 5
SHARE = 10


def make(matrix: CsrMatrix, dim: int, devices: int, memory: MemoryOptions) -> AlsTrainer:
    return AlsTrainer(
        matrix,
        Hyperparameters(dim=dim, regularization=1e-3, unobserved_weight=1e-3, seed=0),
        devices=jax.devices()[:devices],
        exchange=ExchangeOptions(name="auto"),
        memory=memory,
    )


class LiveBytes:
    """The greatest sum of JAX's live arrays of int32 with more than one axis: tiles, wherever they come from."""

    def __init__(self) -> None:
        self.most, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            tiles = [array for array in jax.live_arrays() if array.dtype == "int32" and array.ndim > 1]
            self.most = max(self.most, sum(array.nbytes for array in tiles))

    def __enter__(self) -> "LiveBytes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def measure(matrix: CsrMatrix, name: str, dim: int, devices: int, folder: Path) -> dict[str, Any]:
    total = make(matrix, dim, devices, MemoryOptions()).placement.device_bytes
    limit = total // SHARE
    memories = {
        "device": MemoryOptions(),
        "host": MemoryOptions(batch_memory=limit),
        "disk": MemoryOptions(batch_memory=limit, host_memory=1, directory=str(folder)),
    }
    trainers = {where: make(matrix, dim, devices, memory) for where, memory in memories.items()}
    states = {where: trainer.init() for where, trainer in trainers.items()}
    seconds: dict[str, list[float]] = {where: [] for where in trainers}
    losses: dict[str, list[float]] = {where: [] for where in trainers}
    for epoch in range(EPOCHS + 1):
        for where, trainer in trainers.items():
            assert trainer.placement.where == where
            started = time.perf_counter()
            states[where] = trainer.epoch(states[where])
            jax.block_until_ready(states[where].col_table)
            if epoch:
                seconds[where].append(time.perf_counter() - started)
            losses[where].append(trainer.objective(states[where]).total)
    least = {where: min(taken) for where, taken in seconds.items()}
    result = {
        "graph": name,
        "entries": matrix.num_entries,
        "dim": dim,
        "devices": devices,
        "batch_bytes_a_device": total,
        "limit_bytes_a_device": limit,
        "chunks": len(trainers["disk"].row_side.store.places) + len(trainers["disk"].col_side.store.places),
        "seconds": {
            where: {"least": least[where], "median": statistics.median(taken), "all": taken}
            for where, taken in seconds.items()
        },
        "overhead": {where: least[where] / least["device"] - 1 for where in ("host", "disk")},
        "losses": losses["device"],
        "losses_equal_to_the_bit": losses["device"] == losses["host"] == losses["disk"],
    }
    result["greatest_tile_bytes_on_devices"] = live_bytes(trainers, states)
    return result


def live_bytes(trainers: dict[str, AlsTrainer], states: dict[str, Any]) -> dict[str, int]:
    """Greatest bytes of tiles on all devices in an epoch, streamed; the unstreamed trainer's are let go first."""
    trainers.pop("device")
    found = {}
    for where, trainer in trainers.items():
        with LiveBytes() as live:
            states[where] = trainer.epoch(states[where])
        found[where] = live.most
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--output", default="benchmarks/results/streaming.json")
    arguments = parser.parse_args()
    console, output = Console(), Path(arguments.output)
    document = json.loads(output.read_text()) if output.exists() else {"results": {}}
    document["environment"] = environment()
    for path in arguments.graphs:
        name, matrix = read_graph(path)
        with tempfile.TemporaryDirectory() as folder:
            found = measure(matrix, name, arguments.dim, arguments.devices, Path(folder))
        document["results"][f"{name}, d = {arguments.dim}, devices: {arguments.devices}"] = found
        output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        console.print(found)


if __name__ == "__main__":
    main()
