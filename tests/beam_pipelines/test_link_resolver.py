"""The caching resolver against resolving each link by itself."""

from collections.abc import Sequence

import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_pipelines import link_resolver
from beam_pipelines.link_resolver import NOT_A_URL, NOT_HTTP, LinkResolver, TldMasks
from webgraph.canonical_url import BaseUrl, rejection_reason

_BASES = st.sampled_from(
    [
        "http://a.de/",
        "https://a.de/",
        "http://a.de/x",
        "http://a.de/x/",
        "http://a.de/x/y",
        "http://a.de/x/z?q=/1/2",
        "http://a.de/x/z?",
        "http://a.de:81/x/y",
        "http://b.in/x/y;p",
        "http://[::1]/x/",
        "http://a.de//x//",
    ]
)
_HREFS = st.one_of(
    st.sampled_from(
        ["", "#", "#x", " #x", "\t#", "?", "?q", " ?q", "x", "./x", "../x", "/x", "//h", " //h", "///h", "\\x",
         "http:x",
         "http:", "HTTP:x?y", "https:x", "http:/x", "http:\\\\h", "ht\ntp:x", "\x00", " ", "\n", "http:?q", "http:#x",
         ".",
         "..", "//", "http://[IP", "mailto:x", "javascript:", "x#y", "x?y#z", ";p", "\n?q", "h\tttp:", "\x1f#", "\x7f#",
         "\u00a0#", "\ufeff?q", "http:\t//h/", "http:\n"]
    ),
    st.text(" \t\nhtps:/?#.x\\@", max_size=7),
)  # fmt: skip


@given(st.lists(st.tuples(_BASES, st.lists(_HREFS, max_size=6)), max_size=12))
@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("together", [2, 1 << 14])
def test_resolving_together_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, together: int, pages: list[tuple[str, list[str]]]
) -> None:
    monkeypatch.setattr(link_resolver, "_TOGETHER", together)
    masks = TldMasks(((), ("de",), ("in",)))
    resolver = LinkResolver(masks)
    slots = [slot for base, hrefs in pages for slot in resolver.slots(hrefs, base)]
    lengths = np.array([len(hrefs) for _, hrefs in pages], dtype=np.int64)
    bases = [base for base, _ in pages]
    resolved = resolver.resolve(np.array(slots, dtype=np.int64), lengths, bases, bases)
    urls = dict(zip(resolved.pages.tolist(), bases, strict=True))
    written = ((base, href) for base, hrefs in pages for href in hrefs)
    for (base, href), index in zip(written, resolved.links.tolist(), strict=True):
        url = BaseUrl(base).join(href)
        if url is None:
            assert index == (NOT_HTTP if rejection_reason(href) == "not_http" else NOT_A_URL), href
        else:
            assert urls.setdefault(index, url) == url, (base, href)
    assert len(set(urls.values())) == len(urls)
    assert sorted(urls) == list(range(len(resolved.masks)))
    for index, url in urls.items():
        assert resolved.digests[16 * index : 16 * index + 16] == xxhash.xxh3_128_digest(url.encode())
        assert resolved.masks[index] == masks.mask(url)


@pytest.mark.parametrize(
    ("url", "mask"),
    [
        ("http://a.de/", 0b0111),
        ("http://a.in/", 0b0101),
        ("http://a.com./", 0b1001),
        ("http://a.org/", 0b0001),
        ("http://192.0.2.1/", 0b0001),
    ],
)
def test_masks(url: str, mask: int) -> None:
    assert TldMasks(((), ("de",), ("de", "in"), ("com",))).mask(url) == mask


def test_queries_that_many_pages_have_are_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds the whole base, and nothing says how many pages of a directory have the same."""
    joined: list[list[str]] = []
    join = link_resolver.join_parsed

    def counted(hrefs: Sequence[str], base: np.ndarray, bases: Sequence[str]) -> list[str | None]:
        joined.append(list(hrefs))
        return join(hrefs, base, bases)

    monkeypatch.setattr(link_resolver, "join_parsed", counted)
    bases = ["http://a.de/x/y", "http://a.de/x/y", "http://a.de/x/z"]
    hrefs = [["?a", "?b", "?a"], ["?a", "c"], ["?a", "?a", ""]]
    resolver = LinkResolver(TldMasks(((),)))
    slots = [slot for links, base in zip(hrefs, bases, strict=True) for slot in resolver.slots(links, base)]
    found = resolver.resolve(np.array(slots), np.array([len(links) for links in hrefs]), bases, bases)
    assert sorted(joined[-1]) == ["?a", "?a", "?b"]
    urls = ["/x/y?a", "/x/y?b", "/x/y?a", "/x/y?a", "/x/c", "/x/z?a", "/x/z?a", "/x/z"]
    digests = [xxhash.xxh3_128_digest(f"http://a.de{url}".encode()) for url in urls]
    assert [found.digests[16 * at : 16 * at + 16] for at in found.links.tolist()] == digests
