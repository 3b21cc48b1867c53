"""Bodies in zstandard (RFC 8878): a series of frames, of which some may be skippable, as browsers read them too.

What follows the last frame and is no frame is ignored, but counts as damage.
"""

import zstandard

from beam_pipelines.body_decoding import Budget, Decoded, is_padding

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGICS = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
_SKIPPABLE_HEADER_BYTES = 8
_PIECE_BYTES = 1 << 8
"""A block of 4 bytes may stand for 128 KiB."""
_WINDOW_BYTES = 1 << 27
_FRAMES_A_LOOK = 256
"""Frames between two looks at the clock."""


def read_zstd(content: bytes, budget: Budget) -> Decoded:
    """Decodes zstandard frames, one after another."""
    zstd = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    parts: list[bytes] = []
    at = length = frames = 0
    is_damaged = False
    while length < budget.max_bytes and not is_damaged and not (at and is_padding(content, at)):
        frames += 1
        if frames % _FRAMES_A_LOOK == 0 and budget.clock.is_over():
            break
        if content.startswith(_MAGIC, at):
            part, at, is_damaged = _read_frame(zstd, content, at, budget.max_bytes - length)
            if part:
                parts.append(part)
            length += len(part)
        elif content.startswith(_SKIPPABLE_MAGICS, at):
            at += _SKIPPABLE_HEADER_BYTES + int.from_bytes(content[at + 4 : at + _SKIPPABLE_HEADER_BYTES], "little")
            is_damaged = at > len(content)
        else:
            is_damaged = True
    return Decoded(b"".join(parts), is_damaged)


def _read_frame(zstd: zstandard.ZstdDecompressor, content: bytes, start: int, room: int) -> tuple[bytes, int, bool]:
    """Returns the data of a frame, where it ends, and whether it is damaged or has no end."""
    decompressor = zstd.decompressobj()
    parts: list[bytes] = []
    length = 0
    at = start
    try:
        for at in range(start, len(content), _PIECE_BYTES):
            part = decompressor.decompress(content[at : at + _PIECE_BYTES])
            parts.append(part)
            length += len(part)
            if length >= room or decompressor.eof:
                break
    except zstandard.ZstdError:
        parts += _read_to_damage(zstd, memoryview(content), start, at)
        return b"".join(parts), at, True
    end = min(at + _PIECE_BYTES, len(content)) - len(decompressor.unused_data)
    return b"".join(parts), end, not decompressor.eof and length < room


def _read_to_damage(zstd: zstandard.ZstdDecompressor, view: memoryview, start: int, piece: int) -> list[bytes]:
    """Decodes a frame again, up to the damaged piece, and returns the blocks in that piece before the damage.

    zstandard returns nothing of a call that ends in an error, so the piece is given byte by byte.
    """
    decompressor = zstd.decompressobj()
    for at in range(start, piece, _PIECE_BYTES):
        decompressor.decompress(view[at : at + _PIECE_BYTES])
    parts = []
    try:
        for at in range(piece, len(view)):
            parts.append(decompressor.decompress(view[at : at + 1]))
    except zstandard.ZstdError:
        pass  # the damage that was looked for
    return parts
