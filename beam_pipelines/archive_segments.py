"""An archive's bytes as decompressed segments, with damage marked and skipped.

Archives are gzip files of one member a record, as a rule; also of one member for all records, zstandard frames (with a
dictionary too: IIPC's "Zstandard compression for WARC files 1.0"), or not compressed, whatever the name says; and
compressed once more by whoever served them. After damage, reading goes on at the next header of a member. What came
out of a damaged member is not given out, because the checksum that would vouch for it failed; but for a member of many
records, of which all are given that came out before the damage was noticed.

Decompression is bounded: a segment has at most `SEGMENT_BYTES`, a member that grows beyond `max_ratio` is left, and so
are members where all those before together did.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from beam_pipelines.member_codecs import GZIP, GzipCodec, ZstdCodec, zstd_dictionary_codec
from beam_pipelines.record_limits import ARCHIVE_RATIO_FREE_BYTES, RATIO_FREE_BYTES, RecordLimits

SEGMENT_BYTES = 1 << 20
_READ_BYTES = 1 << 18
_SILENT_BYTES = 1 << 16
"""Compressed bytes without output that are taken for a member: more than a gzip and a deflate header have."""
_PROBE_BYTES = 1 << 10
"""More than the header of a gzip member or a zstandard frame has."""
_HEAD_BYTES = 1 << 22
"""How far the first record or member of a file is looked for."""
_UNCOMPRESSED_START = re.compile(rb"(?:\A|\n)(?:WARC/[01]\.\d|filedesc:)")
_DICTIONARY_FRAME = b"\x5d\x2a\x4d\x18"


@dataclasses.dataclass(slots=True)
class Segment:
    """A piece of the archive.

    Attributes:
      data: decompressed bytes, at most SEGMENT_BYTES; empty in a damage mark.
      raw_bytes: bytes of the file that this piece stands for.
      starts_member: `data` begins a compressed member.
      ends_member: `data` ends one.
      damage: why `raw_bytes` bytes of the file were skipped, or "".
    """

    data: bytes
    raw_bytes: int
    starts_member: bool = False
    ends_member: bool = False
    damage: str = ""


class Readable(Protocol):
    """All that is needed of a stream."""

    def read(self, size: int, /) -> bytes: ...


def read_segments(stream: BinaryIO | Readable, limits: RecordLimits | None = None) -> Iterator[Segment]:
    """Yields the segments of an archive; the compression is told by its bytes."""
    return _read_segments(stream, limits or RecordLimits(), 0)


def _read_segments(stream: Readable, limits: RecordLimits, depth: int) -> Iterator[Segment]:
    head = _read_head(stream)
    if head.startswith(_DICTIONARY_FRAME):
        head, taken, codec = zstd_dictionary_codec(head, stream)
        yield Segment(b"", taken)
        segments = _MemberReader(stream, head, codec, limits).segments()
    else:
        head, found = _find_codec(head, stream)
        if found is None:
            yield from _uncompressed(stream, head)
            return
        segments = _MemberReader(stream, head, found, limits).segments()
    for segment in segments:
        if not segment.data:
            yield segment
            continue
        if not GZIP.is_header(segment.data, 0) and not ZstdCodec.is_packed(segment.data):
            yield segment
            yield from segments
            return
        if depth + 1 >= limits.max_nesting:
            raw_bytes = segment.raw_bytes + sum(rest.raw_bytes for rest in segments)
            yield Segment(b"", raw_bytes, damage="nested_too_deep")
            return
        yield from _nested(_Unpacked(segment, segments), limits, depth + 1)
        return


def _read_head(stream: Readable) -> bytes:
    """Reads enough to tell the compression by, where a stream gives few bytes at a time too."""
    head = stream.read(_READ_BYTES)
    while 0 < len(head) < _PROBE_BYTES and (more := stream.read(_READ_BYTES)):
        head += more
    return head


def _uncompressed(stream: Readable, head: bytes) -> Iterator[Segment]:
    for start in range(0, len(head), SEGMENT_BYTES):
        piece = head[start : start + SEGMENT_BYTES]
        yield Segment(piece, len(piece))
    while head := stream.read(SEGMENT_BYTES):
        yield Segment(head, len(head))


def _find_codec(head: bytes, stream: Readable) -> "tuple[bytes, GzipCodec | ZstdCodec | None]":
    """Returns what was read, and the codec of the member that begins before any uncompressed record does, if any."""
    if head.startswith(GZIP.magic[:2]):
        return head, GZIP
    if ZstdCodec.is_packed(head):
        return head, ZstdCodec()
    searched = 0
    while head:
        text = _UNCOMPRESSED_START.search(head, searched)
        before = text.start() if text else len(head)
        starts = [(at, codec) for codec in (GZIP, ZstdCodec()) if (at := codec.find(head, searched, before)) >= 0]
        if starts:
            return head, min(starts, key=lambda start: start[0])[1]
        if text or len(head) >= _HEAD_BYTES or not (more := stream.read(SEGMENT_BYTES)):
            break
        searched = max(0, len(head) - 32)
        head += more
    return head, None


class _Unpacked:
    """The data of segments as a stream, and the bytes of the file behind what was read since the last call of `raw`.

    `damage` are the marks of damage that were passed over.
    """

    def __init__(self, first: Segment, rest: Iterator[Segment]) -> None:
        self._data, self._raw, self._rest = first.data, first.raw_bytes, rest
        self.damage: list[Segment] = []

    def read(self, size: int, /) -> bytes:
        while not self._data:
            segment = next(self._rest, None)
            if segment is None:
                return b""
            if segment.damage:
                self.damage.append(segment)
                continue
            self._data, self._raw = segment.data, self._raw + segment.raw_bytes
        data, self._data = self._data[:size], self._data[size:]
        return data

    def raw(self) -> int:
        raw, self._raw = self._raw, 0
        return raw


def _nested(unpacked: _Unpacked, limits: RecordLimits, depth: int) -> Iterator[Segment]:
    """Segments of what `unpacked` holds; each stands for the bytes of the file that were read for it."""
    for segment in _read_segments(unpacked, limits, depth):
        segment.raw_bytes = unpacked.raw()
        yield segment
        while unpacked.damage:
            yield unpacked.damage.pop(0)
    yield from unpacked.damage
    if raw_bytes := unpacked.raw():
        yield Segment(b"", raw_bytes)


class _MemberReader:
    """Splits a file into members. `_buffer` is what is read and not yet accounted for, decompressed up to `_at`.

    What stands between `_mark` and `_at` is decompressed and not given out: after damage, the next member is looked for
    there too, since a decompressor may run beyond the end of a damaged member before it notices.
    """

    def __init__(self, stream: Readable, head: bytes, codec: "GzipCodec | ZstdCodec", limits: RecordLimits) -> None:
        self._stream = stream
        self._codec = codec
        self._limits = limits
        self._buffer = head
        self._mark = self._at = 0
        self._num_read = len(head)
        self._num_read_again = 0
        self._num_out = 0
        self._max_out = ARCHIVE_RATIO_FREE_BYTES

    def segments(self) -> Iterator[Segment]:
        codec = self._codec
        while self._at < len(self._buffer) or self._fill():
            self._mark = self._at
            if len(self._buffer) - self._at < codec.header_bytes and self._fill():
                continue
            if self._num_out > self._max_out and self._is_bloated():
                yield self._skip(self._at + 1, "ratio_too_high")
            elif codec.may_start(self._buffer, self._at):
                decompressor = codec.decompressor()
                try:
                    data, used, ends = codec.feed(
                        decompressor, self._buffer, self._at, codec.fed_at_first, SEGMENT_BYTES
                    )
                except codec.errors:
                    yield from self._damaged([], True, 0, codec.damage)
                    continue
                if ends and 0 < len(data) <= SEGMENT_BYTES:  # nearly every member
                    self._num_out += len(data)
                    self._at = self._mark = self._at + used
                    yield Segment(data, used, True, True)
                else:
                    yield from self._member(decompressor, data, used, ends)
            else:
                yield self._skip(self._at, "garbage_between_members")

    def _is_bloated(self) -> bool:
        """Whether the members so far were decompressed to more than what was read of the file allows for."""
        num_in = self._num_read - len(self._buffer) + self._at
        self._max_out = ARCHIVE_RATIO_FREE_BYTES + self._limits.max_ratio * num_in
        return self._num_out > self._max_out

    def _fill(self) -> bool:
        more = self._stream.read(_READ_BYTES)
        self._buffer = self._buffer[self._mark :] + more
        self._at -= self._mark
        self._mark = 0
        self._num_read += len(more)
        return bool(more)

    def _member(self, decompressor: Any, data: bytes, used: int, ends: bool) -> Iterator[Segment]:
        """One member, as one segment if it is not larger than a segment may be.

        Args:
          data, used, ends: what its decompressor made of the first bytes, as `feed` of the codec says it.
        """
        codec = self._codec
        parts: list[bytes] = []
        length, starts, fed = 0, True, codec.fed_at_first
        records = ratio_out = ratio_in = 0
        while True:
            self._at += used
            if data:
                parts.append(data)
                length += len(data)
                self._num_out += len(data)
            if ends or length >= SEGMENT_BYTES or (length and self._at - self._mark > 2 * SEGMENT_BYTES):
                whole = parts[0] if len(parts) == 1 else b"".join(parts)
                raw_bytes, self._mark = self._at - self._mark, self._at
                if len(whole) <= SEGMENT_BYTES:
                    yield Segment(whole, raw_bytes, starts, ends)
                else:
                    yield from _pieces(whole, raw_bytes, starts, ends)
                if ends:
                    return
                records += _num_records(whole)
                parts, length, starts = [], 0, False
                ratio_out, ratio_in = ratio_out + len(whole), ratio_in + raw_bytes
                if ratio_out > RATIO_FREE_BYTES:
                    if ratio_out > self._limits.max_ratio * ratio_in:
                        yield self._skip(self._at, "ratio_too_high")
                        return
                    ratio_out = ratio_in = 0
            elif not length and self._at - self._mark > _SILENT_BYTES:
                yield from self._damaged(parts, starts, records, codec.damage)
                return
            fed = min(4 * fed, codec.fed_at_most)
            if self._at == len(self._buffer) and not self._fill():
                yield from self._truncated(parts, starts, records)
                return
            try:
                data, used, ends = codec.feed(decompressor, self._buffer, self._at, fed, SEGMENT_BYTES - length)
            except codec.errors:
                yield from self._damaged(parts, starts, records, codec.damage)
                return

    def _damaged(self, parts: list[bytes], starts: bool, records: int, damage: str) -> Iterator[Segment]:
        """Gives out what of a damaged member may be trusted, and goes to the next one."""
        data = b"".join(parts)
        start = self._mark + 1
        if records + _num_records(data) > 1:
            raw_bytes, self._mark = self._at - self._mark, self._at
            yield from _pieces(data, raw_bytes, starts, False)
            start = self._mark
        again = self._at - self._mark
        if self._num_read_again + again > SEGMENT_BYTES + self._num_read:  # each byte is read twice, at most
            start = max(start, self._at)
        self._num_read_again += again
        yield self._skip(start, damage)

    def _truncated(self, parts: list[bytes], starts: bool, records: int) -> Iterator[Segment]:
        """The file ended inside a member, or what seems one since it is damaged."""
        if self._codec.find(self._buffer, self._mark + 1, len(self._buffer)) >= 0:
            yield from self._damaged(parts, starts, records, self._codec.damage)
            return
        raw_bytes, self._mark = self._at - self._mark, self._at
        if parts:
            yield from _pieces(b"".join(parts), raw_bytes, starts, False)
            raw_bytes = 0
        yield Segment(b"", raw_bytes, damage=self._codec.truncation)

    def _skip(self, start: int, damage: str) -> Segment:
        """Drops bytes from `_mark` up to the next header of a member at or after `start`."""
        skipped = 0
        while True:
            at = self._codec.find(self._buffer, start, len(self._buffer))
            if at >= 0:
                skipped += at - self._mark
                self._mark = self._at = at
                return Segment(b"", skipped, damage=damage)
            # A header may begin in the last bytes; there are too few of them to look at what follows it.
            keep = max(start, self._mark, len(self._buffer) - self._codec.probe_bytes)
            skipped += keep - self._mark
            self._mark = self._at = start = keep
            start -= keep
            if not self._fill():
                at = self._codec.find(self._buffer, 0, len(self._buffer))
                skipped += len(self._buffer) if at < 0 else at
                self._mark = self._at = len(self._buffer) if at < 0 else at
                return Segment(b"", skipped, damage=damage)


def _num_records(data: bytes) -> int:
    """About how many records stand in the data of a member: whether it is one or more is what counts."""
    if data.startswith(b"filedesc:"):
        return 2  # an ARC file in one member; where each record has one, this one has no page
    return data.count(b"\nWARC/1.") + data.startswith(b"WARC/")


def _pieces(data: bytes, raw_bytes: int, starts: bool, ends: bool) -> Iterator[Segment]:
    """Decompressed bytes as segments of at most SEGMENT_BYTES; the first one stands for all the file's bytes."""
    if len(data) <= SEGMENT_BYTES:
        yield Segment(data, raw_bytes, starts, ends)
        return
    for offset in range(0, len(data), SEGMENT_BYTES):
        is_last = offset + SEGMENT_BYTES >= len(data)
        yield Segment(data[offset : offset + SEGMENT_BYTES], 0 if offset else raw_bytes, starts, ends and is_last)
        starts = False
