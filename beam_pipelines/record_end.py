"""Where the body of a record ends, in spite of a declared length that is wrong.

A declared length is believed where another record, or the end of the data, follows it. Where it does not:

- **Too large.** A record that begins before the declared end is the next one, and the body ends there. A page may quote
  records: so the first place is taken that stands behind empty lines as the format asks for them, or from which reading
  goes on to yet another record; else the one whose head the declared end lies in; else, where empty lines follow the
  declared end, none; else the first.
- **Too small.** Where text goes on at the declared end without empty lines, it belongs to the body, up to the next
  record or the end of the data. Where empty lines follow, the length is right and what comes after them is garbage;
  but for an HTTP message whose headers do not end before the declared end.
- **By empty lines only.** Where the declared length takes some of the empty lines between records with it, they are
  given back, unless the file was seen to have fewer of them than its format asks for.

A length that is too large by exactly one or more whole records cannot be told from a body that quotes them; it is
believed. Each function takes time linear in what it looks at, and a record looks at most a few times at what follows.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from beam_pipelines.arc_lines import ARC_LINE_BYTES
from beam_pipelines.record_head import (
    RECORD_START,
    START_IN_BODY,
    WARC,
    Head,
    arc_line_at,
    bare_arc_start,
    is_warc,
    padding_end,
    read_head,
    starts_record,
)

LOOK_AHEAD_BYTES = 1 << 9
"""What is read after a body to see whether a record follows."""
REST_BYTES = 1 << 20
"""How much of a body may stand behind its declared end."""
_HEAD_BYTES = 1 << 13
"""A head that the declared end lies in begins no farther before it."""
_CANDIDATES = 8
_SLIGHTLY = 64
"""What a length may exceed the data by for the body to be taken for whole."""
_SCHEME_BYTES = 40
_LINE_ENDS = b"\r\n"
_HTTP_URL = re.compile(rb"https?://", re.IGNORECASE)
_MAYBE_HEAD = re.compile(rb"\n(?=[a-zA-Z][a-zA-Z0-9+.-]{0,31}+[:/])")
_HTTP_HEAD_END = re.compile(rb"\r?\n\r?\n")


class Ending(NamedTuple):
    """Where in the buffer a body ends and the next record begins, and whether the declared length is another."""

    body_end: int
    next_start: int
    is_wrong: bool


def find_ending(
    buffer: bytearray, head: Head, end: int, *, is_last: bool, short_separators: Collection[bytes] = ()
) -> Ending | int:
    """Finds the end of a body whose declared end, `end`, lies within the buffer.

    Args:
      is_last: nothing comes after the buffer.
      short_separators: what the file has between records where that is less than the format asks for.

    Returns:
      The ending, or how long the buffer must be for it to be found.
    """
    next_start = end + len(head.separator)
    if buffer.startswith(WARC, next_start) and buffer.startswith(head.separator, end):
        return Ending(end, next_start, False)  # as nearly always
    next_start = padding_end(buffer, end)
    if next_start >= len(buffer):
        if not is_last and next_start - end < LOOK_AHEAD_BYTES:
            return len(buffer) + LOOK_AHEAD_BYTES
        return _without_taken_lines(buffer, head, Ending(end, next_start, False), short_separators, is_last)
    if not is_warc(buffer, next_start):
        if not is_last and len(buffer) < next_start + ARC_LINE_BYTES:
            return next_start + ARC_LINE_BYTES
        is_in_line = head.is_arc and next_start == end and buffer[end - 1] not in _LINE_ENDS
        torn = _torn_arc_line(buffer, head, end) if is_in_line else -1
        if torn >= 0:
            return _cut_at_first(buffer, head, torn, is_last=is_last)
        if (is_in_line and not _HTTP_URL.match(buffer, end)) or not starts_record(
            buffer, next_start, is_arc_file=head.is_arc
        ):
            return _ending_elsewhere(buffer, head, Ending(end, next_start, False), short_separators, is_last)
    return _without_taken_lines(buffer, head, Ending(end, next_start, False), short_separators, is_last)


def find_ending_before_end(buffer: bytearray, head: Head, end: int, *, is_cut: bool) -> Ending | None:
    """Finds the end of a body whose declared end lies behind the last byte there is, or None where it is cut short.

    Args:
      is_cut: damage follows, so that the data may end in the middle of the body.
    """
    candidate, is_record = _candidate(buffer, head, len(buffer), is_last=True)
    if is_record:
        return _cut(buffer, head, candidate)
    is_whole = not is_cut and buffer.endswith(head.separator, head.start)
    if candidate >= 0 and not (is_whole and end - len(buffer) <= _SLIGHTLY):
        return _cut(buffer, head, candidate)
    if is_whole and (end - len(buffer) <= _SLIGHTLY or not head.is_arc):
        return Ending(len(buffer) - len(head.separator), len(buffer), True)
    return None


def start_in_body(buffer: bytearray, start: int, end: int) -> int:
    """Returns the first place in [start, end) of a body where a record begins, or -1. Its head may go beyond `end`."""
    match = START_IN_BODY.search(buffer, start - 1, end)
    if match is not None:
        return match.end()
    for line in _MAYBE_HEAD.finditer(buffer, max(start - 1, end - ARC_LINE_BYTES), end + _SCHEME_BYTES):
        if line.end() < end and START_IN_BODY.match(buffer, line.start()):
            return line.end()
    return -1


def _start_in_body(buffer: bytearray, head: Head, start: int, end: int) -> int:
    """As `start_in_body`; in an ARC file in the middle of a line too, where an HTTP message follows."""
    found = start_in_body(buffer, start, end)
    bare = bare_arc_start(buffer, start, end if found < 0 else found) if head.is_arc else -1
    return found if bare < 0 else bare


def _start_behind(buffer: bytearray, head: Head, end: int) -> int:
    """Returns where behind the declared end reading would go on after garbage, or -1 where that is too far."""
    match = RECORD_START.search(buffer, end, min(len(buffer), end + REST_BYTES + ARC_LINE_BYTES))
    found = -1 if match is None else match.start() + (match[0] == b"\n")
    bare = bare_arc_start(buffer, end, found if found >= 0 else end + REST_BYTES) if head.is_arc else -1
    return found if bare < 0 else bare


def _without_taken_lines(
    buffer: bytearray, head: Head, declared: Ending, short_separators: Collection[bytes], is_last: bool
) -> Ending:
    """The ending where a record, or the end of the data, follows: right, or wrong by some of the empty lines."""
    end, next_start, _ = declared
    separator, after = head.separator, bytes(buffer[end:next_start])
    if after == separator or end == head.start:
        return declared
    if len(after) > len(separator):  # lines that end in LF alone and belong to the body
        taken = after.removesuffix(separator)
        is_short = len(taken) < len(after) and not taken.strip(b"\n") and separator.startswith(b"\r")
        return Ending(end + len(taken), next_start, True) if is_short else declared
    if buffer[end - 1] not in _LINE_ENDS or after in short_separators or head.is_arc_version:
        return declared
    before = bytes(buffer[max(head.start, end - len(separator)) : end])
    if not (before + after).endswith(separator):
        return declared
    return _cut_at_first(buffer, head, next_start, is_last=is_last)


def _torn_arc_line(buffer: bytearray, head: Head, end: int) -> int:
    """Returns where the ARC header begins whose line the declared end tears in two, or -1."""
    line = buffer.rfind(b"\n", max(head.start - 1, end - ARC_LINE_BYTES), end) + 1
    if 0 < line < end and arc_line_at(buffer, line):
        return line
    return bare_arc_start(buffer, max(line, head.start), end)


def _ending_elsewhere(
    buffer: bytearray, head: Head, declared: Ending, short_separators: Collection[bytes], is_last: bool
) -> Ending | int:
    """The ending where no record follows the declared one."""
    end, next_start, _ = declared
    candidate, is_record = _candidate(buffer, head, end, is_last=is_last)
    if candidate >= 0 and not is_record and (torn := _torn_warc_head(buffer, head, end)) >= 0:
        candidate, is_record = torn, True
    after = bytes(buffer[end:next_start])
    is_separated = after.startswith(head.separator) or (after != b"" and after in short_separators)
    if candidate >= 0 and (is_record or not is_separated):
        return _cut(buffer, head, candidate)
    is_separated = is_separated and not _ends_in_http_headers(buffer, head, end)
    if is_separated and not head.is_arc:
        return declared
    found = _start_behind(buffer, head, end)
    # Where records begin in the middle of a line, a line end is no separator.
    is_bare = found > next_start and buffer[found - 1] not in _LINE_ENDS
    if is_separated and not is_bare:
        return declared
    if found >= 0:
        return _cut(buffer, head, found)
    num_behind = len(buffer) - end
    if num_behind > REST_BYTES:
        return Ending(end, end, False)
    if is_last:
        return _cut(buffer, head, len(buffer))
    return end + min(REST_BYTES + 1, 2 * num_behind)


def _torn_warc_head(buffer: bytearray, head: Head, end: int) -> int:
    """Returns where the WARC record begins in whose head the declared end lies, or -1."""
    first, last = max(head.start - 1, end - _HEAD_BYTES), end + len(b"WARC/1.")
    line = max(buffer.rfind(b"\nWARC/1.", first, last), buffer.rfind(b"\nwarc/1.", first, last))
    if line < 0 or line + 1 >= end or not START_IN_BODY.match(buffer, line):
        return -1
    found = read_head(buffer, line + 1, 2 * _HEAD_BYTES, is_arc_file=False, is_last=True)
    return line + 1 if isinstance(found, Head) and end <= found.start else -1


def _candidate(buffer: bytearray, head: Head, end: int, *, is_last: bool) -> tuple[int, bool]:
    """Returns where in the body the next record seems to begin, or -1, and whether that is no quotation."""
    first = at = _start_in_body(buffer, head, head.start, end)
    for _ in range(_CANDIDATES):
        if at < 0:
            break
        if _is_record(buffer, head, at) or _leads_on(buffer, head, at, end, is_last=is_last):
            return at, True
        at = _start_in_body(buffer, head, at + 1, end)
    return first, False


def _is_record(buffer: bytearray, head: Head, at: int) -> bool:
    """Whether a WARC record stands behind the empty lines of the format, or an HTTP message in an ARC record."""
    found = read_head(buffer, at, _HEAD_BYTES, is_arc_file=head.is_arc, is_last=True)
    if isinstance(found, str) or found.length is None or found.is_arc != head.is_arc:
        return False
    if found.is_arc:
        return buffer.startswith(b"HTTP/", found.start)
    return buffer.endswith(head.separator, head.start, at)


def _leads_on(buffer: bytearray, head: Head, at: int, end: int, *, is_last: bool) -> bool:
    """Whether one record follows the other from `at` on beyond `end`; quotations are followed by the rest of a page."""
    for _ in range(_CANDIDATES):
        found = read_head(buffer, at, _HEAD_BYTES, is_arc_file=head.is_arc, is_last=True)
        if isinstance(found, str) or found.length is None or found.is_arc != head.is_arc:
            return False
        if found.start + found.length > len(buffer):
            return not is_last
        at = padding_end(buffer, found.start + found.length)
        if at >= len(buffer):
            return True
        if not starts_record(buffer, at, is_arc_file=head.is_arc):
            return False
        if at > end:
            return True
    return True


def _ends_in_http_headers(buffer: bytearray, head: Head, end: int) -> bool:
    """Whether the body is an HTTP message whose headers go on at the declared end."""
    start = head.start
    return buffer.startswith(b"HTTP/", start) and _HTTP_HEAD_END.search(buffer, start, end) is None


def _cut_at_first(buffer: bytearray, head: Head, next_start: int, *, is_last: bool) -> Ending:
    """The ending where a record begins at `next_start`, and perhaps others before it."""
    candidate, is_record = _candidate(buffer, head, next_start, is_last=is_last)
    return _cut(buffer, head, candidate if is_record else next_start)


def _cut(buffer: bytearray, head: Head, next_start: int) -> Ending:
    """The ending where the next record begins elsewhere than declared."""
    body_end = next_start
    if buffer.endswith(head.separator, head.start, next_start):
        body_end -= len(head.separator)
    else:
        while body_end > head.start and buffer[body_end - 1] in _LINE_ENDS:
            body_end -= 1
    return Ending(body_end, next_start, True)
