"""Seconds and peak memory of a whole build, all variants written, beside a plain script with sets and dicts.

Each runs as a process of its own; memory is the sum over its processes. The build's seconds are from the start of the
process, and from the first archive opened to the last graph renamed, both seen every 0.1 s. The plain script parses and
counts in memory and writes nothing, so it does less.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from benchmarks.measured_process import Measured, measure
from webgraph.variants import VARIANTS

_OPENED, _RENAMED = "first archive opened", "last graph renamed"


def build(paths: list[str], output: Path) -> Measured:
    """Builds all six variants."""

    def look() -> Iterator[str]:
        if (output / ".work" / "parsed").exists():
            yield _OPENED
        if len(list(output.glob("*/manifest.json"))) == len(VARIANTS):
            yield _RENAMED

    return measure([sys.executable, "-m", "webgraph.cli", "build", *paths, "--output", str(output)], look=look)


def entry_of(runs: list[Measured]) -> dict[str, Any]:
    """Medians and peaks of several runs."""
    entry: dict[str, Any] = {
        "median_seconds": statistics.median(one.seconds for one in runs),
        "max_peak_pss_bytes": max(one.peak_pss_bytes for one in runs),
        "runs": [one.as_dict() for one in runs],
    }
    if all(_RENAMED in one.first_seen for one in runs):
        spans = [one.first_seen[_RENAMED] - one.first_seen[_OPENED] for one in runs]
        entry["median_seconds_from_first_archive_to_last_rename"] = statistics.median(spans)
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    arguments = parser.parse_args()
    paths = [str(path) for path in arguments.archives]
    runs: dict[str, list[Measured]] = {"build": [], "plain_script": []}
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            runs["build"].append(build(paths, Path(folder) / "graphs"))
        runs["plain_script"].append(measure([sys.executable, "-m", "benchmarks.plain_build", *paths]))
    for name, measured in runs.items():
        failed = next((one for one in measured if one.returncode), None)
        if failed:
            raise SystemExit(f"{name} ended with exit code {failed.returncode}:\n{failed.stderr}")
    content: dict[str, Any] = {
        "environment": environment(),
        "bytes": sum(path.stat().st_size for path in arguments.archives),
        "files": len(paths),
        **{name: entry_of(measured) for name, measured in runs.items()},
    }
    arguments.output.write_text(json.dumps(content, indent=1) + "\n")
    for name in runs:
        entry = content[name]
        print(f"{name:13} {entry['median_seconds']:6.2f} s, peak {entry['max_peak_pss_bytes'] / 1e6:,.0f} MB")
    print("from the first archive opened to the last graph renamed:", end=" ")
    print(f"{content['build'].get('median_seconds_from_first_archive_to_last_rename', float('nan')):.2f} s")


if __name__ == "__main__":
    main()
