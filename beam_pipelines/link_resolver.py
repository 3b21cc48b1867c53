"""Links of captures as indices into a table of distinct canonical URLs; what a site repeats is resolved once.

A page's links mostly repeat those of its site, and how a relative link resolves depends on the directory of the base,
not on the whole base, unless the link is empty or starts with `?` or `#`. So each directory has a dictionary from link
as written to a slot, a number of its own, and while pages are read a link costs one look-up, run by `map` and not by a
Python loop. When all pages are there, each slot is resolved once, all of them together, and slots become indices as
arrays.
"""

import dataclasses
import itertools
import re
import string
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import xxhash

from webgraph.arrow_arrays import numbers_of, string_array
from webgraph.canonical_url import rejection_reason, top_level_domain
from webgraph.link_arrays import join_parsed, join_plain, without_fragments

NOT_HTTP = -1
NOT_A_URL = -2
_BASE = -3
_OF_BASE = -4
"""Links that are the base itself (empty, or only a fragment), and links that depend on the whole base."""
_TOGETHER = 1 << 14
"""Links that are resolved together, so that their arrays are small and stay in the cache."""

_PATH_STARTS = frozenset(string.ascii_letters + string.digits + "/._~%-") - {"h", "H"}
"""A link that starts with one of these has a path or a scheme of its own."""
_ABSOLUTE = ("http://", "https://")
_HTTP_AND_PATH = re.compile(r"h(?![\t\n\r]*t[\t\n\r]*t[\t\n\r]*p[\t\n\r]*s?[\t\n\r]*:(?!//))", re.IGNORECASE)
"""So has one that starts with `h`, but for `https:?q`, which has the scheme of the base and takes its path."""


class TldMasks:
    """Which variants a link can take part in, by its top-level domain: bit v is set for variant v.

    Args:
      tlds_of_variants: the TLDs of each variant; empty for the whole web.
    """

    def __init__(self, tlds_of_variants: tuple[tuple[str, ...], ...]) -> None:
        self._any = sum(1 << v for v, tlds in enumerate(tlds_of_variants) if not tlds)
        self._by_tld = {
            tld: sum(1 << v for v, tlds in enumerate(tlds_of_variants) if not tlds or tld in tlds)
            for tld in {tld for tlds in tlds_of_variants for tld in tlds}
        }

    def mask(self, url: str) -> int:
        """The mask of a canonical URL."""
        return self._by_tld.get(top_level_domain(url), self._any)

    def mask_all(self, urls: Iterable[str]) -> list[int]:
        """The masks of canonical URLs; neighbours mostly share their host."""
        masks = []
        of_host: dict[str, int] = {}
        host, mask = "\0", 0
        for url in urls:
            if not url.startswith(host):
                host = url[: url.index("/", len("https://")) + 1]
                found = of_host.get(host)
                mask = of_host[host] = self.mask(url) if found is None else found
            masks.append(mask)
        return masks


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ResolvedLinks:
    """Links and pages as indices of a table of the distinct URLs.

    Attributes:
      links: int64[links], or NOT_HTTP or NOT_A_URL.
      pages: int64[pages].
      digests: the concatenated xxh3_128 digests of the table's URLs.
      masks: uint64[urls], see `TldMasks`.
    """

    links: np.ndarray
    pages: np.ndarray
    digests: bytes
    masks: np.ndarray


class _Directory(defaultdict[str, int]):
    """Slots of the links that pages of one directory have, as written, and a base of that directory."""

    def __init__(self, base: str, next_slot: Callable[[], int]) -> None:
        super().__init__(next_slot)
        self.base = base


class LinkResolver:
    """Takes in links, as written, and then gives them as indices of a table of the distinct URLs."""

    def __init__(self, masks: TldMasks) -> None:
        self._masks = masks
        self._next_slot = itertools.count().__next__
        self._directories: dict[str, _Directory] = {}
        self.num_slots = 0

    def slots(self, hrefs: list[str], base: str) -> list[int]:
        """Returns the slot of each link, as written on a page with a canonical base URL."""
        query = base.find("?")
        name = base[: base.rfind("/", 0, query if query >= 0 else len(base))]
        directory = self._directories.get(name)
        if directory is None:
            directory = self._directories[name] = _Directory(base, self._next_slot)
        before = len(directory)
        slots = list(map(directory.__getitem__, hrefs))
        self.num_slots += len(directory) - before
        return slots

    def resolve(
        self, slots: np.ndarray, lengths: np.ndarray, bases: Sequence[str], pages: Sequence[str]
    ) -> ResolvedLinks:
        """Resolves the links of all pages, and forgets them. May be called once.

        Args:
          slots: int64[links], the slots of the pages' links, one page after another.
          lengths: int64[pages], how many links each page has.
          bases: [pages], the base URLs that the slots were asked for with.
          pages: [pages], the canonical URLs of the pages.
        """
        table = _UrlTable(self._masks)
        base_of_directory = [directory.base for directory in self._directories.values()]
        base = np.repeat(np.arange(len(self._directories)), list(map(len, self._directories.values())))
        hrefs: list[str] = []
        href_of_slot = np.empty(self.num_slots, dtype=np.int64)
        for directory in self._directories.values():
            of_directory = np.fromiter(directory.values(), np.int64, len(directory))
            href_of_slot[of_directory] = np.arange(len(hrefs), len(hrefs) + len(directory))
            hrefs += directory
            directory.clear()  # all that is held at once counts
        self._directories, self.num_slots = {}, 0
        href = href_of_slot[slots]
        links = self._resolve_distinct(hrefs, base, base_of_directory, table)[href]
        page = np.repeat(np.arange(len(lengths)), lengths)
        is_base = np.flatnonzero(links == _BASE)
        needed = np.flatnonzero(np.bincount(page[is_base], minlength=len(lengths)))
        place_of_base = np.empty(len(lengths), dtype=np.int64)
        place_of_base[needed] = table.add([bases[at] for at in needed.tolist()])
        links[is_base] = place_of_base[page[is_base]]
        of_base = np.flatnonzero(links == _OF_BASE)
        number_of_base: dict[str, int] = {}
        number = np.array([number_of_base.setdefault(each, len(number_of_base)) for each in bases], dtype=np.int64)
        # What many pages have is joined once: each joined link holds the whole base.
        pairs, which = np.unique(number[page[of_base]] * len(hrefs) + href[of_base], return_inverse=True)
        number_of_pair, href_of_pair = np.divmod(pairs, max(1, len(hrefs)))
        queries = [hrefs[at] for at in href_of_pair.tolist()]
        del hrefs, href, href_of_slot, base
        links[of_base] = table.add_joined(queries, join_parsed(queries, number_of_pair, list(number_of_base)))[which]
        return table.resolved(links, table.add(pages))

    def _resolve_distinct(
        self, hrefs: list[str], base: np.ndarray, bases: Sequence[str], table: "_UrlTable"
    ) -> np.ndarray:
        """Returns int64[hrefs]: for each distinct link, its place, NOT_HTTP, NOT_A_URL, _BASE or _OF_BASE."""
        masks = np.array(self._masks.mask_all(bases), dtype=np.uint64)
        found = [np.empty(0, dtype=np.int64)]
        for start in range(0, len(hrefs), _TOGETHER):
            batch = slice(start, start + _TOGETHER)
            distinct, distinct_base, number = without_fragments(hrefs[batch], base[batch])
            found.append(_resolve_batch(distinct, distinct_base, bases, masks, table)[number])
        return np.concatenate(found)


def _resolve_batch(
    hrefs: list[str], base: np.ndarray, bases: Sequence[str], masks: np.ndarray, table: "_UrlTable"
) -> np.ndarray:
    """See `LinkResolver._resolve_distinct`; `masks` are those of the bases."""
    plain = join_plain(string_array(hrefs), base, bases)
    found = np.full(len(hrefs), _OF_BASE)
    found[plain.relative] = table.add_array(plain.relative_urls, masks[base[plain.relative]])
    found[plain.absolute] = table.add_array(plain.absolute_urls)
    parsed = []
    for at in np.flatnonzero(found == _OF_BASE).tolist():
        if not hrefs[at]:
            found[at] = _BASE
        elif _has_path(hrefs[at]):
            parsed.append(at)
    others = [hrefs[at] for at in parsed]
    found[parsed] = table.add_joined(others, join_parsed(others, base[parsed], bases))
    return found


class _UrlTable:
    """Collects URLs, each of which has a place: how many were added before."""

    def __init__(self, masks: TldMasks) -> None:
        self._masks = masks
        self._urls: list[pa.LargeStringArray] = []
        self._mask: list[np.ndarray] = []
        self._num_urls = 0

    def add_array(self, urls: pa.LargeStringArray, masks: np.ndarray | None = None) -> np.ndarray:
        """Adds URLs, and returns int64[urls], their places."""
        if masks is None:
            masks = np.array(self._masks.mask_all(urls.to_pylist()), dtype=np.uint64)
        self._urls.append(urls)
        self._mask.append(masks)
        self._num_urls += len(urls)
        return np.arange(self._num_urls - len(urls), self._num_urls)

    def add(self, urls: Sequence[str]) -> np.ndarray:
        """The same for strings."""
        return self.add_array(string_array(urls), np.array(self._masks.mask_all(urls), dtype=np.uint64))

    def add_joined(self, hrefs: Sequence[str], urls: Sequence[str | None]) -> np.ndarray:
        """Adds what links were resolved to. Returns int64[links]: places, or why a link has none."""
        if None not in urls:
            return self.add(urls)  # type: ignore[arg-type]
        places = np.array(
            [_rejection(href) if url is None else 0 for href, url in zip(hrefs, urls, strict=True)], dtype=np.int64
        )
        places[places == 0] = self.add([url for url in urls if url is not None])
        return places

    def resolved(self, links: np.ndarray, pages: np.ndarray) -> ResolvedLinks:
        """Makes the table. `links` and `pages` are places; negative ones stay as they are."""
        encoded = pa.chunked_array(self._urls, pa.large_string()).dictionary_encode().chunks
        index = np.concatenate([np.empty(0, np.int64), *(numbers_of(chunk.indices) for chunk in encoded)])
        urls = (encoded[-1].dictionary if encoded else string_array([])).view(pa.large_binary())  # one for all
        masks = np.empty(len(urls), dtype=np.uint64)
        masks[index] = np.concatenate(self._mask)
        digests: list[bytes] = []
        for start in range(0, len(urls), _TOGETHER):
            digests += map(xxhash.xxh3_128_digest, urls[start : start + _TOGETHER].to_pylist())
        links[links >= 0] = index[links[links >= 0]]
        return ResolvedLinks(links=links, pages=index[pages], digests=b"".join(digests), masks=masks)


def _has_path(href: str) -> bool:
    """Whether a link has a path or a scheme of its own."""
    return href[:1] in _PATH_STARTS or href.startswith(_ABSOLUTE) or _HTTP_AND_PATH.match(href) is not None


def _rejection(href: str) -> int:
    return NOT_HTTP if rejection_reason(href) == "not_http" else NOT_A_URL
