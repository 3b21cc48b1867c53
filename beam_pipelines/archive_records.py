"""Records of an archive, WARC, WAT or ARC, out of its segments; whatever is not a whole record is counted and skipped.

A WARC record is `WARC/1.x`, header lines, an empty line and Content-Length bytes (ISO 28500, section 4); an ARC record
is one header line that starts with the URL and ends with the length (Internet Archive ARC format, versions 1 and 2).
Both end in empty lines. After damage, reading goes on at the next line that begins a record.

A declared length that is wrong costs no bytes: `record_end` says where the body ends in truth. A record that its file,
or a member whose checksum holds, ends too early is given as far as it goes: what is there is what was written, and a
page cut short is a page. What damage cut short is not given.
"""

import dataclasses
from collections.abc import Generator, Iterator, Mapping
from typing import BinaryIO, Literal

from beam_pipelines.arc_lines import ARC_LINE_BYTES
from beam_pipelines.archive_segments import Readable, Segment, read_segments
from beam_pipelines.member_codecs import GZIP, ZstdCodec
from beam_pipelines.record_end import Ending, find_ending, find_ending_before_end, start_in_body
from beam_pipelines.record_head import (
    RECORD_START,
    WARC,
    Head,
    content_length,
    is_warc,
    padding_end,
    read_head,
    starts_record,
)
from beam_pipelines.record_limits import RecordLimits
from beam_pipelines.warc_headers import WarcHeaders
from webgraph.url_text import URL_SPACE

_TRUNCATIONS = (GZIP.truncation, ZstdCodec.truncation)
_RESYNC_OVERLAP = ARC_LINE_BYTES
_SEPARATOR = b"\r\n\r\n"


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
        return self.headers.get("warc-target-uri", "").strip(URL_SPACE).removeprefix("<").removesuffix(">")


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
    if header_end < 0 or not data.startswith(WARC):
        return None
    headers = WarcHeaders(data[: header_end + 2])
    length = content_length(headers)
    if length is None or length > limits.max_record_bytes:
        return None
    body_end = header_end + 4 + length
    if data[body_end:] != _SEPARATOR:
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
        self._is_arc_file = False
        self._is_member_whole = False  # the buffer ends where a member does, so its checksum vouches for it
        self._short_separators: set[bytes] = set()

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
            yield from self._settle(is_cut=not self._is_member_whole)
            if segment.damage in _TRUNCATIONS:
                yield from self._cut_short()
            yield from self._drop_rest(segment.damage, segment.raw_bytes)
            return
        if segment.starts_member and not self.is_empty and self._starts_record(segment.data):
            # The member before ended inside a record.
            yield from self._settle(is_cut=False)
            if not self.is_empty:
                yield from self._cut_short()
                yield from self._drop_rest(self._resyncing or "truncated_record", 0)
        self._raw += segment.raw_bytes
        self._buffer += segment.data
        self._is_member_whole = segment.ends_member
        if len(self._buffer) >= self._wanted or segment.ends_member:
            yield from self._frame(is_last=segment.ends_member)

    def finish(self) -> Iterator[Record | Skipped]:
        yield from self._settle(is_cut=False)
        if not self.is_empty:
            yield from self._cut_short()
            yield from self._drop_rest(self._resyncing or "truncated_record", 0)

    def _starts_record(self, data: bytes) -> bool:
        """Whether a member begins with a record. The empty line of an ARC record may stand before it."""
        if is_warc(data, 0):
            return True
        at = padding_end(data, 0)
        return not is_warc(data, at) and starts_record(data, at, is_arc_file=self._is_arc_file)

    def _settle(self, *, is_cut: bool) -> Iterator[Record | Skipped]:
        """Yields what the buffer holds, where nothing more comes to it but damage, if `is_cut`."""
        yield from self._frame(is_last=True)
        while self._buffer and not self._resyncing:
            head = self._head(is_last=True)
            if isinstance(head, str):
                start = start_in_body(self._buffer, len(WARC), len(self._buffer))
                if start < 0:
                    return
                self._consume(start)
                yield self._skip("truncated_record")
            else:
                ending = find_ending_before_end(self._buffer, head, head.start + (head.length or 0), is_cut=is_cut)
                if ending is None:
                    return
                yield from self._give(head, ending)
            yield from self._frame(is_last=True)

    def _cut_short(self) -> Iterator[Record]:
        """Yields the record under way with the body that it has; its bytes count as damaged with what ends it."""
        head = self._head(is_last=True) if self._buffer and not self._resyncing else "more"
        if not isinstance(head, str):
            yield Record(head.headers, bytes(self._buffer[head.start :]), 0)

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

    def _frame(self, *, is_last: bool) -> Iterator[Record | Skipped]:
        """Yields what is whole in the buffer. At an end, of a member or the file, nothing more is waited for."""
        self._wanted = 0
        while self._buffer:
            if self._resyncing and not (yield from self._resync()):
                return
            if padding := padding_end(self._buffer, 0):
                self._consume(padding)
            head = self._head(is_last=is_last)
            if head == "more":
                return
            if isinstance(head, str):
                self._resyncing = "garbage"
                # What begins as a header and does not end is no header; the last of it may be the start of one.
                is_endless = len(self._buffer) >= self._limits.max_header_bytes and is_warc(self._buffer, 0)
                self._consume(max(1, self._limits.max_header_bytes - _RESYNC_OVERLAP) if is_endless else 1)
                continue
            next_start = self._buffer.rfind(b"\nWARC/1.", 0, head.start) + 1
            if next_start:  # headers that were cut off: the empty line ends those of a record that follows
                self._consume(next_start)
                yield self._skip("truncated_record")
                continue
            self._is_arc_file |= head.is_arc
            length = head.length
            if length is None or length > self._limits.max_record_bytes:
                self._resyncing = "garbage" if length is None else "record_too_large"
                self._consume(head.start - 1)  # a record may begin right behind the end of the line, which stays
                continue
            ending = self._ending(head, head.start + length, is_last=is_last)
            if ending is None:
                return
            yield from self._give(head, ending)

    def _head(self, *, is_last: bool) -> Head | Literal["more", "garbage"]:
        most = self._limits.max_header_bytes
        return read_head(self._buffer, 0, most, is_arc_file=self._is_arc_file, is_last=is_last)

    def _ending(self, head: Head, end: int, *, is_last: bool) -> Ending | None:
        """Returns where the record ends, or None where more bytes are needed to say so."""
        if len(self._buffer) < end:
            self._wanted = end
            return None
        ending = find_ending(self._buffer, head, end, is_last=is_last, short_separators=self._short_separators)
        if isinstance(ending, int):
            self._wanted = ending
            return None
        return ending

    def _give(self, head: Head, ending: Ending) -> Iterator[Record | Skipped]:
        body = bytes(self._buffer[head.start : ending.body_end])
        if not ending.is_wrong:
            self._note_separator(head, ending)
        self._consume(ending.next_start)
        raw, self._spent = self._spent, 0
        if ending.is_wrong:
            yield Skipped("wrong_content_length", 0)
        yield Record(head.headers, body, raw)

    def _note_separator(self, head: Head, ending: Ending) -> None:
        """Takes note of a separator that is shorter than the format asks for, where it cannot be part of the body."""
        end, next_start, _ = ending
        if next_start - end >= len(head.separator) or end == head.start:
            return
        # The body of an ARC file's first record has one line end of its own.
        lines = (b"\n\n", b"\n\r\n") if head.is_arc_version else (b"\r", b"\n")
        if not self._buffer.endswith(lines, head.start, end):
            self._short_separators.add(bytes(self._buffer[end:next_start]))

    def _resync(self) -> Generator[Skipped, None, bool]:
        """Drops bytes up to the next start of a record; returns whether there is one."""
        match = RECORD_START.search(self._buffer)
        if match is None:
            self._consume(max(0, len(self._buffer) - _RESYNC_OVERLAP))
            self._wanted = 2 * len(self._buffer)
            return False
        reason, self._resyncing = self._resyncing, ""
        self._consume(match.start() + (match[0] == b"\n"))
        yield self._skip(reason)
        return True
