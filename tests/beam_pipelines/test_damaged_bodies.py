"""Bodies in every content coding, of one to three parts, damaged at each tenth: against decoding byte by byte."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import brotli
import pytest
import zstandard

from beam_pipelines.http_body import Body, read_body
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from beam_pipelines.record_limits import RecordLimits
from tests.beam_pipelines.archives import page, page_record, warc_record
from tests.oracles import content_codings
from tests.shared_data import shared_data

_LIMITS = RecordLimits()


class _Coding(NamedTuple):
    """A coding as a server may send it.

    Attributes:
      name: in the header, and where damage is counted.
      encode: makes one part of a body: a stream, member or frame.
      oracle: decodes a body byte by byte.
      is_series: several parts are one body. Of the other codings the first part is the body.
      checksum_bytes: at the end of a part.
    """

    name: str
    encode: Callable[[bytes], bytes]
    oracle: Callable[[bytes], tuple[bytes, bool]]
    is_series: bool
    checksum_bytes: int


def _raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def _plain_zstd(data: bytes) -> bytes:
    """Neither size nor checksum."""
    return zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compress(data)


def _skippable_zstd(data: bytes) -> bytes:
    """A skippable frame on each side."""
    frame = b"\x5f\x2a\x4d\x18" + (300).to_bytes(4, "little") + b"<" * 300
    return frame + _zstd(data) + b"\x50\x2a\x4d\x18" + bytes(4)


def _named_gzip(data: bytes) -> bytes:
    """With a file name in the header."""
    stream = io.BytesIO()
    with gzip.GzipFile("a-file", "wb", fileobj=stream, mtime=0) as file:
        file.write(data)
    return stream.getvalue()


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


_CODINGS = {
    "gzip": _Coding("gzip", _gzip, content_codings.gzip_series, True, 8),
    "x-gzip": _Coding("gzip", _named_gzip, content_codings.gzip_series, True, 8),
    "zlib": _Coding("deflate", zlib.compress, content_codings.zlib_stream, False, 4),
    "raw deflate": _Coding("deflate", _raw_deflate, content_codings.raw_deflate_stream, False, 0),
    "brotli": _Coding("br", brotli.compress, content_codings.brotli_stream, False, 0),
    "zstd": _Coding("zstd", _zstd, content_codings.zstd_series, True, 4),
    "zstd without checksum": _Coding("zstd", _plain_zstd, content_codings.zstd_series, True, 0),
    "zstd with skippable frames": _Coding("zstd", _skippable_zstd, content_codings.zstd_series, True, 0),
}


def _random_page(start: int) -> bytes:
    """About 40 bytes a link that do not compress."""
    return page(f"/{hashlib.sha256(b'%d' % number).hexdigest()}" for number in range(start, start + 50))


def _even_page(start: int) -> bytes:
    """Several blocks of zstandard, in few bytes."""
    return page(f"/{number % 7}" for number in range(start, start + 10_000))


def _read(content: bytes, coding: str, limits: RecordLimits = _LIMITS) -> Body:
    return read_body(content, transfer_encoding="", content_encoding=coding, limits=limits)


def _damaged(content: bytes) -> Iterator[bytes]:
    """The content cut, and with a byte flipped in several ways, at each tenth."""
    for tenth in range(11):
        at = len(content) * tenth // 10
        yield content[:at]
        flipped = min(at, len(content) - 1)
        for bits in (0xFF, 0x01, 0x10, 0x80):
            yield content[:flipped] + bytes([content[flipped] ^ bits]) + content[flipped + 1 :]


@pytest.mark.parametrize("make_page", [_random_page, _even_page])
@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("name", _CODINGS)
def test_all_before_the_damage_is_read_and_the_damage_counted(
    name: str, parts: int, make_page: Callable[[int], bytes]
) -> None:
    coding = _CODINGS[name]
    pages = [make_page(number) for number in range(parts)]
    content = b"".join(map(coding.encode, pages))
    truth = b"".join(pages) if coding.is_series else pages[0]
    has_rest = parts > 1 and not coding.is_series
    assert _read(content, coding.name) == (truth, False, (coding.name,) if has_rest else ())
    longest = 0
    for damaged in _damaged(content):
        expected, is_whole = coding.oracle(damaged)
        found = _read(damaged, coding.name)
        if name == "raw deflate" and not truth.startswith(expected[:1]):
            expected = b""  # without a header, a flipped first byte makes the decoder give noise
        assert found.content.startswith(expected)
        assert (found.damage, found.is_cut) == (() if is_whole else (coding.name,), False)
        if content.startswith(damaged):
            assert truth.startswith(found.content)
        elif coding.checksum_bytes:
            assert found.damage or found.content == truth
        longest = max(longest, 0 if is_whole else len(expected))
    assert longest > 0.7 * len(pages[0]) or coding.name == "zstd"  # which gives blocks, of up to 128 KiB


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("name", [name for name, coding in _CODINGS.items() if coding.checksum_bytes])
def test_a_wrong_checksum_costs_nothing_and_is_counted(name: str, parts: int) -> None:
    coding = _CODINGS[name]
    pages = [_random_page(number) for number in range(parts if coding.is_series else 1)]
    content = b"".join(map(coding.encode, pages))
    for at in range(1, coding.checksum_bytes + 1):  # of gzip the checksum, and the length of the data
        damaged = content[:-at] + bytes([content[-at] ^ 0x40]) + content[len(content) - at + 1 :]
        assert _read(damaged, coding.name) == (b"".join(pages), False, (coding.name,))


@pytest.mark.parametrize("name", _CODINGS)
def test_damage_far_into_a_body(name: str) -> None:
    """Beyond 64 KiB of compressed data, and where a decoder has given many pieces."""
    coding = _CODINGS[name]
    truth = b"<p>" + b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(5000))
    content = coding.encode(truth)
    for at in ((1 << 16) + 1, len(content) * 9 // 10):
        damaged = content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
        expected, is_whole = coding.oracle(damaged)
        found = _read(damaged, coding.name)
        assert found.content.startswith(expected)
        assert found.damage == (() if is_whole else (coding.name,))
        certain = at * 3 // 2 - (1 << 17) * (coding.name == "zstd")  # half a byte for a digit, and a block of 128 KiB
        assert found.content[: max(0, certain)] == truth[: max(0, certain)]


def test_damage_in_what_a_byte_expands_to() -> None:
    """zlib notices damage in a call that would have given a megabyte."""
    content = _gzip(b"<p>" + bytes(1 << 20) + b"</p>")
    damaged = content[:-20] + b"\xff" * 20
    expected, _ = content_codings.gzip_series(damaged)
    found = _read(damaged, "gzip")
    assert found.content.startswith(expected)
    assert len(found.content) > 1 << 19
    assert found.damage == ("gzip",)


def test_damaged_bodies_are_counted_and_nothing_else_changes() -> None:
    good = page_record("http://good.de/", ["/a"])
    body = page(f"/{number}" for number in range(5000))
    packed = _gzip(body)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: %s\r\n\r\n"
    records = [
        good,
        warc_record(head % b"gzip" + packed[:-8] + bytes(8)),  # large: its HTML is parsed in another process
        warc_record(head % b"x-gzip" + _gzip(page(["/a"]))[:-1]),
        warc_record(head % b"deflate" + b"\x78\x9c\xff\xff\xff\xff"),
        warc_record(head % b"br, zstd" + _zstd(brotli.compress(page(["/a"]))[:-1])[:-1]),
        warc_record(head % b"x-unknown" + bytes(range(32))),
        warc_record(head % b"x-unknown" + page(["/a"])),
        good,
    ]
    reports: list[ArchiveReport] = []
    for _ in parse_archive(io.BytesIO(b"".join(records)), "a", ParseOptions(), reports.append):
        pass
    counts = reports[0].counts
    assert counts["records_in"] == counts["pages"] == len(records)
    assert counts["links_in"] == 5000 + 5
    assert {name: value for name, value in counts.items() if name.startswith(("bodies_", "bytes_"))} == {
        "bodies_damaged_br": 1,
        "bodies_damaged_deflate": 1,
        "bodies_damaged_gzip": 2,
        "bodies_damaged_unknown_coding": 1,
        "bodies_damaged_zstd": 1,
    }


@pytest.mark.parametrize(
    ("name", "links", "damaged"),
    [
        ("gzip-body-wrong-crc.warc", 4, 1),
        ("gzip-body-damaged-at-90-percent.warc", 2964, 1),
        ("zstd-body-skippable-frame-first.warc", 4, 0),
    ],
)
def test_found_archives(name: str, links: int, damaged: int) -> None:
    reports: list[ArchiveReport] = []
    with shared_data("found", name).open("rb") as stream:
        for _ in parse_archive(stream, name, ParseOptions(), reports.append):
            pass
    counts = reports[0].counts
    assert (counts["pages"], counts["links_in"]) == (3, links)
    assert sum(value for name, value in counts.items() if name.startswith("bodies_damaged_")) == damaged
