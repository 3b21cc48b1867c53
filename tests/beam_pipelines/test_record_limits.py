"""Limits of a record: each is hit, counted, and leaves the other records alone."""

import argparse
import dataclasses
import functools
import gzip
import io
import json
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from beam_pipelines import capture, cli
from beam_pipelines.archive_records import read_records
from beam_pipelines.archive_segments import read_segments
from beam_pipelines.http_body import read_body
from beam_pipelines.json_depth import is_deeper
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from beam_pipelines.record_limits import ARCHIVE_RATIO_FREE_BYTES, RATIO_FREE_BYTES, RecordLimits
from tests.beam_pipelines.archives import (
    http_response,
    links_at,
    many_attributes,
    members,
    open_formatting,
    page,
    page_record,
    warc_record,
    wat_bytes,
    wat_value,
)

_GOOD = page_record("http://good.de/", ["/a"])
_SMALL = RecordLimits(
    max_record_bytes=1 << 20,
    max_json_bytes=1 << 19,
    max_json_depth=60,
    max_body_bytes=1 << 18,
    max_links=100,
    max_url_length=1000,
    max_parser_bytes=5 << 24,
)


def _counts(data: bytes, limits: RecordLimits = _SMALL) -> Counter[str]:
    reports: list[ArchiveReport] = []
    for _ in parse_archive(io.BytesIO(data), "a", ParseOptions(limits=limits), reports.append):
        pass
    counts = Counter(reports[0].counts)
    records = sum(value for name, value in counts.items() if name.startswith("records_") and name != "records_in")
    assert counts["records_in"] == counts["pages"] + records
    links = sum(value for name, value in counts.items() if name.startswith("links_"))
    assert 2 * counts["links_in"] + counts["links_unselected"] == links
    return counts


def _html(body: bytes) -> bytes:
    return warc_record(http_response(body))


_HIT: dict[str, tuple[bytes, str]] = {
    "record": (warc_record(b"x" * (1 << 20) + b"y"), "stretches_skipped_record_too_large"),
    "json": (wat_bytes(wat_value("http://a.de/", links_at("A@/href", "/a" * (1 << 18)))), "records_json_too_large"),
    "json depth": (
        warc_record(b"[" * 5000, kind="metadata", headers=[("Content-Type", "application/json")]),
        "records_json_too_deep",
    ),
    "json depth of one brace a level": (
        wat_bytes({**wat_value("http://a.de/", []), "Deep": json.loads("[" * 60 + '"}]"' + "]" * 60)}),
        "records_json_too_deep",
    ),
    "body": (_html(page(["/a"]) + b"x" * (1 << 18)), "limits_hit_body_cut"),
    "links": (_html(page(f"/{number}" for number in range(101))), "links_over_limit"),
    "links of a WAT": (
        wat_bytes(wat_value("http://a.de/", links_at("A@/href", *map(str, range(101))))),
        "links_over_limit",
    ),
    "url": (_html(page(["/" + "u" * 1000])), "links_url_too_long"),
    "links of a long base": (
        page_record("http://a.de/" + "u" * 900 + "/", [str(number) for number in range(60)]),
        "links_over_limit",
    ),
    "host": (_html(page(["//" + "\u00e4" * 1000 + ".de/", "/" + "\u00e4" * 998])), "links_url_too_long"),
    "host of a WAT": (  # NUL is read as U+FFFD
        wat_bytes(wat_value("http://a.de/", links_at("A@/href", "//" + "\0" * 1000 + ".de/"))),
        "links_url_too_long",
    ),
    "page url": (page_record("http://a.de/" + "u" * 1000, []), "records_page_url_too_long"),
    "base url": (_html(b"<base href='/%s'>" % (b"u" * 1000)), "records_base_url_too_long"),
    "encodings": (
        warc_record(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, gzip, gzip\r\n\r\nx"),
        "records_too_many_encodings",
    ),
    "http headers": (warc_record(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000), "records_http_headers_too_long"),
    "seconds": (_html(many_attributes(37_000)), "records_too_slow"),
    "memory": (_html(open_formatting(3000)), "records_html_too_costly"),
}


@pytest.mark.parametrize("case", _HIT)
def test_a_limit_is_counted_and_costs_no_other_record(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, name = _HIT[case]
    if case == "links of a long base":
        monkeypatch.setattr(capture, "RESOLVED_CHARACTERS", 59 * (1 + 3 * 913))
    limits = {"seconds": dataclasses.replace(_SMALL, max_seconds=0.5), "host": RecordLimits()}.get(case, _SMALL)
    for archive in (members([_GOOD, data, _GOOD]), _GOOD + data + _GOOD):
        counts = _counts(archive, limits)
        assert counts[name] == 1
        assert counts["pages"] == 3 if name.startswith(("links_", "limits_")) else counts["pages"] == 2


def test_every_limit_has_a_flag() -> None:
    limits = RecordLimits(
        **{name: max(1, getattr(RecordLimits(), name) // 2) for name in RecordLimits.__dataclass_fields__}
    )
    parser = argparse.ArgumentParser()
    cli._add_arguments(parser)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(limits).items()]
    assert cli._options(parser.parse_args(["a", "--output", "b", *flags])).limits == limits
    assert cli._options(parser.parse_args(["a", "--output", "b"])).limits == RecordLimits()


def test_limits_that_were_hit_stand_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    hit = {case: value for case, value in _HIT.items() if case not in ("host", "links of a long base")}
    zeros, nested = gzip.compress(bytes(20 << 20)), functools.reduce(_gzip, range(3), members([_GOOD]))
    (tmp_path / "a.warc.gz").write_bytes(members([_GOOD, *(data for data, _ in hit.values())]) + zeros)
    (tmp_path / "b.warc.gz").write_bytes(nested)
    limits = dataclasses.asdict(dataclasses.replace(_SMALL, max_seconds=0.5, max_ratio=100))
    flags = [text for name, value in limits.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    tolerance = ["--max-bad-fraction", "1", "--max-failed-fraction", "1", "--tfrecord-shards", "none"]
    archives = [str(tmp_path / name) for name in ("a.warc.gz", "b.warc.gz")]
    assert cli.main([*archives, "--output", str(tmp_path / "out"), *flags, *tolerance, "--variants", "all-1=*:1"]) == 0
    report = capsys.readouterr().out
    reached = {line.split("\u2502")[2].strip() for line in report.splitlines() if line.count("\u2502") == 4}
    names = {name for _, name in hit.values()} | {
        "stretches_skipped_ratio_too_high",
        "stretches_skipped_nested_too_deep",
    }
    kinds = ("records_", "links_", "limits_hit_", "stretches_skipped_")
    expected = {next(name.removeprefix(kind) for kind in kinds if name.startswith(kind)) for name in names}
    assert {name.replace("_", " ") for name in expected} <= reached


def _gzip(data: bytes, _: int) -> bytes:
    return gzip.compress(data)


def test_many_small_bombs_are_one() -> None:
    """Each is within what may be decompressed at any ratio."""
    for compress in (gzip.compress, zstandard.ZstdCompressor().compress):
        bombs = compress(_GOOD) + compress(bytes(1 << 20)) * 150
        size = 0
        for item in read_segments(io.BytesIO(bombs)):
            size += len(item.data)
        assert size <= ARCHIVE_RATIO_FREE_BYTES + (1 << 20) + RecordLimits().max_ratio * len(bombs)
        counts = _counts(bombs, RecordLimits())
        assert (counts["pages"], counts["stretches_skipped_ratio_too_high"] > 0) == (1, True)


def test_a_body_is_cut_where_its_ratio_is_too_high() -> None:
    blank = bytes(RATIO_FREE_BYTES + 1)
    for max_ratio, length in ((250, RATIO_FREE_BYTES), (2000, len(blank))):
        limits = RecordLimits(max_body_bytes=1 << 28, max_ratio=max_ratio)
        body = read_body(gzip.compress(blank), transfer_encoding="", content_encoding="gzip", limits=limits)
        assert (len(body.content), body.is_cut) == (length, length < len(blank))


def test_a_body_of_chunks_of_one_byte_is_left_when_its_time_is_over() -> None:
    chunks = b"1\r\nx\r\n" * 500_000
    for max_seconds, length in ((60, 500_000), (1e-9, 2048)):
        limits = RecordLimits(max_seconds=max_seconds)
        body = read_body(chunks, transfer_encoding="chunked", content_encoding="", limits=limits)
        assert (len(body.content), body.is_cut) == (length, length < 500_000)


@pytest.mark.parametrize(
    "text", ["[]", '{"a":{"b":[1,{}]}}', '["[[[[", "\\\\", "\\"[[["]', '"["', "[[],[],[[]]]", "]]][", ""]
)
def test_json_depth(text: str) -> None:
    depth = most = 0
    in_string = escaped = False
    for sign in text:
        if in_string:
            escaped, in_string = sign == "\\" and not escaped, sign != '"' or escaped
        else:
            in_string = sign == '"'
            depth += (sign in "[{") - (sign in "]}")
        most = max(most, depth)
    assert [is_deeper(text.encode(), limit) for limit in range(6)] == [most > limit for limit in range(6)]


def test_a_bomb_of_members_is_left_and_the_next_record_found() -> None:
    limits = RecordLimits(max_record_bytes=1 << 30)
    for compress in (gzip.compress, zstandard.ZstdCompressor().compress):
        data = compress(_GOOD) + compress(warc_record(bytes(1 << 26))) + compress(_GOOD)
        counts = _counts(data, limits)
        assert counts["pages"] == 2
        assert counts["stretches_skipped_ratio_too_high"] == 1
        assert 0 < counts["bytes_skipped"] < len(data)


@pytest.mark.parametrize("name", RecordLimits.__dataclass_fields__)
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be above 0, got 0"):
        RecordLimits(**{name: 0})


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b\x08" * 300_000,
        b"\x1f\x8b\x08\x08" + b"\x1f\x8b\x08\x08aaaa\x00\xff" * 100_000,
        gzip.compress(b"x", mtime=0)[:-6] * 50_000,
        (b"a:" + b" 1.1.1.1 20080101000000" * 40 + b" " + b"1" * 1000 + b"x\n") * 500,
        b"WARC/1.0\r\nContent-Length: 99999999\r\n\r\n" * 50_000,
        b"".join(b"\x28\xb5\x2f\xfd\x00\x58" for _ in range(100_000)),
        warc_record(http_response(b"", content_type="text/html; charset=" + " " * 60_000)),
    ],
    ids=["magic", "names", "cut_members", "arc_lines", "lengths", "zstd_magic", "charset"],
)
def test_traps_end(data: bytes) -> None:
    """They took minutes once, or would have; none is timed, but a run that hangs does not end."""
    assert sum(item.raw_bytes for item in read_records(io.BytesIO(data))) <= len(data)
    _counts(data)


def test_json_of_many_values_is_not_decoded() -> None:
    body = json.dumps({"Envelope": [{}] * 1_100_000}).encode()
    record = warc_record(body, kind="metadata", headers=[("Content-Type", "application/json")])
    assert _counts(record, RecordLimits())["records_json_too_many_values"] == 1
