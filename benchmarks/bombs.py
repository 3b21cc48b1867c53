"""Peak memory and time of archives that are made to cost much, each parsed in a process of its own.

Every bomb is written to a file first; what is measured is parsing it, children included. The archive also has a page
before and a page after the bomb, packed like it, and how many of the two were read is part of the result.
"""

import argparse
import gzip
import io
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brotli
import zstandard

from beam_pipelines.html_process import close_idle
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from benchmarks.environment import environment
from benchmarks.measured_process import measure

_JSON_HEADERS = (
    b"WARC/1.0\r\nWARC-Type: metadata\r\nWARC-Target-URI: http://b.de/\r\nContent-Type: application/json\r\n"
)
_HTML_HEADERS = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://b.de/\r\n"
_HOST = "".join(chr(0x4E00 + number) for number in range(5000)).encode()
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd\x00\x58"
_NEARLY_ARC = b"a:" + b" 1.1.1.1 20080101000000" * 40 + b" " + b"1" * 1000 + b"x\n"
_GOOD_URLS = (b"http://first.de/", b"http://last.de/")
_MIB = 1 << 20
_MAX_RSS_BYTES = 6 << 30


def _pack(parts: Iterator[bytes], level: int = 6) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=level, mtime=0) as stream:
        for part in parts:
            stream.write(part)
    return packed.getvalue()


def _store(parts: Iterator[bytes]) -> bytes:
    """In gzip without compression: what is not about its ratio must not be stopped by it."""
    return _pack(parts, 0)


def _record(headers: bytes, parts: list[tuple[bytes, int]]) -> Iterator[bytes]:
    """A record of repeated parts, a MiB at a time."""
    yield headers + b"Content-Length: %d\r\n\r\n" % sum(len(part) * times for part, times in parts)
    for part, times in parts:
        together = max(1, _MIB // len(part))
        for _ in range(times // together):
            yield part * together
        yield part * (times % together)
    yield b"\r\n\r\n"


def _response(
    *parts: tuple[bytes, int], head: bytes = b"Content-Type: text/html\r\n", path: bytes = b""
) -> Iterator[bytes]:
    headers = _HTML_HEADERS.replace(b"b.de/", b"b.de/" + path)
    return _record(headers, [(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", 1), *parts])


def _good(name: str) -> bytes:
    headers = _HTML_HEADERS.replace(b"b.de", name.encode())
    return b"".join(_record(headers, [(b"HTTP/1.1 200 OK\r\n\r\n<html><a href=/a>", 1)]))


def _between_good_pages(bomb: bytes) -> bytes:
    """The bomb with a page before and after it, packed as it is."""
    first, last = _good("first.de"), _good("last.de")
    if bomb.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.compress(first) + bomb + zstandard.compress(last)
    if not bomb or bomb.startswith(b"\x1f\x8b"):
        return _pack(iter([first])) + bomb + _pack(iter([last]))
    return first + bomb + last


def _encoded_response(body: bytes, encoding: bytes) -> bytes:
    return _pack(_response((body, 1), head=b"Content-Type: text/html\r\nContent-Encoding: %s\r\n" % encoding))


def _many(part: bytes, times: int, encoding: bytes) -> Iterator[bytes]:
    return _response((part, times), head=b"Content-Type: text/html\r\nContent-Encoding: %s\r\n" % encoding)


def _nested_gzip(times: int) -> bytes:
    data = _pack(iter([_good("c.de")]))
    for _ in range(times):
        data = gzip.compress(data, mtime=0)
    return data


def _wat_links(count: int) -> Iterator[bytes]:
    head = (
        b'{"Envelope":{"WARC-Header-Metadata":{"WARC-Type":"response","WARC-Target-URI":"http://b.de/"},'
        b'"Payload-Metadata":{"HTTP-Response-Metadata":{"Response-Message":{"Status":"200"},"HTML-Metadata":{"Links":['
    )
    return _record(_JSON_HEADERS, [(head, 1), (b'{"path":"A@/href","url":"/1"},', count), (b"{}]}}}}}", 1)])


def _numbered(form: bytes, count: int) -> tuple[bytes, int]:
    return b"".join(form % number for number in range(count)), 1


BOMBS: dict[str, Callable[[], bytes]] = {
    "nothing but two pages": lambda: b"",
    "gzip bomb, 2 GiB of zeros in a record": lambda: _pack(_response((bytes(_MIB), 2 << 10))),
    "gzip bomb, 2 GiB that are no record": lambda: _pack(itertools.repeat(bytes(_MIB), 2 << 10)),
    "gzip bombs, 2,000 members of 8 MiB": lambda: _pack(iter([bytes(8 * _MIB)])) * 2000,
    "zstandard bomb, 10 GiB": lambda: _zstd_bomb(10 << 10),
    "zstandard bombs, 10,000 frames of 8 MiB": lambda: (_ZSTD_FRAME + 63 * _rle(0) + _rle(1)) * 10_000,
    "zstandard frames that break after 1.8 MB": lambda: (_ZSTD_FRAME + 14 * _rle(0) + b"\x07\0\0") * 16_000,
    "gzip in gzip, 1,000 times": lambda: _nested_gzip(1000),
    "body: gzip bomb, 1 GiB": lambda: _encoded_response(_pack(itertools.repeat(bytes(_MIB), 1 << 10)), b"gzip"),
    "body: gzip in gzip bomb, 1 GiB": lambda: _encoded_response(
        gzip.compress(_pack(itertools.repeat(bytes(_MIB), 1 << 10))), b"gzip, gzip"
    ),
    "body: zstd bomb, 1 GiB": lambda: _encoded_response(zstandard.compress(bytes(1 << 30)), b"zstd"),
    "body: brotli bomb, 1 GiB": lambda: _encoded_response(_brotli_bomb(1 << 10), b"br"),
    "body: 30 million chunks of a byte": lambda: _store(
        _response((b"1\r\nx\r\n", 30_000_000), head=b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n")
    ),
    "body: 5 million empty gzip members": lambda: _store(_many(gzip.compress(b"", mtime=0), 5_000_000, b"gzip")),
    "body: 10 million empty zstd frames": lambda: _store(_many(zstandard.compress(b""), 10_000_000, b"zstd")),
    "body: 20 million chunks of wrong sizes": lambda: _store(
        _response((b"5\r\nx\r\n", 20_000_000), head=b"Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n")
    ),
    "record of 1 GiB": lambda: _store(_response((os.urandom(_MIB), 1 << 10))),
    "JSON, 100 million levels deep": lambda: _store(_record(_JSON_HEADERS, [(b"[", 100_000_000)])),
    "JSON, 30,000 levels deep": lambda: _store(_record(_JSON_HEADERS, [(b'{"a":', 30_000)])),
    "JSON, 10 million empty objects": lambda: _store(
        _record(_JSON_HEADERS, [(b"[", 1), (b"{},", 10_000_000), (b"{}]", 1)])
    ),
    "JSON, 16 million numbers": lambda: _store(_record(_JSON_HEADERS, [(b"[", 1), (b"1,", 16_000_000), (b"1]", 1)])),
    "JSON, 900 levels deep": lambda: _store(_record(_JSON_HEADERS, [(b"[", 900), (b"]", 900)])),
    "JSON, 6 million strings": lambda: _store(_record(_JSON_HEADERS, [(b"[", 1), (b'"ab",', 6_000_000), (b"1]", 1)])),
    "WAT, ten million links": lambda: _store(_wat_links(10_000_000)),
    "WAT, one million links": lambda: _store(_wat_links(1_000_000)),
    "HTML, ten million links": lambda: _store(_response((b"<a href=/1>", 10_000_000))),
    "HTML, one million different links": lambda: _store(_response(_numbered(b"<a href=/%d>", 1_000_000))),
    "HTML, 100,000 nested elements": lambda: _store(_response((b"<div>", 100_000))),
    "HTML, 3,000,000 nested elements": lambda: _store(_response((b"<div>", 3_000_000))),
    "HTML, 10,000 open formatting elements": lambda: _store(
        _response((b"<div>", 1), _numbered(b"<b x=%d>", 10_000), (b"</div>", 1), (b"<div>x</div>", 10_000))
    ),
    "HTML, 1,000 of them, in process": lambda: _store(
        _response((b"<div>", 1), _numbered(b"<b x=%d>", 990), (b"</div>", 1), (b"<p>", 990))
    ),
    "HTML, 1,000,000 attributes": lambda: _store(_response((b"<a ", 1), _numbered(b"x%d ", 1_000_000))),
    "HTML, 60 KB of attributes, in process": lambda: _store(_response((b"<a ", 1), _numbered(b"x%d ", 9_000))),
    "links of 10 MB each": lambda: _store(_response((b"<a href=/" + b"u" * 10_000_000 + b">x</a>", 1))),
    "60,000 different links of 2 KB in many pages": lambda: b"".join(
        _store(_response(_numbered(b"<a href=/%d" + b"u" * 2000 + b">", 600))) for _ in range(100)
    ),
    "2,500 pages of 2 KB, each with a URL of 60 KB": lambda: b"".join(
        _store(_response((b"<", 2001), path=b"u" * 60_000 + "\U0001f4a9".encode())) for _ in range(2500)
    ),
    "250,000 links, each with a base of 60 KB": lambda: _store(
        _response(_numbered(b"<a href=%d>", 250_000), path=b"u" * 60_000 + b"/")
    ),
    "250,000 queries, each with a base of 60 KB": lambda: _store(
        _response(_numbered(b"<a href=?%d>", 250_000), path=b"u" * 60_000)
    ),
    "1,000 hosts of 5,000 Chinese characters": lambda: _store(
        _response((b"".join(b"<a href=//%s/%d>" % (_HOST, number) for number in range(1000)), 1))
    ),
    "HTTP headers of 200 MB": lambda: _store(_response((b"x", 1), head=b"a: b\r\n" * 33_000_000)),
    "WARC headers of 200 MB": lambda: _store(iter([b"WARC/1.0\r\n", *itertools.repeat(b"a: b\r\n" * 100_000, 333)])),
    "pattern: spaces after charset=": lambda: _store(
        _response((b"x", 1), head=b"Content-Type: text/html; charset=" + b" " * 60_000 + b"\r\n")
    ),
    "pattern: lines that are nearly ARC": lambda: b"\n" + _NEARLY_ARC * 20_000,
    "pattern: headers that are cut off": lambda: b"WARC/1.0\r\nWARC-Type: response\r\n" * 1_000_000,
    "pattern: lengths of 99 MB": lambda: b"WARC/1.0\r\nContent-Length: 99999999\r\n\r\n" * 1_000_000,
    "pattern: headers of gzip members": lambda: b"\x1f\x8b\x08\x08aaaa\x00\xff" * 1_000_000,
    "pattern: numbers of entities": lambda: _store(
        _record(_JSON_HEADERS + b"WARC-Date: 2015-01-01\r\n", [(_old_wat("/&#" + "9" * 60_000 + ";"), 1)])
    ),
}  # fmt: skip


def _old_wat(url: str) -> bytes:
    message = {"Response-Message": {"Status": "200"}, "HTML-Metadata": {"Links": [{"path": "A@/href", "url": url}]}}
    header = {"WARC-Type": "response", "WARC-Target-URI": "http://b.de/"}
    payload = {"HTTP-Response-Metadata": message}
    return json.dumps({"Envelope": {"WARC-Header-Metadata": header, "Payload-Metadata": payload}}).encode()


def _rle(is_last: int) -> bytes:
    """A zstandard block of 4 bytes for 128 KiB (RFC 8878, 3.1.1.2)."""
    return (is_last | 1 << 1 | 0x20000 << 3).to_bytes(3, "little") + b"x"


def _brotli_bomb(mebibytes: int) -> bytes:
    compressor = brotli.Compressor(quality=5)
    return b"".join(compressor.process(bytes(_MIB)) for _ in range(mebibytes)) + compressor.finish()


def _zstd_bomb(mebibytes: int) -> bytes:
    packed = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(packed, closefd=False) as stream:
        for part in _response((bytes(_MIB), mebibytes)):
            stream.write(part)
    return packed.getvalue()


def _peak_mib() -> int:
    """Of this process since it was started; `ru_maxrss` begins with what the process had that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def parse(path: Path) -> dict[str, Any]:
    """Parses an archive and returns what it took, in this process."""
    reports: list[ArchiveReport] = []
    good: set[bytes] = set()
    start = time.perf_counter()
    with path.open("rb") as stream:
        for _, block in parse_archive(stream, path.name, ParseOptions(), reports.append):
            good.update(url for url in block["page_url"].to_pylist() if url in _GOOD_URLS)
    close_idle()  # what a child took is known when it has ended
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(sum(usage.ru_utime + usage.ru_stime for usage in (own, children)), 2),
        "peak_mib": _peak_mib(),
        "peak_mib_of_html_process": children.ru_maxrss // 1024,
        "good_pages": len(good),
        "counts": reports[0].counts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", default="", help="bombs whose name has this")
    parser.add_argument("--parse", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.parse:
        print(json.dumps(parse(arguments.parse)))
        return
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in BOMBS.items():
            if arguments.only not in name:
                continue
            path, answer = Path(folder, "bomb.warc.gz"), Path(folder, "answer.json")
            bomb = make()
            data = _between_good_pages(bomb)
            path.write_bytes(data)
            measured = measure(
                [sys.executable, "-m", "benchmarks.bombs", "--parse", str(path)],
                stdout=answer,
                max_rss_bytes=_MAX_RSS_BYTES,
            )
            result: dict[str, Any] = {"failure": measured.returncode}
            if measured.returncode == 0:
                result = json.loads(answer.read_text())
            result |= {"bytes": len(data), "peak_mib_of_all": measured.peak_rss_bytes >> 20}
            results[name] = result
            hit = {
                key: value
                for key, value in result.get("counts", {}).items()
                if key.startswith(("records_", "links_", "limits_", "bodies_", "stretches_"))
                and key not in ("records_in", "links_in")
            }
            cpu, own, child = (result.get(key, "-") for key in ("cpu_seconds", "peak_mib", "peak_mib_of_html_process"))
            print(
                f"{name:46} {result['bytes']:>11,} bytes {cpu:>6} s {own:>5} and {child:>4} MiB  "
                f"good pages {result.get('good_pages')}  {hit}",
                flush=True,
            )
    if arguments.output:
        content = {"environment": environment(), "bombs": results}
        arguments.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
