"""Links of HTML documents, as the HTML Standard has them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.html_links import html_encoding, html_links
from tests.oracles.encoding_standard import labels
from webgraph.link_selection import LinkSelection

_DEFAULT = LinkSelection()


def _links(document: str, selection: LinkSelection = _DEFAULT) -> tuple[str, list[str], int]:
    return html_links(document.encode(), "utf-8", selection)


@pytest.mark.parametrize(
    ("document", "hrefs"),
    [
        ("<a href=/a><A HREF='/b'></a><aReA href=\"/c\">", ["/a", "/b", "/c"]),
        ("<a name=x><a>text</a><a href>", [""]),
        ("<a href=''></a>", [""]),
        ("<a href='/?a=1&amp;b=2&copy=3&lang=en'>", ["/?a=1&b=2&copy=3&lang=en"]),
        ("<a href='/&#228;&auml'>", ["/\u00e4\u00e4"]),
        ("<!-- <a href=/no> --><a href=/yes>", ["/yes"]),
        ("<!---  menu  ---><a href=/yes>", ["/yes"]),
        ("<!-- x -- -- ----><a href=/yes>", ["/yes"]),
        ("<script>'<a href=/no>'</script><a href=/yes>", ["/yes"]),
        ("<style><a href=/no></style><textarea><a href=/no></textarea><title><a href=/no></title>", []),
        ("<iframe src=x><a href=/no></a></iframe><a href=/yes>", ["/yes"]),
        ("<noscript><a href=/yes></a></noscript>", ["/yes"]),
        ("<a href=/1><a href=/2>", ["/1", "/2"]),
        ("<link rel=stylesheet href=/no><img src=/no><form action=/no></form>", []),
        ("<a href='/x\r\ny'>", ["/x\ny"]),
        ("<a href='/first' href='/second'>", ["/first"]),
        ("<a href=/a title='>'>x</a", ["/a"]),
        ("<a href=/a", []),
        ("", []),
        ("\x00<a href='/\x00'>", ["/\ufffd"]),
        ("<table><a href=/a></table>", ["/a"]),
        ("<template><a href=/no></a></template><a href=/yes>", ["/yes"]),
        ("<svg><a xlink:href=/no></a><a href=/yes xlink:href=/no></a></svg><math><a href=/too>", ["/yes", "/too"]),
    ],
)
def test_hyperlinks(document: str, hrefs: list[str]) -> None:
    assert _links(document) == ("", hrefs, 0)


def test_a_misnested_link_is_cloned() -> None:
    # The adoption agency algorithm (HTML Standard, 13.2.6.4.7) makes two elements of one tag.
    assert _links("<a href=/a><center><img src=x></a></center>") == ("", ["/a", "/a"], 0)


@pytest.mark.parametrize(
    ("document", "base"),
    [
        ("<base href=/b/><a href=x>", "/b/"),
        ("<base target=_top><base href=/b/><base href=/c/>", "/b/"),
        ("<base href>", ""),
        ("<body><p><base href=/b/>", "/b/"),
        ("<!-- <base href=/b/> -->", ""),
        ("<template><base href=/no></template><base href=/b/>", "/b/"),
        ("<svg><base href=/no/></base></svg><math><base href=/no></math><base href=/b/>", "/b/"),
        ("<svg><base xlink:href=/no/></base></svg>", ""),
        ("<svg><foreignObject><base href=/b/></foreignObject></svg><base href=/no/>", "/b/"),
    ],
)
def test_the_first_base_with_href_counts(document: str, base: str) -> None:
    assert _links(document)[0] == base


def test_all_paths_in_document_order() -> None:
    document = (
        "<img src=/1><a href=/2></a><form action=/3 href=/no></form><iframe src=/4 href=/no></iframe>"
        "<q cite=/5></q><video src=/6></video><input src=/7><img alt=none><svg><a xlink:href=/no></a></svg>"
    )
    assert _links(document, LinkSelection(all_paths=True)) == ("", ["/1", "/2", "/3", "/4", "/5", "/6", "/7"], 0)


def test_nofollow() -> None:
    document = "<a href=/1 rel='x NOFOLLOW'></a><a href=/2 rel></a><a href=/3></a><area href=/4 rel=ugc>"
    assert _links(document, LinkSelection(drop_nofollow=True)) == ("", ["/2", "/3"], 2)
    assert _links(document) == ("", ["/1", "/2", "/3", "/4"], 0)


_MARKUP = (
    *("<", ">", "/", "=", "!", "-", "&", ";", "#", "'", '"', " ", "\x00", "a", "x", "href", "base", "svg", "xlink:"),
    *("<a", "<a\thref=", "<base", "<svg>", "</svg>", "<math>", "<template>", "<select>", "<foreignObject>"),
)


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from(_MARKUP), max_size=60).map(lambda pieces: "".join(pieces).encode())
)
@settings(max_examples=300)
def test_any_bytes_are_a_document(document: bytes) -> None:
    base, hrefs, unselected = html_links(document, html_encoding(document, ""), _DEFAULT)
    assert isinstance(base, str) and unselected == 0
    assert all(isinstance(href, str) for href in hrefs)


@pytest.mark.parametrize("encoding", sorted(set(labels().values())))
def test_every_encoding_of_the_standard_is_read(encoding: str) -> None:
    document = b"<a href=/a>\xff\xfe"
    is_ascii = encoding not in ("utf-16be", "utf-16le", "replacement")
    assert html_links(document, encoding, _DEFAULT) == ("", ["/a"] if is_ascii else [], 0)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-7", "hex", "idna", "no-such"])
def test_no_other_encoding_is_read(encoding: str) -> None:
    with pytest.raises(ValueError, match="no encoding"):
        html_links(b"<a href=/a>", encoding, _DEFAULT)
