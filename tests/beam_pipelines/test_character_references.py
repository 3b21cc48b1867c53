"""Character references in attributes, beside the HTML parser."""

import html.entities

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.character_references import decode_attribute
from beam_pipelines.html_links import html_links
from webgraph.link_selection import LinkSelection

_NAMES = sorted(html.entities.html5)
_PIECES = st.sampled_from(["&", "#", "x", "X", ";", "=", "amp", "copy", "not", "it", "128", "0", "d800", "é", " ", "/"])
_NAMED = st.sampled_from(_NAMES).map("&{}".format)
_NUMBERED = st.integers(0, 0x120000).map("&#{};".format) | st.integers(0, 0x120000).map("&#x{:X}".format)


def _as_parsed(value: str) -> str:
    return html_links(f'<a href="{value}">'.encode(), "utf-8", LinkSelection())[1][0]


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ("/?a=1&amp;b=2", "/?a=1&b=2"),
        ("/?a=1&copy=2&lang=en&amp", "/?a=1&copy=2&lang=en&"),
        ("/?a=1&copyright&notit;&not;", "/?a=1&copyright&notit;¬"),
        ("&#65&#x41;&#X41;&#0;&#1;&#128;&#129;&#xD800;&#x110000;", "AAA\ufffd\x01€\x81\ufffd\ufffd"),
        ("&#;&#x;&;&&=&#x", "&#;&#x;&;&&=&#x"),
        ("&#" + "0" * 9000 + "65;&#" + "9" * 9000 + ";", "A\ufffd"),
        ("&NotEqualTilde;&AMP", "≂̸&"),
    ],
)
def test_known_references(value: str, decoded: str) -> None:
    assert decode_attribute(value) == decoded == _as_parsed(value)


def test_every_named_reference() -> None:
    for ends in ("", ";", "=", "a", "/", " "):
        value = "/".join(f"&{name}{ends}" for name in _NAMES)
        assert decode_attribute(value) == _as_parsed(value)


@given(st.lists(_PIECES | _NAMED | _NUMBERED, max_size=12).map("".join))
@settings(max_examples=300)
def test_any_value_is_what_the_parser_makes_of_it(value: str) -> None:
    # The parser makes one line end of CR and CR LF before it looks at references, so none stands in `value`.
    assert decode_attribute(value) == _as_parsed(value)
