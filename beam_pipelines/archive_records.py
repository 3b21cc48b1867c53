"""Records of an archive, WARC, WAT or ARC, out of its segments; whatever is not a whole record is counted and skipped.

A WARC record is `WARC/1.x`, header lines, an empty line and Content-Length bytes (ISO 28500, section 4); an ARC record
is one header line that starts with the URL and ends with the length (Internet Archive ARC format, versions 1 and 2).
Both end in empty lines. After damage, reading goes on at the next line that begins a record.
"""

import dataclasses
import re
from collections.abc import Generator, Iterator, Mapping
from typing import BinaryIO

from beam_pipelines.archive_segments import Segment, read_segments

MAX_RECORD_BYTES = 1 << 28
"""Larger records are skipped; Common Crawl truncates payloads at 1 to 5 MiB."""
MAX_HEADER_BYTES = 1 << 16

_WARC = b"WARC/"
_PADDING_RUN = re.compile(rb"[\r\n\x00]+")
_WARC_START = re.compile(rb"WARC/[01]\.\d+\r?\n")
_ARC_LINE = re.compile(
    rb"(?P<url>[a-zA-Z][a-zA-Z0-9+.-]*:[^\n]{0,8192}) \d{1,3}(?:\.\d{1,3}){3} \d{8,14} [^\n]{0,1024}\d+\r?\n"
)
_RECORD_START = re.compile(_WARC_START.pattern + rb"|(?<=\n)" + _ARC_LINE.pattern)
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
        start = _LINE_STARTS.get(name)
        at = self._head.find(start) if start else -1
        if start and at >= 0:
            end = self._head.find(b"\n", at + len(start))
            if end >= 0 and self._head[end + 1 : end + 2] not in _FOLD:
                return self._head[at + len(start) : end].decode("utf-8", "replace").strip()
        return _parse_warc_headers(self._head)[name]

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

    @property
    def record_type(self) -> str:
        return self.headers.get("warc-type", "").lower()

    @property
    def target_uri(self) -> str:
        """`WARC-Target-URI` as a URL: wget writes it in angle brackets."""
        return self.headers.get("warc-target-uri", "").strip().removeprefix("<").removesuffix(">")


@dataclasses.dataclass(slots=True)
class Skipped:
    """Something that is not a whole record, and what it cost in bytes of the file."""

    reason: str
    raw_bytes: int


def read_records(stream: BinaryIO) -> Iterator[Record | Skipped]:
    """Yields the records of an archive in order, and a `Skipped` for each stretch that holds none."""
    framer = _Framer()
    for segment in read_segments(stream):
        if segment.starts_member and segment.ends_member and framer.is_empty:
            record = _whole_member(segment)
            if record is not None:
                record.raw_bytes += framer.reset()
                yield record
                continue
        yield from framer.push(segment)
    yield from framer.finish()


def _whole_member(segment: Segment) -> Record | None:
    """The record of a member that holds exactly one, which is nearly every member: no buffer is copied."""
    data = segment.data
    header_end = data.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
    if header_end < 0 or not data.startswith(_WARC):
        return None
    headers = WarcHeaders(data[: header_end + 2])
    length = _content_length(headers)
    if length is None or length > MAX_RECORD_BYTES:
        return None
    body_start = header_end + 4
    if body_start + length > len(data) or data[body_start + length :].strip(b"\r\n"):
        return None
    return Record(headers, data[body_start : body_start + length], segment.raw_bytes)


class _Framer:
    """Cuts records out of segments that do not hold exactly one. `_raw` are the file's bytes not yet accounted for."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._raw = 0
        self._spent = 0  # bytes of the file behind what was dropped from the buffer and not reported yet
        self._resyncing = False
        self._overrun = 0  # bytes still to be dropped of a record that is too large
        self._wanted = 0  # length of the buffer at which the record under way is whole, where that is known

    @property
    def is_empty(self) -> bool:
        """No record is under way: what lies between records is dropped from the buffer."""
        return not self._overrun and not self._resyncing and not self._buffer

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
            yield from self._drop_rest(segment.damage, segment.raw_bytes)
            return
        if segment.starts_member and segment.data.startswith(_WARC) and not self.is_empty:
            # The member before ended inside a record: that record is cut short.
            yield from self._drop_rest("truncated_record", 0)
        self._raw += segment.raw_bytes
        self._buffer += segment.data
        if self._overrun:
            dropped = min(self._overrun, len(self._buffer))
            self._consume(dropped)
            self._overrun -= dropped
            if not self._overrun:
                yield self._skip("record_too_large")
        if len(self._buffer) >= self._wanted:
            yield from self._frame()

    def finish(self) -> Iterator[Record | Skipped]:
        if not self.is_empty:
            yield from self._drop_rest("garbage" if self._resyncing else "truncated_record", 0)

    def _drop_rest(self, reason: str, raw_bytes: int) -> Iterator[Skipped]:
        self._buffer.clear()
        self._overrun = self._wanted = 0
        self._resyncing = False
        self._spent += self._raw + raw_bytes
        self._raw = 0
        yield self._skip(reason)

    def _skip(self, reason: str) -> Skipped:
        skipped, self._spent = self._spent, 0
        return Skipped(reason, skipped)

    def _frame(self) -> Iterator[Record | Skipped]:
        self._wanted = 0
        while self._buffer and not self._overrun:
            if self._resyncing and not (yield from self._resync()):
                return
            padding = _PADDING_RUN.match(self._buffer)
            if padding is not None:
                self._consume(padding.end())
            header = self._header()
            if header == "more":
                return
            if isinstance(header, str):
                self._resyncing = True
                # What begins as a header and does not end is no header; the last of it may be the start of one.
                is_endless = len(self._buffer) >= MAX_HEADER_BYTES and self._buffer.startswith(_WARC)
                self._consume(MAX_HEADER_BYTES - _RESYNC_OVERLAP if is_endless else 1)
                continue
            headers, body_start = header
            length = _content_length(headers)
            if length is None:
                self._resyncing = True
                self._consume(body_start)
                continue
            if length > MAX_RECORD_BYTES:
                self._overrun = max(0, body_start + length - len(self._buffer))
                self._consume(body_start + length)
                if not self._overrun:
                    yield self._skip("record_too_large")
                continue
            if len(self._buffer) < body_start + length:
                self._wanted = body_start + length
                return
            body = bytes(self._buffer[body_start : body_start + length])
            padding = _PADDING_RUN.match(self._buffer, body_start + length)
            self._consume(body_start + length if padding is None else padding.end())
            raw, self._spent = self._spent, 0
            yield Record(headers, body, raw)

    def _resync(self) -> Generator[Skipped, None, bool]:
        """Drops bytes up to the next start of a record; returns whether there is one."""
        match = _RECORD_START.search(self._buffer)
        if match is None:
            self._consume(max(0, len(self._buffer) - _RESYNC_OVERLAP))
            return False
        self._consume(match.start())
        self._resyncing = False
        yield self._skip("garbage")
        return True

    def _header(self) -> "tuple[Mapping[str, str], int] | str":
        """Returns (headers, where the body starts), "more" where bytes are missing, or "garbage"."""
        head = self._buffer[:MAX_HEADER_BYTES]
        if not head or (len(head) < len(_WARC) and _WARC.startswith(bytes(head))):
            return "more"
        is_full = len(head) == MAX_HEADER_BYTES
        if head.startswith(_WARC):
            end = re.search(rb"\r?\n\r?\n", head)
            if end is None:
                return "garbage" if is_full else "more"
            return WarcHeaders(bytes(head[: end.start()])), end.end()
        line_end = head.find(b"\n")
        if line_end < 0:
            return "garbage" if is_full or not re.match(rb"[a-zA-Z][a-zA-Z0-9+.-]*:", head) else "more"
        line = bytes(head[: line_end + 1])
        if not _ARC_LINE.fullmatch(line):
            return "garbage"
        return _parse_arc_line(line), line_end + 1


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
    url = match["url"].decode("utf-8", "replace")
    return {
        "warc-type": "warcinfo" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "content-length": line.split()[-1].decode(),
    }


def _content_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
