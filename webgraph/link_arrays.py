"""Links of many pages resolved together, as arrays: most need no URL parser, and are joined by Arrow's kernels.

`without_fragments` comes first. `join_plain` gives what `BaseUrl.join` gives, for links with nothing in them that the
URL standard changes: no scheme but http and https, no dot segment but at their start, no character to encode.
`join_parsed` gives it for all others.
"""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webgraph.arrow_arrays import number_array, numbers_of, string_array
from webgraph.canonical_url import BaseUrl

_SEGMENT = "[A-Za-z0-9_~-][A-Za-z0-9_~.%-]*"
_PATH = f"{_SEGMENT}(?:/{_SEGMENT})*/?"
_QUERY = r"(?:\?[A-Za-z0-9_~.%=&+:;,/-]*)?"
_RELATIVE = rf"\A(?:(?:/|\.\.?/(?:\.\./)*)(?:{_PATH})?|{_PATH}){_QUERY}\z"
"""A path, from the root, from the folder of the base or from one above it."""
_ABSOLUTE = rf"\A(?:https?:)?//(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*/(?:{_SEGMENT}/)*(?:{_SEGMENT})?{_QUERY}\z"
"""Canonical as they are, but for a missing scheme: no port, no IP address (they end in a number), no IDNA label."""
_IDNA = "xn--"
_REGULAR = r"\Ahttps?://[^#@^|:]*\z"
"""What the first parser gives is the canonical URL, where there is no `xn--` in it either."""
_MAX_UPWARDS = 8
_ROOT = _MAX_UPWARDS + 1
_STARTS = _ROOT + 1
"""Where a relative link may start: so far above the folder of its base, or at the root."""
_MANY_FRAGMENTS = 0.125
"""Where fewer links have one, resolving all of them takes less time than telling which are equal without it."""


def without_fragments(hrefs: Sequence[str], base: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Cuts off the fragments of links, as far as the links resolve alike without them, and drops what is then equal,
    if there may be much of it.

    Args:
      hrefs: [hrefs], as written, distinct among those of one base.
      base: int64[hrefs], the base of each; those of one base follow each other.

    Returns:
      [distinct], int64[distinct]: links and their bases; int64[hrefs]: which of them each link is.
    """
    chosen = [at for at, href in enumerate(hrefs) if "#" in href]
    bare = [_without_fragment(hrefs[at]) for at in chosen]
    if len(chosen) < _MANY_FRAGMENTS * len(hrefs):
        distinct = list(hrefs)
        for at, href in zip(chosen, bare, strict=True):
            distinct[at] = href
        return distinct, base, np.arange(len(hrefs))
    is_kept = np.ones(len(hrefs), dtype=bool)
    is_kept[chosen] = False
    kept = np.flatnonzero(is_kept)
    distinct = [hrefs[at] for at in kept.tolist()]
    numbers: list[int] = []
    base_of_bare: list[int] = []
    for of_base, start, stop in _runs(base[chosen]):
        number: defaultdict[str, int] = defaultdict(itertools.count(len(distinct)).__next__)
        numbers += map(number.__getitem__, bare[start:stop])
        distinct += number
        base_of_bare += [of_base] * len(number)
    which = np.empty(len(hrefs), dtype=np.int64)
    which[kept] = np.arange(len(kept))
    which[chosen] = numbers
    return distinct, np.concatenate([base[kept], np.array(base_of_bare, dtype=np.int64)]), which


def _without_fragment(href: str) -> str:
    """The link that resolves alike. A blank belongs to the path before a fragment, and not at the end of a link."""
    bare = href.partition("#")[0]
    return href if bare[-1:] and bare[-1] <= " " else bare


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PlainUrls:
    """Links that needed no parser: int64 positions among those given, ascending, and large_string canonical URLs."""

    relative: np.ndarray
    relative_urls: pa.LargeStringArray
    absolute: np.ndarray
    absolute_urls: pa.LargeStringArray


def join_plain(hrefs: pa.LargeStringArray, base: np.ndarray, bases: Sequence[str]) -> PlainUrls:
    """Resolves the links that need no parser, which most do not.

    Args:
      hrefs: [hrefs], as written.
      base: int64[hrefs], the base of each, an index into `bases`.
      bases: canonical URLs.
    """
    is_relative = pc.match_substring_regex(hrefs, _RELATIVE)
    relative, rest = positions(is_relative), positions(pc.invert(is_relative))
    others = hrefs.take(number_array(rest))
    absolute = rest[positions(pc.match_substring_regex(others, _ABSOLUTE))]
    absolute = absolute[positions(_without_idna(hrefs.take(number_array(absolute))))]
    written = hrefs.take(number_array(relative))
    below = pc.ascii_ltrim(written, characters="./")
    start = (_lengths(written) - _lengths(below)) // len("../")  # "./" does not count
    if start.max(initial=0) > _MAX_UPWARDS:
        near = np.flatnonzero(start <= _MAX_UPWARDS)
        relative, start = relative[near], start[near]
        written, below = written.take(number_array(near)), below.take(number_array(near))
    start[positions(pc.starts_with(written, "/"))] = _ROOT
    return PlainUrls(
        relative=relative,
        relative_urls=_join_relative(start, below, base[relative], bases),
        absolute=absolute,
        absolute_urls=_join_absolute(hrefs.take(number_array(absolute)), base[absolute], bases),
    )


def join_parsed(hrefs: Sequence[str], base: np.ndarray, bases: Sequence[str]) -> list[str | None]:
    """Resolves links with the parsers; arguments as of `join_plain`.

    Returns:
      [hrefs]: `BaseUrl.join` of each, in half of the time. A base is parsed once for the links that follow each other.
    """
    joined: list[str] = []
    for number, start, stop in _runs(base):
        joined += map(BaseUrl(bases[number]).join_with_first, hrefs[start:stop])
    texts = string_array(joined)
    irregular = positions(pc.invert(pc.and_(pc.match_substring_regex(texts, _REGULAR), _without_idna(texts))))
    urls: list[str | None] = [*joined]
    for number, start, stop in _runs(base[irregular]):
        finish = BaseUrl(bases[number]).finish
        for at in irregular[start:stop].tolist():
            urls[at] = finish(joined[at], hrefs[at])
    return urls


def _runs(numbers: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yields (number, start, stop) for each run of equal ones."""
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    stops = np.append(starts, len(numbers))[1:]
    return zip(numbers[starts].tolist(), starts.tolist(), stops.tolist(), strict=True)


def positions(mask: pa.BooleanArray) -> np.ndarray:
    """Returns int64: where a mask is true."""
    return numbers_of(pc.indices_nonzero(mask)).astype(np.int64)


def _without_idna(urls: pa.LargeStringArray) -> pa.BooleanArray:
    return pc.invert(pc.match_substring(urls, _IDNA))


def _join_relative(
    start: np.ndarray, below: pa.LargeStringArray, base: np.ndarray, bases: Sequence[str]
) -> pa.LargeStringArray:
    """Adds what links have below their start to it."""
    first_base = int(base.min(initial=len(bases)))  # links of a batch have few bases, which follow each other
    code = (base - first_base) * _STARTS + start
    used = np.flatnonzero(np.bincount(code))
    number = np.empty(int(code.max(initial=-1)) + 1, dtype=np.int64)
    number[used] = np.arange(len(used))
    starts: list[str] = []
    for at, first, last in _runs(used // _STARTS):
        starts += _starts(bases[first_base + at], (used[first:last] - at * _STARTS).tolist())
    return _concatenate(string_array(starts).take(number_array(number[code])), below)


def _join_absolute(hrefs: pa.LargeStringArray, base: np.ndarray, bases: Sequence[str]) -> pa.LargeStringArray:
    """Adds the scheme of the base where there is none."""
    scheme = np.zeros(len(hrefs), dtype=np.int64)
    for at in positions(pc.starts_with(hrefs, "//")).tolist():
        scheme[at] = 1 + bases[base[at]].startswith("https:")
    return _concatenate(string_array(["", "http:", "https:"]).take(number_array(scheme)), hrefs)


def _starts(base: str, upwards: list[int]) -> list[str]:
    """What relative links are added to: for each number, ascending, the folder so far above that of a base."""
    path_end = base.find("?")
    slash = base.rfind("/", 0, path_end if path_end >= 0 else len(base))
    root, above, starts = base.index("/", len("https://")), 0, []
    for number in upwards:
        if number == _ROOT:
            slash = root
        while above < number and slash > root:  # never above the root
            slash = base.rindex("/", 0, slash)
            above += 1
        starts.append(base[: slash + 1])
    return starts


def _concatenate(first: pa.LargeStringArray, second: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.binary_join_element_wise(first, second, _SEPARATOR)


def _lengths(texts: pa.LargeStringArray) -> np.ndarray:
    return numbers_of(pc.binary_length(texts)).astype(np.int64)


_SEPARATOR = string_array([""])[0]
