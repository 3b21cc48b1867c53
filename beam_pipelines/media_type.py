"""The media type of an HTTP message, as browsers read its Content-Type headers.

Fetch Standard, "extract a MIME type", with "get, decode, and split", and MIME Sniffing Standard, "parse a MIME type".
Each step is one regular expression that never backtracks, because a header may have 64 KiB of anything.
"""

import functools
import re
from collections.abc import Iterable

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_TYPE = re.compile(rf"({_TOKEN}++/{_TOKEN}++)[\n\r\t ]*+(?=;|\Z)")
_HTTP_WHITESPACE = "\n\r\t "
_ASCII_WHITESPACE = "\t\n\f\r "
_LIST_ITEM = re.compile(r'((?:[^",]++|"(?:[^"\\]++|\\.)*+\\?"?)*+)(?:,|\Z)', re.DOTALL)
"""Commas within quotes separate nothing. A quote that is never closed reaches to the end."""
_PARAMETER = re.compile(
    r';[\n\r\t ]*+(?P<name>[^;=]*+)(?:=(?:"(?P<quoted>(?:[^"\\]++|\\.)*+(?:\\\Z)?)"?[^;]*+|(?P<plain>[^;]*+)))?+',
    re.DOTALL,
)
"""What stands between a closing quote and the next semicolon counts for nothing."""
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_NAME = re.compile(rf"{_TOKEN}++")
_VALUE = re.compile("[\t -~\x80-\xff]*+")


_USUAL_LENGTH = 128


def extract_media_type(headers: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Returns the media type that the Content-Type headers name, and its charset, both "" where they name none.

    The last media type counts. Its charset may come from an earlier header that names the same type.
    """
    value = ", ".join(value for name, value in headers if name.lower() == "content-type")
    return _usual(value) if len(value) <= _USUAL_LENGTH else _extract(value)


def _extract(value: str) -> tuple[str, str]:
    essence = charset = last = ""
    for item in split_header(value):
        parsed = parse_media_type(item)
        if parsed is None or parsed[0] == "*/*":
            continue
        named = parsed[1].get("charset")
        if parsed[0] != essence:
            essence = parsed[0]
            charset = last = named or ""
        else:
            last = charset if named is None else named
    # No encoding has a label that is not ASCII, and labels are compared without white space around them.
    return essence, last.strip(_ASCII_WHITESPACE) if last.isascii() else ""


_usual = functools.lru_cache(maxsize=256)(_extract)
"""A crawl has few different values, so nearly none is parsed twice. Long ones would fill the memory."""


def split_header(value: str) -> list[str]:
    """Splits the value of a header at its commas: Fetch Standard, "get, decode, and split a header value"."""
    if not value.isascii():
        value = value.encode("utf-8", "surrogateescape").decode("latin-1")  # the standard reads bytes as characters
    return [item.strip("\t ") for item in _LIST_ITEM.findall(value)]


def parse_media_type(value: str) -> tuple[str, dict[str, str]] | None:
    """Returns "type/subtype" in lower case and the parameters, or None where there is no media type.

    MIME Sniffing Standard, "parse a MIME type". Of several parameters of one name the first counts.
    """
    value = value.strip(_HTTP_WHITESPACE)
    start = _TYPE.match(value)
    if start is None:
        return None
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(value, start.end()):
        content = found["quoted"]
        if content is not None:
            content = _QUOTED_PAIR.sub(r"\1", content)
        elif not (content := (found["plain"] or "").rstrip(_HTTP_WHITESPACE)):
            continue
        name = found["name"]
        if _NAME.fullmatch(name) and _VALUE.fullmatch(content):
            parameters.setdefault(name.lower(), content)
    return start[1].lower(), parameters
