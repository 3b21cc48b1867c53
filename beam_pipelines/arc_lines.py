"""Header lines of ARC records: `URL IP-address Archive-date Content-type Archive-length`, with five more fields before
the length in version 2 (Internet Archive, "ARC File Format").

Real files hold more than the format says: IPv6 addresses, `None` or `-` where the address was not known, dates of 10 to
18 digits, with text behind them, or hexadecimal, address and date swapped, spaces in the URL or in the type. Readers
such as warcio and JWAT look at the number of fields only, which suits a place where a header must stand. Text that is
searched for headers is full of such lines, so there are two rules:

- `ARC_START` is for searching: an address and a date side by side, both well formed; or one of them, where an HTTP
  message follows the line. It takes time linear in the text.
- `parse_arc_line` is for a line that stands where a record begins.
"""

import dataclasses
import re

from webgraph.url_text import url_text

ARC_LINE_BYTES = 1 << 14
"""No header line is longer than this, with the beginning of what follows it."""
SCHEME = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]{0,31}+:")
SCHEME_SO_FAR = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]{0,31}+\Z")

_IP = (
    rb"(?:\d{1,3}(?:\.\d{1,3}){3}"
    rb"|\[?(?=[0-9A-Fa-f]{0,4}:)(?=[^ \n]{0,40}::|(?:[^ :\n]{1,4}:){6,7}[^ :\n])[0-9A-Fa-f:.]{2,45}(?:%\w{1,32})?\]?)"
)
_DATE = rb"\d{8,18}"
_NO_VALUE = rb"(?:-|[Nn]one|NONE|[Nn]ull|NULL|[Uu]nknown)"
_ODD_DATE = rb"(?:[12]\d{3}[^ \n]{0,60}|[0-9A-Fa-f]{8,64}|" + _NO_VALUE + rb")"
_SURE_PAIR = rb"(?:%b %b|%b %b)" % (_IP, _DATE, _DATE, _IP)
_ODD_PAIR = rb"(?:%b|%b %b|%b %b|%b %b|%b %b)" % (
    *(_SURE_PAIR, _IP, _ODD_DATE, _NO_VALUE, _DATE),
    *(_ODD_DATE, _IP, _DATE, _NO_VALUE),
)
_URL = SCHEME.pattern + rb"[^\n]{0,8192}"
ARC_START = (
    # That the line ends in a number, and what follows it, is asked first and once: asked behind each address in it, it
    # takes its square.
    rb"(?=[^\n]{1,9300}+(?:(?<=\d)|(?<=\d\r))\n(?P<http>[\r\n]{0,4}HTTP/)?)"
    rb"(?:filedesc:[^\s]*|" + _URL + rb" (?(http)" + _ODD_PAIR + rb"|" + _SURE_PAIR + rb")) "
)
"""A pattern, to be used once in an expression."""

_SURE = re.compile(rb"(?:(?P<file>filedesc:[^\s]*)|(?P<url>" + _URL + rb") " + _SURE_PAIR + rb") ")
_ODD = re.compile(rb" " + _ODD_PAIR + rb" ")
_VALUELESS = re.compile(rb" (?:%b|%b) (?:%b|%b) " % (_IP, _NO_VALUE, _ODD_DATE, _NO_VALUE))
_KNOWN_SCHEME = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]{0,31}+://|(?:dns|mailto|news|urn|data|about|javascript):", re.I)
_NUM_FIELDS = (5, 10)
_TAIL = re.compile(rb" " + _SURE_PAIR + rb" [^\n]*\d\r?\Z")
_NO_URL_BYTE = re.compile(rb"[\s<>\"']")


@dataclasses.dataclass(frozen=True, slots=True)
class ArcLine:
    """What is read of a header line. `length` is its last field, whatever that is."""

    url: str
    length: str

    def headers(self) -> dict[str, str]:
        """The headers of the WARC record that would be equal."""
        return {
            "warc-type": "warcinfo" if self.url.startswith("filedesc:") else "response",
            "warc-target-uri": self.url,
            "content-length": self.length,
        }


def parse_arc_line(line: bytes, *, is_arc_file: bool) -> ArcLine | None:
    """Reads a line that stands where a record begins, or returns None where it is no header.

    Args:
      line: with or without its end. The length may be no number, where address and date say that it is a header.
      is_arc_file: ARC records were read before. Then a line of enough fields is a header too, whatever is in them.
    """
    line = line.rstrip(b" \t\r\n")
    if not SCHEME.match(line):
        return None
    length = line.rpartition(b" ")[2]
    if sure := _SURE.match(line):
        return _arc_line(sure["file"] or sure["url"], length)
    # The leftmost pair counts: those behind it may be fields of version 2.
    if odd := _ODD.search(line):
        return _arc_line(line[: odd.start()], length)
    if not is_arc_file or not length.isdigit() or not _KNOWN_SCHEME.match(line):
        return None
    if no_values := _VALUELESS.search(line):
        return _arc_line(line[: no_values.start()], length)
    fields = line.split(b" ")
    if len(fields) in _NUM_FIELDS:
        return _arc_line(fields[0], length)
    # Spaces are more often found in the URL than in the type.
    return _arc_line(line.rsplit(b" ", 4)[0], length) if len(fields) > _NUM_FIELDS[0] else None


def header_in_line(line: bytes) -> int:
    """Returns where in a line of text the header of an ARC record begins, or -1.

    For files that have no line end between a body and the header behind it. The line is without its end.
    """
    tail = _TAIL.search(line)
    if tail is None:
        return -1
    word = max((match.end() for match in _NO_URL_BYTE.finditer(line, 0, tail.start())), default=0)
    urls = [at for at in (line.find(b"http://", word), line.find(b"https://", word)) if 0 <= at < tail.start()]
    return min(urls, default=-1)


def _arc_line(url: bytes, length: bytes) -> ArcLine:
    return ArcLine(url_text(url), length.decode("ascii", "replace"))
