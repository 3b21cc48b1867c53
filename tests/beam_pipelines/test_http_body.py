"""Lists of codings, bodies of several parts, bodies whose coding was undone, and what decoding may cost."""

import gzip
import zlib

import brotli
import pytest
import zstandard

from beam_pipelines.archive_records import Record
from beam_pipelines.body_decoding import Budget, Clock, is_text
from beam_pipelines.capture import Capture
from beam_pipelines.http_body import Body, TooManyEncodingsError, read_body
from beam_pipelines.http_response import parse_http_response
from beam_pipelines.inflate_body import read_deflate
from beam_pipelines.record_limits import RATIO_FREE_BYTES, RecordLimits
from beam_pipelines.zstd_body import read_zstd
from tests.beam_pipelines.archives import page
from webgraph.link_selection import LinkSelection

_LIMITS = RecordLimits()
_FIRST, _SECOND, _THIRD = (page([f"/{name}"]) for name in "abc")
_ALL = _FIRST + _SECOND + _THIRD
_EMPTY_GZIP = gzip.compress(b"", mtime=0)
_EMPTY_ZSTD = zstandard.ZstdCompressor().compress(b"")


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def _skippable(data: bytes, number: int = 0) -> bytes:
    return bytes([0x50 + number, 0x2A, 0x4D, 0x18]) + len(data).to_bytes(4, "little") + data


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


def _read(content: bytes, coding: str = "", transfer: str = "", limits: RecordLimits = _LIMITS) -> Body:
    return read_body(content, transfer_encoding=transfer, content_encoding=coding, limits=limits)


@pytest.mark.parametrize(
    ("coding", "content", "expected"),
    [
        ("gzip", _gzip(_FIRST) + _gzip(_SECOND), _FIRST + _SECOND),
        ("gzip", b"".join(map(_gzip, (_FIRST, _SECOND, _THIRD))), _ALL),
        ("gzip", _EMPTY_GZIP + _gzip(_FIRST) + _EMPTY_GZIP * 3 + _gzip(_SECOND) + _EMPTY_GZIP, _FIRST + _SECOND),
        ("gzip", _EMPTY_GZIP, b""),
        ("gzip", _gzip(_FIRST) + bytes(1000), _FIRST),
        ("gzip", _gzip(_FIRST) + b"\r\n\r\n", _FIRST),
        ("gzip", _gzip(_FIRST) + _gzip(_SECOND * 5000) + _gzip(_THIRD), _FIRST + _SECOND * 5000 + _THIRD),
        ("deflate", _gzip(_FIRST) + _gzip(_SECOND), _FIRST + _SECOND),
        ("gzip", zlib.compress(_FIRST), _FIRST),
        ("gzip", zlib.compress(_FIRST, wbits=-15), _FIRST),
        ("deflate", zlib.compress(b""), b""),
        ("zstd", _zstd(_FIRST) + _zstd(_SECOND), _FIRST + _SECOND),
        ("zstd", _skippable(b"x" * 500) + _zstd(_FIRST), _FIRST),
        ("zstd", _zstd(_FIRST) + _skippable(b"x") + _zstd(_SECOND) + _skippable(b"", 15), _FIRST + _SECOND),
        ("zstd", b"".join(_skippable(b"x", number) for number in range(16)) + _zstd(_FIRST), _FIRST),
        ("zstd", _EMPTY_ZSTD + _zstd(_FIRST) + _EMPTY_ZSTD, _FIRST),
        ("zstd", _EMPTY_ZSTD, b""),
        ("zstd", _skippable(b"x" * 500), b""),
        ("zstd", _zstd(_FIRST) + b"\r\n", _FIRST),
        ("br", brotli.compress(b""), b""),
        ("br", brotli.compress(_FIRST) + b"\r\n", _FIRST),
    ],
)
def test_bodies_of_several_parts(coding: str, content: bytes, expected: bytes) -> None:
    assert _read(content, coding) == (expected, False, ())


@pytest.mark.parametrize(
    ("coding", "content", "expected"),
    [
        ("gzip", _gzip(_FIRST) + b"<!-- served in 1 s -->", _FIRST),
        ("gzip", _gzip(_FIRST) + b"\x1f\x8b", _FIRST),
        ("gzip", _gzip(_FIRST) + _zstd(_SECOND), _FIRST),
        ("gzip", _gzip(_FIRST) + bytes(9) + _gzip(_SECOND), _FIRST),
        ("deflate", zlib.compress(_FIRST) + zlib.compress(_SECOND), _FIRST),
        ("br", brotli.compress(_FIRST) + brotli.compress(_SECOND), _FIRST),
        ("br", brotli.compress(_FIRST) + b"x", _FIRST),
        ("zstd", _zstd(_FIRST) + b"x", _FIRST),
        ("zstd", _zstd(_FIRST) + _gzip(_SECOND), _FIRST),
        ("zstd", _zstd(_FIRST) + _skippable(b"xx")[:-1], _FIRST),
        ("zstd", _skippable(b"xx")[:6], b""),
        ("gzip", b"", b""),
        ("deflate", b"", b""),
        ("br", b"", b""),
        ("zstd", b"", b""),
    ],
)
def test_what_is_behind_the_last_part_is_ignored_and_counted(coding: str, content: bytes, expected: bytes) -> None:
    assert _read(content, coding) == (expected, False, (coding,))


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("GZip", _gzip(_FIRST)),
        ("gzip, gzip", _gzip(_gzip(_FIRST))),
        ("gzip, gzip", _gzip(_FIRST)),  # one of the two was undone, or never done
        (", gzip ,, ", _gzip(_FIRST)),
        (",,,,,,,,", _FIRST),
        ("gzip;q=1", _gzip(_FIRST)),
        ("gzip, br", brotli.compress(_gzip(_FIRST))),
        ("identity", _FIRST),
        ("identity, gzip, Identity" + ", identity" * 9, _gzip(_FIRST)),
        ("utf-8", _FIRST),
        ("none, gzip", _gzip(_FIRST)),
        ("gzip, none", _gzip(_FIRST)),
        ("x-unknown", b"OK"),
    ],
)
def test_lists_of_codings(coding: str, content: bytes) -> None:
    expected = content if coding == "x-unknown" else _FIRST
    assert _read(content, coding) == (expected, False, ())
    if coding != "x-unknown":
        assert _read(content, "", coding) == (_FIRST, False, ())
        assert _read(_chunked(content), "", f"{coding}, Chunked") == (_FIRST, False, ())


def test_transfer_codings_are_undone_before_content_codings() -> None:
    assert _read(_chunked(brotli.compress(_gzip(_FIRST))), "gzip", "br, chunked") == (_FIRST, False, ())
    assert _read(_chunked(_gzip(_FIRST)), "", "chunked, gzip") == (_FIRST, False, ())  # as browsers read it
    assert _read(_gzip(_FIRST), "gzip", "gzip, chunked") == (_FIRST, False, ())  # both transfer codings were undone
    assert _read(_chunked(_FIRST)[:-20], "", "gzip, chunked") == (_FIRST[:-13], False, ("chunked",))


def test_headers_that_come_several_times_are_one_list() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%s\r\n"
    for headers, body in (
        (b"Transfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n", _chunked(_gzip(_FIRST))),
        (b"Content-Encoding: gzip\r\nContent-encoding: br\r\n", brotli.compress(_gzip(_FIRST))),
        (b"Content-Encoding: \r\nContent-Encoding: gzip\r\n", _gzip(_FIRST)),
    ):
        message = head % headers + body
        found = parse_http_response(Record({"warc-target-uri": "http://a.de/"}, message, len(message)), LinkSelection())
        assert found == Capture("http://a.de/", "", ["/a"])


def test_an_unknown_coding_is_counted_where_it_leaves_no_text() -> None:
    assert _read(bytes(range(64)), "compress") == (bytes(range(64)), False, ("unknown_coding",))
    assert _read(_gzip(bytes(range(64))), "compress, gzip") == (bytes(range(64)), False, ("unknown_coding",))
    assert _read(_FIRST, "compress") == (_FIRST, False, ())


def test_too_many_codings() -> None:
    for coding, transfer in (("gzip, br, zstd, deflate", ""), ("gzip, br", "zstd, deflate, chunked")):
        with pytest.raises(TooManyEncodingsError):
            _read(_FIRST, coding, transfer)
    assert _read(_FIRST, "gzip, br", "zstd, chunked") == (_FIRST, False, ())


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip, br"])
@pytest.mark.parametrize(
    "content",
    [
        _FIRST,
        b"\r\n \t<p>x",
        b"\xef\xbb\xbf<p>x",
        "\ufeff<p>x".encode("utf-16-le"),
        "<p>x".encode("utf-16-le"),
        "<p>x".encode("utf-16-be"),
        b"Click <a href=/x>here</a>",
        "Stra\u00dfe ".encode("latin-1") * 30,
        b"<p>" + bytes(100),
        b"text of 16 bytes",
    ],
)
def test_text_whose_coding_was_undone(coding: str, content: bytes) -> None:
    assert _read(content, coding) == (content, False, ())


def test_compressed_data_are_not_text() -> None:
    for data in (_FIRST, _ALL * 9, b"<p>" + bytes(1000)):
        for packed in (_gzip(data), zlib.compress(data), _zstd(data), brotli.compress(data), zlib.compress(data, 0)):
            assert not any(is_text(packed[:end]) for end in range(len(packed) + 1))


def test_members_together_are_within_the_limits() -> None:
    part = bytes(1 << 20)
    for coding, pack in (("gzip", _gzip), ("zstd", _zstd)):
        content = pack(part) * 20
        assert _read(content, coding) == (bytes(RATIO_FREE_BYTES), True, ())
        small = RecordLimits(max_body_bytes=(1 << 20) + 5)
        assert _read(content, coding, limits=small) == (bytes(small.max_body_bytes), True, ())
        assert (
            _read(content, coding, limits=RecordLimits(max_body_bytes=1 << 28, max_ratio=1 << 20)).content == part * 20
        )
        bomb = _read(pack(part) * 40, coding, limits=RecordLimits(max_body_bytes=1 << 28, max_ratio=2))
        assert (len(bomb.content), bomb.is_cut) == (RATIO_FREE_BYTES, True)


def test_a_flood_of_empty_parts_ends() -> None:
    """It takes a second. It is not timed, but if each part cost the length of the body, it would not end."""
    for coding, part in (("gzip", _EMPTY_GZIP), ("zstd", _EMPTY_ZSTD), ("zstd", _skippable(b""))):
        assert _read(part * (3_000_000 // len(part)), coding) == (b"", False, ())
    assert _read(_gzip(_FIRST) + _EMPTY_GZIP * 100_000 + b"x", "gzip") == (_FIRST, False, ("gzip",))


def test_many_parts_are_left_when_their_time_is_over() -> None:
    """The clock is looked at every 256 parts, and runs from the first look."""
    assert read_deflate(_gzip(b"x") * 1000, Budget(1 << 24, Clock(0))).data == b"x" * 512
    assert read_zstd(_zstd(b"x") * 1000, Budget(1 << 24, Clock(0))).data == b"x" * 511
    assert _read(_gzip(b"x") * 1000, "gzip", limits=RecordLimits(max_seconds=1e-9)).is_cut
