"""Content-Type headers: cases of web-platform-tests, neighbours worked out by the standards, and hostile headers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.encoding import map_encoding_to_html5

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture
from beam_pipelines.http_response import parse_http_response
from beam_pipelines.media_type import extract_media_type, parse_media_type, split_header
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection

_CASES = Path(__file__).parent / "web_platform_tests"
_TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _cases(name: str) -> list[dict[str, Any]]:
    return [case for case in json.loads((_CASES / name).read_text("utf-8")) if isinstance(case, dict)]


def _extract(*values: str) -> tuple[str, str]:
    return extract_media_type([("Content-Type", value) for value in values])


def _serialized(value: str) -> str | None:
    """MIME Sniffing Standard, "serialize a MIME type"."""
    parsed = parse_media_type(value)
    if parsed is None:
        return None
    essence, parameters = parsed
    for name, content in parameters.items():
        if not content or not set(content) <= set(_TOKEN):
            content = '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'
        essence += f";{name}={content}"
    return essence


def _encoding(charset: str) -> str | None:
    return map_encoding_to_html5(charset, fallback_utf8=False) if charset else None


@pytest.mark.parametrize("case", _cases("content-types.json"), ids=lambda case: ", ".join(case["input"]))
def test_web_platform_content_types(case: dict[str, Any]) -> None:
    media_type, charset = _extract(*case["input"])
    assert media_type == case["documentContentType"]
    assert _encoding(charset) == _encoding(case["encoding"] or "")
    assert _extract(", ".join(case["input"])) == (media_type, charset)


@pytest.mark.parametrize("case", _cases("mime-types.json"), ids=lambda case: case["input"][:60])
def test_web_platform_mime_types(case: dict[str, Any]) -> None:
    assert _serialized(case["input"]) == case["output"]
    if "encoding" in case:
        media_type, charset = _extract(case["input"])
        assert media_type == "text/html"
        assert _encoding(charset) == _encoding(case["encoding"] or "")


@pytest.mark.parametrize("code", range(256))
def test_every_byte_in_every_place(code: int) -> None:
    """MIME Sniffing Standard, 3: "HTTP token code point" and "HTTP quoted-string token code point"."""
    char = chr(code)
    is_token, is_value = char in _TOKEN, char == "\t" or " " <= char <= "~" or char >= "\x80"
    if char != "/":
        assert _serialized(f"{char}/x") == (f"{char.lower()}/x" if is_token else None)
        assert _serialized(f"x/{char}") == (f"x/{char.lower()}" if is_token else None)
    if char not in ";=":
        assert _serialized(f"x/x;{char}=x;bonus=x") == f"x/x{f';{char.lower()}=x' if is_token else ''};bonus=x"
    if char not in '\t ";\\\r\n':
        written = char if is_token else f'"{char}"'
        for value in (char, f'"{char}"'):
            assert _serialized(f"x/x;x={value};bonus=x") == f"x/x{f';x={written}' if is_value else ''};bonus=x"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ("", "")),
        (["text/html; charset=utf-8"], ("text/html", "utf-8")),
        (['text/html;charset="a,b"'], ("text/html", "a,b")),
        (['text/html;charset=utf-8;x=", text/plain"'], ("text/html", "utf-8")),
        (["text/html, text/plain"], ("text/plain", "")),
        (["text/html;charset=koi8-r, text/html"], ("text/html", "koi8-r")),
        # The charset that is carried over is that of the first of a run of equal types, whatever the ones after it say.
        (["text/html;charset=koi8-r, text/html;charset=gbk, text/html"], ("text/html", "koi8-r")),
        (["text/html;charset=koi8-r, text/html;charset=gbk"], ("text/html", "gbk")),
        (["text/html, text/html;charset=gbk, text/html"], ("text/html", "")),
        (["text/html;charset=koi8-r, nonsense, text/html"], ("text/html", "koi8-r")),
        (["text/html;charset=koi8-r, text/plain, text/html"], ("text/html", "")),
        (['text/html;charset="", text/html'], ("text/html", "")),
        (["text/html;charset=a;charset=b"], ("text/html", "a")),
        (["text/html;charset=;charset=b"], ("text/html", "b")),
        (["text/html;charset = gbk"], ("text/html", "")),
        (["text/html;charset= gbk "], ("text/html", "gbk")),
        (["text/html;charset='gbk'"], ("text/html", "'gbk'")),
        (['text/html;charset="gbk'], ("text/html", "gbk")),
        (['text/html;charset="g\\bk"; x'], ("text/html", "gbk")),
        (['text/html;charset="gbk\\'], ("text/html", "gbk\\")),
        (['text/html;x="\\", text/plain', "text/css"], ("text/html", "")),
        (["text/html;charset=\xa0gbk"], ("text/html", "")),
        (["text/html;charset=\u4e2d;charset=gbk"], ("text/html", "")),  # the bytes are read as Latin-1, and are a value
        (["text/html charset=utf-8"], ("", "")),
        (["text/html:charset=utf-8"], ("", "")),
        (["text/html\x0b"], ("", "")),
        ([",,text/html,,"], ("text/html", "")),
        (["html"], ("", "")),
        (["text/html;"], ("text/html", "")),
        (["\ttext/html\t"], ("text/html", "")),
    ],
)
def test_extract(values: list[str], expected: tuple[str, str]) -> None:
    assert _extract(*values) == expected
    long = "text/plain," * 20 + "x/x"  # beyond what is kept from one call to the next
    assert _extract(long, *values) == (expected if expected[0] else ("x/x", ""))


def test_only_content_type_headers_count() -> None:
    headers = [("X-Content-Type", "a/a"), ("cONTENT-tYPE", "text/html"), ("Content-Type-Options", "b/b")]
    assert extract_media_type(headers) == ("text/html", "")


def _slow_split(value: str) -> Iterator[str]:
    """Fetch Standard, "get, decode, and split a header value", character by character."""
    item, is_quoted, is_escaped = "", False, False
    for char in value:
        if char == "," and not is_quoted:
            yield item.strip("\t ")
            item = ""
            continue
        item += char
        if is_escaped:
            is_escaped = False
        elif char == "\\" and is_quoted:
            is_escaped = True
        elif char == '"':
            is_quoted = not is_quoted
    yield item.strip("\t ")


@given(st.text(st.sampled_from('",\\; =/\ta'), max_size=30))
def test_split_equals_the_standard(value: str) -> None:
    assert [item for item in split_header(value) if item] == [item for item in _slow_split(value) if item]


@given(st.text(max_size=60), st.lists(st.text(st.sampled_from('",\\; =/\n\ta\xff\u0100'), max_size=20), max_size=3))
def test_no_header_raises(value: str, values: list[str]) -> None:
    _extract(value, *(f"text/html{item}" for item in values))


@pytest.mark.parametrize(
    "value",
    [
        '"', "\\", '"\\', ",", ";", ";=", '\\"', " ", "a", "=", ';a="', "a/b,", 'a/b;c="d",', "\xff", "text/html;x=y;",
        "text/html;" + " " * 10 + ",",
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", "text/html", "text/html;", 'text/html;charset="', "text/html;charset="])
def test_the_longest_header_ends(start: str, value: str) -> None:
    """It takes 40 ms. It is not timed, but if an expression backtracked, the test would not end."""
    _extract(start + value * (RecordLimits().max_header_bytes // len(value)) + "x")


def test_a_page_is_read_by_its_media_type() -> None:
    message = b'HTTP/1.1 200 OK\r\nContent-Type: text/html;x=", text/plain";charset=windows-1251\r\n\r\n<a href=/\xe4>'
    found = parse_http_response(Record({"warc-target-uri": "http://a.de/"}, message, len(message)), LinkSelection())
    assert isinstance(found, Capture)
    assert found.hrefs == ["/\u0434"]
