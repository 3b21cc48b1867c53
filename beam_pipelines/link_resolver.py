"""Links of captures as indices into a table of distinct canonical URLs, with caches for what a site repeats.

A page's links mostly repeat those of its site, and how a relative link resolves depends on the directory of the base,
not on the whole base, unless the link is empty or starts with `?` or `#`. So each directory has its own dictionary from
link as written to table index, and a page costs one dictionary look-up a link.
"""

import re
import string
from array import array

import numpy as np
import xxhash

from webgraph.canonical_url import BaseUrl, rejection_reason, top_level_domain

NOT_HTTP = -1
NOT_A_URL = -2

_PATH_STARTS = frozenset(string.ascii_letters + string.digits + "/._~%-")
"""A link that starts with one of these has a path or a scheme of its own."""
_MAYBE_SCHEME_ONLY = re.compile(r"h[\t\n\r]*t[\t\n\r]*t[\t\n\r]*p[\t\n\r]*s?[\t\n\r]*:(?!//)", re.IGNORECASE)
"""`https:?q` has the scheme of the base and no path: it takes the path of the base."""


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


class LinkResolver:
    """Turns links into indices of a table of distinct links, which grows until it is taken with `table`."""

    def __init__(self, masks: TldMasks) -> None:
        self._masks = masks
        self._index: dict[str, int] = {}
        self._digests: list[bytes] = []
        self._mask_of: array[int] = array("Q")
        self._mask_of_origin: dict[str, int] = {}
        self._directories: dict[str, dict[str, int]] = {}
        self.num_cached = 0

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, url: str) -> int:
        """Returns the index of a canonical URL."""
        index = self._index.get(url)
        if index is None:
            index = self._index[url] = len(self._digests)
            self._digests.append(xxhash.xxh3_128_digest(url.encode()))
            self._mask_of.append(self._mask(url))
        return index

    def resolve(self, hrefs: list[str], base: BaseUrl) -> list[int]:
        """Returns for each link, as written, its index, or NOT_HTTP or NOT_A_URL."""
        cache = self._directory(base.href)
        indices = list(map(cache.get, hrefs))
        if None not in indices:
            return indices  # type: ignore[return-value]  # no None, just checked
        own = self.add(base.href)
        return [
            index if index is not None else own if href.startswith("#") else self._resolve_new(href, base, cache)
            for index, href in zip(indices, hrefs, strict=True)
        ]

    def table(self) -> tuple[bytes, np.ndarray]:
        """The distinct links so far: their concatenated xxh3_128 digests, and uint64[links] of masks."""
        return b"".join(self._digests), np.array(self._mask_of, dtype=np.uint64)

    def _resolve_alone(self, href: str, base: BaseUrl) -> int:
        url = base.join(href)
        if url is not None:
            return self.add(url)
        return NOT_HTTP if rejection_reason(href) == "not_http" else NOT_A_URL

    def _mask(self, url: str) -> int:
        origin = url[: url.index("/", 8)]  # the first slash behind `http://` or `https://` and a host
        mask = self._mask_of_origin.get(origin)
        if mask is None:
            mask = self._mask_of_origin[origin] = self._masks.mask(url)
        return mask

    def _directory(self, base: str) -> dict[str, int]:
        query = base.find("?")
        directory = base[: base.rfind("/", 0, query if query >= 0 else len(base))]
        return self._directories.setdefault(directory, {})

    def _resolve_new(self, href: str, base: BaseUrl, cache: dict[str, int]) -> int:
        bare = href.partition("#")[0]
        if bare != href and bare[-1:] > " ":  # a space before the fragment belongs to the path, at the end it does not
            known = cache.get(bare)
            index = self._resolve_new(bare, base, cache) if known is None else known
        else:
            index = self._resolve_alone(href, base)
        if href[:1] in _PATH_STARTS and not _MAYBE_SCHEME_ONLY.match(href):
            cache[href] = index
            self.num_cached += 1
        return index
