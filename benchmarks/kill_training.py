"""Is a training that is killed again and again, at any moment, the training that was left alone?

    python benchmarks/kill_training.py [--kills 20] [--output FILE]

One run is left alone. The other is killed (SIGKILL) so many times and started again with `--resume`, then left to
end. Kills are spread over what a run does: a half-step (its one program: exchange and solve), the exchange by itself
and the solve of a chunk (batches streamed from disk, where they are programs of their own), the writing of a
checkpoint's tables, its manifest, and its rename. A child says on a pipe what it begins; the parent kills it then,
after a pause drawn at random. Odd starts stream, even ones do not: that changes no bit. Compared are all lines of
metrics.jsonl but their seconds, and the bytes of the last checkpoint.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import scipy.sparse

from benchmarks.environment import environment

MOMENTS = ("half-step", "exchange", "solve", "tables", "manifest", "rename")
STREAMED = ("exchange", "solve")
EPOCHS, DIM = 12, 64
ROWS, ENTRIES = 2000, 60_000
SAY = "moment: "


def command(graph: str, run: Path, streamed: bool) -> list[str]:
    """Of the child: this file, with the flags of `alx train`."""
    train = [
        "train",
        graph,
        "--output",
        str(run),
        "--resume",
        "--devices",
        "2",
        "--dim",
        str(DIM),
        "--exchange",
        "auto",
    ]
    train += ["--epochs", str(EPOCHS), "--evaluate-every", "0", "--max-test-rows", "100"]
    if streamed:
        train += ["--batch-memory", "0.0001", "--host-memory", "0.000001"]
    return [sys.executable, __file__, "--child", *train]


def child(arguments: list[str]) -> int:
    """`alx` with a line on the pipe at the beginning of each moment."""
    from alx_solver.host_devices import use_host_devices

    use_host_devices(2)  # before JAX is imported
    from alx_solver import als, checkpoint, cli
    from alx_solver.streaming import streamed_side

    def say(moment: str) -> None:
        os.write(1, f"{SAY}{moment}\n".encode())

    def announced(owner: Any, name: str, moment: str) -> None:
        whole = getattr(owner, name)

        def call(*positional: Any, **named: Any) -> Any:
            say(moment)
            return whole(*positional, **named)

        setattr(owner, name, call)

    def chunks(side: Any, col_table: Any) -> Iterator[Any]:
        say("exchange")
        for item in collected_chunks(side, col_table):
            say("solve")
            yield item

    collected_chunks = streamed_side.StreamedSide._collected_chunks
    streamed_side.StreamedSide._collected_chunks = chunks  # type: ignore[method-assign]
    announced(als.AlsTrainer, "epoch", "half-step")
    announced(checkpoint, "_write_table", "tables")
    announced(checkpoint, "_sync_directory", "manifest")
    announced(checkpoint.os, "replace", "rename")
    return cli.main(arguments)


def make_graph(folder: Path) -> str:
    """A small one, so that what is killed is training and not its start."""
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, ROWS, ENTRIES) * ROWS + (ROWS * rng.random(ENTRIES) ** 2).astype(np.int64))
    ones = np.ones(len(pairs), np.int8)
    path = folder / "graph.npz"
    scipy.sparse.save_npz(path, scipy.sparse.csr_matrix((ones, (pairs // ROWS, pairs % ROWS)), shape=(ROWS, ROWS)))
    return str(path)


def run_child(graph: str, run: Path, cache: Path, streamed: bool, moment: str | None, pause: float, skip: int) -> str:
    """Starts it, and kills it `pause` seconds after the moment has begun `skip` + 1 times.

    Returns:
        "killed" or "ended".
    """
    environ = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        "JAX_PLATFORMS": "cpu",
    }
    log = open(run.parent / "child.log", "ab")  # noqa: SIM115 - the child's
    with subprocess.Popen(command(graph, run, streamed), stdout=subprocess.PIPE, stderr=log, env=environ) as process:
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            if line.decode(errors="replace").strip() == f"{SAY}{moment}":
                seen += 1
                if seen > skip:
                    time.sleep(pause)
                    os.kill(process.pid, signal.SIGKILL)
                    break
        with contextlib.suppress(BrokenPipeError):
            process.stdout.read()
        code = process.wait()
    log.close()
    if code == -signal.SIGKILL:
        return "killed"
    if code != 0:
        raise RuntimeError(f"the child ended with {code}; see {run.parent / 'child.log'}")
    return "ended"


def outcome(run: Path) -> dict[str, Any]:
    """Lines of metrics.jsonl without seconds, and the digests of the last checkpoint's tables."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    newest = sorted((run / "checkpoint").glob("epoch-*"))[-1]
    manifest = json.loads((newest / "manifest.json").read_text())
    return {
        "epochs": [{name: value for name, value in line.items() if name != "seconds"} for line in lines],
        "checkpoint": newest.name,
        "tables": manifest["sha256"],
        "folders": sorted(path.name for path in (run / "checkpoint").iterdir()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="benchmarks/results/kill_training.json")
    arguments = parser.parse_args()
    rng, kills = random.Random(arguments.seed), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cache, alone, killed = folder / "cache", folder / "alone", folder / "killed"
        graph = make_graph(folder)
        run_child(graph, alone, cache, False, None, 0.0, 0)
        for number in range(arguments.kills):
            moment = MOMENTS[number % len(MOMENTS)]
            streamed = moment in STREAMED or (moment != "half-step" and number % 2 == 1)
            skip = rng.randrange(40) if moment == "solve" else rng.randrange(3) if moment == "exchange" else 0
            pause = rng.random() * (0.2 if moment == "half-step" else 0.004)
            how = run_child(graph, killed, cache, streamed, moment, pause, skip)
            newest = sorted(path.name for path in (killed / "checkpoint").glob("epoch-*"))
            leftover = [path.name for path in (killed / "checkpoint").glob(".*")]
            kills.append(
                {
                    "moment": moment,
                    "streamed": streamed,
                    "pause_seconds": pause,
                    "how": how,
                    "newest_checkpoint": newest[-1] if newest else None,
                    "left_by_the_dead_writer": leftover,
                }
            )
            print(kills[-1], flush=True)
        assert all(kill["how"] == "killed" for kill in kills), "a run ended before it could be killed: more epochs"
        run_child(graph, killed, cache, False, None, 0.0, 0)
        expected, found = outcome(alone), outcome(killed)
    same = expected == found
    document = {
        "environment": environment(),
        "graph": f"made: {ROWS} x {ROWS}, {ENTRIES} entries at random",
        "epochs": EPOCHS,
        "dim": DIM,
        "devices": 2,
        "kills": kills,
        "by_moment": {moment: sum(kill["moment"] == moment for kill in kills) for moment in MOMENTS},
        "same_losses_and_tables": same,
        "losses": [line["loss"] for line in found["epochs"]],
        "digest": hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest(),
    }
    Path(arguments.output).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print("same losses and tables:", same)
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(sys.argv[2:]))
    main()
