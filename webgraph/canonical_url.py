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
from collections.abc import Iterator, Sequence
from typing import Self

import ada_url
from url import URL, URLError

CANONICALIZER = "whatwg-url/1"
"""Name and version of the rules of this module. It changes whenever some URL's canonical form changes."""

_HTTP = ("http://", "https://")
_WORD = "A-Za-z0-9_"
"""Not `\\w`: only a set that names its characters becomes a table, which is twice as fast."""
_SEGMENT = rf"[{_WORD}~-][{_WORD}~.%-]*+"
_QUERY = rf"(?:\?[{_WORD}~.%=&+:;,/-]*+)?+"
_PLAIN = re.compile(rf"/?+{_SEGMENT}(?:/{_SEGMENT})*+/?+{_QUERY}")
"""Relative links with nothing in them that the standard changes: no scheme, dot segment, or character to encode."""
_MAX_UPWARDS = 8
_DOTTED = re.compile(rf"(?:\./)?+((?:\.\./){{0,{_MAX_UPWARDS}}}+)({_SEGMENT}(?:/{_SEGMENT})*+/?+{_QUERY})")
"""The same behind `./`, and below a folder above that of the base."""
_PLAIN_LINES = re.compile(rf"(?:{_PLAIN.pattern}\n)++")
_LABEL = r"(?!xn--)[a-z0-9-]++"
_PLAIN_URL = re.compile(rf"https?://(?:{_LABEL}\.)*+(?=[a-z]){_LABEL}/(?:{_SEGMENT}/)*+(?:{_SEGMENT})?+{_QUERY}")
"""URLs that are canonical as they are: besides, no port, no IP address (they end in a number), no IDNA label."""
_DRIVE = re.compile(r"/[A-Za-z][:|](?:[/?#]|$)")
_SCHEME = re.compile(r"[\x00-\x20]*([a-zA-Z][a-zA-Z0-9+.\t\n\r-]*):")
_SIGNS = ("#", "@", "^", "|", "xn--")
"""URLs with none of these, and with no colon but their scheme's, are canonical as the first parser gives them."""
_REJECTED = "http://@"
"""Stands for a URL that the first parser rejects, so that the second one is asked."""
_TOGETHER = 64
"""Links that are looked at as one text first."""
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
        try:
            joined = str(self._parsed.join(href))  # type: ignore[union-attr]  # None: AttributeError
        except (URLError, AttributeError, UnicodeEncodeError):
            return _join_with_ada(href, self.href)
        return self._finish(joined, href)

    def join_plain(self, hrefs: Sequence[str]) -> list[str]:
        """Returns `join` of each link that needs no parser, which most do not, and "" for the others."""
        path_end = self.href.find("?")
        folder = self.href[: self.href.rfind("/", 0, path_end if path_end >= 0 else None) + 1]
        root = folder[: folder.index("/", len("https://"))]
        above = _folders_above(folder)
        scheme = self.href[: self.href.index("/")]
        plain, plain_url, dotted = _PLAIN.fullmatch, _PLAIN_URL.fullmatch, _DOTTED.fullmatch
        urls: list[str] = []
        for start in range(0, len(hrefs), _TOGETHER):
            several = hrefs[start : start + _TOGETHER]
            if len(several) == _TOGETHER and _all_plain(several):
                urls += [(root if href[0] == "/" else folder) + href for href in several]
            else:
                for href in several:
                    first = href[:1]
                    if first == ".":  # no plain link, and all dotted ones that are not plain
                        found = dotted(href)
                        urls.append(above[len(found[1]) // 3] + found[2] if found else "")
                    elif first == "h" and plain_url(href):
                        urls.append(href)
                    elif plain(href):
                        urls.append((root if first == "/" else folder) + href)
                    elif href.startswith("//") and plain_url(scheme + href):
                        urls.append(scheme + href)
                    else:
                        urls.append("")
        return urls

    def join_parsed(self, hrefs: Sequence[str]) -> Iterator[str | None]:
        """Yields `join` of each link, in half of the time."""
        for start in range(0, len(hrefs), _TOGETHER):
            yield from self._join_together(hrefs[start : start + _TOGETHER])

    def _join_together(self, hrefs: Sequence[str]) -> list[str | None]:
        joined = []
        for href in hrefs:
            try:
                joined.append(str(self._parsed.join(href)))  # type: ignore[union-attr]  # None: AttributeError
            except (URLError, AttributeError, UnicodeEncodeError):
                joined.append(_REJECTED)
        text = "\n".join(joined)
        if text.count(":") == len(joined) and not any(sign in text for sign in _SIGNS):
            return [url if url.startswith(_HTTP) else None for url in joined]
        return [self._finish(url, href) for url, href in zip(joined, hrefs, strict=True)]

    def _finish(self, joined: str, href: str) -> str | None:
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


def _all_plain(hrefs: Sequence[str]) -> bool:
    text = "\n".join(hrefs) + "\n"
    return text.count("\n") == len(hrefs) and _PLAIN_LINES.fullmatch(text) is not None


def _folders_above(folder: str) -> list[str]:
    """Where `../` leads to from the folder of a canonical URL, by how many there are; never above the root."""
    root, folders = folder.index("/", len("https://")), [folder]
    for _ in range(_MAX_UPWARDS):
        if len(folder) > root + 1:
            folder = folder[: folder.rindex("/", 0, -1) + 1]
        folders.append(folder)
    return folders


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
