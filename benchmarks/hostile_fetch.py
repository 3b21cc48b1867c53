"""What becomes of files on a server that throttles, hangs up, lies and sends error pages; and what reading there costs.

    python -m benchmarks.hostile_fetch [--megabytes 64] [--output benchmarks/results/hostile_fetch.json]

The server runs in this process, on loopback. One part fetches files whose server misbehaves in a way each, and compares
every byte; the other reads a file of that size from a server that behaves, beside the same file from the disk.
"""

import argparse
import dataclasses
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from beam_pipelines.crawl_fetch import fetch_files
from beam_pipelines.input_options import InputOptions, RetryOptions
from beam_pipelines.open_archive import open_archive
from benchmarks.environment import environment
from tests.beam_pipelines.hostile_server import HostileServer, hostile_server
from tests.beam_pipelines.test_remote_reader import FAILED, FILE, WHOLE

_RETRY = RetryOptions(max_retries=6, base_delay=0.001, max_delay=0.004, max_retry_after=0.3, timeout=0.4, seed=1)
_CONNECTIONS = 4
_REPEATS = 5


def hostile(server: HostileServer, folder: Path) -> dict[str, Any]:
    """Fetches one file for each way of misbehaving; each must be whole, or failed by the name that is expected."""
    server.add("/moved", FILE)
    scripts = {name: ("", script) for name, script in WHOLE.items()} | FAILED
    urls = [
        server.add(f"/{number}-{name.replace(' ', '-').replace(',', '')}.gz", FILE, *script)
        for number, (name, (_, script)) in enumerate(scripts.items())
    ]
    options = InputOptions(max_connections=_CONNECTIONS, retry=_RETRY)
    fetched = list(fetch_files(urls, str(folder), options))
    files = [
        {
            "server": name,
            "outcome": file.failure or "whole",
            "expected": scripts[name][0] or "whole",
            "equal": not file.failure and Path(file.path).read_bytes() == FILE,
            "retries": file.retries,
        }
        for name, file in zip(scripts, fetched, strict=True)
    ]
    return {
        "files": files,
        "outcomes": dict(Counter(str(file["outcome"]) for file in files)),
        "whole_and_equal": sum(bool(file["equal"]) for file in files),
        "whole_and_not_equal": sum(file["outcome"] == "whole" and not file["equal"] for file in files),
        "not_as_expected": sum(file["outcome"] != file["expected"] for file in files),
        "retries": sum(file.retries for file in fetched),
        "limit_of_connections": _CONNECTIONS,
        "most_connections": server.max_connections,
    }


def cost(server: HostileServer, folder: Path, megabytes: int) -> dict[str, Any]:
    """Median CPU and wall seconds of reading one file, from loopback and from the disk, in turns."""
    path = folder / "large.gz"
    path.write_bytes(FILE[:4] + random.Random(1).randbytes(megabytes << 20))
    url = server.add("/large.gz", path.read_bytes())
    seconds: dict[str, list[tuple[float, float]]] = {"loopback": [], "disk": []}
    for _ in range(_REPEATS + 1):
        for name, where in (("loopback", url), ("disk", str(path))):
            started, cpu = time.perf_counter(), time.thread_time()  # of this thread: the server's are others
            with open_archive(where, _RETRY) as stream:
                while stream.read(1 << 16):
                    pass
            seconds[name].append((time.perf_counter() - started, time.thread_time() - cpu))
    medians = {
        name: {
            "wall_seconds": round(statistics.median(wall for wall, _ in taken[1:]), 4),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in taken[1:]), 4),
        }
        for name, taken in seconds.items()
    }
    return {"megabytes": megabytes, "repeats": _REPEATS, **medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "hostile_fetch.json")
    arguments = parser.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        with hostile_server() as server:
            fetched = hostile(server, Path(folder))
        with hostile_server() as server:
            read = cost(server, Path(folder), arguments.megabytes)
    result = {
        "options": dataclasses.asdict(_RETRY),
        "hostile": fetched,
        "cost": read,
        "environment": environment(),
    }
    arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: value for name, value in fetched.items() if name != "files"}, indent=2))
    print(json.dumps(read, indent=2))


if __name__ == "__main__":
    main()
