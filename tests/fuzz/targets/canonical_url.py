"""Fuzz target: the canonicaliser. It is total and idempotent, and says what the WHATWG parser ada says."""

import ada_url
import numpy as np

from webgraph.arrow_arrays import string_array
from webgraph.canonical_url import BaseUrl, canonicalize, host_of, node_sort_key, rejection_reason, top_level_domain
from webgraph.link_arrays import join_parsed, join_plain

_BASES = [BaseUrl(href) for href in ("http://a.de/x/y?z", "https://xn--bcher-kva.in:8080/", "http://[::1]/")]
_WORDS = (
    *(
        "http:",
        "https:",
        "HTTP://",
        "file:",
        "//",
        "/",
        "\\",
        "?",
        "#",
        "@",
        "user:pw@",
        ":80",
        ":443",
        ":8080",
        ":0",
        ":",
    ),
    *(
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "/../",
        "%00",
        "%",
        "%zz",
        "%F0%9F",
        "%25",
        "^",
        "|",
        "`",
        "{",
        "}",
        '"',
        "<",
        ">",
        "'",
    ),
    *(
        "[",
        "]",
        "[::1]",
        "[::ffff:1.2.3.4]",
        "[1::2:",
        "::",
        "127.1",
        "0x7f.1",
        "0300",
        "256",
        "1.2.3.4.5",
        "4294967296",
    ),
    *("a.de", "EXAMPLE", "xn--", "xn--bcher-kva", "xn--a", "b\u00fccher", "\u00df", "\u0130", "\u200d", "\u00ad"),
    *("\u3002", "\uff0e", "\uff05", "\uff21", "\u2028", "\u0627", "\u05d0", "\u0308", "\ufdfa", "\ufffe", "\ud800"),
    *("\udc00", "\U0001f4a9", "\t", "\n", "\r", "\x00", "\x1f", "\x7f", "\x85", " ", "\u3000", "-", "_", "*", "~", "+"),
    *("&", "=", ";", ",", "!", "$", "(", ")", "javascript:", "mailto:", "data:", "ws:", "blob:http:", "about:blank"),
    *("\u00e4", "localhost", "com", "co.uk", "index.html", "q=1", "C|/", "c:/"),
)


def run(data: bytes) -> None:
    """Raises where a law of the canonicaliser does not hold."""
    text = url_of(data)
    _check(text, canonicalize(text), None)
    for base in _BASES:
        url = base.join(text)
        _check(text, url, base.href)
        together, same = [text, "x", text], np.zeros(3, dtype=np.int64)
        assert join_parsed(together, same, [base.href]) == [url, base.join("x"), url], (text, base.href)
        plain = join_plain(string_array([text]), same[:1], [base.href])
        found = plain.relative_urls.to_pylist() + plain.absolute_urls.to_pylist()
        assert found in ([], [url]), (text, base.href)


def url_of(data: bytes) -> str:
    """A byte of ASCII is its character, and any other one a word that URL parsers treat in a way of its own."""
    return "".join(chr(byte) if byte < 0x80 else _WORDS[(byte - 0x80) % len(_WORDS)] for byte in data)


def _check(text: str, url: str | None, base: str | None) -> None:
    assert url == _by_ada(text, base), (text, base, url, _by_ada(text, base))
    if url is None:
        assert rejection_reason(text) in ("not_http", "not_a_url")
        return
    assert canonicalize(url) == url, url
    assert url.isascii() and url.isprintable(), url
    assert host_of(url) and "\x01" not in url
    assert isinstance(top_level_domain(url), str) and node_sort_key(url)


def _by_ada(text: str, base: str | None) -> str | None:
    """The canonical URL by the definition: ada's, http and https, without credentials and fragment."""
    scalar = "".join("�" if "\ud800" <= character <= "\udfff" else character for character in text)
    try:
        parsed = ada_url.URL(scalar) if base is None else ada_url.URL(scalar, base=base)
    except ValueError:
        return None
    if parsed.protocol not in ("http:", "https:"):
        return None
    parsed.username = parsed.password = parsed.hash = ""
    return str(parsed.href).partition("#")[0]
