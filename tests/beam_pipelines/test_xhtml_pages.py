"""XHTML in archives: which pages are XML, and what is counted."""

import io
from collections import Counter

import pytest

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.html_process import is_small
from beam_pipelines.http_response import parse_http_response
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from beam_pipelines.record_limits import RecordLimits
from tests.beam_pipelines.archives import http_response, warc_record
from tests.shared_data import shared_data
from webgraph.link_selection import LinkSelection

_TYPE = "application/xhtml+xml"
_LIMITS = RecordLimits()
_HEAD = b'<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x.js"/></head><body>'
_BODY = _HEAD + b'<a href="/a"/><a href="/b"/></body></html>'


def _parse(body: bytes, content_type: str | None = _TYPE, limits: RecordLimits = _LIMITS) -> Capture | NotAPage:
    message = http_response(body, content_type=content_type)
    record = Record({"warc-type": "response", "warc-target-uri": "http://a.de/"}, message, len(message))
    return parse_http_response(record, LinkSelection(), limits)


def _counts(*bodies: bytes, content_type: str = _TYPE) -> Counter[str]:
    reports: list[ArchiveReport] = []
    records = [
        warc_record(http_response(body, content_type=content_type), uri=f"http://a.de/{number}")
        for number, body in enumerate(bodies)
    ]
    for _ in parse_archive(io.BytesIO(b"".join(records)), "a", ParseOptions(), reports.append):
        pass
    return Counter(reports[0].counts)


@pytest.mark.parametrize("content_type", [_TYPE, "Application/XHTML+XML; charset=utf-8"])
def test_xhtml_is_parsed_as_xml(content_type: str) -> None:
    assert _parse(_BODY, content_type) == Capture("http://a.de/", "", ["/a", "/b"])


@pytest.mark.parametrize("content_type", ["text/html", "text/html; charset=utf-8"])
def test_what_is_sent_as_html_is_html(content_type: str) -> None:
    """Its empty title swallows the rest, whatever it looks like."""
    assert _parse(b'<?xml version="1.0"?>' + _BODY, content_type) == Capture("http://a.de/", "", [])
    assert _parse(b"<A HREF=/a><br><a href=/b>", content_type) == Capture("http://a.de/", "", ["/a", "/b"])


@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "application/xml", "image/svg+xml", "application/rss+xml", "application/atom+xml", None],
)
def test_xml_of_other_types_is_no_page(content_type: str | None) -> None:
    assert _parse(b'<?xml version="1.0"?>' + _BODY, content_type) == NotAPage("not_html")


def test_the_charset_of_the_header_is_stronger_than_the_declaration() -> None:
    body = b'<?xml version="1.0" encoding="utf-8"?>' + _BODY.replace(b"/a", b"/\xe4")
    assert _parse(body, f"{_TYPE}; charset=iso-8859-1") == Capture("http://a.de/", "", ["/ä", "/b"])
    assert _parse(body) == Capture("http://a.de/", "", [], is_ill_formed=True)


def test_ill_formed_pages_are_counted_and_keep_what_stands_before_the_error() -> None:
    ill_formed = [
        _BODY[:-1],
        _BODY.replace(b'<a href="/b"/>', b"&nbsp;"),
        b"\n<?xml version='1.0'?>" + _BODY,
        b"<p>x<br></p>",
    ]
    counts = _counts(_BODY, *ill_formed, _BODY)
    assert counts["pages"] == counts["records_in"] == 6
    assert counts["bodies_ill_formed_xml"] == 4
    assert counts["links_in"] == 2 + 2 + 1 + 0 + 0 + 2
    assert "bodies_ill_formed_xml" not in _counts(_BODY, *ill_formed, content_type="text/html")


def test_a_page_that_is_cut_is_ill_formed_too() -> None:
    found = _parse(_BODY, limits=RecordLimits(max_body_bytes=len(_BODY) - 10))
    assert found == Capture("http://a.de/", "", ["/a", "/b"], is_cut=True, is_ill_formed=True)


def test_large_pages_are_parsed_like_small_ones() -> None:
    links = b"".join(b'<a href="/%d"/>' % number for number in range(3000))
    large = _BODY.replace(b'<a href="/a"/>', links)
    assert not is_small(large)
    counts = _counts(large, _BODY, large[:-1], large.replace(b"<a", b"&x;<a", 1), large)
    assert counts["pages"] == 5
    assert counts["bodies_ill_formed_xml"] == 2
    assert counts["links_in"] == 3 * 3001 + 2


def test_entities_go_to_the_other_process() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE html [<!ENTITY e0 "ha">{entities}]>'.encode() + _BODY.replace(b"<a", b"&e11;<a", 1)
    assert _counts(_BODY, bomb, _BODY) == {
        **_counts(_BODY, _BODY),
        "pages": 3,
        "records_in": 3,
        "bodies_ill_formed_xml": 1,
    }


@pytest.mark.parametrize("name", ["xhtml-empty-script", "xhtml-empty-title"])
def test_found_in_public_archives(name: str) -> None:
    reports: list[ArchiveReport] = []
    with shared_data(f"found/{name}.warc").open("rb") as stream:
        for _ in parse_archive(stream, "a", ParseOptions(), reports.append):
            pass
    assert (reports[0].counts["pages"], reports[0].counts["links_in"]) == (2, 2)
    assert "bodies_ill_formed_xml" not in reports[0].counts
