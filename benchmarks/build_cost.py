"""Seconds and peak memory of a whole build, all variants written, beside a plain script with sets and dicts.

Each runs as a process of its own; memory is the sum over its processes, sampled; the time is from process start to end.
The plain script parses and counts in memory and writes nothing, so it does less.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.environment import environment

_SAMPLE_SECONDS = 0.02


def run(command: list[str]) -> tuple[float, int]:
    """Runs a command; returns its seconds and the peak of the sum of its processes' resident bytes."""
    start = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process))
        time.sleep(_SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}.")
    return time.perf_counter() - start, peak


def _resident(process: psutil.Popen) -> int:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    arguments = parser.parse_args()
    paths = [str(path) for path in arguments.archives]
    measured: dict[str, dict[str, list]] = {}
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            commands = {
                "build": [sys.executable, "-m", "beam_pipelines.build_graph", *paths, "--output", f"{folder}/graphs"],
                "plain_script": [sys.executable, "-m", "benchmarks.plain_build", *paths],
            }
            for name, command in commands.items():
                seconds, peak = run(command)
                entry = measured.setdefault(name, {"seconds": [], "peak_bytes": []})
                entry["seconds"].append(seconds)
                entry["peak_bytes"].append(peak)
    for name, entry in measured.items():
        entry["median_seconds"] = statistics.median(entry["seconds"])
        entry["max_peak_bytes"] = max(entry["peak_bytes"])
        print(f"{name:13} {entry['median_seconds']:6.1f} s, peak {entry['max_peak_bytes'] / 1e6:,.0f} MB")
    size = sum(path.stat().st_size for path in arguments.archives)
    content = {"environment": environment(), "bytes": size, "files": len(paths), **measured}
    arguments.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
