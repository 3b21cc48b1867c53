"""Links resolved as arrays against `BaseUrl.join`, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webgraph.test_canonical_url import HREFS
from webgraph.arrow_arrays import string_array
from webgraph.canonical_url import BaseUrl
from webgraph.link_arrays import join_parsed, join_plain


def _join_all(hrefs: list[str], base: np.ndarray, bases: list[str]) -> list[str | None]:
    """What `join_plain` gives, and `join_parsed` for the others."""
    plain = join_plain(string_array(hrefs), base, bases)
    urls: list[str | None] = [""] * len(hrefs)
    for at, url in zip(plain.relative, plain.relative_urls.to_pylist(), strict=True):
        urls[at] = url
    for at, url in zip(plain.absolute, plain.absolute_urls.to_pylist(), strict=True):
        urls[at] = url
    others = [at for at, url in enumerate(urls) if not url]
    for at, url in zip(others, join_parsed([hrefs[at] for at in others], base[others], bases), strict=True):
        urls[at] = url
    return urls


def _join_one(base: str, hrefs: list[str]) -> list[str | None]:
    return _join_all(hrefs, np.zeros(len(hrefs), dtype=np.int64), [base])


@given(
    st.lists(st.one_of(HREFS, st.sampled_from(["/a", "b#c", "mailto:a@b", "http://[", "//xn--a"])), max_size=5),
    st.data(),
)
def test_joining_together_is_joining_one_by_one(hrefs: list[str], choice: st.DataObject) -> None:
    bases = ["http://a.de/x/y?q", "https://b.in/z/", "http://xn--a.de/"]
    of_href = np.array(choice.draw(st.lists(st.integers(0, 2), min_size=len(hrefs), max_size=len(hrefs))), dtype=int)
    expected = [BaseUrl(bases[base]).join(href) for href, base in zip(hrefs, of_href.tolist(), strict=True)]
    assert _join_all(hrefs, of_href, bases) == expected
    assert join_parsed(hrefs, of_href, bases) == expected


@given(
    st.lists(
        st.builds(
            "{}{}".format,
            st.sampled_from(["", "./", "../", "./../../", "../" * 8, "../" * 9, "../" * 20, "//h.de"]),
            st.text("/a.%2e-~_?=&:;@h", max_size=12),
        ),
        max_size=6,
    ),
    st.sampled_from(
        [
            "http://a.de/",
            "https://a.de:81/x/y",
            "http://a.de/x/?/q/r",
            "http://[::1]/x//y",
            "http://a.de/c:/x//y/z",
            "http://a.de/1/2/3/4/5/6/7/8/9/10/",
            "http://xn--a.de/b/",
        ]
    ),
)
@settings(max_examples=800)
def test_plain_relative_links_need_no_parser(hrefs: list[str], base: str) -> None:
    assert _join_one(base, hrefs) == [BaseUrl(base).join(href) for href in hrefs]


@given(
    st.lists(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["http://", "https://", "http:/", "HTTP://"]),
            st.text("a0.-xn:%", max_size=10)
            | st.sampled_from(["xn--a.de", "a.xn--b", "1.2.3.4", "a.0x1", "a-", "a--b.c"]),
            st.text("/a.%2e-~_?=&:;@#", max_size=8),
        ),
        max_size=6,
    )
)
@settings(max_examples=1500)
def test_plain_urls_need_no_parser(hrefs: list[str]) -> None:
    base = "http://a.de/x/y"
    assert _join_one(base, hrefs) == [BaseUrl(base).join(href) for href in hrefs]


@pytest.mark.parametrize(
    "href", ["a", "/a/b.html?x=1&y", "../x/", "./", "/", "../..//", "./?q", "http://a.de/", "//b.in/x?y", "a/b-c/~d/?"]
)
def test_usual_links_are_plain(href: str) -> None:
    plain = join_plain(string_array([href]), np.zeros(1, dtype=np.int64), ["http://a.de/x/y/z"])
    assert len(plain.relative) + len(plain.absolute) == (href != "../..//")
