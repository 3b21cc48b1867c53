"""The head of a record, WARC or ARC, and the places in a text where a record begins.

Where a record must begin, its head is read as leniently as real files ask for. Where beginnings are searched for, the
rules are stricter, because a page may write in its text what looks like one.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Literal

from beam_pipelines.arc_lines import (
    ARC_LINE_BYTES,
    ARC_START,
    SCHEME,
    SCHEME_SO_FAR,
    header_in_line,
    parse_arc_line,
)
from beam_pipelines.warc_headers import WarcHeaders

WARC = b"WARC/"
_HEAD_END = re.compile(rb"(\r?\n)(\r?\n)")
_PADDING = re.compile(rb"[\r\n\x00]+")
RECORD_START = re.compile(
    # Both begin with a sign of one set, which is looked for three times as fast as either.
    rb"[Ww\n](?:(?<!\n)[Aa][Rr][Cc]/[01]\.\d+\r?\n|(?<=\n)(?=" + ARC_START + rb"))"
)
"""`WARC/1.0` in any case, as literals of the standard's grammar are (ISO 28500, 4; RFC 822, 2.1), or an ARC line."""
START_IN_BODY = re.compile(rb"\n(?=(?i:WARC)/[01]\.\d\r?\n(?i:WARC-|Content-)[A-Za-z-]{2,40}+:|" + ARC_START + rb")")
"""Of a record that holds the next ones: what a page may have in its text is no start of a record."""
_ARC_LINE = re.compile(ARC_START)


@dataclasses.dataclass(slots=True)
class Head:
    """What is read of a record before its body.

    Attributes:
      headers: by lower-case name; an ARC record has those of the equal WARC response.
      start: where in the buffer the body begins.
      separator: the empty lines that the format asks for after the body, with the head's own line ends.
      is_arc: whether the record is of an ARC file.
    """

    headers: Mapping[str, str]
    start: int
    separator: bytes
    is_arc: bool

    @property
    def length(self) -> int | None:
        """The declared length of the body, or None where there is none that can be used."""
        return content_length(self.headers)

    @property
    def is_arc_version(self) -> bool:
        """Whether this is the first record of an ARC file, whose body ends in a line end of its own."""
        return self.is_arc and self.headers.get("warc-type") == "warcinfo"


def content_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def read_head(
    buffer: bytes | bytearray, at: int, most: int, *, is_arc_file: bool, is_last: bool
) -> Head | Literal["more", "garbage"]:
    """Reads the head of the record that begins at `at`.

    Args:
      most: how many bytes a head may have.
      is_arc_file: see `parse_arc_line`.
      is_last: nothing comes after the buffer.

    Returns:
      The head; "more" where bytes are missing; "garbage" where it is none.
    """
    begun = bytes(buffer[at : at + len(WARC)]).upper()
    is_full = len(buffer) - at >= most
    if begun == WARC:
        end = _HEAD_END.search(buffer, at, at + most)
        if end is None:
            return "garbage" if is_full else "more"
        return Head(WarcHeaders(bytes(buffer[at : end.end(1)])), end.end(), end[1] + end[2], False)
    if len(begun) < len(WARC) and WARC.startswith(begun):
        return "more"
    line_end = buffer.find(b"\n", at, at + most)
    if line_end < 0:
        is_begun = SCHEME.match(buffer, at) or (not is_last and SCHEME_SO_FAR.match(buffer, at))
        return "more" if is_begun and not is_full else "garbage"
    line = parse_arc_line(bytes(buffer[at:line_end]), is_arc_file=is_arc_file)
    if line is None:
        return "garbage"
    separator = b"\r\n" if buffer.startswith(b"\r", line_end - 1) else b"\n"
    return Head(line.headers(), line_end + 1, separator, True)


def padding_end(buffer: bytes | bytearray, at: int) -> int:
    """Returns where the empty lines at `at` end."""
    padding = _PADDING.match(buffer, at)
    return at if padding is None else padding.end()


def is_warc(data: bytes | bytearray, at: int) -> bool:
    return data[at : at + len(WARC)].upper() == WARC


def starts_record(data: bytes | bytearray, at: int, *, is_arc_file: bool) -> bool:
    """Whether a record begins at `at`, where one may be expected."""
    if is_warc(data, at) or _ARC_LINE.match(data, at):
        return True
    return is_arc_file and arc_line_at(data, at)


def arc_line_at(data: bytes | bytearray, at: int) -> bool:
    """Whether the line at `at` is the header of an ARC record, in a file of such."""
    line_end = data.find(b"\n", at, at + ARC_LINE_BYTES)
    return line_end >= 0 and parse_arc_line(bytes(data[at:line_end]), is_arc_file=True) is not None


def bare_arc_start(data: bytes | bytearray, start: int, end: int) -> int:
    """Returns the first place in [start, end) where an ARC record of an HTTP message begins in a line, or -1."""
    last = data.find(b"\n", end, end + ARC_LINE_BYTES)  # where the line ends that begins before `end`
    last = len(data) if last < 0 else last + len(b"\nHTTP/")
    line_end = data.find(b"\nHTTP/", start, last)
    while line_end >= 0:
        line = max(start, data.rfind(b"\n", start, line_end) + 1, line_end - ARC_LINE_BYTES)
        at = header_in_line(bytes(data[line:line_end]))
        if at >= 0:
            return line + at if line + at < end else -1
        line_end = data.find(b"\nHTTP/", line_end + 1, last)
    return -1
