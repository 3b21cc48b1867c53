"""Records: every way to pack them, and damage at every place."""

import gzip
import io
import random
import time

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.archive_records import Record, Skipped, read_records
from beam_pipelines.record_limits import RecordLimits
from beam_pipelines.warc_headers import WarcHeaders, parse_warc_headers
from tests.beam_pipelines.archives import arc_file, http_response, members, page, page_record, warc_record

_BODIES = [b"first", b"", b"WARC/1.0\r\nnot a record\r\n\r\n", b"\r\n\r\n", random.Random(0).randbytes(3000)]
_RECORDS = [warc_record(body, uri=f"http://a.de/{number}") for number, body in enumerate(_BODIES)]


def _read(data: bytes) -> list[Record | Skipped]:
    return list(read_records(io.BytesIO(data)))


def _bodies(found: list[Record | Skipped]) -> list[bytes]:
    return [item.body for item in found if isinstance(item, Record)]


def _reasons(found: list[Record | Skipped]) -> list[str]:
    return [item.reason for item in found if isinstance(item, Skipped)]


def _size(found: list[Record | Skipped]) -> int:
    return sum(item.raw_bytes for item in found)


_PACKINGS = {
    "member_a_record": members(_RECORDS),
    "one_member": gzip.compress(b"".join(_RECORDS), mtime=0),
    "two_members_a_record": b"".join(members([record[:30], record[30:]]) for record in _RECORDS),
    "uncompressed": b"".join(_RECORDS),
    "zstandard": zstandard.ZstdCompressor().compress(b"".join(_RECORDS)),
    "zstandard_a_record": b"".join(map(zstandard.ZstdCompressor().compress, _RECORDS)),
    "one_newline_between": b"".join(record[:-2] for record in _RECORDS),
    "many_newlines_between": b"\r\n\r\n\r\n".join(_RECORDS),
    "members_of_newlines": members(part for record in _RECORDS for part in (record, b"\r\n\r\n")),
}


@pytest.mark.parametrize("packing", _PACKINGS)
def test_written_records_are_read(packing: str) -> None:
    data = _PACKINGS[packing]
    found = _read(data)
    assert _bodies(found) == _BODIES
    assert not _reasons(found)
    records = [item for item in found if isinstance(item, Record)]
    assert [record.target_uri for record in records] == [f"http://a.de/{number}" for number in range(len(_BODIES))]
    assert all(record.record_type == "response" for record in records)
    slack = 40 if packing == "members_of_newlines" else 4  # empty lines after the last record are no one's
    assert len(data) - slack <= _size(found) <= len(data)


def test_every_packing_accounts_for_every_byte_of_gzip() -> None:
    for packing in ("member_a_record", "one_member"):
        assert _size(_read(_PACKINGS[packing])) == len(_PACKINGS[packing])


def test_records_of_many_segments() -> None:
    bodies = [random.Random(number).randbytes(2_500_000 * number + 7) for number in range(3)]
    data = members(map(warc_record, bodies))
    found = _read(data)
    assert _bodies(found) == bodies
    assert _size(found) == len(data)


def test_arc() -> None:
    message = http_response(page(["/b"]))
    data = arc_file([("http://a.de/", message), ("http://b.de/x y", message)])
    for packed in (data, gzip.compress(data, mtime=0)):
        records = [item for item in _read(packed) if isinstance(item, Record)]
        assert [record.record_type for record in records] == ["warcinfo", "response", "response"]
        assert [record.body for record in records[1:]] == [message, message]
        assert records[1].target_uri == "http://a.de/"


@pytest.mark.parametrize("packing", _PACKINGS)
def test_truncated_at_every_byte(packing: str) -> None:
    data = _PACKINGS[packing]
    for length in range(0, len(data), 1 if len(data) < 2500 else 7):
        found = _read(data[:length])
        bodies = _bodies(found)
        if bodies:  # the last one as far as it goes
            assert bodies[:-1] == _BODIES[: len(bodies) - 1], length
            assert _BODIES[len(bodies) - 1].startswith(bodies[-1]), length
        assert _size(found) <= length
        if packing == "member_a_record":
            assert _size(found) == length
            ends = [len(members(_RECORDS[:number])) for number in range(len(_RECORDS) + 1)]
            assert bool(_reasons(found)) == (length not in ends), length
            # A record is whole before the checksum that ends its member.
            assert 0 <= len(bodies) - sum(end <= length for end in ends[1:]) <= 1


def test_garbage_everywhere_keeps_the_other_records() -> None:
    garbage = b"<html>404</html>\nnot: a record\n"
    for position in range(len(_RECORDS) + 1):
        data = b"".join(_RECORDS[:position]) + garbage + b"".join(_RECORDS[position:])
        found = _read(data)
        assert _bodies(found) == _BODIES, position
        assert _reasons(found) == ["garbage"]


def test_a_record_cut_short_at_the_end_of_its_member() -> None:
    data = members([_RECORDS[0], _RECORDS[4][:-1000], _RECORDS[1]])
    found = _read(data)
    assert _bodies(found) == [_BODIES[0], _BODIES[4][: -1000 + len(b"\r\n\r\n")], _BODIES[1]]
    assert _reasons(found) == ["truncated_record"]
    assert _size(found) == len(data)


def test_headers_that_are_cut_off_do_not_take_the_next_body() -> None:
    cut = _RECORDS[4][: _RECORDS[4].index(b"Content-Length")]
    found = _read(cut * 3 + _RECORDS[0] + _RECORDS[4])
    assert [item.target_uri for item in found if isinstance(item, Record)] == ["http://a.de/0", "http://a.de/4"]
    assert _reasons(found) == ["truncated_record"]
    assert _size(found) == len(cut * 3 + _RECORDS[0] + _RECORDS[4])


def test_what_damage_cut_short_is_not_given() -> None:
    data = bytearray(members([warc_record(random.Random(2).randbytes(3 << 20)), _RECORDS[0]]))
    data[2 << 20] ^= 1
    found = _read(bytes(data))
    assert _bodies(found) == [_BODIES[0]]
    assert _reasons(found) == ["bad_gzip_member"]


def test_a_version_in_lower_case() -> None:
    records = [_RECORDS[0], _RECORDS[4].lower(), _RECORDS[0]]
    for data in (b"".join(records), members(records)):
        found = _read(data)
        assert _bodies(found) == [_BODIES[0], _BODIES[4].lower(), _BODIES[0]]
        assert not _reasons(found)


def test_a_wrong_content_length_costs_no_record() -> None:
    wrong = _RECORDS[0].replace(b"Content-Length: 5", b"Content-Length: 2")
    found = _read(wrong + _RECORDS[4] + _RECORDS[0])
    assert _bodies(found) == [b"first", _BODIES[4], b"first"]
    assert _reasons(found) == ["wrong_content_length"]


@pytest.mark.parametrize("value", [b"-1", b"x", b"", b"1e3", b"\xd9\xa3", b"9" * 30])
def test_a_content_length_that_is_no_number(value: bytes) -> None:
    broken = _RECORDS[0].replace(b"Content-Length: 5", b"Content-Length: " + value)
    found = _read(broken + _RECORDS[4])
    assert _bodies(found) == [_BODIES[4]]
    assert _reasons(found) == ["garbage"]


def test_header_forms() -> None:
    head = b"WARC/1.1\nwarc-type:  Response\nWARC-TARGET-URI: <http://a.de/\xc3\xa4>\nX: one\n\ttwo\nNo colon\n"
    (record,) = _read(head + b"Content-Length: 2\ncontent-length: 9\n\nab\n\n")
    assert isinstance(record, Record)
    assert record.body == b"ab"
    assert record.record_type == "response"
    assert record.target_uri == "http://a.de/\u00e4"
    assert record.headers["x"] == "one two"


_NAMES = st.sampled_from(["WARC-Type", "Content-Length", "Content-Type", "X", "content-type"])
_LINES = st.tuples(_NAMES, st.sampled_from([": ", ":", " : "]), st.text("a1: \t\r\u00e4", max_size=4))


@given(st.lists(_LINES, max_size=6, unique_by=lambda line: line[0].lower()), st.sampled_from(["\r\n", "\n", "\r\n "]))
def test_a_header_that_is_looked_up_is_the_one_that_is_parsed(lines: list[tuple[str, str, str]], end: str) -> None:
    head = end.join(["WARC/1.0", *map("".join, lines), ""]).encode()
    headers = WarcHeaders(head)
    assert {name: headers.get(name) for name in headers} == parse_warc_headers(head)
    assert headers.get("warc-date") is None


def test_a_record_that_is_too_large() -> None:
    large = warc_record(random.Random(1).randbytes(400_000))
    data = members([_RECORDS[0], large, _RECORDS[4]])
    found = list(read_records(io.BytesIO(data), RecordLimits(max_record_bytes=100_000)))
    assert _bodies(found) == [_BODIES[0], _BODIES[4]]
    (skipped,) = (item for item in found if isinstance(item, Skipped))
    assert skipped.reason == "record_too_large"
    assert skipped.raw_bytes >= 390_000
    assert _size(found) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"WARC/1.0\n" * 200_000,
        b"WARC/1.0\nWARC-Type: x\n" * 200_000 + b"\n",
        b"a:" + b" 1.1.1.1 20080101000000" * 400_000 + b" x\n",
        (b"a:" + b" 1.1.1.1 20080101000000" * 300 + b" " + b"1" * 1000 + b"x\n") * 500,
        b"WARC/1.0\r\nContent-Length: 0\r\n" + b"x" * 5_000_000,
        b"x" * 20_000_000,
        b"\r\n" * 10_000_000,
        gzip.compress(bytes(30_000_000)),
        b"http://a.de/ 1.1.1.1 20080101000000 " * 100_000,
        b"a:\n" * 1_000_000,
        gzip.compress(random.Random(3).randbytes(20_000_000), 1)[:-5000],
    ],
    ids=[
        *("starts", "cut_headers", "addresses", "nearly_arc"),
        *("endless_header", "garbage", "newlines", "zeros", "arc_line", "lines", "large_truncated"),
    ],
)
def test_hostile_files_cost_no_more_than_their_size(data: bytes) -> None:
    started = time.thread_time()
    found = _read(data)
    assert time.thread_time() - started < 4
    assert not _bodies(found)
    assert _size(found) <= len(data)


def test_pages_after_a_page_of_html() -> None:
    found = _read(b"<!DOCTYPE html><html><body>Not found</body></html>\n")
    assert not _bodies(found)
    assert _reasons(found) == ["garbage"]
    assert _bodies(_read(page_record("http://a.de/", []))) == [http_response(page([]))]
