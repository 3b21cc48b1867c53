"""Links of captures as indices into a table of distinct canonical URLs; what a site repeats is resolved once.

A page's links mostly repeat those of its site, and how a relative link resolves depends on the directory of the base,
not on the whole base, unless the link is empty or starts with `?` or `#`. So each directory has a dictionary from link
as written to a slot, a number of its own, and while pages are read a link costs one look-up, run by `map` and not by a
Python loop. When all pages are there, each slot is resolved once, and slots become indices as arrays.
"""

import itertools
import re
import string
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import xxhash

from webgraph.canonical_url import BaseUrl, rejection_reason, top_level_domain

NOT_HTTP = -1
NOT_A_URL = -2
_BASE = -3
_OF_BASE = -4
"""Links that are the base itself (empty, or only a fragment), and links that depend on the whole base."""

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
        self._index: defaultdict[str, int] = defaultdict(itertools.count(1).__next__)  # a new URL has the next index
        self._index[""] = 0  # in the place of links that are no plain ones
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

    def resolve(self, slots: np.ndarray, lengths: np.ndarray, bases: list[str]) -> np.ndarray:
        """Resolves the links of all pages.

        Args:
          slots: int64[links], the slots of the pages' links, one page after another.
          lengths: int64[pages], how many links each page has.
          bases: [pages], the base URLs that the slots were asked for with.

        Returns:
          int64[links]: the index of each link in the table, or NOT_HTTP or NOT_A_URL.
        """
        numbers, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        href_of_slot: dict[int, str] = {}  # where the whole base is needed
        for directory in self._directories.values():
            hrefs = list(directory)
            of_directory = np.fromiter(directory.values(), np.int64, len(directory))
            found = self._resolve_directory(hrefs, BaseUrl(directory.base))
            numbers.append(of_directory)
            places.append(found)
            for at in np.flatnonzero(found == _OF_BASE).tolist():
                href_of_slot[int(of_directory[at])] = hrefs[at]
        index_of_slot = np.empty(self.num_slots, dtype=np.int64)
        index_of_slot[np.concatenate(numbers)] = np.concatenate(places)
        links = index_of_slot[slots]
        page = np.repeat(np.arange(len(lengths)), lengths)
        is_base = links == _BASE
        links[is_base] = self.indices(bases)[page[is_base]]
        base = BaseUrl("")
        for at in np.flatnonzero(links == _OF_BASE).tolist():
            if base.href != bases[page[at]]:  # parsed once a page: a hostile one is long, and has many such links
                base = BaseUrl(bases[page[at]])
            href = href_of_slot[int(slots[at])]
            links[at] = self._place(href, base.join(href))
        return links

    def indices(self, urls: list[str]) -> np.ndarray:
        """Returns int64[urls]: the indices of canonical URLs."""
        return np.fromiter(map(self._index.__getitem__, urls), np.int64, len(urls))

    def table(self) -> tuple[bytes, np.ndarray]:
        """The distinct URLs so far, after one that no link has: their concatenated xxh3_128 digests, and uint64[urls]
        of masks.
        """
        digests = b"".join(map(xxhash.xxh3_128_digest, map(str.encode, self._index)))
        masks = self._masks.mask_all(itertools.islice(self._index, 1, None))
        return digests, np.array([0, *masks], dtype=np.uint64)

    def _resolve_directory(self, hrefs: list[str], base: BaseUrl) -> np.ndarray:
        """Returns for each distinct link its index, NOT_HTTP, NOT_A_URL, _BASE or _OF_BASE."""
        if "#" not in "".join(hrefs):
            return self._resolve_stems(hrefs, base)
        number: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        stems = (_without_fragment(href) if "#" in href else href for href in hrefs)
        number_of_href = np.fromiter(map(number.__getitem__, stems), np.int64, len(hrefs))
        return self._resolve_stems(list(number), base)[number_of_href]

    def _resolve_stems(self, distinct: list[str], base: BaseUrl) -> np.ndarray:
        """The same for links whose fragments were cut off."""
        urls = base.join_plain(distinct)
        found = list(map(self._index.__getitem__, urls))
        parsed = []
        for at in _places_of("", urls):
            found[at] = _OF_BASE
            if _has_path(distinct[at]):
                parsed.append(at)
        hrefs = [distinct[at] for at in parsed]
        for at, href, url in zip(parsed, hrefs, base.join_parsed(hrefs), strict=True):
            found[at] = self._place(href, url)
        if "" in distinct:
            found[distinct.index("")] = _BASE
        return np.array(found, dtype=np.int64)

    def _place(self, href: str, url: str | None) -> int:
        """The index of what a link was resolved to, or why it was not."""
        return _rejection(href) if url is None else self._index[url]


def _places_of(text: str, texts: list[str]) -> Iterator[int]:
    """Yields where in a list a text is. Where it is rare, in a third of the time of a loop over the list."""
    at = -1
    for _ in range(texts.count(text)):
        at = texts.index(text, at + 1)
        yield at


def _has_path(href: str) -> bool:
    """Whether a link has a path or a scheme of its own."""
    return href[:1] in _PATH_STARTS or href.startswith(_ABSOLUTE) or _HTTP_AND_PATH.match(href) is not None


def _rejection(href: str) -> int:
    return NOT_HTTP if rejection_reason(href) == "not_http" else NOT_A_URL


def _without_fragment(href: str) -> str:
    """The link that resolves alike. A blank belongs to the path before a fragment, and not at the end of a link."""
    bare = href.partition("#")[0]
    return href if bare[-1:] and bare[-1] <= " " else bare
