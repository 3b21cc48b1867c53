"""What the limits of records cost where none is hit: the parse stage with all of them, and without.

Without means: no limit of a value that anything reaches, no look at links, URLs and time of a page, and HTML parsed
in this process whatever its size. What stays are the comparisons inside of loops that run anyway (bytes of a segment,
of a record, of headers). Both ways take turns in one process; what counts is processor time, with that of children.
"""

import argparse
import contextlib
import json
import resource
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from beam_pipelines import parse_archive
from beam_pipelines.capture import Capture
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions
from beam_pipelines.record_limits import RecordLimits
from benchmarks.environment import environment
from webgraph.variants import VARIANTS

_NONE = RecordLimits(
    max_record_bytes=1 << 60,
    max_ratio=1 << 60,
    max_nesting=1 << 60,
    max_json_bytes=1 << 60,
    max_body_bytes=1 << 60,
    max_links=1 << 60,
    max_url_length=1 << 60,
    max_seconds=1e9,
)


def _not_limited(capture: Capture, _: RecordLimits) -> Capture:
    capture.characters = len("".join(capture.hrefs))  # blocks are bounded by it in any case
    return capture


@contextlib.contextmanager
def _without_limits() -> Iterator[None]:
    with (
        mock.patch.object(parse_archive, "within_limits", _not_limited),
        mock.patch.object(parse_archive, "is_small", lambda _: True),
        mock.patch.object(parse_archive._RecordClock, "is_over", lambda _: False),
    ):
        yield


def _parse(paths: list[Path], limits: RecordLimits) -> dict[str, int]:
    reports: list[ArchiveReport] = []
    options = ParseOptions(tlds_of_variants=tuple(variant.tlds for variant in VARIANTS.values()), limits=limits)
    for path in paths:
        with path.open("rb") as stream:
            for _ in parse_archive.parse_archive(stream, path.name, options, reports.append):
                pass
    return {name: sum(report.counts[name] for report in reports) for name in ("pages", "links_in", "links_out")}


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    alive = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(times.user + times.system for times in alive)


def measure(paths: list[Path], repeats: int) -> dict[str, Any]:
    """Seconds of processor time of both ways, and how many times as long the limits make it: the median of ratios."""

    def without() -> dict[str, int]:
        with _without_limits():
            return _parse(paths, _NONE)

    ways: dict[str, Callable[[], dict[str, int]]] = {
        "with": lambda: _parse(paths, RecordLimits()),
        "without": without,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, dict[str, int]] = {}
    for repeat in range(repeats + 1):
        for name in sorted(ways, reverse=repeat % 2 == 1):
            start = _cpu_seconds()
            found[name] = ways[name]()
            if repeat:  # the first round warms the file cache
                seconds[name].append(_cpu_seconds() - start)
    if found["with"] != found["without"]:
        raise SystemExit(f"A limit is hit: {found['with']} with them, {found['without']} without.")
    ratios = [one / other for one, other in zip(seconds["with"], seconds["without"], strict=True)]
    return {
        "files": [path.name for path in paths],
        **found["with"],
        "seconds": {name: round(statistics.median(values), 4) for name, values in seconds.items()},
        "ratio": round(statistics.median(ratios), 4),
        "ratio_of_minima": round(min(seconds["with"]) / min(seconds["without"]), 4),
        "all_seconds": {name: [round(value, 4) for value in values] for name, values in seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wat", nargs="+", type=Path, required=True)
    parser.add_argument("--warc", nargs="+", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    content: dict[str, Any] = {"environment": environment()}
    for kind in ("wat", "warc"):
        content[kind] = result = measure(getattr(arguments, kind), arguments.repeats)
        print(f"{kind}: {result['ratio']:.3f} times as long with limits ({result['seconds']})")
    arguments.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
