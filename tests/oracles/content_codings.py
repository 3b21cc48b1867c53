"""Content codings decoded one byte after another: what comes out before the byte that breaks the decoder is the data.

Each function returns the data, and whether the body is whole: decoded to its end, with nothing behind it.
"""

import zlib
from typing import Any

import brotli
import zstandard

_SKIPPABLE = [bytes([low, 0x2A, 0x4D, 0x18]) for low in range(0x50, 0x60)]


def gzip_series(content: bytes) -> tuple[bytes, bool]:
    """RFC 1952: members, one after another."""
    data, at = b"", 0
    while at < len(content):
        part, at, is_whole = _one_stream(zlib.decompressobj(31), content, at, zlib.error)
        data += part
        if not is_whole:
            return data, False
    return data, at > 0


def zlib_stream(content: bytes) -> tuple[bytes, bool]:
    """RFC 1950: one stream."""
    data, end, is_whole = _one_stream(zlib.decompressobj(15), content, 0, zlib.error)
    return data, is_whole and end == len(content)


def raw_deflate_stream(content: bytes) -> tuple[bytes, bool]:
    """RFC 1951: one stream."""
    data, end, is_whole = _one_stream(zlib.decompressobj(-15), content, 0, zlib.error)
    return data, is_whole and end == len(content)


def zstd_series(content: bytes) -> tuple[bytes, bool]:
    """RFC 8878: frames, one after another, some of them skippable."""
    data, at = b"", 0
    while at < len(content):
        if content[at : at + 4] in _SKIPPABLE:
            at += 8 + int.from_bytes(content[at + 4 : at + 8], "little")
            if at > len(content):
                return data, False
            continue
        frame = zstandard.ZstdDecompressor().decompressobj()
        part, at, is_whole = _one_stream(frame, content, at, zstandard.ZstdError)
        data += part
        if not is_whole:
            return data, False
    return data, at > 0


def brotli_stream(content: bytes) -> tuple[bytes, bool]:
    """RFC 7932: one stream."""
    decoder, parts = brotli.Decompressor(), []
    for at in range(len(content)):
        try:
            parts.append(decoder.process(content[at : at + 1]))
        except brotli.error:
            break
        if decoder.is_finished():
            return b"".join(parts), at + 1 == len(content)
    return b"".join(parts), False


def _one_stream(decoder: Any, content: bytes, start: int, error: type[Exception]) -> tuple[bytes, int, bool]:
    parts = []
    for at in range(start, len(content)):
        try:
            parts.append(decoder.decompress(content[at : at + 1]))
        except error:
            return b"".join(parts), at, False
        if decoder.eof:
            return b"".join(parts), at + 1, True
    return b"".join(parts), len(content), False
