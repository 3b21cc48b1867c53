"""Page URLs as bytes: what is UTF-8 stays, what is not is percent-encoded, and no two pages become one."""

import gzip
import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.archive_records import Record, read_records
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from tests.beam_pipelines.archives import http_response, page
from tests.shared_data import shared_data
from webgraph.canonical_url import canonicalize
from webgraph.url_text import url_text

_MESSAGE = http_response(page(["/a"]))


def _warc(url: bytes, spelling: bytes = b"WARC-Target-URI: %s\r\n") -> bytes:
    head = b"WARC/1.0\r\nWARC-Type: response\r\n" + spelling % url + b"Content-Length: %d\r\n\r\n" % len(_MESSAGE)
    return head + _MESSAGE + b"\r\n\r\n"


def _arc(url: bytes) -> bytes:
    return url + b" 192.0.2.1 20040101000000 text/html %d\n" % len(_MESSAGE) + _MESSAGE + b"\n"


_KINDS: dict[str, Callable[[bytes], bytes]] = {
    "warc": _warc,
    "warc_in_brackets": lambda url: _warc(b"<%s>" % url),
    "warc_lower_case": lambda url: _warc(url, b"warc-target-uri:%s\r\n"),
    "warc_line_feeds": lambda url: _warc(url).replace(b"\r\n", b"\n", 4),
    "arc": _arc,
    "warc_gzip": lambda url: gzip.compress(_warc(url)),
    "arc_gzip": lambda url: gzip.compress(_arc(url)),
}
_URLS = [
    (b"/?q=\xe9", "/?q=%E9"),
    (b"/\xe9\xe8\xea", "/%E9%E8%EA"),
    (b"/\xc3\xa9", "/\u00e9"),
    (b"/\xc3\xa9\xe9", "/\u00e9%E9"),
    (b"/\xe9\xc3\xa9", "/%E9\u00e9"),
    (b"/\xe2\x82", "/%E2%82"),
    (b"/\xe2\x82\xac\xe2\x82", "/\u20ac%E2%82"),
    (b"/\xf0\x9f\x98", "/%F0%9F%98"),
    (b"/\xc0\xaf", "/%C0%AF"),
    (b"/\xe0\x80\xaf", "/%E0%80%AF"),
    (b"/\xed\xa0\x80", "/%ED%A0%80"),
    (b"/\xed\xa0\xbd\xed\xb8\x80", "/%ED%A0%BD%ED%B8%80"),
    (b"/\xf4\x90\x80\x80", "/%F4%90%80%80"),
    (b"/\xff\xfe\x80", "/%FF%FE%80"),
    (b"/\xef\xbf\xbd", "/\ufffd"),
    (b"/\xa0", "/%A0"),
    (b"/\xc2\xa0", "/\u00a0"),
    (b"/\xe3\x80\x80", "/\u3000"),
    (b"/\x85", "/%85"),
    (b"/%E9", "/%E9"),
]


def _urls(data: bytes) -> list[str]:
    return [item.target_uri for item in read_records(io.BytesIO(data)) if isinstance(item, Record)]


@pytest.mark.parametrize("kind", _KINDS)
def test_bytes_of_a_page_url(kind: str) -> None:
    for path, text in _URLS:
        assert _urls(_KINDS[kind](b"http://a.de" + path)) == ["http://a.de" + text], path


@pytest.mark.parametrize("kind", _KINDS)
def test_pages_that_differ_in_such_bytes_are_several(kind: str) -> None:
    paths = [bytes([first]) for first in range(0x80, 0x100)] + [bytes([0xC3, second]) for second in range(0x80, 0xC0)]
    found = _urls(b"".join(_KINDS[kind](b"http://a.de/?q=" + path) for path in paths))
    assert len({canonicalize(url) for url in found}) == len(paths)


def test_a_folded_line() -> None:
    assert _urls(_warc(b"http://a.de/\xe9\r\n \xe8")) == ["http://a.de/%E9 %E8"]


def test_a_target_that_is_not_in_the_head_once() -> None:
    data = _warc(b"http://a.de/\xe9", b"WARC-Refers-To-Target-URI: http://b.de/\xe8\r\nwarc-target-uri: %s\r\n")
    assert _urls(data) == ["http://a.de/%E9"]


@given(st.binary(max_size=40))
def test_the_text_of_any_bytes(raw: bytes) -> None:
    text = url_text(raw)
    text.encode()  # no surrogates
    if raw.isascii():
        assert text == raw.decode()
    try:
        assert text == raw.decode()
    except UnicodeDecodeError:
        kept = raw.decode("utf-8", "ignore")
        assert len(text) == len(kept) + 3 * (len(raw) - len(kept.encode()))


def test_a_host_with_such_bytes_is_no_url() -> None:
    reports: list[ArchiveReport] = []
    data = _warc(b"http://a\xe9.de/") + _warc(b"http://a.de/")
    for _ in parse_archive(io.BytesIO(data), "a", ParseOptions(), reports.append):
        pass
    assert (reports[0].counts["pages"], reports[0].counts["records_page_url_not_http"]) == (1, 1)


def test_the_shared_input() -> None:
    found = _urls(shared_data("found", "page-url-latin1.warc").read_bytes())
    assert found == [f"http://a.test/?q=%{byte}" for byte in ("E9", "E8", "EA")] + [
        f"http://b.test/{n}" for n in range(3)
    ]
