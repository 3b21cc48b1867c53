"""Declared lengths that are wrong: too large or too small, by empty lines, heads, bodies or whole records."""

import gzip
import io
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.archive_records import Record, Skipped, read_records
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from tests.beam_pipelines.archives import http_response, page
from tests.shared_data import shared_data

_DELTAS = [delta for delta in range(-40, 41) if delta]
_NUM_PAGES = 4
_URLS = [f"http://a.de/{number}" for number in range(_NUM_PAGES)]
_BODIES = [http_response(page([f"/to-{number}", f"/{number}{number}"])) for number in range(_NUM_PAGES)]
_CLOSE = {"warc": b"\r\n\r\n", "arc": b"\n", "arc_bare": b""}
_ARC_VERSION = b"1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n"


def _record(kind: str, url: str, body: bytes, length: int | str) -> bytes:
    """One record with a declared length; `arc_bare` has no newline behind its body."""
    if kind == "warc":
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nContent-Length: {length}\r\n\r\n"
    else:
        head = f"{url} 192.0.2.1 20040101000000 text/html {length}\n"
    return head.encode() + body + _CLOSE[kind]


def _first(kind: str) -> bytes:
    """What a file of this kind begins with."""
    if kind == "warc":
        return b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 6\r\n\r\na: b\r\n" + _CLOSE[kind]
    line = b"filedesc://a.arc 0.0.0.0 20040101000000 text/plain %d\n" % len(_ARC_VERSION)
    return line + _ARC_VERSION + _CLOSE[kind]


def _members(parts: Sequence[bytes]) -> bytes:
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def _one_member(parts: Sequence[bytes]) -> bytes:
    return gzip.compress(b"".join(parts), mtime=0)


def _frames(parts: Sequence[bytes]) -> bytes:
    return b"".join(map(zstandard.ZstdCompressor().compress, parts))


_PACKINGS: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "plain": b"".join,
    "member_a_record": _members,
    "one_member": _one_member,
    "two_members": lambda parts: _members([b"".join(parts[:3]), b"".join(parts[3:])]),
    "frame_a_record": _frames,
}


class _Pieces:
    """A stream that gives no more than a few bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        self._stream, self._most = io.BytesIO(data), most

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, self._most))


def _read(data: bytes, most: int = 1 << 30) -> tuple[list[tuple[str, bytes]], list[str], int]:
    """The responses (URL, body), the reasons, and the bytes that were accounted for."""
    found = list(read_records(_Pieces(data, most)))
    pages = [
        (item.target_uri, item.body) for item in found if isinstance(item, Record) and item.record_type == "response"
    ]
    reasons = [item.reason for item in found if isinstance(item, Skipped)]
    return pages, reasons, sum(item.raw_bytes for item in found)


def _counts(data: bytes) -> Counter[str]:
    reports: list[ArchiveReport] = []
    for _ in parse_archive(io.BytesIO(data), "a", ParseOptions(), reports.append):
        pass
    return Counter(reports[0].counts)


@pytest.mark.parametrize("packing", _PACKINGS)
@pytest.mark.parametrize("kind", ["warc", "arc"])
@pytest.mark.parametrize("first", [True, False], ids=["with_first", "without_first"])
def test_every_length_from_40_too_small_to_40_too_large(kind: str, packing: str, first: bool) -> None:
    for delta in _DELTAS:
        records = [_record(kind, url, body, len(body) + delta) for url, body in zip(_URLS, _BODIES, strict=True)]
        data = _PACKINGS[packing](([_first(kind)] if first else []) + records)
        pages, reasons, size = _read(data)
        where = (kind, packing, delta)
        assert pages == list(zip(_URLS, _BODIES, strict=True)), where
        assert reasons == ["wrong_content_length"] * _NUM_PAGES, where
        assert len(data) - len(_CLOSE[kind]) <= size <= len(data), where


@pytest.mark.parametrize("packing", ["plain", "member_a_record", "one_member"])
@pytest.mark.parametrize("kind", ["warc", "arc"])
def test_one_length_that_is_wrong_among_right_ones(kind: str, packing: str) -> None:
    for delta, wrong in itertools.product(_DELTAS, range(_NUM_PAGES)):
        lengths = [len(body) + (delta if number == wrong else 0) for number, body in enumerate(_BODIES)]
        data = _PACKINGS[packing]([_first(kind), *map(_record, [kind] * _NUM_PAGES, _URLS, _BODIES, lengths)])
        pages, reasons, size = _read(data)
        assert pages == list(zip(_URLS, _BODIES, strict=True)), (delta, wrong)
        assert reasons == ["wrong_content_length"], (delta, wrong)
        assert len(data) - len(_CLOSE[kind]) <= size <= len(data)


@pytest.mark.parametrize("packing", ["plain", "member_a_record", "one_member"])
def test_an_arc_file_without_line_ends_behind_its_bodies(packing: str) -> None:
    for delta in [0, *_DELTAS]:
        records = [_record("arc_bare", url, body, len(body) + delta) for url, body in zip(_URLS, _BODIES, strict=True)]
        data = _PACKINGS[packing]([_first("arc_bare"), *records])
        pages, reasons, size = _read(data)
        assert [url for url, _ in pages] == _URLS, delta
        assert [body for _, body in pages] == _BODIES, delta
        assert bool(reasons) == bool(delta), delta
        assert size == len(data)


@pytest.mark.parametrize("kind", ["warc", "arc", "arc_bare"])
def test_every_line_end_in_a_page_is_a_place_to_stop_at(kind: str) -> None:
    """Where the declared end falls on empty lines of the page, the rest may count as garbage; no page is lost."""
    text = b"<html>\r\n<p>a\r\n\r\n<a href=/%d>x</a>\n\n</body>\r\n</html>"
    bodies = [http_response(text % number) for number in range(_NUM_PAGES)]
    for delta in _DELTAS:
        records = [_record(kind, url, body, len(body) + delta) for url, body in zip(_URLS, bodies, strict=True)]
        pages, reasons, size = _read(b"".join([_first(kind), *records]))
        assert [url for url, _ in pages] == _URLS, delta
        assert set(reasons) <= {"wrong_content_length", "garbage", "truncated_record"}, delta
        assert reasons, delta
        for (_, found), body in zip(pages, bodies, strict=True):
            assert body.startswith(found) and len(found) >= len(body) + min(delta, 0), delta
        assert size >= sum(map(len, [_first(kind), *records])) - len(_CLOSE[kind])


@pytest.mark.parametrize("kind", ["warc", "arc"])
def test_bodies_that_are_empty_or_end_in_line_ends(kind: str) -> None:
    bodies = [http_response(b"<a href=/1>x\n"), b"", http_response(b""), http_response(b"<a href=/1>x\r\n\r\n")]
    for delta in range(41):
        records = [_record(kind, url, body, len(body) + delta) for url, body in zip(_URLS, bodies, strict=True)]
        for pack in _PACKINGS.values():
            pages, reasons, _ = _read(pack([_first(kind), *records]))
            assert pages == list(zip(_URLS, bodies, strict=True)), delta
            assert reasons == ["wrong_content_length"] * (_NUM_PAGES if delta else 0), delta


@pytest.mark.parametrize("most", [1, 7, 4096])
@pytest.mark.parametrize("kind", ["warc", "arc"])
def test_a_stream_in_pieces_gives_the_same(kind: str, most: int) -> None:
    for delta in (-40, -17, -1, 0, 1, 2, 3, 4, 5, 17, 40):
        records = [_record(kind, url, body, len(body) + delta) for url, body in zip(_URLS, _BODIES, strict=True)]
        for packing in ("plain", "member_a_record", "one_member"):
            data = _PACKINGS[packing]([_first(kind), *records])
            assert _read(data, most)[:2] == _read(data)[:2], (delta, packing)


@pytest.mark.parametrize("kind", ["warc", "arc"])
@pytest.mark.parametrize("delta", [-9, 2, 9, 4000])
def test_records_at_the_borders_of_what_is_read(kind: str, delta: int) -> None:
    """The declared end, the next head and the windows of the search fall on every side of a piece of 1 MiB."""
    sizes = [(1 << 20) - 700, 300, (1 << 20) - 20_000, 20_100, 511, 512, 513, 1 << 14]
    bodies = [http_response(random.Random(size).randbytes(size).hex().encode()[:size]) for size in sizes]
    urls = [f"http://a.de/{number}/{'u' * 3000}" for number in range(len(sizes))]
    data = b"".join(_record(kind, url, body, len(body) + delta) for url, body in zip(urls, bodies, strict=True))
    pages, reasons, size = _read(data)
    assert [(url, len(body)) for url, body in pages][:-1] == list(zip(urls, map(len, bodies), strict=True))[:-1]
    assert pages[-1][0] == urls[-1]
    assert len(reasons) == len(sizes)
    assert size >= len(data) - 4


_QUOTED_WARC = _record("warc", "http://quoted.de/", b"HTTP/1.1 200 OK\r\n\r\nquoted", 25)
_QUOTED_ARC = _record("arc", "http://quoted.de/", b"HTTP/1.1 200 OK\r\n\r\nquoted", 25)
_QUOTING = [http_response(b"<pre>\n%s\n%s</pre><a href=/%d>x</a>" % (_QUOTED_WARC, _QUOTED_ARC, n)) for n in range(3)]


@pytest.mark.parametrize("kind", ["warc", "arc"])
def test_a_page_that_quotes_records_stays_whole(kind: str) -> None:
    records = [_record(kind, url, body, len(body)) for url, body in zip(_URLS, _QUOTING, strict=False)]
    for pack in _PACKINGS.values():
        pages, reasons, _ = _read(pack([_first(kind), *records]))
        assert pages == list(zip(_URLS, _QUOTING, strict=False))
        assert not reasons


def test_a_page_that_quotes_records_stays_whole_beside_damage() -> None:
    right = [_record("warc", url, body, len(body)) for url, body in zip(_URLS, _QUOTING, strict=False)]
    damaged = right[0] + right[1].replace(b"WARC/1.0", b"XARC/1.0", 1) + right[2]
    pages, reasons, _ = _read(damaged)
    assert pages[0] == (_URLS[0], _QUOTING[0])
    assert pages[-1] == (_URLS[2], _QUOTING[2])
    assert "garbage" in reasons
    for delta in range(5, 41):
        wrong = [_record("warc", url, body, len(body) + delta) for url, body in zip(_URLS, _QUOTING, strict=False)]
        assert _read(b"".join(wrong))[0] == list(zip(_URLS, _QUOTING, strict=False)), delta


@pytest.mark.parametrize("packing", _PACKINGS)
@pytest.mark.parametrize("kind", ["warc", "arc"])
def test_the_next_record_is_damaged_itself(kind: str, packing: str) -> None:
    for delta in _DELTAS:
        records = [_record(kind, url, body, len(body) + delta) for url, body in zip(_URLS, _BODIES, strict=True)]
        records[1] = b"\xff\xfe" * 3 + records[1][9:]
        pages, reasons, _ = _read(_PACKINGS[packing](records))
        assert [url for url, _ in pages] == [_URLS[0], *_URLS[2:]], delta
        assert reasons, delta


def test_a_length_that_is_too_large_by_whole_records() -> None:
    sizes = [len(_record("warc", url, body, 999)) for url, body in zip(_URLS, _BODIES, strict=True)]
    for extra in range(20, 60):
        lengths = [len(_BODIES[0]) + sizes[1] + sizes[2] + extra, *map(len, _BODIES[1:])]
        data = b"".join(map(_record, ["warc"] * _NUM_PAGES, _URLS, _BODIES, lengths))
        pages, reasons, size = _read(data)
        assert pages == list(zip(_URLS, _BODIES, strict=True)), extra
        assert reasons == ["wrong_content_length"]
        assert size >= len(data) - 4


def test_a_member_shows_what_a_length_of_whole_records_hides() -> None:
    sizes = [len(_record("warc", url, body, 999)) for url, body in zip(_URLS, _BODIES, strict=True)]
    lengths = [len(_BODIES[0]) + sizes[1], *map(len, _BODIES[1:])]
    records = list(map(_record, ["warc"] * _NUM_PAGES, _URLS, _BODIES, lengths))
    assert _read(_members(records))[0] == list(zip(_URLS, _BODIES, strict=True))
    pages, reasons, _ = _read(b"".join(records))  # without members it cannot be told from a body that quotes a record
    assert ([url for url, _ in pages], reasons) == ([_URLS[0], *_URLS[2:]], [])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["warc", "arc"]),
    st.sampled_from(sorted(_PACKINGS)),
    st.lists(st.tuples(st.text("ab <>/\u00e4", max_size=60), st.integers(-30, 90)), min_size=1, max_size=5),
    st.sampled_from([1, 7, 100, 4096, 1 << 20]),
)
def test_any_lengths_of_any_pages(kind: str, packing: str, drawn: list[tuple[str, int]], most: int) -> None:
    urls = [f"http://a.de/{number}" for number in range(len(drawn))]
    bodies = [http_response(b"<p>" + text.encode() + b"</p>") for text, _ in drawn]
    lengths = [max(0, len(body) + delta) for body, (_, delta) in zip(bodies, drawn, strict=True)]
    data = _PACKINGS[packing]([_first(kind), *map(_record, [kind] * len(urls), urls, bodies, lengths)])
    pages, reasons, size = _read(data, most)
    assert [url for url, _ in pages] == urls
    for (_, found), body in zip(pages, bodies, strict=True):
        assert found.rstrip(b"\r\n") == body
    assert bool(reasons) == (lengths != list(map(len, bodies)))
    assert size <= len(data)


def test_the_shared_input() -> None:
    counts = _counts(shared_data("found", "arc-length-2-too-large.arc").read_bytes())
    assert (counts["pages"], counts["links_out"]) == (6, 6)
    assert counts["stretches_skipped_wrong_content_length"] == 6
    assert counts["bytes_skipped"] == counts["records_page_url_not_http"] == 0
