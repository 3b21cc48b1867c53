"""Canonical URLs against the web platform tests, ada-url, and plain tuples."""

import json
import re
from typing import Any

import ada_url
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.shared_data import shared_data
from webgraph.canonical_url import (
    BaseUrl,
    canonicalize,
    host_of,
    node_sort_key,
    rejection_reason,
    top_level_domain,
)

_ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF), max_size=40)  # surrogates too
_PIECES = st.sampled_from(
    [
        "http:", "https:", "HTTP:", "ftp:", "javascript:", "//", "/", "\\", "\\\\", "?", "#", "@", ":", "::", "[", "]",
        "a", "B", "example.com", "EXAMPLE.de", "xn--", "xn--bcher-kva", "b\u00fccher.de", "fa\u00df.de", "\u3002", ".",
        "..", "%2e", "%", "%zz", "%C3%A4", "%41", "\u00e4", "\u00ad", "\u200d", "^", "|", "`", "{", "}", "<", ">", '"',
        "'", " ", "\t", "\n", "\r", "\x00", "\x1f", "\x7f", "80", "443", "8080", "65536", "0x7f.1", "127.1", "1.2.3.4",
        "[::1]", "[1::2%]", "user:pw@", "index.html", "q=1&r=2", "\ud800", "\U0001f600", "http://[IP", "//h/p", ";x",
    ]
)  # fmt: skip
_LIKE_URLS = st.lists(_PIECES, max_size=8).map("".join)
HREFS = st.one_of(_LIKE_URLS, _ANY_TEXT, st.builds("http://{}/{}".format, _LIKE_URLS, _ANY_TEXT))
_BASES = st.sampled_from(
    ["http://a.de/", "https://www.example.org:8080/x/y.html?q=1", "http://[::1]/a/b/", "https://xn--bcher-kva.de/ä^/x"]
)


def _by_ada(url: str, base: str | None) -> str | None:
    """The standard's serialisation without fragment and credentials, from ada-url alone."""
    url = re.sub("[\ud800-\udfff]", "\ufffd", url)
    try:
        parsed = ada_url.URL(url) if base is None else ada_url.URL(url, base=base)
    except ValueError:
        return None
    if parsed.protocol not in ("http:", "https:"):
        return None
    return _without_credentials(parsed.href)


def _without_credentials(href: str) -> str:
    return re.sub(r"^(https?://)[^/?#]*@", r"\1", href.partition("#")[0])


def _cases() -> list[dict[str, Any]]:
    cases = json.loads(shared_data("urls", "urltestdata.json").read_text())
    return [case for case in cases if isinstance(case, dict)]


def _expected(case: dict[str, Any]) -> str | None:
    href = case.get("href", "")
    return _without_credentials(href) if href.startswith(("http:", "https:")) else None


def test_web_platform_url_cases() -> None:
    num_urls, wrong = 0, []
    for case in _cases():
        base = BaseUrl.parse(case["base"]) if case.get("base") else None
        expected, found = _expected(case), canonicalize(case["input"], base)
        num_urls += expected is not None
        if found != expected:
            wrong.append((case["input"], case.get("base"), expected, found))
    assert not wrong
    assert num_urls == 247  # so many cases have an http or https URL as their result


def test_web_platform_cases_of_hosts() -> None:
    cases = [case for case in json.loads(shared_data("urls", "toascii.json").read_text()) if isinstance(case, dict)]
    assert len(cases) > 80
    for case in cases:
        expected = None if case["output"] is None else f"https://{case['output']}/x"
        assert canonicalize(f"https://{case['input']}/x") == expected, case


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("HTTP://WWW.Example.ORG:80/a/./b/../c#top", "http://www.example.org/a/c"),
        ("https://example.org:443", "https://example.org/"),
        ("https://example.org:80/", "https://example.org:80/"),
        ("http://user:secret@example.org/x?y#z", "http://example.org/x?y"),
        ("http://b\u00fccher.de/\u00e4 b?\u00e4", "http://xn--bcher-kva.de/%C3%A4%20b?%C3%A4"),
        ("https://example%2Ecom/", "https://example.com/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http:////x/y", "http://x/y"),
        ("  http://a.de/x\ny ", "http://a.de/xy"),
        ("http://a.de/90%+of", "http://a.de/90%+of"),
        ("http://a.de/x?", "http://a.de/x?"),
        ("http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://a.de/^?^", "http://a.de/%5E?^"),
        ("http://a_b.de/", "http://a_b.de/"),
        ("http://[IP-Adresse", None),
        ("http://google.com]", None),
        ("http://a.de:99999/", None),
        ("http://exa mple.de/", None),
        ("mailto:a@b.de", None),
        ("/relative", None),
        ("", None),
    ],
)
def test_known_answers(written: str, canonical: str | None) -> None:
    assert canonicalize(written) == canonical


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("", "http://a.de/x/y?q=1"),
        ("#top", "http://a.de/x/y?q=1"),
        ("?r=2", "http://a.de/x/y?r=2"),
        ("z", "http://a.de/x/z"),
        ("../../..", "http://a.de/"),
        ("//b.de", "http://b.de/"),
        ("///b.de/c", "http://b.de/c"),
        ("\\z", "http://a.de/z"),
        ("http:z", "http://a.de/x/z"),
        ("https:z", "https://z/"),
        ("javascript:void(0)", None),
        ("http://[IP", None),
    ],
)
def test_joins(href: str, expected: str | None) -> None:
    base = BaseUrl.parse("http://a.de/x/y?q=1#here")
    assert base is not None
    assert base.join(href) == expected


@given(HREFS)
@settings(max_examples=600)
@example("http://\ud800/")
@example("http://a.de/\udfff")
@example("http://xn--/")
def test_canonical_form_is_total_and_idempotent(url: str) -> None:
    first = canonicalize(url)
    assert rejection_reason(url) in ("not_http", "not_a_url")
    if first is not None:
        assert canonicalize(first) == first
        assert first.startswith(("http://", "https://"))
        assert first.isascii() and "#" not in first and "\n" not in first


@given(HREFS, st.none() | _BASES)
@settings(max_examples=800)
def test_both_parsers_agree(href: str, base: str | None) -> None:
    parsed = None if base is None else BaseUrl.parse(base)
    assert canonicalize(href, parsed) == _by_ada(href, base)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mailto:a@b.de", "not_http"),
        (" java\nscript:void(0)", "not_http"),
        ("tel:+49", "not_http"),
        ("http://[IP", "not_a_url"),
        ("HTTPS://", "not_a_url"),
        ("no scheme", "not_a_url"),
        ("", "not_a_url"),
    ],
)
def test_reasons(url: str, reason: str) -> None:
    assert rejection_reason(url) == reason


@pytest.mark.parametrize(
    ("url", "host", "tld"),
    [
        ("http://www.example.de/x.com", "www.example.de", "de"),
        ("https://example.de./", "example.de.", "de"),
        ("https://example.in:8080/", "example.in", "in"),
        ("http://192.0.2.1/de", "192.0.2.1", ""),
        ("http://192.0.2.1:81/", "192.0.2.1", ""),
        ("http://[2001:db8::de]/", "[2001:db8::de]", ""),
        ("http://[2001:db8::1]:80000/", "[2001:db8::1]", ""),
        ("http://localhost/", "localhost", "localhost"),
        ("http://xn--bcher-kva.xn--p1ai/", "xn--bcher-kva.xn--p1ai", "xn--p1ai"),
    ],
)
def test_hosts_and_top_level_domains(url: str, host: str, tld: str) -> None:
    assert host_of(url) == host
    assert top_level_domain(url) == tld


def _tuple_of(url: str) -> tuple[tuple[bytes, ...], bytes, bytes, bytes, bytes]:
    """Host labels reversed, port, path, query, scheme, each as bytes, by the URL's grammar."""
    match = re.fullmatch(r"(https?)://(\[[^]]*\]|[^:/]*)(:[0-9]+)?(/[^?]*)(\?.*)?", url)
    assert match is not None
    scheme, host, port, path, query = match.groups(default="")
    is_address = host.startswith("[") or bool(re.fullmatch(r"[0-9]+(\.[0-9]+){3}", host))
    labels = [host] if is_address else host.split(".")[::-1]
    return tuple(label.encode() for label in labels), port[1:].encode(), path.encode(), query.encode(), scheme.encode()


_LABELS = st.text("ab-0", min_size=1, max_size=2).filter(lambda label: not label.isdigit())
_HOSTS = st.one_of(
    st.lists(_LABELS, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["1.2.3.4", "1.2.3.40", "[::1]", "[::2]", "a.a.", "a.a-"]),
)
_URLS = st.builds(
    "{}://{}{}/{}{}".format,
    st.sampled_from(["http", "https"]),
    _HOSTS,
    st.sampled_from(["", "", ":8080", ":81"]),
    st.text("a/b!.~-", max_size=3),
    st.sampled_from(["", "?", "?a", "?a/b", "?!"]),
)


@given(st.lists(_URLS, min_size=2, max_size=12, unique=True))
@settings(max_examples=200)
def test_order_of_nodes_is_the_order_of_tuples(urls: list[str]) -> None:
    assert sorted(urls, key=node_sort_key) == sorted(urls, key=_tuple_of)
    assert len({node_sort_key(url) for url in urls}) == len(urls)


def test_order_of_nodes_by_hand() -> None:
    urls = [
        "http://1.2.3.4/",
        "https://a.de/",
        "http://a.de/b",
        "https://a.de/b",
        "http://a.de/b?",
        "http://a.de/b?x",
        "http://a.de/b/c",
        "http://a.de:81/a",
        "http://www.a.de/",
        "http://a-b.de/",
        "http://a.in/",
    ]
    assert sorted(reversed(urls), key=node_sort_key) == urls
