"""How many links a second one core parses, from WAT bytes to columns of keys, beside a per-link reference.

The reference is what cc-pyspark's `wat_extract_links.py` does a link: warcio records, `json.loads`, `urljoin`. The
floor is gunzip and JSON alone, of the same bytes. All run in one process, one after the other, in every repeat.
"""

from webgraph.numpy_sort import avoid_slow_sorts

avoid_slow_sorts()  # as `webgraph build` does, before NumPy is imported

import argparse  # noqa: E402
import gzip  # noqa: E402
import json  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from urllib.parse import urljoin  # noqa: E402

import msgspec  # noqa: E402
from warcio.archiveiterator import ArchiveIterator  # noqa: E402

from beam_pipelines.archive_records import Record, read_records  # noqa: E402
from beam_pipelines.parse_archive import ParseOptions, parse_archive  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from webgraph.variants import VARIANTS  # noqa: E402


def ours(path: Path) -> int:
    """Parses an archive with the product and returns its links."""
    reports: list = []
    options = ParseOptions(tlds_of_variants=tuple(variant.tlds for variant in VARIANTS.values()))
    with open(path, "rb") as stream:
        for _ in parse_archive(stream, path.name, options, reports.append):
            pass
    return reports[0].counts["links_in"]


def reference(path: Path) -> int:
    """The per-link reference: every link becomes a tuple of strings."""
    links = 0
    with open(path, "rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type != "metadata":
                continue
            envelope = json.loads(record.content_stream().read())["Envelope"]
            if envelope["WARC-Header-Metadata"].get("WARC-Type") != "response":
                continue
            http = envelope["Payload-Metadata"].get("HTTP-Response-Metadata", {})
            if http.get("Response-Message", {}).get("Status") != "200" or "HTML-Metadata" not in http:
                continue
            page = envelope["WARC-Header-Metadata"]["WARC-Target-URI"].strip("<>")
            base = urljoin(page, http["HTML-Metadata"].get("Head", {}).get("Base", ""))
            outlinks = []
            for link in http["HTML-Metadata"].get("Links", []):
                if link.get("path") in ("A@/href", "AREA@/href"):
                    links += 1
                    try:
                        outlinks.append((page, urljoin(base, link.get("url", ""))))
                    except ValueError:
                        continue
    return links


def floor(path: Path) -> int:
    """Gunzip and JSON of the same bytes: our record reader, msgspec without types."""
    decode = msgspec.json.Decoder().decode
    with open(path, "rb") as stream:
        for record in read_records(stream):
            if isinstance(record, Record) and record.record_type == "metadata":
                decode(record.body)
    return 0


def gunzip(path: Path) -> int:
    """The standard library's gunzip alone; returns bytes."""
    with gzip.open(path) as stream:
        return sum(len(block) for block in iter(lambda: stream.read(1 << 20), b""))


def measure(paths: list[Path], repeats: int) -> dict:
    """Medians of CPU seconds for each way, taken in turn."""
    ways: dict[str, Callable[[Path], int]] = {"ours": ours, "reference": reference, "floor": floor, "gunzip": gunzip}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, int] = {}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            start = time.process_time()
            found[name] = sum(way(path) for path in paths)
            if repeat:  # the first round warms the file cache
                seconds[name].append(time.process_time() - start)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    if found["ours"] != found["reference"]:
        raise SystemExit(f"The two count different links: {found['ours']} and {found['reference']}.")
    links = found["ours"]
    return {
        "files": [path.name for path in paths],
        "bytes": sum(path.stat().st_size for path in paths),
        "bytes_uncompressed": found["gunzip"],
        "links": links,
        "seconds": median,
        "all_seconds": seconds,
        "links_per_second": {name: links / median[name] for name in ("ours", "reference")},
        "times_the_reference": median["reference"] / median["ours"],
        "share_of_floor": median["floor"] / median["ours"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path, help="WAT files; all together are one measurement")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, required=True, help="JSON file; a measurement is added under --name")
    parser.add_argument("--name", default="crawl")
    arguments = parser.parse_args()
    content = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    content["environment"] = environment()
    content[arguments.name] = measure(arguments.archives, arguments.repeats)
    arguments.output.write_text(json.dumps(content, indent=1) + "\n")
    result = content[arguments.name]
    print(f"ours       {result['links_per_second']['ours']:>12,.0f} links/s")
    print(f"reference  {result['links_per_second']['reference']:>12,.0f} links/s")
    print(f"{result['times_the_reference']:.2f} times the reference; {result['share_of_floor']:.0%} of the floor")


if __name__ == "__main__":
    main()
