"""Input made to break or to bloat a reader: odd headers, bombs, spaces, and another build in the same folder."""

import gzip
import io
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.archive_records import Record, read_records
from beam_pipelines.archive_segments import SEGMENT_BYTES, read_segments
from beam_pipelines.build_graph import build
from beam_pipelines.damage import BuildError
from beam_pipelines.http_response import parse_http_response
from beam_pipelines.record_limits import RecordLimits
from beam_pipelines.storage import only_one
from webgraph.link_selection import LinkSelection
from webgraph.variants import check_distinct, parse_variant


@given(st.binary(max_size=200))
def test_no_header_line_raises(lines: bytes) -> None:
    archive = b"WARC/1.0\r\n" + lines + b"\r\nfoo\r\n bar\r\nContent-Length: 2\r\n\r\nhi\r\n\r\n"
    for packed in (archive, gzip.compress(archive)):
        assert list(read_records(io.BytesIO(packed)))


def test_a_folded_line_after_one_without_a_name_is_passed_over() -> None:
    archive = b"WARC/1.0\r\nfoo\r\n bar\r\nWARC-Type: metadata\r\nContent-Length: 2\r\n\r\nhi\r\n\r\n"
    (record,) = read_records(io.BytesIO(archive))
    assert isinstance(record, Record)
    assert record.headers == {"warc-type": "metadata", "content-length": "2"}


def test_a_zstandard_bomb_comes_in_bounded_segments() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(64 << 20))
    segments = list(read_segments(io.BytesIO(bomb), RecordLimits(max_ratio=1 << 20)))
    assert max(len(segment.data) for segment in segments) <= SEGMENT_BYTES
    assert sum(len(segment.data) for segment in segments) == 64 << 20
    assert sum(segment.raw_bytes for segment in segments) == len(bomb)


def test_a_chunked_gzip_bomb_is_cut_at_the_limit() -> None:
    page = b"<a href=/first>1</a>" + b" " * (64 << 20) + b"<a href=/last>2</a>"
    packed = gzip.compress(page)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = head + b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    headers = {"warc-type": "response", "warc-target-uri": "http://a.de/"}
    capture = parse_http_response(
        Record(headers, body, len(body)), LinkSelection(), RecordLimits(max_body_bytes=1 << 20)
    )
    assert getattr(capture, "hrefs", None) == ["/first"]


def test_an_arc_url_with_a_space_is_whole() -> None:
    line = b"http://a.de/b c.html 127.0.0.1 20100101000000 text/html 2\n"
    (record,) = read_records(io.BytesIO(line + b"hi\n"))
    assert isinstance(record, Record)
    assert (record.target_uri, record.body) == ("http://a.de/b c.html", b"hi")


def test_damage_is_charged_by_its_share_of_the_file() -> None:
    records = [
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (len(body), body)
        for body in (b"x" * 100, b"y" * 60_000)
    ]
    first, second = read_records(io.BytesIO(b"".join(records)))
    assert [first.raw_bytes, second.raw_bytes] == [len(record) for record in records]


def test_two_builds_cannot_share_an_output(tmp_path: Path) -> None:
    with only_one(str(tmp_path)), pytest.raises(BuildError, match="Another build is writing to"):
        build([str(tmp_path / "none.warc.gz")], str(tmp_path))


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        (("sparse", "web_graph_min_10=de:1"), "would share the folder web_graph_min_10"),
        (("de-dense=de:1",), "'de-dense' is a published variant with another rule"),
    ],
)
def test_variants_that_could_be_mistaken_are_refused(definitions: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_distinct([parse_variant(definition) for definition in definitions])
