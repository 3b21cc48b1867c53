"""A capture: one HTML response of status 200 and its links, as written: what the WAT and WARC readers both give."""

import dataclasses
import re

from beam_pipelines.record_limits import RESOLVED_CHARACTERS, RecordLimits

_HOST_CHARACTERS = 1000
_LONG_HOST = re.compile(rf"(?:[^/\\?#:]*+:)?+[/\\\s]*+[^/\\?#]{{{_HOST_CHARACTERS}}}")
"""A host takes the square of its length to encode where it is not ASCII (RFC 3492), and has at most 253 characters."""


@dataclasses.dataclass(slots=True)
class Capture:
    """One HTML page as it was fetched.

    Attributes:
      url: the page's URL as the archive has it; canonical form is made later.
      base: value of the page's `<base href>`, or "".
      hrefs: the selected links, in page order, duplicates kept.
      unselected: how many other links the page has (other link paths, or a `rel` that is dropped).
      is_cut: the page was larger than is read of one; the links are those of its beginning.
      over_limit, url_too_long: how many selected links were dropped, by limit.
      characters: of `hrefs` together, or more.
      damage: the codings in which the page's body was damaged; the links are those before the damage.
      is_ill_formed: the page is XML and not well-formed; the links are those before the error.
      joined: `hrefs` as one text, if it was made: a character that few links have is looked for there.
    """

    url: str
    base: str
    hrefs: list[str]
    unselected: int = 0
    is_cut: bool = False
    over_limit: int = 0
    url_too_long: int = 0
    characters: int = 0
    damage: tuple[str, ...] = ()
    is_ill_formed: bool = False
    joined: str = dataclasses.field(default="", compare=False, repr=False)


@dataclasses.dataclass(slots=True)
class NotAPage:
    """A record that gives no capture, and why; `is_damage` where the record is broken rather than of another kind."""

    reason: str
    is_damage: bool = False


def within_limits(capture: Capture, limits: RecordLimits) -> Capture | NotAPage:
    """Drops the links that are more or longer than the limits allow, from the capture itself."""
    longest = limits.max_url_length
    if len(capture.url) > longest:
        return NotAPage("page_url_too_long")
    if len(capture.base) > longest:
        return NotAPage("base_url_too_long")
    hrefs = capture.hrefs
    most = limits.max_links
    if len(hrefs) * (1 + 12 * (len(capture.url) + len(capture.base))) > RESOLVED_CHARACTERS:  # a character has 4 bytes
        most = min(most, RESOLVED_CHARACTERS // _canonical_length(capture.url + capture.base))
    if len(hrefs) > most:
        capture.over_limit = len(hrefs) - most
        hrefs = capture.hrefs = hrefs[:most]
        capture.joined = ""
    text = capture.joined or "".join(hrefs)
    capture.characters = len(text)  # in a third of the time that adding the lengths takes
    may_be_too_long = len(text) > longest or (len(text) > _HOST_CHARACTERS and (not text.isascii() or "%" in text))
    if may_be_too_long and max(map(len, hrefs)) > min(_HOST_CHARACTERS, longest):
        capture.hrefs = [href for href in hrefs if not _is_too_long(href, longest)]
        capture.url_too_long = len(hrefs) - len(capture.hrefs)
    return capture


def _is_too_long(href: str, longest: int) -> bool:
    return len(href) > longest or (
        len(href) > _HOST_CHARACTERS and (not href.isascii() or "%" in href) and _LONG_HOST.match(href) is not None
    )


def _canonical_length(url: str) -> int:
    """Characters of a URL in canonical form, at most: a byte may become three."""
    return 1 + 3 * (len(url) if url.isascii() else len(url.encode("utf-8", "replace")))
