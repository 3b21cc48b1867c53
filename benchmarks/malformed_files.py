"""What is read of files that readers choke on, beside warcio and fastwarc on the same bytes.

For each file: records, bytes skipped by reason, seconds; and how many records the two others give before they end or
raise, and what they raise. warcio is asked as its own `warcio index` does (bodies are read); fastwarc with default
options.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator as FastWarcIterator
from warcio.archiveiterator import ArchiveIterator

from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from benchmarks.environment import environment


def ours(data: bytes) -> dict[str, Any]:
    """Records, pages and what was skipped."""
    reports: list[ArchiveReport] = []
    for _ in parse_archive(io.BytesIO(data), "a", ParseOptions(), reports.append):
        pass
    counts = reports[0].counts
    reasons = {name.removeprefix("stretches_skipped_") for name in counts if name.startswith("stretches_skipped_")}
    return {
        "records": counts.get("records_in", 0),
        "pages": counts.get("pages", 0),
        "links": counts.get("links_in", 0),
        "bytes_skipped": {reason: counts[f"bytes_skipped_{reason}"] for reason in sorted(reasons)},
        "failure": reports[0].failure,
    }


def warcio_reads(data: bytes) -> dict[str, Any]:
    """Records that warcio gives whole."""
    return _count(lambda: (record.content_stream().read() for record in ArchiveIterator(io.BytesIO(data))))


def fastwarc_reads(data: bytes) -> dict[str, Any]:
    """Records that fastwarc gives whole."""
    return _count(lambda: (record.reader.read() for record in FastWarcIterator(io.BytesIO(data))))


def _count(records: Callable[[], Any]) -> dict[str, Any]:
    number, failure = 0, ""
    try:
        for _ in records():
            number += 1
    except Exception as error:  # what the others raise is the result
        failure = f"{type(error).__name__}: {str(error)[:80]}"
    return {"records": number, "failure": failure}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    results = {}
    for path in sorted(path for folder in arguments.folders for path in folder.iterdir()):
        data = path.read_bytes()
        row: dict[str, Any] = {"bytes": len(data)}
        for name, way in (("ours", ours), ("warcio", warcio_reads), ("fastwarc", fastwarc_reads)):
            start = time.perf_counter()
            row[name] = way(data)
            row[name]["seconds"] = round(time.perf_counter() - start, 4)
        results[path.name] = row
        skipped = ", ".join(f"{reason} {count}" for reason, count in row["ours"]["bytes_skipped"].items())
        print(
            f"{path.name:78} ours {row['ours']['records']:4} warcio {row['warcio']['records']:4} "
            f"fastwarc {row['fastwarc']['records']:4} {row['ours']['seconds']:7.3f} s  {skipped}"
        )
    slowest = max(row["ours"]["seconds"] for row in results.values())
    print(f"{len(results)} files, the slowest in {slowest} s")
    content = {"environment": environment(), "files": results}
    arguments.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
