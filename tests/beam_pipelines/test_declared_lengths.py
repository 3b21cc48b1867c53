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
