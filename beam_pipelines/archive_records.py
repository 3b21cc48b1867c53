"""Records of an archive, WARC, WAT or ARC, out of its segments; whatever is not a whole record is counted and skipped.

A WARC record is `WARC/1.x`, header lines, an empty line and Content-Length bytes (ISO 28500, section 4); an ARC record
is one header line that starts with the URL and ends with the length (Internet Archive ARC format, versions 1 and 2).
Both end in empty lines. After damage, reading goes on at the next line that begins a record.

A Content-Length that is too large would take the records that follow with it. So where a record is not followed by
another one, or the file ends inside it, its body is searched for the start of a record, and ends there if there is one.
A record that its file, or a member whose checksum holds, ends too early is given as far as it goes: what is there is
what was written, and a page cut short is a page. What damage cut short is not given.
"""

import dataclasses
import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any, BinaryIO

from beam_pipelines.archive_segments import Readable, Segment, read_segments
from beam_pipelines.member_codecs import GZIP, ZstdCodec
from beam_pipelines.record_limits import RecordLimits

_WARC = b"WARC/"
_PADDING_RUN = re.compile(rb"[\r\n\x00]+")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_ARC_START = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]{0,31}+:")
_ARC_LINE = re.compile(
    # That the line ends in a number is asked first and once: asked behind each address in it, it takes its square.
    rb"(?=[^\n]{1,9300}+(?:(?<=\d)|(?<=\d\r))\n)"
    rb"(?:(?P<file>filedesc:[^\s]*)|(?P<url>" + _ARC_START.pattern + rb"[^\n]{0,8192}) "
    rb"\d{1,3}(?:\.\d{1,3}){3} \d{8,14}) [^\n]*\n"
)
_RECORD_START = re.compile(
    # Both begin with a sign of one set, which is looked for three times as fast as either.
    rb"[Ww\n](?:(?<!\n)[Aa][Rr][Cc]/[01]\.\d+\r?\n|(?<=\n)(?=" + _ARC_LINE.pattern + rb"))"
)
"""`WARC/1.0` in any case, as literals of the standard's grammar are (ISO 28500, 4; RFC 822, 2.1), or an ARC line."""
_START_IN_BODY = re.compile(
    rb"\n(?=(?i:WARC)/[01]\.\d\r?\n(?i:WARC-|Content-)[A-Za-z-]{2,40}+:|" + _ARC_LINE.pattern + rb")"
)
"""Of a record that holds the next ones: what a page may have in its text is no start of a record."""
_TRUNCATIONS = (GZIP.truncation, ZstdCodec.truncation)
_LOOK_AHEAD_BYTES = 1 << 9
"""What is read after a body to see whether a record follows."""
_RESYNC_OVERLAP = 1 << 13
_FOLD = (b" ", b"\t")
_LINE_STARTS = {
    name.lower(): f"\n{name}: ".encode()
    for name in ("WARC-Type", "WARC-Target-URI", "WARC-Date", "Content-Type", "Content-Length")
}
"""How nearly all writers spell the headers that are read here."""


class WarcHeaders(Mapping[str, str]):
    """The headers of a WARC record by lower-case name. Of several, the first in the usual spelling, if any, counts.

    The usual ones are found where they stand; all lines are parsed only for what is spelled in another way or missing.

    Args:
      head: the record from `WARC/` to the empty line.
    """

    __slots__ = ("_head",)

    def __init__(self, head: bytes) -> None:
        self._head = head

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        head, start = self._head, _LINE_STARTS.get(name)
        if start is not None and (at := head.find(start)) >= 0:
            at += len(start)
            end = head.find(b"\n", at)
            if end >= 0 and not head.startswith(_FOLD, end + 1):
                return head[at:end].decode("utf-8", "replace").strip()
        return _parse_warc_headers(head).get(name, default)

    def has_usual(self, name: str, value: bytes) -> bool:
        """Whether a header is there in the usual spelling, and is `value`, with its end of line. In less than half of
        the time of looking it up; where it is not so, it may still have that value.
        """
        head, start = self._head, _LINE_STARTS[name]
        at = head.find(start)
        if at < 0:
            return False
        at += len(start)
        return head.startswith(value, at) and not head.startswith(_FOLD, at + len(value))

    def __iter__(self) -> Iterator[str]:
        return iter(_parse_warc_headers(self._head))

    def __len__(self) -> int:
        return len(_parse_warc_headers(self._head))


@dataclasses.dataclass(slots=True)
class Record:
    """A whole record. `headers` has lower-case names; an ARC record has those of the equal WARC response."""

    headers: Mapping[str, str]
    body: bytes
    raw_bytes: int
    _record_type: str | None = dataclasses.field(default=None, init=False, repr=False, compare=False)

    @property
    def record_type(self) -> str:
        if self._record_type is None:
            headers = self.headers
            if isinstance(headers, WarcHeaders) and headers.has_usual("warc-type", b"metadata\r\n"):
                self._record_type = "metadata"  # which nearly all of a WAT file are
            else:
                self._record_type = headers.get("warc-type", "").lower()
        return self._record_type

    @property
    def target_uri(self) -> str:
        """`WARC-Target-URI` as a URL: wget writes it in angle brackets."""
        return self.headers.get("warc-target-uri", "").strip().removeprefix("<").removesuffix(">")


@dataclasses.dataclass(slots=True)
class Skipped:
    """Something that is not a whole record, and what it cost in bytes of the file."""

    reason: str
    raw_bytes: int


def read_records(stream: BinaryIO | Readable, limits: RecordLimits | None = None) -> Iterator[Record | Skipped]:
    """Yields the records of an archive in order, and a `Skipped` for each stretch that holds none."""
    limits = limits or RecordLimits()
    framer = _Framer(limits)
    for segment in read_segments(stream, limits):
        if segment.starts_member and segment.ends_member and framer.is_empty:
            record = _whole_member(segment, limits)
            if record is not None:
                record.raw_bytes += framer.reset()
                yield record
                continue
        yield from framer.push(segment)
    yield from framer.finish()


def _whole_member(segment: Segment, limits: RecordLimits) -> Record | None:
    """The record of a member that holds exactly one, which is nearly every member: no buffer is copied."""
    data = segment.data
    header_end = data.find(b"\r\n\r\n", 0, limits.max_header_bytes)
    if header_end < 0 or not data.startswith(_WARC):
        return None
    headers = WarcHeaders(data[: header_end + 2])
    length = _content_length(headers)
    if length is None or length > limits.max_record_bytes:
        return None
    body_end = header_end + 4 + length
    if body_end > len(data) or (data[body_end:] != b"\r\n\r\n" and data[body_end:].strip(b"\r\n")):
        return None
    return Record(headers, data[header_end + 4 : body_end], segment.raw_bytes)


class _Framer:
    """Cuts records out of segments that do not hold exactly one. `_raw` are the file's bytes not yet accounted for."""

    def __init__(self, limits: RecordLimits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._raw = 0
        self._spent = 0  # bytes of the file behind what was dropped from the buffer and not reported yet
        self._resyncing = ""  # why a start of a record is looked for, or ""
        self._wanted = 0  # length of the buffer at which the record under way is whole, where that is known

    @property
    def is_empty(self) -> bool:
        """No record is under way: what lies between records is dropped from the buffer."""
        return not self._resyncing and not self._buffer

    def reset(self) -> int:
        """Returns the bytes of the file that the empty lines after the last record took."""
        raw, self._raw, self._spent = self._raw + self._spent, 0, 0
        return raw

    def _consume(self, count: int) -> None:
        """Drops `count` bytes of the buffer; their share of the file's bytes is spent."""
        share = self._raw if count >= len(self._buffer) else self._raw * count // len(self._buffer)
        self._raw -= share
        self._spent += share
        del self._buffer[:count]

    def push(self, segment: Segment) -> Iterator[Record | Skipped]:
        if segment.damage:
            yield from self._frame(is_end=True)
            if segment.damage in _TRUNCATIONS:
                yield from self._cut_short()
            yield from self._drop_rest(segment.damage, segment.raw_bytes)
            return
        if segment.starts_member and _is_warc(segment.data, 0) and not self.is_empty:
            # The member before ended inside a record: that record is cut short.
            yield from self._cut_short()
            yield from self._drop_rest(self._resyncing or "truncated_record", 0)
        self._raw += segment.raw_bytes
        self._buffer += segment.data
        if len(self._buffer) >= self._wanted or segment.ends_member:
            yield from self._frame(is_end=segment.ends_member)

    def finish(self) -> Iterator[Record | Skipped]:
        yield from self._frame(is_end=True)
        while self._buffer and not self._resyncing and (start := self._start_in(len(_WARC), len(self._buffer))) >= 0:
            header = self._header()
            if isinstance(header, str):
                self._consume(start)
                yield self._skip("truncated_record")
            else:
                yield from self._end_at(header[0], header[1], start)
            yield from self._frame(is_end=True)
        if not self.is_empty:
            yield from self._cut_short()
            yield from self._drop_rest(self._resyncing or "truncated_record", 0)

    def _cut_short(self) -> Iterator[Record]:
        """Yields the record under way with the body that it has; its bytes count as damaged with what ends it."""
        header = self._header() if self._buffer and not self._resyncing else ""
        if not isinstance(header, str):
            headers, start = header
            yield Record(headers, bytes(self._buffer[start:]), 0)

    def _drop_rest(self, reason: str, raw_bytes: int) -> Iterator[Skipped]:
        self._buffer.clear()
        self._wanted = 0
        self._resyncing = ""
        self._spent += self._raw + raw_bytes
        self._raw = 0
        yield self._skip(reason)

    def _skip(self, reason: str) -> Skipped:
        skipped, self._spent = self._spent, 0
        return Skipped(reason, skipped)

    def _frame(self, *, is_end: bool) -> Iterator[Record | Skipped]:
        """Yields what is whole in the buffer. At an end, of a member or the file, nothing more is waited for."""
        self._wanted = 0
        while self._buffer:
            if self._resyncing and not (yield from self._resync()):
                return
            padding = _PADDING_RUN.match(self._buffer)
            if padding is not None:
                self._consume(padding.end())
            header = self._header()
            if header == "more":
                return
            if isinstance(header, str):
                self._resyncing = "garbage"
                # What begins as a header and does not end is no header; the last of it may be the start of one.
                is_endless = len(self._buffer) >= self._limits.max_header_bytes and _is_warc(self._buffer, 0)
                self._consume(max(1, self._limits.max_header_bytes - _RESYNC_OVERLAP) if is_endless else 1)
                continue
            headers, body_start = header
            next_start = self._buffer.rfind(b"\nWARC/1.", 0, body_start) + 1
            if next_start:  # headers that were cut off: the empty line ends those of a record that follows
                self._consume(next_start)
                yield self._skip("truncated_record")
                continue
            length = _content_length(headers)
            if length is None or length > self._limits.max_record_bytes:
                self._resyncing = "garbage" if length is None else "record_too_large"
                self._consume(body_start)
                continue
            body_end = body_start + length
            if len(self._buffer) < body_end + (0 if is_end else _LOOK_AHEAD_BYTES):
                self._wanted = body_end + (0 if is_end else _LOOK_AHEAD_BYTES)
                if len(self._buffer) < body_end or not self._is_followed(body_end):
                    return
            yield from self._take(headers, body_start, body_end)

    def _is_followed(self, end: int) -> bool:
        """Whether another record begins after the empty lines at `end`."""
        padding = _PADDING_RUN.match(self._buffer, end)
        return _is_warc(self._buffer, end if padding is None else padding.end())

    def _take(self, headers: Mapping[str, str], start: int, end: int) -> Iterator[Record | Skipped]:
        """Yields the record with this body, or with as much of it as is before the next record."""
        padding = _PADDING_RUN.match(self._buffer, end)
        next_start = end if padding is None else padding.end()
        is_last = next_start >= len(self._buffer)
        if not is_last and not _is_warc(self._buffer, next_start) and not self._is_arc_line(next_start):
            found = self._start_in(start, end)
            if found >= 0:
                yield from self._end_at(headers, start, found)
                return
        body = bytes(self._buffer[start:end])
        self._consume(next_start)
        raw, self._spent = self._spent, 0
        yield Record(headers, body, raw)

    def _end_at(self, headers: Mapping[str, str], start: int, next_start: int) -> Iterator[Record | Skipped]:
        """Yields a record whose length is wrong: the next one starts inside it."""
        body = bytes(self._buffer[start:next_start]).rstrip(b"\r\n")
        self._consume(next_start)
        raw, self._spent = self._spent, 0
        yield Skipped("wrong_content_length", 0)
        yield Record(headers, body, raw)

    def _is_arc_line(self, at: int) -> bool:
        return _ARC_LINE.match(self._buffer, at) is not None

    def _start_in(self, start: int, end: int) -> int:
        """Returns where in [start, end) of the buffer a record begins, or -1."""
        match = _START_IN_BODY.search(self._buffer, start, end)
        return -1 if match is None else match.end()

    def _resync(self) -> Generator[Skipped, None, bool]:
        """Drops bytes up to the next start of a record; returns whether there is one."""
        match = _RECORD_START.search(self._buffer)
        if match is None:
            self._consume(max(0, len(self._buffer) - _RESYNC_OVERLAP))
            return False
        reason, self._resyncing = self._resyncing, ""
        self._consume(match.start() + (match[0] == b"\n"))
        yield self._skip(reason)
        return True

    def _header(self) -> "tuple[Mapping[str, str], int] | str":
        """Returns (headers, where the body starts), "more" where bytes are missing, or "garbage"."""
        buffer, most = self._buffer, self._limits.max_header_bytes
        if len(buffer) < len(_WARC) and _WARC.startswith(buffer.upper()):
            return "more"
        is_full = len(buffer) >= most
        if _is_warc(buffer, 0):
            end = _HEAD_END.search(buffer, 0, most)
            if end is None:
                return "garbage" if is_full else "more"
            return WarcHeaders(bytes(buffer[: end.start() + 1])), end.end()
        line_end = buffer.find(b"\n", 0, most)
        if line_end < 0:
            return "garbage" if is_full or not _ARC_START.match(buffer) else "more"
        line = bytes(buffer[: line_end + 1])
        if not _ARC_LINE.fullmatch(line):
            return "garbage"
        return _parse_arc_line(line), line_end + 1


def _is_warc(data: bytes | bytearray, at: int) -> bool:
    return data[at : at + len(_WARC)].upper() == _WARC


def _parse_warc_headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for line in head.decode("utf-8", "replace").split("\n")[1:]:
        if line.startswith((" ", "\t")):
            if name:
                headers[name] = f"{headers[name]} {line.strip()}".strip()
            continue
        written, colon, value = line.partition(":")
        name = written.strip().lower() if colon else ""
        if name:
            headers.setdefault(name, value.strip())
    return headers


def _parse_arc_line(line: bytes) -> dict[str, str]:
    match = _ARC_LINE.match(line)
    assert match is not None, line
    url = (match["file"] or match["url"]).decode("utf-8", "replace")
    return {
        "warc-type": "warcinfo" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "content-length": line.split()[-1].decode("utf-8", "replace"),
    }


def _content_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
