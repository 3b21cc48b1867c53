"""HTTP responses and HTML pages: known answers by the standards."""

import gzip
import zlib

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.http_response import parse_http_response
from beam_pipelines.record_limits import RecordLimits
from tests.beam_pipelines.archives import http_response, page
from webgraph.link_selection import LinkSelection

_DEFAULT = LinkSelection()
_LIMITS = RecordLimits()
_BODY = page(["/a", "/b"])


def _parse(message: bytes, selection: LinkSelection = _DEFAULT, limits: RecordLimits = _LIMITS) -> Capture | NotAPage:
    return parse_http_response(Record({"warc-target-uri": "http://a.de/"}, message, len(message)), selection, limits)


def _hrefs(message: bytes, limits: RecordLimits = _LIMITS) -> list[str]:
    found = _parse(message, limits=limits)
    assert isinstance(found, Capture)
    return found.hrefs


def _chunked(body: bytes, size: int = 7) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _message(body: bytes, *headers: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    lines = [status, "Content-Type: text/html; charset=utf-8", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


@pytest.mark.parametrize("status", ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/2 200", "HTTP/3 200 OK", "HTTP/1.1 200 "])
def test_status_200(status: str) -> None:
    assert _parse(_message(_BODY, status=status)) == Capture("http://a.de/", "", ["/a", "/b"], 0)


@pytest.mark.parametrize(
    "status", ["HTTP/1.1 404 Not Found", "HTTP/1.1 301", "HTTP/1.1 206 x", "HTTP/1.1", "HTTP/1.1 OK"]
)
def test_other_statuses(status: str) -> None:
    found = _parse(_message(_BODY, status=status))
    assert isinstance(found, NotAPage)
    assert found.reason in ("status_not_200", "broken_http_headers")


@pytest.mark.parametrize("message", [b"", b"<html>", b"DNS 127.0.0.1", b"\x00\x01"])
def test_what_is_not_http(message: bytes) -> None:
    assert _parse(message) == NotAPage("not_http")


def test_nothing_after_the_status_line() -> None:
    assert _parse(b"HTTP/1.1 200 OK\r\n") == NotAPage("not_html")


@pytest.mark.parametrize(
    ("content_type", "body", "is_page"),
    [
        ("text/html", _BODY, True),
        ("TEXT/HTML; Charset=UTF-8", _BODY, True),
        ("text/plain", _BODY, False),
        ("application/pdf", _BODY, False),
        (None, _BODY, True),
        (None, b"<p><a href='/a'></a><a href='/b'></a>", True),
        (None, b"<!-- x --><a href='/a'></a><a href='/b'></a>", True),
        (None, b"<?xml version='1.0'?><html>", False),
        (None, b"x <html>", False),
        ("*/*", _BODY, True),
        ("application/unknown", _BODY, True),
        ("application/unknown", b"x", False),
        ("html", _BODY, True),
        ("text/html\r\nContent-Type: text/plain", _BODY, False),
        ("text/plain\r\nContent-Type: text/html", _BODY, True),
        ("text/plain, text/html, */*", _BODY, True),
        (None, b"\n <HTML><a href='/a'></a><a href='/b'></a>", True),
        (None, b"%PDF-1.4", False),
    ],
)
def test_what_is_html(content_type: str | None, body: bytes, is_page: bool) -> None:
    found = _parse(http_response(body, content_type=content_type))
    assert found == (Capture("http://a.de/", "", ["/a", "/b"], 0) if is_page else NotAPage("not_html"))


@pytest.mark.parametrize(
    "message",
    [
        _message(_chunked(_BODY), "Transfer-Encoding: chunked"),
        _message(_chunked(_BODY, 10_000), "transfer-encoding:  Chunked"),
        _message(_BODY, "Transfer-Encoding: chunked"),  # the crawler undid it
        _message(gzip.compress(_BODY), "Content-Encoding: gzip"),
        _message(gzip.compress(_BODY), "Content-Encoding: x-gzip"),
        _message(_BODY, "Content-Encoding: gzip"),
        _message(zlib.compress(_BODY), "Content-Encoding: deflate"),
        _message(zlib.compress(_BODY, wbits=-15), "Content-Encoding: deflate"),
        _message(brotli.compress(_BODY), "Content-Encoding: br"),
        _message(_chunked(gzip.compress(_BODY)), "Transfer-Encoding: chunked", "Content-Encoding: gzip"),
        _message(_chunked(brotli.compress(_BODY)), "Transfer-Encoding: chunked", "Content-Encoding: br"),
        _message(_BODY, "Content-Encoding: br"),
        _message(_BODY, "Content-Encoding: identity"),
        _message(_BODY, "Power by: Auto Capri", "Location: //x/", "Location: //y/"),
        _message(b"\r\n" + _BODY),
        _message(_BODY).replace(b"\r\n", b"\n"),
    ],
    ids=[
        "chunked", "one_chunk", "not_chunked", "gzip", "x-gzip", "not_gzip", "deflate", "raw_deflate", "brotli",
        "chunked_gzip", "chunked_brotli", "not_brotli", "identity", "odd_headers", "blank_line", "line_feeds",
    ],
)  # fmt: skip
def test_transfer_and_content_encodings(message: bytes) -> None:
    assert _hrefs(message) == ["/a", "/b"]


def test_truncated_bodies_are_pages_as_far_as_they_go() -> None:
    body = page([f"/{number}" for number in range(3000)])
    for message in (
        _message(brotli.compress(body, quality=0), "Content-Encoding: br"),
        _message(gzip.compress(body), "Content-Encoding: gzip"),
        _message(_chunked(body, 50), "Transfer-Encoding: chunked"),
        _message(body),
    ):
        hrefs = _hrefs(message[: len(message) * 2 // 3])
        assert 100 < len(hrefs) < 3000
        assert hrefs[:-1] == [f"/{number}" for number in range(len(hrefs) - 1)]


def test_a_body_is_read_up_to_a_limit() -> None:
    limits = RecordLimits(max_body_bytes=1000)
    body = page([f"/{number}" for number in range(3000)])
    limited = _hrefs(_message(body), limits)
    assert 10 < len(limited) < 100
    assert _hrefs(_message(gzip.compress(body), "Content-Encoding: gzip"), limits) == limited
    assert _hrefs(_message(brotli.compress(body), "Content-Encoding: br"), limits) == limited


@given(
    st.lists(
        st.sampled_from(
            ["HTTP/1.1 200 OK\r\n", "Content-Type: text/html", "charset=", ";", "Transfer-Encoding: chunked", "\r\n",
             "\r\n\r\n", "Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: br", "<a href=x>",
             "5\r\n", "\x1f\x8b\x08", "-1\r\n", ":", "\n", "\xff\xfe", "<html>", "<base href=//[>"]
        ), max_size=14
    )
)  # fmt: skip
@settings(max_examples=400)
def test_no_message_raises(parts: list[str]) -> None:
    message = b"HTTP/1.1 200 OK\r\n" + "".join(parts).encode("latin-1")
    assert isinstance(_parse(message), Capture | NotAPage)


@pytest.mark.parametrize(
    ("content_type", "body", "href"),
    [
        ("text/html; charset=utf-8", b"<a href='/\xc3\xa4'>", "/\u00e4"),
        ("text/html; charset=ISO-8859-1", b"<a href='/\xe4\x80'>", "/\u00e4\u20ac"),  # windows-1252, says the standard
        ('text/html; charset="windows-1251"', b"<a href='/\xe4'>", "/\u0434"),
        ("text/html", b"<meta charset=shift_jis><a href='/\x83e'>", "/\u30c6"),
        ("text/html; charset=no-such", b"<a href='/a'>", "/a"),
        ("text/html; charset=windows-1251\r\nContent-Type: text/html", b"<a href='/\xe4'>", "/\u0434"),
        ("text/html\r\ncontent-type: text/html; charset=windows-1251", b"<a href='/\xe4'>", "/\u0434"),
        ("text/plain; charset=koi8-r\r\nContent-Type: text/html", b"<a href='/\xc3\xa4'>", "/\u00e4"),
        ("text/html; charset=no-such", b"<meta charset=windows-1251><a href='/\xe4'>", "/\u0434"),
        ("text/html", b"<meta charset=utf-16><a href='/\xc3\xa4'>", "/\u00e4"),
        ("text/html", b"<p>\xc3\xa4\xc3\xb6</p><a href='/\xc3\xa4'>\xc3", "/\u00e4"),
        ("text/html", b"<p>\xe4\xf6\xfc</p><a href='/\xe4\xdf\xe9'>", "/\u00e4\u00df\u00e9"),
        ("text/html; charset=shift_jis", b"<a href='/\x87\x40'>", "/\u2460"),
        ("text/html; charset=euc-kr", b"<a href='/\x8c\x63'>", "/\ub620"),
        ("text/html; charset=gb2312", b"<a href='/\x81\x30\x81\x30'>", "/\x80"),
        ("text/html; charset=big5", b"<a href='/\x87\x40'>", "/\u43f0"),
        ("text/html; charset=windows-874", b"<a href='/\x80\xa1'>", "/\u20ac\u0e01"),
        ("text/html; charset=utf-8", b"<a href='/\xff'>", "/\ufffd"),
        ("text/html; charset=latin1", b"\xef\xbb\xbf<a href='/\xc3\xa4'>", "/\u00e4"),
        ("text/html", "\ufeff<a href='/\u00e4'>".encode("utf-16-le"), "/\u00e4"),
    ],
)
def test_charsets(content_type: str, body: bytes, href: str) -> None:
    assert _hrefs(http_response(body, content_type=content_type)) == [href]


def test_selection_is_passed_on() -> None:
    message = http_response(b"<a href=/a rel=nofollow><a href=/b>")
    assert _parse(message, LinkSelection(drop_nofollow=True)) == Capture("http://a.de/", "", ["/b"], 1)
