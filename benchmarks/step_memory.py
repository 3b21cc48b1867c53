"""The peak memory of each step's largest task, beside what `beam_pipelines.scale` says.

    python -m benchmarks.step_memory --output benchmarks/results/step_memory.json NAME=GLOB[:PARTITIONS] ...

Each task runs alone in a forked child: the peak of its resident set, less what it had when it began.
"""

import argparse
import dataclasses
import glob
import json
import tempfile
from pathlib import Path
from typing import Any

from beam_pipelines.options import BuildOptions, Partitioning
from beam_pipelines.scale import step_costs
from benchmarks.environment import environment
from benchmarks.step_sizes import cuts_of, statistics_of, weighed_build


def measure(paths: list[str], num_partitions: int | None, scratch: Path | None) -> dict[str, Any]:
    """Builds, and returns statistics, cuts, and what each step gave out and took."""
    options = BuildOptions(partitioning=Partitioning(num_partitions=num_partitions))
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        found = weighed_build(paths, Path(folder) / "graphs", options)
        crawl, cuts = statistics_of(found), cuts_of(found)
    return {
        "crawl": dataclasses.asdict(crawl),
        "cuts": dataclasses.asdict(cuts),
        "bytes": found.bytes,
        "blocks": found.blocks,
        "memory": found.memory,
        "predicted": {cost.step: cost.memory for cost in step_costs(crawl, cuts)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", help="NAME=GLOB, or NAME=GLOB:PARTITIONS")
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    parser.add_argument("--scratch", type=Path, help="where graphs are written, and then removed")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"environment": environment(), "runs": {}}
    for argument in arguments.inputs:
        name, _, pattern = argument.partition("=")
        pattern, _, partitions = pattern.partition(":")
        run = measure(sorted(glob.glob(pattern)), int(partitions) if partitions else None, arguments.scratch)
        results["runs"][name] = run
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: {run['cuts']['num_partitions']} partitions")
        for step, peak in run["memory"].items():
            print(f"  {step:14} +{peak / 1e6:7.1f} MB, predicted {run['predicted'].get(step, float('nan')) / 1e6:7.1f}")


if __name__ == "__main__":
    main()
