"""A capture: one HTML response of status 200 and its links, as written: what the WAT and WARC readers both give."""

import dataclasses


@dataclasses.dataclass(slots=True)
class Capture:
    """One HTML page as it was fetched.

    Attributes:
      url: the page's URL as the archive has it; canonical form is made later.
      base: value of the page's `<base href>`, or "".
      hrefs: the selected links, in page order, duplicates kept.
      unselected: how many other links the page has (other link paths, or a `rel` that is dropped).
    """

    url: str
    base: str
    hrefs: list[str]
    unselected: int = 0


@dataclasses.dataclass(slots=True)
class NotAPage:
    """A record that gives no capture, and why; `is_damage` where the record is broken rather than of another kind."""

    reason: str
    is_damage: bool = False
