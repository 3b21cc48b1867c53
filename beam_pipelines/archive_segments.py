"""An archive's bytes as decompressed segments, with damage marked and skipped.

Archives are gzip files of one member a record, as a rule; also of one member for all records, zstandard, or not
compressed, whatever the name says. A damaged or truncated gzip member is reported as damage, and reading goes on at the
next gzip header. Decompression is bounded: a segment has at most `SEGMENT_BYTES`.

zlib-ng decompresses 1.6 times as fast as the standard library's zlib, and faster than fastwarc reads the same file,
and it leaves us the member limits, which say how many bytes a damaged member cost.
"""

import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

import zstandard
from zlib_ng import zlib_ng

SEGMENT_BYTES = 1 << 20
_READ_BYTES = 1 << 18
_FED_BYTES = 1 << 12
"""Compressed bytes a member is given at first. Most members are smaller, and what is given is copied twice."""
_GZIP_MAGIC = b"\x1f\x8b\x08"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_PIECE_BYTES = 256
"""Fed at once: a block of 4 bytes may stand for 128 KiB, so this much for 8 MiB."""
_ZSTD_WINDOW_BYTES = 1 << 27
_GZIP_WINDOW = 31  # zlib's number for "a gzip header, 32 KiB window"


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


def read_segments(stream: BinaryIO) -> Iterator[Segment]:
    """Yields the segments of an archive; the compression is told by the first bytes."""
    head = stream.read(_READ_BYTES)
    if head.startswith(_GZIP_MAGIC[:2]):
        yield from _GzipReader(stream, head).segments()
    elif head.startswith(_ZSTD_MAGIC):
        yield from _zstd_segments(stream, head)
    else:
        while head:
            yield Segment(head, len(head))
            head = stream.read(SEGMENT_BYTES)


class _GzipReader:
    """Splits a gzip file into members. Bytes read and not yet decompressed are `_buffer`, from `_at` on."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self._stream = stream
        self._buffer = head
        self._at = 0

    def segments(self) -> Iterator[Segment]:
        while self._at < len(self._buffer) or self._fill():
            if len(self._buffer) - self._at < len(_GZIP_MAGIC) and self._fill():
                continue
            if self._buffer.startswith(_GZIP_MAGIC, self._at):
                yield from self._member()
            else:
                yield self._skip_to_next_member(b"", 0, "garbage_between_members")

    def _fill(self) -> bool:
        more = self._stream.read(_READ_BYTES)
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return bool(more)

    def _member(self) -> Iterator[Segment]:
        """One member, as one segment if it is not larger than a segment may be."""
        decompressor = zlib_ng.decompressobj(_GZIP_WINDOW)
        parts: list[bytes] = []
        length = raw_bytes = 0  # of `parts`
        silent = b""  # bytes that gave no output yet, kept to search them after damage
        starts, fed = True, _FED_BYTES
        while True:
            given = self._buffer[self._at : self._at + fed]
            try:
                data = decompressor.decompress(given, SEGMENT_BYTES - length)
            except zlib_ng.error:  # type: ignore[misc]  # an exception class, typed as a function in its stub
                if parts:
                    yield Segment(b"".join(parts), raw_bytes, starts)
                yield self._skip_to_next_member(silent, 1, "bad_gzip_member")
                return
            used = len(given) - len(decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail)
            self._at += used
            if data or decompressor.eof:
                parts.append(data)
                length += len(data)
                raw_bytes += used + len(silent)
                silent = b""
                if decompressor.eof or length == SEGMENT_BYTES:
                    yield Segment(b"".join(parts), raw_bytes, starts, decompressor.eof)
                    parts, length, raw_bytes, starts = [], 0, 0, False
            else:
                silent += given[:used]
                if len(silent) > SEGMENT_BYTES:  # a gzip header without an end
                    yield self._skip_to_next_member(silent, 1, "bad_gzip_member")
                    return
            if decompressor.eof:
                return
            fed = min(4 * fed, _READ_BYTES)
            if self._at == len(self._buffer) and not self._fill():
                if parts:
                    yield Segment(b"".join(parts), raw_bytes, starts)
                yield Segment(b"", len(silent), damage="truncated_gzip_member")
                return

    def _skip_to_next_member(self, before: bytes, start: int, damage: str) -> Segment:
        """Drops bytes up to the next gzip header at or after `start`; `before` stands before the buffer again."""
        self._buffer = before + self._buffer[self._at :]
        self._at = skipped = 0
        while True:
            at = self._buffer.find(_GZIP_MAGIC, start)
            if at >= 0:
                self._buffer = self._buffer[at:]
                return Segment(b"", skipped + at, damage=damage)
            keep = min(len(_GZIP_MAGIC) - 1, len(self._buffer))  # a header may begin in the last two bytes
            skipped += len(self._buffer) - keep
            self._buffer = self._buffer[len(self._buffer) - keep :]
            start = 0
            if not self._fill():
                skipped += len(self._buffer)
                self._buffer = b""
                return Segment(b"", skipped, damage=damage)


def _zstd_segments(stream: BinaryIO, head: bytes) -> Iterator[Segment]:
    """Zstandard frames, one after another; damage ends the file, since no marker can be searched for safely."""
    buffer, starts = head, True
    decompressor = _zstd_decompressor()
    while buffer:
        piece, position = buffer[:_ZSTD_PIECE_BYTES], min(_ZSTD_PIECE_BYTES, len(buffer))
        while piece:
            try:
                data = decompressor.decompress(piece)
            except zstandard.ZstdError:
                skipped = len(buffer) - position + len(piece)
                while rest := stream.read(SEGMENT_BYTES):
                    skipped += len(rest)
                yield Segment(b"", skipped, damage="bad_zstd_frame")
                return
            unused = decompressor.unused_data if decompressor.eof else b""
            yield from _pieces(data, len(piece) - len(unused), starts, decompressor.eof)
            starts = decompressor.eof
            if decompressor.eof:
                decompressor = _zstd_decompressor()
            piece = unused or buffer[position : position + _ZSTD_PIECE_BYTES]
            position += 0 if unused else len(piece)
        buffer = stream.read(_READ_BYTES)
    if not starts:
        yield Segment(b"", 0, damage="truncated_zstd_frame")


def _zstd_decompressor() -> "zstandard.ZstdDecompressionObj":
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj(read_across_frames=False)


def _pieces(data: bytes, raw_bytes: int, starts: bool, ends: bool) -> Iterator[Segment]:
    """Decompressed bytes as segments of at most SEGMENT_BYTES; the first one stands for all the file's bytes."""
    if len(data) <= SEGMENT_BYTES:
        yield Segment(data, raw_bytes, starts, ends)
        return
    for offset in range(0, len(data), SEGMENT_BYTES):
        is_last = offset + SEGMENT_BYTES >= len(data)
        yield Segment(data[offset : offset + SEGMENT_BYTES], 0 if offset else raw_bytes, starts, ends and is_last)
        starts = False
