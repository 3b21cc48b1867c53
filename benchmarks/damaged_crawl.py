"""An archive damaged at random: what is lost beside the damaged members, and is anything read that was not there?

A seed chooses one to five damages among bit flips, cuts, and swapped, doubled and inserted blocks, and their places.
Which pages lie outside the damage does not depend on the reader: a page counts as outside where its gzip member, as
it stands in the original, stands whole, byte for byte, at some place of the damaged file; every place that begins like
one of the original's members is compared with it. Pages are compared by URL, base and links as written.
"""

import argparse
import io
import json
import multiprocessing
import random
import re
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import xxhash

from beam_pipelines.archive_records import Record, Skipped, read_records
from beam_pipelines.capture import Capture
from beam_pipelines.wat import is_wat_record, parse_wat_record
from benchmarks.environment import environment
from webgraph.link_selection import LinkSelection

_KINDS = ("flip", "cut", "swap", "double", "insert")
_BLOCK_BYTES = 1 << 14
_START_BYTES = 64
_original: bytes
_members_by_start: dict[bytes, list[tuple[int, int, int]]]
_known: set[int]


def read_pages(data: bytes) -> tuple[list[int], list[tuple[int, int]], Counter[str]]:
    """Returns a digest for each page (URL, base, links), (bytes, digest or 0) of each record, and bytes skipped."""
    pages, records, skipped = [], [], Counter[str]()
    for item in read_records(io.BytesIO(data)):
        digest = 0
        if isinstance(item, Skipped):
            skipped[item.reason] += item.raw_bytes
            continue
        assert isinstance(item, Record)
        found = parse_wat_record(item, LinkSelection()) if is_wat_record(item) else None
        if isinstance(found, Capture):
            text = "\n".join((found.url, found.base, *found.hrefs))
            digest = xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
            pages.append(digest)
        elif found is not None and found.is_damage:
            skipped[found.reason] += item.raw_bytes
        records.append((item.raw_bytes, digest))
    return pages, records, skipped


def damage(data: bytes, choose: random.Random) -> tuple[bytes, list[str]]:
    """Returns the damaged archive and what was done to it."""
    done = []
    for _ in range(choose.randint(1, 5)):
        kind = choose.choice(_KINDS)
        length = min(len(data) // 4, choose.randint(1, _BLOCK_BYTES))
        at, other = sorted(choose.randrange(len(data) - length) for _ in range(2))
        if kind == "flip":
            flipped = bytearray(data)
            for _ in range(choose.randint(1, 20)):
                flipped[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
            data = bytes(flipped)
        elif kind == "cut":
            data = data[:at] if choose.random() < 0.1 else data[:at] + data[at + length :]
        elif kind == "swap":
            length = min(length, other - at)  # 0 where the places are the same
            first, second = data[at : at + length], data[other : other + length]
            data = data[:at] + second + data[at + length : other] + first + data[other + length :]
        elif kind == "double":
            data = data[: at + length] + data[at:]
        elif kind == "insert":
            data = data[:at] + choose.randbytes(length) + data[at:]
        done.append(kind)
    return data, done


def pages_outside(data: bytes) -> set[int]:
    """The pages whose members stand whole in `data`."""
    whole = set()
    for match in re.finditer(rb"\x1f\x8b\x08", data):
        at = match.start()
        for start, end, digest in _members_by_start.get(data[at : at + _START_BYTES], ()):
            if data[at : at + end - start] == _original[start:end]:
                whole.add(digest)
    return whole


def run_seed(seed: int) -> dict[str, Any]:
    """Damages, reads and compares."""
    data, done = damage(_original, random.Random(seed))
    start = time.process_time()
    try:
        pages, _, skipped = read_pages(data)
    except Exception:
        return {"seed": seed, "damages": done, "crash": traceback.format_exc()}
    seconds = time.process_time() - start
    whole = pages_outside(data)
    found = set(pages)
    return {
        "seed": seed,
        "damages": done,
        "seconds": round(seconds, 3),
        "pages_outside": len(whole),
        "pages_outside_read": sum(digest in found for digest in whole),
        "pages_not_in_the_original": len(found - _known),
        "bytes_skipped": dict(skipped),
    }


def _load(path: Path) -> None:
    global _original, _members_by_start, _known
    _original = path.read_bytes()
    pages, records, skipped = read_pages(_original)
    if skipped:
        raise SystemExit(f"{path.name} is damaged already: {dict(skipped)}.")
    _members_by_start, start = {}, 0
    for raw_bytes, digest in records:
        if digest:
            members = _members_by_start.setdefault(_original[start : start + _START_BYTES], [])
            members.append((start, start + raw_bytes, digest))
        start += raw_bytes
    _known = set(pages)
    if pages_outside(_original) != _known:
        raise SystemExit(f"{path.name} is not made of one gzip member a record.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path, help="WAT files of one gzip member a record")
    parser.add_argument("--seeds", type=int, default=1000, help="over all files together")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    content: dict[str, Any] = {"environment": environment(), "files": {}}
    each = arguments.seeds // len(arguments.archives)
    for number, path in enumerate(arguments.archives):
        data, start = path.read_bytes(), time.process_time()
        read_pages(data)
        undamaged = round(time.process_time() - start, 3)
        seeds = range(number * each, (number + 1) * each)
        with multiprocessing.get_context("spawn").Pool(arguments.jobs, _load, (path,)) as pool:
            runs = list(pool.imap(run_seed, seeds, chunksize=4))
        whole = [run for run in runs if "crash" not in run]
        outside, read = (sum(run[name] for run in whole) for name in ("pages_outside", "pages_outside_read"))
        content["files"][path.name] = summary = {
            "seeds": len(runs),
            "damages": dict(Counter(kind for run in runs for kind in run["damages"])),
            "crashes": [run for run in runs if "crash" in run],
            "slowest_cpu_seconds": max(run["seconds"] for run in whole),
            "cpu_seconds_undamaged": undamaged,
            "pages_outside": outside,
            "pages_outside_read": read,
            "worst_share_read": min(
                run["pages_outside_read"] / run["pages_outside"] for run in whole if run["pages_outside"]
            ),
            "pages_not_in_the_original": sum(run["pages_not_in_the_original"] for run in whole),
            "seeds_with_such_pages": [run["seed"] for run in whole if run["pages_not_in_the_original"]],
            "bytes_skipped": dict(sum((Counter(run["bytes_skipped"]) for run in whole), Counter())),
        }
        print(path.name, json.dumps({name: value for name, value in summary.items() if name != "bytes_skipped"}))
        arguments.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
