"""Bodies in gzip (RFC 1952), zlib (RFC 1950) and raw deflate (RFC 1951).

A gzip body is a series of members (RFC 1952, 2.2). Browsers give the first only; all of them are the content, and are
decoded here. zlib and raw deflate have one stream. What follows the last stream is ignored, as browsers do, but counts
as damage, because the damaged header of a further member looks the same.

zlib-ng decompresses 1.6 times as fast as zlib, which decodes only what is damaged, byte by byte.
"""

import contextlib
import zlib

from zlib_ng import zlib_ng

from beam_pipelines.body_decoding import Budget, Decoded, is_padding, is_text

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""zlib's numbers for these formats."""
_GZIP_MAGIC = b"\x1f\x8b"
_FED_AT_FIRST, _FED_AT_MOST = 1 << 10, 1 << 18
"""Bytes given to the decoder of a further member: what it leaves is copied, so small members get little."""
_MEMBERS_A_LOOK = 256
"""Members between two looks at the clock."""


def read_deflate(content: bytes, budget: Budget) -> Decoded:
    """Decodes gzip, zlib or raw deflate. Servers mistake each for the others, and the first bytes tell them apart."""
    if content.startswith(_GZIP_MAGIC):
        return _read_members(content, budget)
    if _has_zlib_header(content):
        return _read_single(content, _ZLIB, budget)
    # Raw deflate cannot be told from anything else, so what it gives before damage has to look like text.
    decoded = _read_single(content, _RAW, budget, to_damage=not is_text(content))
    return Decoded(b"", True) if decoded.is_damaged and not is_text(decoded.data) else decoded


def _has_zlib_header(content: bytes) -> bool:
    """RFC 1950, 2.2: method 8, a window of at most 32 KiB, and a multiple of 31. No raw deflate begins so."""
    return content[0:1] != b"" and content[0] & 0x8F == 8 and int.from_bytes(content[:2]) % 31 == 0


def _read_members(content: bytes, budget: Budget) -> Decoded:
    part, end, is_damaged = _read_stream(content, 0, len(content), _GZIP, budget.max_bytes)
    if is_damaged or end == len(content) or len(part) >= budget.max_bytes:  # nearly every body
        return Decoded(part, is_damaged)
    parts, length, members = [part], len(part), 1
    while length < budget.max_bytes and not is_padding(content, end):
        if not content.startswith(_GZIP_MAGIC, end):
            is_damaged = True
            break
        part, end, is_damaged = _read_stream(content, end, _FED_AT_FIRST, _GZIP, budget.max_bytes - length)
        if part:
            parts.append(part)
        length += len(part)
        members += 1
        if is_damaged or (members % _MEMBERS_A_LOOK == 0 and budget.clock.is_over()):
            break
    return Decoded(b"".join(parts), is_damaged)


def _read_single(content: bytes, window: int, budget: Budget, *, to_damage: bool = True) -> Decoded:
    data, end, is_damaged = _read_stream(content, 0, len(content), window, budget.max_bytes, to_damage=to_damage)
    return Decoded(data, is_damaged or (len(data) < budget.max_bytes and not is_padding(content, end)))


def _read_stream(
    content: bytes, start: int, fed: int, window: int, room: int, *, to_damage: bool = True
) -> tuple[bytes, int, bool]:
    """Decodes one stream.

    Args:
      start: where the stream begins.
      fed: how many bytes the decoder gets at first.
      room: how many bytes may come out.
      to_damage: whether what comes before damage is wanted.

    Returns:
      The data, the end of the stream in `content`, and whether it is damaged or has no end.
    """
    decompressor = zlib_ng.decompressobj(window)
    view = memoryview(content)
    parts, length, end = [], 0, start
    try:
        while not decompressor.eof and length < room and end < len(content):
            given = view[end : end + fed]
            part = decompressor.decompress(given, room - length)
            parts.append(part)
            length += len(part)
            end += len(given)
            fed = min(4 * fed, _FED_AT_MOST)
    except zlib_ng.error:  # type: ignore[misc]  # typed as a function
        return _read_to_damage(view[start:], window, room) if to_damage else b"", end, True
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    return data, end - len(decompressor.unused_data), not decompressor.eof and length < room


def _read_to_damage(content: memoryview, window: int, room: int) -> bytes:
    """Decodes a stream up to the last byte before its damage.

    zlib returns nothing of a call that ends in an error. So less and less is asked for: a call that fails is made again
    for half as many bytes, from a copy of the state before it. zlib reads on when it has given what was asked for,
    which may cost the last byte; so it gets the rest byte by byte.
    """
    decompressor = zlib.decompressobj(window)
    rest: bytes | memoryview = content
    parts: list[bytes] = []
    asked = room
    while asked and room:
        before = decompressor.copy()
        try:
            part = decompressor.decompress(rest, min(asked, room))
        except zlib.error:
            decompressor, asked = before, asked // 2
            continue
        if not part:
            break
        parts.append(part)
        room -= len(part)
        rest = decompressor.unconsumed_tail
    with contextlib.suppress(zlib.error):
        for at in range(len(rest) if room else 0):
            parts.append(decompressor.decompress(rest[at : at + 1]))
    return b"".join(parts)
