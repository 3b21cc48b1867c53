"""Bodies in brotli (RFC 7932), one stream. What follows it is ignored, as browsers do, but counts as damage."""

import brotli

from beam_pipelines.body_decoding import Budget, Decoded, is_padding, is_text

_OUTPUT_BYTES = 1 << 20
_PIECES_BYTES = (1 << 12, 1 << 6, 1)
"""How closely damage is looked for: in pieces of the first size, in pieces of the second size in that piece, ..."""


def read_brotli(content: bytes, budget: Budget) -> Decoded:
    """Decodes a brotli stream."""
    decompressor = brotli.Decompressor()
    parts: list[bytes] = []
    try:
        length = _feed(decompressor, content, parts, budget.max_bytes)
    except brotli.error:
        # The text of a body whose coding was undone breaks a decoder at once, and need not be searched for damage.
        return Decoded(b"", True) if is_text(content) else _read_to_damage(content, budget.max_bytes)
    return Decoded(b"".join(parts), length < budget.max_bytes and not decompressor.is_finished())


def _feed(decompressor: "brotli.Decompressor", piece: bytes, parts: list[bytes], room: int) -> int:
    """Appends what a piece decodes to, and returns how many bytes that is. Stops at `room` or a little later."""
    length = 0
    while length < room and (part := decompressor.process(piece, output_buffer_limit=_OUTPUT_BYTES)):
        parts.append(part)
        length += len(part)
        piece = b""  # all of it is with the decompressor now
    return length


def _read_to_damage(content: bytes, room: int) -> Decoded:
    """Decodes a stream up to its damage, or to its end where something follows it.

    brotli returns nothing of a call that ends in an error, and its state cannot be copied. So the stream is decoded
    again in smaller pieces, and each time up to the piece that fails.
    """
    good = 0
    for size in _PIECES_BYTES:
        decompressor = brotli.Decompressor()
        parts: list[bytes] = []
        length = _feed(decompressor, content[:good], parts, room)
        is_whole = False
        try:
            while length < room and good < len(content) and not is_whole:
                length += _feed(decompressor, content[good : good + size], parts, room - length)
                good += size
                is_whole = decompressor.is_finished()
        except brotli.error:
            pass  # the damage that was looked for; the decoder must not be asked anything now
    return Decoded(b"".join(parts), not (is_whole and is_padding(content, good)))
