"""Header lines of ARC records: those of real files, and text that only looks like them."""

import io
import time

import pytest

from beam_pipelines.arc_lines import parse_arc_line
from beam_pipelines.archive_records import Record, Skipped, read_records
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from tests.beam_pipelines.archives import arc_file, http_response, members, page, warc_record
from tests.shared_data import shared_data

_MESSAGE = http_response(page(["/a"]))
_IPS = ["192.0.2.1", "2001:db8::1", "::1", "2001:db8:0:0:0:0:0:1", "::ffff:192.0.2.1", "fe80::1%eth0", "[2001:db8::1]"]
_NO_IPS = ["-", "None", "null", "unknown"]
_DATES = ["20040101", "2016020900", "200401010000", "20040101000000", "201512000000000", "2000082305410049"]
_DATES += ["200009180023002953"]
_ODD_DATES = ["20040101000000Z", "2004-01-01T00:00:00Z", "20040101000000abc", "a0d1fdddf3165d0447b1f7a285c61c1c9", "-"]
_TYPES = ["text/html", "text/html; charset=utf-8", "-", "no-type", ""]
_PAIRS = [
    *((ip, date) for ip in [*_IPS, *_NO_IPS] for date in _DATES),
    *((ip, date) for ip in _IPS for date in _ODD_DATES),
]
_PAIRS += [(date, ip) for ip, date in _PAIRS]


def _file(lines: list[str]) -> bytes:
    """An ARC file whose records have these header lines, but for their lengths."""
    records = [f"{line} {len(_MESSAGE)}\n".encode() + _MESSAGE + b"\n" for line in lines]
    return arc_file([]) + b"".join(records)


def _urls(data: bytes) -> list[str]:
    found = [item for item in read_records(io.BytesIO(data)) if isinstance(item, Record)]
    return [item.target_uri for item in found if item.record_type == "response"]


def _reasons(data: bytes) -> list[str]:
    return [item.reason for item in read_records(io.BytesIO(data)) if isinstance(item, Skipped)]


@pytest.mark.parametrize("media_type", _TYPES)
def test_fields_of_real_files(media_type: str) -> None:
    lines = [f"http://a.de/{n} {one} {other} {media_type}" for n, (one, other) in enumerate(_PAIRS)]
    data = _file(lines)
    assert _urls(data) == [f"http://a.de/{n}" for n in range(len(_PAIRS))]
    assert not _reasons(data)


def test_the_same_lines_are_found_behind_garbage() -> None:
    for n, (one, other) in enumerate(_PAIRS):
        data = arc_file([]) + b"<garbage>\nmore: of it\n" + _file([f"http://a.de/{n} {one} {other} text/html"])
        assert _urls(data) == [f"http://a.de/{n}"], (one, other)
        assert _reasons(data) == ["garbage"]


def test_the_same_lines_end_a_body_that_is_said_to_be_longer() -> None:
    for one, other in _PAIRS:
        line = f"http://a.de/1 {one} {other} text/html {len(_MESSAGE)}\n".encode()
        first = f"http://a.de/0 192.0.2.1 20040101000000 text/html {len(_MESSAGE) + 9}\n".encode()
        data = arc_file([]) + first + _MESSAGE + b"\n" + line + _MESSAGE + b"\n"
        assert _urls(data) == ["http://a.de/0", "http://a.de/1"], (one, other)
        assert _reasons(data) == ["wrong_content_length"]


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("http://a.de/x y 192.0.2.1 20040101000000 text/html", "http://a.de/x y"),
        ("http://a.de/x y None - text/html", "http://a.de/x y"),
        ("http://a.de/ - - -", "http://a.de/"),
        ("http://a.de/ nowhere yesterday text/html", "http://a.de/"),
        ("http://a.de/ 192.0.2.1 20040101000000", "http://a.de/"),
        ("http://a.de/ 192.0.2.1 20040101000000 text/html 200 AB12 - 1234 a.arc", "http://a.de/"),
        ("http://a.de/ - 20040101000000 text/html 200 AB12 http://b.de/ 20040202 a.arc", "http://a.de/"),
        ("http://a.de/ None None text/html 200 - - 1234 a.arc", "http://a.de/"),
        ("dns:a.de 192.0.2.1 20040101000000 text/dns", "dns:a.de"),
        ("HTTP://a.de/ 192.0.2.1 20040101000000 text/html", "HTTP://a.de/"),
    ],
)
def test_other_lines_where_a_record_begins(line: str, url: str) -> None:
    assert _urls(_file([line, line])) == [url, url]


@pytest.mark.parametrize("line", ["x", "a.de/ 192.0.2.1 20040101000000 text/html 5", "http://a.de/ 5", "a: b c d 5"])
def test_lines_that_are_no_headers(line: str) -> None:
    assert parse_arc_line(line.encode(), is_arc_file=True) is None


@pytest.mark.parametrize("text", ["see: - 20040101 of x 5", "at: 20:48:24 20040101 x 5", "http://a.de/ b c d e 5"])
def test_text_that_is_searched_for_headers_holds_none(text: str) -> None:
    body = http_response(b"<p>\n" + text.encode() + b"\n<a href=/x>x</a>")
    line = b"http://a.de/%d 192.0.2.1 20040101000000 text/html %d\n"
    data = line % (0, len(body) + 7) + body + b"\n" + line % (1, len(body)) + body + b"\n"
    found = [item for item in read_records(io.BytesIO(data)) if isinstance(item, Record)]
    assert [(item.target_uri, item.body) for item in found] == [("http://a.de/0", body), ("http://a.de/1", body)]


def test_a_list_of_urls_is_no_archive() -> None:
    assert not _urls(b"".join(b"http://a.de/%d b c d %d\n" % (n, n) for n in range(99)))


_LENGTHS = ["-2046788874", "-1", "abc", "1e3", "", "99999999999999999999", "999999999999999", "0x10", "60.0"]


@pytest.mark.parametrize("length", _LENGTHS)
@pytest.mark.parametrize("body", [b"", b"text", _MESSAGE], ids=["nothing", "text", "message"])
def test_a_record_behind_an_arc_header_with_an_unusable_length(length: str, body: bytes) -> None:
    good = [b"http://a.de/%d 192.0.2.1 20040101000000 text/html %d\n" % (n, len(_MESSAGE)) + _MESSAGE for n in range(2)]
    bad = f"http://a.de/x.swf 192.0.2.1 20040101000000 x/y {length}\n".encode() + body + (b"\n" if body else b"")
    records = [good[0] + b"\n", bad, good[1] + b"\n"]
    for data in (
        b"".join(records),
        members(records),
        members([b"".join(records)]),
        members([records[0], bad + records[2]]),
    ):
        assert _urls(arc_file([]) + data if not data.startswith(b"\x1f") else data) == [
            "http://a.de/0",
            "http://a.de/1",
        ]
        assert len(_reasons(data)) == 1
    assert _urls(bad + records[2]) == ["http://a.de/1"]


@pytest.mark.parametrize("length", [*_LENGTHS, None])
@pytest.mark.parametrize("body", [b"", b"text", _MESSAGE], ids=["nothing", "text", "message"])
def test_a_record_behind_a_warc_header_with_an_unusable_length(length: str | None, body: bytes) -> None:
    good = [warc_record(_MESSAGE, uri=f"http://a.de/{n}") for n in range(2)]
    said = b"" if length is None else f"Content-Length: {length}\r\n".encode()
    bad = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.de/x\r\n" + said + b"\r\n" + body
    for end in (b"", b"\r\n\r\n"):
        records = [good[0], bad + end, good[1]]
        for data in (b"".join(records), members(records), members([b"".join(records)])):
            assert _urls(data) == ["http://a.de/0", "http://a.de/1"]
            assert len(_reasons(data)) == 1


@pytest.mark.parametrize(
    "data",
    [
        (b"a:" + b" - 20040101" * 800 + b" 9\n") * 500,
        (b"a:" + b" 1.1.1.1" * 1100 + b" 9\nHTTP/\n") * 500,
        (b"a:" + b" None" * 1800 + b" 9\nHTTP/\n") * 500,
        (b"a:" + b" 1:2:3:4:5:6" * 700 + b" 9\n") * 500,
        (b"a:" + b":" * 9000 + b" 9\n") * 500,
        (b"a: " + b"2004" * 2200 + b" 9\n") * 500,
        b"http://a.de/ 1.1.1.1 20040101000000 t/h 10\n" + b"\nHTTP/" * 700_000,
        b"http://a.de/ 1.1.1.1 20040101000000 t/h 10\n" + (b"http://" * 1200 + b"\nHTTP/") * 500,
        (b"WARC/1.0\r\nContent-Length: 0\r\n\r\nxyz ") * 30_000,
        (b"WARC/1.0\r\nContent-Length: 20000\r\n\r\n") * 30_000,
        (b"WARC/1.0\r\nContent-Length: 3000000\r\n\r\n") * 20_000 + b"a: b\n" * 600_000,
    ],
    ids=["dates", "addresses", "none", "colons", "scheme", "digits", "http", "urls", "zero", "ahead", "void"],
)
def test_hostile_lines_cost_no_more_than_their_size(data: bytes) -> None:
    started = time.process_time()
    size = sum(item.raw_bytes for item in read_records(io.BytesIO(data)))
    assert time.process_time() - started < 6
    assert size <= len(data)


def _counts(name: str) -> dict[str, int]:
    reports: list[ArchiveReport] = []
    for _ in parse_archive(io.BytesIO(shared_data("found", name).read_bytes()), name, ParseOptions(), reports.append):
        pass
    return reports[0].counts


def test_the_shared_inputs() -> None:
    counts = _counts("arc-header-variants.arc")
    assert (counts["pages"], counts.get("bytes_skipped", 0)) == (9, 0)
    counts = _counts("arc-negative-length-then-record.arc")
    assert (counts["pages"], counts["stretches_skipped_garbage"]) == (2, 1)
