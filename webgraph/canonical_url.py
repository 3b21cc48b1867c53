"""Canonical URLs: the WHATWG URL Standard's serialisation, without fragment and credentials, http and https only.

The standard (https://url.spec.whatwg.org/, "URL parsing" and "URL serializing") gives lower-case scheme and host,
IDNA, no default port, resolved dot segments and fixed percent-encoding: what browsers do with a link.

Two parsers share the work. `url-py` (Rust) takes 0.4 us a join but rejects a few valid inputs (`///host` against a
base, some IDNA labels), leaves `^` in a path unencoded, and takes a segment like `c:` for a drive that `..` does not
leave; `ada-url` passes the whole WHATWG test suite but takes 2 us. So a URL that the first one rejects, or whose result
holds such a segment, `^`, credentials or an IDNA label, is decided by the second. On everything else they agree; a test
compares them on generated input.

Queries are percent-encoded as UTF-8 whatever the page's charset, because a WAT record does not tell that charset.
"""

import re
from typing import Self

import ada_url
from url import URL, URLError

CANONICALIZER = "whatwg-url/2"
"""Name and version of the rules that make a URL's canonical form of what an archive holds. It changes whenever some
form changes. 1: bytes of a page's URL that are not UTF-8 became U+FFFD. 2: they are percent-encoded (`url_text`),
and the links of a document are decoded by the tables of the Encoding Standard and not by Python's codecs.
"""

_HTTP = ("http://", "https://")
_DRIVE = re.compile(r"/[A-Za-z][:|](?:[/?#]|$)")
_SCHEME = re.compile(r"[\x00-\x20]*([a-zA-Z][a-zA-Z0-9+.\t\n\r-]*):")
REJECTED = "http://@"
"""Stands for a URL that the first parser rejects, so that the second one is asked."""
_SURROGATES = re.compile("[\ud800-\udfff]")


class BaseUrl:
    """A canonical URL that links are resolved against. Make one with `parse`, once a page."""

    __slots__ = ("_parsed", "href")

    def __init__(self, href: str) -> None:
        self.href = href
        self._parsed: URL | None
        try:
            self._parsed = URL.parse(href)
        except URLError:
            self._parsed = None

    @classmethod
    def parse(cls, url: str, base: Self | None = None) -> Self | None:
        """Returns the base at `url`, itself resolved against `base`, or None where it is no http or https URL."""
        href = canonicalize(url, base)
        return None if href is None else cls(href)

    def join(self, href: str) -> str | None:
        """Returns the canonical URL of `href`, or None where it is not an http or https URL. Never raises."""
        return self.finish(self.join_with_first(href), href)

    def join_with_first(self, href: str) -> str:
        """What the first parser makes of `href`, or REJECTED; `finish` makes the canonical URL of it."""
        try:
            return str(self._parsed.join(href))  # type: ignore[union-attr]  # None: AttributeError
        except (URLError, AttributeError, UnicodeEncodeError):
            return REJECTED

    def finish(self, joined: str, href: str) -> str | None:
        """The canonical URL of `href`, of which the first parser made `joined`."""
        if not joined.startswith(_HTTP):
            return None
        if _is_for_ada(joined):
            return _join_with_ada(href, self.href)
        return joined.partition("#")[0]


def canonicalize(url: str, base: BaseUrl | None = None) -> str | None:
    """Returns the canonical form of `url`, or None where it is not an http or https URL.

    Total (any string is allowed, nothing is raised) and idempotent.

    Args:
      url: as written; relative only if `base` is given.
      base: what a relative `url` is resolved against.
    """
    if base is not None:
        return base.join(url)
    try:
        parsed = str(URL.parse(url))
    except (URLError, UnicodeEncodeError):
        return _join_with_ada(url, None)
    if not parsed.startswith(_HTTP):
        return None
    if _is_for_ada(parsed):
        return _join_with_ada(url, None)
    return parsed.partition("#")[0]


def _is_for_ada(parsed: str) -> bool:
    """Whether the second parser decides, by what the first one made. Each test is faster than one expression."""
    return (
        "@" in parsed
        or "^" in parsed
        or "xn--" in parsed
        or ((":" in parsed[6:] or "|" in parsed) and _DRIVE.search(parsed) is not None)
    )


def _join_with_ada(url: str, base: str | None) -> str | None:
    url = _SURROGATES.sub("�", url)  # the standard's "convert to a scalar value string"
    try:
        href: str = ada_url.normalize_url(url) if base is None else ada_url.join_url(base, url)
    except ValueError:
        return None
    if not href.startswith(_HTTP):
        return None
    href = href.partition("#")[0]
    if "@" in href:
        parsed = ada_url.URL(href)
        parsed.username = parsed.password = ""
        href = parsed.href
    return href


def rejection_reason(url: str) -> str:
    """Says why `canonicalize` returned None: "not_http" (another scheme) or "not_a_url"."""
    scheme = _SCHEME.match(url)
    if scheme and re.sub(r"[\t\n\r]", "", scheme[1]).lower() not in ("http", "https"):
        return "not_http"
    return "not_a_url"


def host_of(url: str) -> str:
    """Returns the host of a canonical URL, without port."""
    authority = url[url.index("://") + 3 :].partition("/")[0]
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def top_level_domain(url: str) -> str:
    """Returns the last label of a canonical URL's host, one trailing dot ignored; "" for an IP address."""
    host = host_of(url)
    if host.startswith("["):
        return ""
    label = host.removesuffix(".").rpartition(".")[2]
    # The standard parses every host whose last label is a number as an IPv4 address.
    return "" if label.isdigit() else label


def node_sort_key(url: str) -> bytes:
    """Returns the bytes by which nodes are ordered: a site's pages are neighbours, whatever their scheme or port.

    The order is that of the tuple (host labels reversed, port, path, query, scheme), each compared as bytes; an IP
    address is one label. Labels are joined by 0x01 and components by 0x00, both below every byte of a URL, so that
    comparing keys compares tuples. The query carries its "?", so that `/a` and `/a?` differ.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, tail = rest.partition("/")
    path, question, query = tail.partition("?")
    host = host_of(url)
    port = authority[len(host) + 1 :]
    if not host.startswith("[") and not host.rpartition(".")[2].isdigit():
        host = "\x01".join(reversed(host.split(".")))
    return "\x00".join((host, port, slash + path, question + query, scheme)).encode()
