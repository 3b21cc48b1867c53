"""Flips single bits of graph directories, and asks whether `webgraph verify` finds each of them.

    python -m benchmarks.bit_flips GRAPH... --output benchmarks/results/bit_flips.json [--flips 1000] [--seed 0]

Each flip draws a graph, then one of its files (the manifest, which carries the checksums, among them), then a byte,
then a bit, each with equal chances. The file is changed in place in a copy, verified in this process, and put back.
Found is a flip for which verification ends with findings, or a reader refuses in words (GraphDirectoryError); anything
else that is raised is counted apart. Recorded by kind of file: flips and found; and the checks that found them.
"""

import argparse
import json
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from webgraph.graph_directory import GraphDirectoryError
from webgraph.manifest import MANIFEST_FILE
from webgraph.verify import verify_graph


def flip(path: Path, byte: int, bit: int) -> None:
    """Changes one bit of a file in place; the second call undoes it."""
    with open(path, "r+b") as file:
        file.seek(byte)
        (value,) = file.read(1)
        file.seek(byte)
        file.write(bytes([value ^ 1 << bit]))


def kind_of(name: str) -> str:
    """The kind of a file of a graph directory, for counting."""
    if name == MANIFEST_FILE:
        return "manifest"
    if not name.endswith(".parquet"):
        return "TFRecords"
    return "Parquet nodes" if name.startswith("nodes-") else "Parquet rows"


def outcome(folder: Path) -> tuple[str, str]:
    """How verification ends: (`found`, `refused`, `missed` or `raised`, by which check)."""
    try:
        report = verify_graph(folder)
    except GraphDirectoryError as error:
        return "refused", type(error).__name__
    except Exception as error:  # what is to be counted
        return "raised", f"{type(error).__name__}: {error}"
    return ("found", report.findings[0].check) if report.findings else ("missed", "")


def run(graphs: list[Path], flips: int, seed: int) -> dict[str, Any]:
    """Copies the graphs, flips and verifies."""
    chosen = random.Random(seed)
    counts: dict[str, Counter[str]] = {}
    by_check: Counter[str] = Counter()
    missed: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        copies = [Path(shutil.copytree(graph, Path(scratch) / str(number))) for number, graph in enumerate(graphs)]
        for copy in copies:
            assert not verify_graph(copy).findings, f"{copy} is not sound to begin with"
        for _ in range(flips):
            folder = chosen.choice(copies)
            path = chosen.choice(sorted(path for path in folder.iterdir() if path.stat().st_size))
            byte, bit = chosen.randrange(path.stat().st_size), chosen.randrange(8)
            flip(path, byte, bit)
            found, check = outcome(folder)
            flip(path, byte, bit)
            counts.setdefault(kind_of(path.name), Counter()).update(("flips", found))
            by_check[check] += 1
            if found in ("missed", "raised"):
                missed.append({"file": path.name, "byte": byte, "bit": bit, "outcome": found, "words": check})
        for copy in copies:
            assert not verify_graph(copy).findings, f"{copy} was not put back"
    total = sum((count for count in counts.values()), Counter[str]())
    return {
        "flips": flips,
        "seed": seed,
        "found": total["found"] + total["refused"],
        "missed_or_raised": missed,
        "by_file": {kind: dict(count) for kind, count in sorted(counts.items())},
        "by_check": dict(by_check.most_common()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sizes = {
        graph.name: {"files": len(list(graph.iterdir())), "bytes": sum(path.stat().st_size for path in graph.iterdir())}
        for graph in arguments.graphs
    }
    results = {"environment": environment(), "graphs": sizes, **run(arguments.graphs, arguments.flips, arguments.seed)}
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps({name: results[name] for name in ("flips", "found", "by_file", "by_check")}, indent=1))


if __name__ == "__main__":
    main()
