"""What the links of a document are resolved against: its URL, or its first `<base href>`.

HTML Standard, 4.2.3, "set the frozen base URL": a base that is no URL, or of the schemes `data` and `javascript`,
counts for nothing. One of another scheme than http and https counts, such as `file:///C:/site/`, which an editor left:
relative links lie under it, and only absolute ones are links of the web.
"""

from collections.abc import Iterable

import ada_url

from webgraph.canonical_url import BaseUrl, canonicalize

_PASSED_OVER = ("data:", "javascript:", "http:", "https:")
_NO_WEB_LINK = "about:blank"


def document_base(url: str, base: str) -> str | None:
    """Returns the canonical base URL, or None where it is of another scheme than http and https.

    Args:
      url: canonical URL of the document.
      base: value of its `<base href>`, or "".
    """
    if not base:
        return url
    found = canonicalize(base, BaseUrl(url))
    return found or (None if _is_elsewhere(base) else url)


def absolute_links(hrefs: Iterable[str]) -> list[str]:
    """Returns the links of a document whose base lies elsewhere; those that lead nowhere on the web become `about:`."""
    return [canonicalize(href) or _NO_WEB_LINK for href in hrefs]


def _is_elsewhere(base: str) -> bool:
    try:
        return ada_url.URL(base).protocol not in _PASSED_OVER
    except ValueError:
        return False
