"""A law: a page and what an extractor writes of it give the same blocks, whatever its links say.

Pages are drawn as their links; the HTML and the WAT record are made from these, each by its own rules. WAT records come
in the three dialects that there are: with character references replaced, with them by age, and with them by extractor.
"""

import dataclasses
import io
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from beam_pipelines.block import encode_block
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from tests.beam_pipelines.archives import PAGE, http_response, members, warc_record, wat_value
from webgraph.link_selection import LinkSelection

_PAGE_URL = "http://a.test/d/page?q"
_NAMES = {"&": "&amp;", '"': "&quot;", "'": "&apos;", "<": "&lt;", ">": "&gt;", "ä": "&auml;", "\xa0": "&nbsp"}
_ELEMENTS = {"a": "A@/href", "area": "AREA@/href", "img": "IMG@/src", "iframe": "IFRAME@/src", "q": "Q@/cite"}
_VOID = ("area", "img")
_UNQUOTED = set("\t\n\f\r \"'=<>`/")  # and what a tag may end with


@dataclasses.dataclass(frozen=True)
class _Attribute:
    """A value, its characters as written in HTML, and the sign around them."""

    value: str
    written: str
    quote: str

    @property
    def html(self) -> str:
        return f"={self.quote}{self.written}{self.quote}"


@st.composite
def _attributes(draw: st.DrawFn) -> _Attribute:
    value = draw(_TEXTS)
    quote = draw(st.sampled_from(['"', "'", ""]))
    if not value or _UNQUOTED & set(value):
        quote = quote or '"'
    written = "".join(_written(character, draw(st.integers(0, 9)), quote) for character in value)
    return _Attribute(value.replace("\0", "\ufffd"), written, quote)


def _written(character: str, choice: int, quote: str) -> str:
    """The character as it is, by name or by number; `&` never as it is, which could begin a reference."""
    if choice == 0 and character in _NAMES:
        return _NAMES[character].removesuffix(";") + ";"
    if character in ("&", quote) or (choice < 3 and not "\x80" <= character <= "\x9f"):
        return f"&#{ord(character)};" if choice % 2 else f"&#x{ord(character):X};"
    return character


_TEXTS = (
    st.sampled_from(
        ["", "#f", "?q", "/a", "x/../y", "//b.test/x", "https://C.test:443/%7e", "mailto:a@b", "http://[", " /a "]
    )
    | st.text(max_size=12)
    | st.text("/?#&=;:.%\\ \t\n\r\0abäß'\"<>`", max_size=12)
    | st.builds("http://{}.test/{}".format, st.sampled_from("abc"), st.text("a/?&#%ä ", max_size=8))
)
_RELS = st.none() | st.sampled_from(["nofollow", "UGC x", "me", ""])


@dataclasses.dataclass(frozen=True)
class _Page:
    links: tuple[tuple[str, _Attribute, str | None], ...]
    base: _Attribute | None

    def html(self) -> bytes:
        parts = [f"<base href{self.base.html} >"] if self.base else []
        for element, attribute, rel in self.links:
            name = _ELEMENTS[element].partition("@/")[2]
            nofollow = "" if rel is None else f' rel="{rel}"'
            end = "" if element in _VOID else f"x</{element}>"
            parts.append(f"<{element}{nofollow} {name}{attribute.html} >{end}")
        return PAGE % "\n".join(parts).encode()

    def wat(self, *, as_written: bool) -> dict[str, Any]:
        def text(attribute: _Attribute) -> str:
            return attribute.written if as_written else attribute.value

        links = []
        for element, attribute, rel in self.links:
            links.append({"path": _ELEMENTS[element], "url": text(attribute)} | ({} if rel is None else {"rel": rel}))
        return wat_value(_PAGE_URL, links, base=text(self.base) if self.base else None)


_LINKS = st.tuples(st.sampled_from(sorted(_ELEMENTS)), _attributes(), _RELS)
_PAGES = st.builds(_Page, st.lists(_LINKS, max_size=6).map(tuple), st.none() | _attributes())
_SELECTIONS = st.builds(LinkSelection, all_paths=st.booleans(), drop_nofollow=st.booleans())


def _wat_file(value: dict[str, Any], *, software: str, date: str) -> bytes:
    headers = [("Content-Type", "application/json"), ("WARC-Date", date)]
    record = warc_record(json.dumps(value).encode(), kind="metadata", uri=_PAGE_URL, headers=headers)
    return members([warc_record(f"{software}\r\n".encode(), kind="warcinfo"), record])


def _parse(data: bytes, options: ParseOptions) -> tuple[list[tuple[int, bytes]], dict[str, int]]:
    """The blocks, and the counts of pages and links; through WARC those of other elements are not looked for."""
    reports: list[ArchiveReport] = []
    found = [(key, encode_block(block)) for key, block in parse_archive(io.BytesIO(data), "a", options, reports.append)]
    counts = {name: n for name, n in reports[0].counts.items() if name.startswith(("pages", "links_"))}
    return found, counts | {"links_unselected": 0}


@given(_PAGES, _SELECTIONS)
@example(_Page((("a", _Attribute("/&copy=1", "/&amp;copy=1", '"'), None),), None), LinkSelection())
@example(
    _Page((("a", _Attribute("/\ufffd", "/\0", ""), None),), _Attribute("/\ufffd/", "/&#0;/", "'")), LinkSelection()
)
@settings(max_examples=200)
def test_a_page_gives_the_same_blocks_through_warc_and_through_wat(page: _Page, selection: LinkSelection) -> None:
    options = ParseOptions(selection=selection)
    message = http_response(page.html(), content_type="text/html; charset=utf-8")
    expected = _parse(members([warc_record(message, uri=_PAGE_URL)]), options)
    assert expected[1]["pages"] == 1
    today, decoded = "2024-01-01T00:00:00Z", page.wat(as_written=False)
    assert _parse(_wat_file(decoded, software="Software-Info: ia-web-commons.1", date=today), options) == expected
    written = page.wat(as_written=True)
    assert (
        _parse(_wat_file(written, software="Software-Info: ia-web-commons.1", date="2018-01-01T00:00:00Z"), options)
        == expected
    )
    assert _parse(_wat_file(written, software="software: ia-web-commons.3", date=today), options) == expected
