"""The body of an HTTP message without its transfer and content codings (RFC 9112, 6.1 and 7; RFC 9110, 8.4).

Where a header names a coding and the body is text without it, whoever stored the body has undone the coding, and the
bytes are taken as they are. What is decoded before damage is a truncated page, and truncated pages count; the damage is
counted beside them. An unknown coding is passed over.
"""

import functools
from typing import NamedTuple

from beam_pipelines.body_decoding import Budget, Clock, Decoder, is_binary, is_text
from beam_pipelines.brotli_body import read_brotli
from beam_pipelines.chunked_body import unchunk
from beam_pipelines.inflate_body import read_deflate
from beam_pipelines.record_limits import RATIO_FREE_BYTES, RecordLimits
from beam_pipelines.zstd_body import read_zstd

_DECODERS: dict[str, tuple[str, Decoder]] = {
    "gzip": ("gzip", read_deflate),
    "x-gzip": ("gzip", read_deflate),
    "deflate": ("deflate", read_deflate),
    "br": ("br", read_brotli),
    "zstd": ("zstd", read_zstd),
}
"""The name under which damage is counted, and the decoder, by the name in the header."""
_CHUNKED = "chunked"
_UNKNOWN = "unknown_coding"


class TooManyEncodingsError(ValueError):
    """A body has more codings than the limit."""


class Body(NamedTuple):
    """A body without its codings.

    Attributes:
      content: the body, as far as it could be decoded and is read.
      is_cut: it was cut off: at `max_body_bytes`, at `max_ratio` of a coding, or at `max_seconds`.
      damage: the codings in which it is damaged, and "unknown_coding" where that leaves no text.
    """

    content: bytes
    is_cut: bool
    damage: tuple[str, ...] = ()


def read_body(content: bytes, *, transfer_encoding: str, content_encoding: str, limits: RecordLimits) -> Body:
    """Decodes the body of a message.

    Args:
      content: what follows the headers.
      transfer_encoding, content_encoding: the values of the headers, joined by commas where there are several.
      limits: what the body may cost.

    Raises:
      TooManyEncodingsError: it has more codings than `max_nesting`.
    """
    if not transfer_encoding and not content_encoding:  # nearly every body
        return Body(content[: limits.max_body_bytes], len(content) > limits.max_body_bytes)
    transfer = _codings(transfer_encoding)
    codings = [*_codings(content_encoding), *(name for name in transfer if _CHUNKED not in name)]
    if len(codings) > limits.max_nesting:
        raise TooManyEncodingsError(f"{content_encoding[:100]}; {transfer_encoding[:100]}")
    clock = Clock(limits.max_seconds)
    damage: dict[str, None] = {}
    if any(_CHUNKED in name for name in transfer):  # which frames the message, wherever it is named
        most = len(content) if codings else limits.max_body_bytes + 1
        content, is_damaged = unchunk(content, Budget(most, clock))
        if is_damaged:
            damage[_CHUNKED] = None
    content, is_cut = _decoded(content, codings, limits, clock, damage)
    is_cut = is_cut or len(content) > limits.max_body_bytes or clock.was_over
    return Body(content[: limits.max_body_bytes], is_cut, tuple(damage))


def _decoded(
    content: bytes, codings: list[str], limits: RecordLimits, clock: Clock, damage: dict[str, None]
) -> tuple[bytes, bool]:
    """Undoes codings, adds those that are damaged to `damage`, and returns the rest and whether it was cut off."""
    is_cut = False
    for name in reversed(codings):  # the last one named was applied last
        if name not in _DECODERS or (damage and not content):
            continue
        counted_as, decode = _DECODERS[name]
        most = min(limits.max_body_bytes, max(RATIO_FREE_BYTES, limits.max_ratio * len(content)))
        data, is_damaged = decode(content, Budget(most + 1, clock))
        if is_damaged and is_text(content):
            continue  # whoever stored the body has undone this coding
        if is_damaged:
            damage[counted_as] = None
        is_cut, content = is_cut or len(data) > most, data[:most]
    if not damage and not _DECODERS.keys() >= set(codings) and is_binary(content):
        damage[_UNKNOWN] = None
    return content, is_cut


def _codings(value: str) -> tuple[str, ...]:
    """Returns the names in a list of codings, without their parameters and without those that change nothing."""
    return _usual(value) if len(value) <= _USUAL_LENGTH else _split(value)


def _split(value: str) -> tuple[str, ...]:
    names = (part.partition(";")[0].strip() for part in value.lower().split(","))
    return tuple(name for name in names if name and name != "identity")


_USUAL_LENGTH = 32
_usual = functools.lru_cache(maxsize=64)(_split)
"""A crawl has few different values. Long ones would fill the memory."""
