"""How time, memory and disk of a build grow with its input, and what the plain script takes.

    python -m benchmarks.scale_runs all DIR --results benchmarks/results --make-crawl make_crawl.sh -- --max-memory 4GB
    python -m benchmarks.scale_runs make DIR --make-crawl make_crawl.sh
    python -m benchmarks.scale_runs run DIR --sizes 1x 4x --output scale_runs.json -- --max-memory 4GB
    python -m benchmarks.scale_runs plain DIR --output scale_plain.json -- --max-memory 4GB
    python -m benchmarks.scale_runs plot scale_runs.json

`all` does the other four in this order, for all sizes, and writes scale_runs.json, scale_plain.json and scale_runs.png.
`make` writes the crawls. DIR/synthetic-Nx are made crawls of about N times 0.82 million links, read as WAT; DIR/real
holds WARC files of documentation sites (`make_crawl.sh DIR/real`), and WAT files that the reference extractor makes of
them (`make extractor`), as the shared crawl's were made; with DIR/fill-16x, read as WAT, they have 16 times its links
("mixed-16x"). `run` builds each size as a process of its own and compares its counts with the crawl's own truth; a size
is added to the output when it is done. What follows `--` goes to `webgraph build`.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from benchmarks.measured_process import Measured, measure
from benchmarks.true_counts import true_counts
from tests.reference_extractor.extractor import extract_wat
from webgraph.manifest import read_manifest
from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl

SYNTHETIC_PAGES = {"1x": 12_900, "4x": 51_600, "16x": 206_500, "64x": 826_000}
_FILL_PAGES, _FILL_FILES = 86_000, 70
_SEED, _FILL_SEED = 7, 16
_STAGES = {"parse": ".work/parsed", "filter": ".work/round-0", "write": ".work/graphs", "rename": "*/manifest.json"}


def inputs(folder: Path, size: str) -> list[str]:
    """The archives of a size, sorted."""
    if size == "mixed-16x":
        paths = [*folder.glob("real/wat/*.gz"), *folder.glob("fill-16x/wat/*.gz")]
    else:
        paths = list((folder / f"synthetic-{size}" / "wat").glob("*.gz"))
    if not paths:
        raise SystemExit(f"There is no crawl {size} under {folder}; make it first (see --help).")
    return sorted(map(str, paths))


def make(arguments: argparse.Namespace) -> None:
    """Writes the crawls that are missing."""
    for name in arguments.sizes:
        pages = SYNTHETIC_PAGES[name]
        _synthetic(arguments.folder / f"synthetic-{name}", pages, 10 * int(name[:-1]), _SEED)
    _synthetic(arguments.folder / "fill-16x", _FILL_PAGES, _FILL_FILES, _FILL_SEED)
    if arguments.make_crawl and not (arguments.folder / "real").exists():
        subprocess.run(["bash", str(arguments.make_crawl), str(arguments.folder / "real")], check=True)
    _extract(arguments.folder / "real")


def _extract(folder: Path) -> None:
    """Makes the WAT files of a crawl's WARC files that are missing."""
    (folder / "wat").mkdir(exist_ok=True)
    for archive in sorted((folder / "warc").glob("*.warc.gz")):
        wat = folder / "wat" / archive.name.replace(".warc.gz", ".warc.wat.gz")
        if not wat.exists():
            extract_wat(archive, wat.with_suffix(".part"))
            wat.with_suffix(".part").rename(wat)


def _synthetic(folder: Path, pages: int, files: int, seed: int) -> None:
    if (folder / "truth" / "truth.json").exists():  # written last
        print(f"{folder} is there")
        return
    shutil.rmtree(folder, ignore_errors=True)
    options = SyntheticCrawlOptions(num_pages=pages, num_files=files, seed=seed, count_variants=False)
    crawl = write_synthetic_crawl(folder, options)
    print(f"{folder}: {crawl.counts.links:,} links")


def build(paths: list[str], output: Path, flags: list[str]) -> Measured:
    """Builds in a process of its own. The paths go through a list, for there may be many."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "archives.paths"
        listing.write_text("\n".join(paths) + "\n")

        def look() -> Iterator[str]:
            for stage, pattern in _STAGES.items():
                if next(output.glob(pattern), None) is not None:
                    yield stage

        command = [sys.executable, "-m", "webgraph.cli", "build", str(listing), "--output", str(output), *flags]
        measured = measure(command, look=look)
    if measured.returncode:
        raise SystemExit(f"The build ended with exit code {measured.returncode}:\n{measured.stderr}")
    return measured


def counts_of(output: Path) -> dict[str, dict[str, int]]:
    """Nodes and edges by variant, from the manifests."""
    manifests = [read_manifest(path.parent) for path in output.glob("*/manifest.json")]
    return {m.variant.name: {"nodes": m.graph.num_nodes, "edges": m.graph.num_edges} for m in manifests}


def describe(output: Path, paths: list[str]) -> dict[str, Any]:
    """Size of input and output."""
    manifest = read_manifest(next(output.glob("*/manifest.json")).parent)
    links = sum(archive["counts"].get("links_in", 0) for archive in manifest.inputs)
    return {
        "files": len(paths),
        "input_bytes": sum(Path(path).stat().st_size for path in paths),
        "links": links,
        "edges": manifest.counts["merge"]["edges_out"],
        "output_bytes": sum(path.stat().st_size for path in output.rglob("*") if path.is_file()),
        "counts": counts_of(output),
    }


def stage_seconds(measured: Measured) -> dict[str, float]:
    """Seconds of each stage: of parsing as it was seen, of the others as the build's log says."""
    parse = measured.first_seen.get("filter", measured.seconds) - measured.first_seen.get("parse", 0.0)
    logged = re.findall(r"^INFO (\S+): \d+ keys in ([\d.]+) s$", measured.stderr, re.MULTILINE)
    return {"parse": round(parse, 2)} | {name: float(seconds) for name, seconds in logged}


def run(arguments: argparse.Namespace) -> None:
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else {"sizes": {}}
    results["environment"], results["flags"] = environment(), arguments.flags
    for size in arguments.sizes:
        paths, runs = inputs(arguments.folder, size), []
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            for repeat in range(arguments.repeats):
                output = Path(scratch) / f"graphs-{repeat}"  # ext4 is slow to make files where many were just removed
                runs.append(build(paths, output, arguments.flags))
            entry = describe(output, paths)
        entry["runs"] = [one.as_dict() | {"stage_seconds": stage_seconds(one)} for one in runs]
        entry["median_seconds"] = statistics.median(one.seconds for one in runs)
        entry["max_peak_pss_bytes"] = max(one.peak_pss_bytes for one in runs)
        if size != "mixed-16x":
            entry["equals_truth"] = _expected(arguments.folder / f"synthetic-{size}") == entry["counts"]
        results["sizes"][size] = entry
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
        _print(size, entry)


def _expected(crawl: Path) -> dict[str, dict[str, int]]:
    """The crawl's true counts, kept beside its truth."""
    kept = crawl / "truth" / "variants.json"
    if not kept.exists():
        kept.write_text(json.dumps(true_counts(crawl / "truth" / "pages.parquet")))
    return json.loads(kept.read_text())


def _print(size: str, entry: dict[str, Any]) -> None:
    seconds, peak, edges = entry["median_seconds"], entry["max_peak_pss_bytes"], entry["edges"]
    print(
        f"{size:10} {entry['links']:>11,} links  {edges:>11,} edges  {seconds:7.1f} s  "
        f"{seconds / edges * 1e6:6.2f} us an edge  peak {peak / 1e6:7,.0f} MB  "
        f"counts as the truth: {entry.get('equals_truth', 'no truth')}"
    )


def plain(arguments: argparse.Namespace) -> None:
    """The build and the plain script on the same input, in turns; their counts are compared."""
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else {"sizes": {}}
    results["environment"], results["flags"] = environment(), arguments.flags
    for size in arguments.sizes:
        paths, ours, theirs = inputs(arguments.folder, size), [], []
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            sink = Path(scratch) / "counts.json"
            for repeat in range(arguments.repeats):
                output = Path(scratch) / f"graphs-{repeat}"  # see `run`
                ours.append(build(paths, output, arguments.flags))
                command = [sys.executable, "-m", "benchmarks.plain_build", *paths]
                theirs.append(measure(command, stdout=sink, max_rss_bytes=arguments.max_gigabytes * 10**9))
                if theirs[-1].returncode:
                    raise SystemExit(f"The plain script ended with {theirs[-1].returncode}:\n{theirs[-1].stderr}")
            built, counts = describe(output, paths), json.loads(sink.read_text())
        entry = results["sizes"][size] = {
            "build": _summary(ours),
            "plain": _summary(theirs),
            "times_as_fast": statistics.median(b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True)),
            "counts_equal": built["counts"] == counts["variants"] and built["edges"] == counts["edges"],
            **{name: built[name] for name in ("files", "input_bytes", "links")},
            **counts,
        }
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
        for name in ("build", "plain"):
            seconds, peak = entry[name]["median_seconds"], entry[name]["max_peak_pss_bytes"]
            print(f"{size}: {name} {seconds:.1f} s, peak {peak / 1e6:,.0f} MB")
        print(
            f"  counts equal: {entry['counts_equal']}; {entry['times_as_fast']:.2f} times as fast (median of the turns)"
        )


def _summary(runs: list[Measured]) -> dict[str, Any]:
    return {
        "runs": [one.as_dict() for one in runs],
        "median_seconds": statistics.median(one.seconds for one in runs),
        "max_peak_pss_bytes": max(one.peak_pss_bytes for one in runs),
    }


def plot(arguments: argparse.Namespace) -> None:
    """Draws peak memory and seconds against edges, log-log, and prints the slopes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    sizes = json.loads(arguments.results.read_text())["sizes"]
    entries = sorted((one for name, one in sizes.items() if name in SYNTHETIC_PAGES), key=lambda one: one["edges"])
    edges = np.array([one["edges"] for one in entries])
    seconds = np.array([one["median_seconds"] for one in entries])
    peak = np.array([one["max_peak_pss_bytes"] for one in entries])
    slope, floor = np.polyfit(edges, peak, 1)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    time_title = f"{seconds[-1] / edges[-1] * 1e6:.2f} µs an edge at the largest"
    memory_title = f"{slope:.1f} bytes an edge + {floor / 1e6:.0f} MB"
    panels = (
        (axes[0], seconds, "seconds", time_title),
        (axes[1], peak / 1e6, "peak memory of all processes (PSS), MB", memory_title),
    )
    for axis, values, label, title in panels:
        axis.loglog(edges, values, "o-", color="#1f5fa8", label="measured")
        axis.loglog(edges, values[0] * edges / edges[0], ":", color="gray", label="in proportion to edges")
        axis.set(xlabel="distinct edges", ylabel=label, title=title)
        for x, y in zip(edges, values, strict=True):
            axis.annotate(f"{y:,.0f}", (x, y), textcoords="offset points", xytext=(6, -12))
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(arguments.results.with_suffix(".png"), dpi=130)
    print(f"memory: {slope:.2f} bytes an edge and {floor / 1e6:.0f} MB; us an edge: {seconds / edges * 1e6}")


def everything(arguments: argparse.Namespace) -> None:
    """Makes, runs and plots all."""
    results = arguments.results
    built = results / "scale_runs.json"
    make(arguments)
    run(_with(arguments, output=built))
    plain(_with(arguments, sizes=["mixed-16x"], output=results / "scale_plain.json"))
    plot(_with(arguments, results=built))


def _with(arguments: argparse.Namespace, **changed: Any) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), **changed})


def main() -> None:
    own, flags = _split(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    sizes = list(SYNTHETIC_PAGES)
    for name, function, default in (
        ("all", everything, sizes),
        ("make", make, sizes),
        ("run", run, sizes),
        ("plain", plain, ["mixed-16x"]),
    ):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("--sizes", nargs="+", default=default)
        command.set_defaults(function=function)
        if function in (make, everything):
            command.add_argument("--make-crawl", type=Path, help="the script that makes the real crawl")
        if function is make:
            continue
        command.add_argument("--repeats", type=int, default=1)
        if function is everything:
            command.add_argument("--results", type=Path, required=True, help="folder of the JSON files and the plot")
        else:
            command.add_argument("--output", type=Path, required=True, help="JSON file")
        command.add_argument("--scratch", type=Path, help="where outputs are written, and then removed")
        command.add_argument("--max-gigabytes", type=int, default=12, help="the plain script is killed above it")
    command = commands.add_parser("plot")
    command.add_argument("results", type=Path)
    command.set_defaults(function=plot)
    arguments = parser.parse_args(own)
    arguments.flags = flags
    arguments.function(arguments)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Own arguments, and the flags for `webgraph build` after `--`."""
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


if __name__ == "__main__":
    main()
