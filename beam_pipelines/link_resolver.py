"""Links of captures as indices into a table of distinct canonical URLs, with caches for what a site repeats.

A page's links mostly repeat those of its site, and how a relative link resolves depends on the directory of the base,
not on the whole base, unless the link is empty or starts with `?` or `#`. So each directory has its own dictionary from
link as written to table index, and a page costs two dictionary look-ups a link, run by `map` and not by a Python loop.
Links that are new to the directory are resolved together, once a page. URLs are hashed when the table is taken.
"""

import itertools
import re
import string
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import xxhash

from webgraph.canonical_url import BaseUrl, rejection_reason, top_level_domain

NOT_HTTP = -1
NOT_A_URL = -2
BASE = -3
"""The base itself, for a link that is empty or only a fragment: the one answer that is the same for all bases."""

_PATH_STARTS = frozenset(string.ascii_letters + string.digits + "/._~%-") - {"h", "H"}
"""A link that starts with one of these has a path or a scheme of its own."""
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


class LinkResolver:
    """Turns links into indices of a table of distinct links, which grows until it is taken with `table`."""

    def __init__(self, masks: TldMasks) -> None:
        self._masks = masks
        self._index: defaultdict[str, int] = defaultdict(itertools.count().__next__)  # a new URL has the next index
        self._directories: dict[str, dict[str, int]] = {}
        self.num_cached = 0

    def __len__(self) -> int:
        return len(self._index)

    def add(self, url: str) -> int:
        """Returns the index of a canonical URL."""
        return self._index[url]

    def resolve(self, hrefs: list[str], base: BaseUrl) -> list[int]:
        """Returns for each link, as written, its index, or BASE, NOT_HTTP or NOT_A_URL."""
        cache = self._directory(base.href)
        new = dict.fromkeys(itertools.filterfalse(cache.__contains__, hrefs))
        if not new:
            return list(map(cache.__getitem__, hrefs))
        before = len(cache)
        passing = self._learn(new, base, cache)
        indices = list(map(cache.__getitem__, hrefs))
        for href in passing:
            del cache[href]
        self.num_cached += len(cache) - before
        return indices

    def table(self) -> tuple[bytes, np.ndarray]:
        """The distinct links so far: their concatenated xxh3_128 digests, and uint64[links] of masks."""
        digests = b"".join(map(xxhash.xxh3_128_digest, map(str.encode, self._index)))
        mask_of = _MaskOfOrigin(self._masks)
        origins = (
            url[: url.index("/", 8)] for url in self._index
        )  # the slash behind `http://` or `https://` and a host
        return digests, np.fromiter(map(mask_of.__getitem__, origins), np.uint64, len(self._index))

    def _directory(self, base: str) -> dict[str, int]:
        query = base.find("?")
        directory = base[: base.rfind("/", 0, query if query >= 0 else len(base))]
        return self._directories.setdefault(directory, {"": BASE})

    def _learn(self, new: Iterable[str], base: BaseUrl, cache: dict[str, int]) -> list[str]:
        """Puts new links into the cache of their directory; returns those that hold for this base alone."""
        bare_of = {  # a space before the fragment belongs to the path, at the end of a link it does not
            href: bare for href in new if "#" in href and ((bare := href.partition("#")[0])[-1:] > " " or not bare)
        }
        whole = [href for href in dict.fromkeys(map(bare_of.get, new, new)) if href not in cache]
        cache.update(zip(whole, self._join(whole, base), strict=True))
        cache.update((href, cache[bare]) for href, bare in bare_of.items())
        whole += bare_of
        return [href for href in whole if href[:1] not in _PATH_STARTS and not _is_of_directory(href)]

    def _join(self, hrefs: list[str], base: BaseUrl) -> list[int]:
        index = self._index
        return [
            _rejection(href) if url is None else index[url]
            for href, url in zip(hrefs, base.join_all(hrefs), strict=True)
        ]


class _MaskOfOrigin(dict[str, int]):
    """Masks by origin, such as `http://a.de:81`; asked once each."""

    def __init__(self, masks: TldMasks) -> None:
        self._masks = masks

    def __missing__(self, origin: str) -> int:
        mask = self[origin] = self._masks.mask(origin + "/")
        return mask


def _rejection(href: str) -> int:
    return NOT_HTTP if rejection_reason(href) == "not_http" else NOT_A_URL


def _is_of_directory(href: str) -> bool:
    """Whether a link that does not start like a path resolves alike for all bases of a directory."""
    return href.startswith("#") or _HTTP_AND_PATH.match(href) is not None
