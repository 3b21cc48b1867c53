"""The body of an HTTP message without its transfer and content encodings (RFC 9112, 7.1; RFC 9110, 8.4).

warcio undoes chunking. Content encodings are undone here, because warcio inflates a whole chunk at once, which a
hostile page can make huge, and its brotli does not work with the brotli package of today. Where a header says chunked
or gzip and the body is not, the bytes are taken as they are. What was decoded before damage is a truncated page, and
truncated pages count.
"""

import io
import time
import zlib
from collections.abc import Callable

import brotli
import zstandard
from warcio.bufferedreaders import ChunkedDataReader

from beam_pipelines.record_limits import RATIO_FREE_BYTES, RecordLimits

_INFLATE_BYTES = 1 << 16
_GZIP_OR_ZLIB, _RAW_DEFLATE = 47, -15  # zlib's numbers for these window formats
_ZSTD_PIECE_BYTES = 1 << 8  # a block of 4 bytes may stand for 128 KiB
_ZSTD_WINDOW_BYTES = 1 << 27


class TooManyEncodingsError(ValueError):
    """A body has more content encodings than the limit."""


def read_body(
    content: bytes, *, transfer_encoding: str, content_encoding: str, limits: RecordLimits
) -> tuple[bytes, bool]:
    """Returns the body, and whether it was cut off: at `max_body_bytes`, or at `max_ratio` of an encoding.

    Raises:
      TooManyEncodingsError: it has more content encodings than `max_nesting`.
    """
    encodings = [name for part in content_encoding.lower().split(",") if (name := part.strip())]
    if len(encodings) > limits.max_nesting:
        raise TooManyEncodingsError(content_encoding[:100])
    if "chunked" in transfer_encoding.lower():
        content = _unchunk(content, len(content) if encodings else limits.max_body_bytes + 1, limits.max_seconds)
    is_cut = False
    for name in reversed(encodings):  # the last one named was applied last
        if decode := _DECODERS.get(name):
            most = min(limits.max_body_bytes, max(RATIO_FREE_BYTES, limits.max_ratio * len(content)))
            content = decode(content, most + 1)
            is_cut, content = is_cut or len(content) > most, content[:most]
    return content[: limits.max_body_bytes], is_cut or len(content) > limits.max_body_bytes


def _unchunk(content: bytes, limit: int, max_seconds: float) -> bytes:
    """Joins chunks until there are `limit` bytes, or the time is over: a chunk can be of one byte."""
    reader = ChunkedDataReader(io.BytesIO(content))
    parts, length, deadline = [], 0, time.thread_time() + max_seconds
    try:
        while length < limit and (part := reader.read(1 << 16)):
            parts.append(part)
            length += len(part)
            if time.thread_time() > deadline:
                break
    except (ValueError, OSError, EOFError):
        pass
    return b"".join(parts)


def _inflate(content: bytes, limit: int) -> bytes:
    """Undoes gzip, zlib or raw deflate, whichever it is; a body that is none of them is returned as it is."""
    for window in (_GZIP_OR_ZLIB, _RAW_DEFLATE):
        decompressor = zlib.decompressobj(window)
        parts, length = [], 0
        try:
            for start in range(0, len(content), _INFLATE_BYTES):
                parts.append(decompressor.decompress(content[start : start + _INFLATE_BYTES], limit - length))
                length += len(parts[-1])
                if decompressor.eof or length >= limit:
                    break
        except zlib.error:
            pass  # another format, or damage
        if length:
            return b"".join(parts)
    return content


def _read_brotli(content: bytes, limit: int) -> bytes:
    decompressor = brotli.Decompressor()
    parts, length, given = [], 0, content
    try:
        while length < limit and (part := decompressor.process(given, output_buffer_limit=1 << 20)):
            parts.append(part)
            length += len(part)
            given = b""  # all of it is with the decompressor now
    except brotli.error:
        pass
    return b"".join(parts) if parts else content


def _read_zstd(content: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
    parts, length = [], 0
    try:
        for start in range(0, len(content), _ZSTD_PIECE_BYTES):
            parts.append(decompressor.decompress(content[start : start + _ZSTD_PIECE_BYTES]))
            length += len(parts[-1])
            if length >= limit or decompressor.eof:
                break
    except zstandard.ZstdError:
        pass
    return b"".join(parts) if length else content


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _inflate,
    "br": _read_brotli,
    "zstd": _read_zstd,
}
