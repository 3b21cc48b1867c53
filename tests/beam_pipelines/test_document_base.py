"""The base of a document, as the HTML Standard has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.capture import Capture
from beam_pipelines.document_base import absolute_links, document_base
from beam_pipelines.link_resolver import TldMasks
from beam_pipelines.page_blocks import PageBlocks

_PAGE = "http://a.de/d/p?q"


@pytest.mark.parametrize(
    ("base", "found"),
    [
        ("", _PAGE),
        ("/b/", "http://a.de/b/"),
        (" //b.de/x#f\n", "http://b.de/x"),
        ("https:x", "https://x/"),
        ("http:x", "http://a.de/d/x"),
        ("http://[", _PAGE),
        ("ftp://[", _PAGE),
        ("data:text/html,x", _PAGE),
        (" JavaScript:x", _PAGE),
        ("file:///C|/site/", None),
        ("ftp://a.de/", None),
        ("mailto:x", None),
        ("java\tscript:x", _PAGE),
        ("fi\tle:///", None),
    ],
)
def test_base(base: str, found: str | None) -> None:
    assert document_base(_PAGE, base) == found


@given(st.text(max_size=20) | st.text("htpsfile:/[]\t\x00\ud800", max_size=12))
def test_any_text_is_a_base(base: str) -> None:
    found = document_base(_PAGE, base)
    assert found is None or found.startswith("http")


def test_only_absolute_links_are_of_the_web_where_the_base_is_elsewhere() -> None:
    assert absolute_links(["x", "/y", "", "http:z", "//b.de/", "HTTPS://b.de", "mailto:x"]) == [
        *("about:blank", "about:blank", "about:blank", "http://z/", "about:blank", "https://b.de/", "about:blank")
    ]
    blocks = PageBlocks(TldMasks(((),)), num_partitions=1, key_bits=64)
    assert blocks.add(Capture(_PAGE, "file:///C:/", ["x", "http://b.de/", "#f"]))
    ((_, block),) = blocks.take()
    assert block["num_links"].tolist() == [1]
    assert (blocks.counts["links_in"], blocks.counts["links_out"], blocks.counts["links_not_http"]) == (3, 1, 2)
