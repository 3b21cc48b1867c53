"""What the decoders of an HTTP body share: what they return, what they may cost, and what counts as text."""

import re
import time
from collections.abc import Callable
from typing import NamedTuple

_SNIFFED_BYTES = 1445
"""How much of a resource the MIME Sniffing Standard looks at."""
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf|\xfe\xff|\xff\xfe)?+[\0\t\n\f\r ]*+<[\0!/?A-Za-z]")
"""NUL stands for UTF-16."""
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_PADDING = re.compile(rb"[\0\t\n\r ]*+\Z")
_CONCLUSIVE_BYTES, _CONCLUSIVE_ASCII_BYTES = 128, 16
"""Fewer bytes of compressed data are without a binary one, or in ASCII, with a probability above 10^-6."""


class Decoded(NamedTuple):
    """What a decoder made of a body.

    Attributes:
      data: the decoded bytes, up to the budget, or to the first damage.
      is_damaged: the body does not decode to its end, or has something behind its end.
    """

    data: bytes
    is_damaged: bool


class Clock:
    """Says when the processor time of a body is over. It runs from the first look, and nearly no body has one."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._deadline: float | None = None
        self.was_over = False

    def is_over(self) -> bool:
        """Looks at the clock, which costs as much as a small part of a body: so it is asked once in many parts."""
        now = time.thread_time()
        if self._deadline is None:
            self._deadline = now + self._max_seconds
        self.was_over = now > self._deadline
        return self.was_over


class Budget(NamedTuple):
    """What decoding may cost.

    Attributes:
      max_bytes: where decoding stops. zstandard and brotli may give some more.
      clock: where decoding of many small parts stops.
    """

    max_bytes: int
    clock: Clock


Decoder = Callable[[bytes, Budget], Decoded]


def is_binary(content: bytes) -> bool:
    """Whether content does not begin with a tag, and has a "binary data byte" where MIME Sniffing looks for one."""
    head = content[:_SNIFFED_BYTES]
    return _BINARY.search(head) is not None and _MARKUP.match(head) is None


def is_text(content: bytes) -> bool:
    """Whether content is text for certain rather than compressed: it begins with a tag, or is long and not binary."""
    head = content[:_SNIFFED_BYTES]
    if _MARKUP.match(head):
        return True
    conclusive = _CONCLUSIVE_ASCII_BYTES if head.isascii() else _CONCLUSIVE_BYTES
    return len(head) >= conclusive and not _BINARY.search(head)


def is_padding(content: bytes, start: int) -> bool:
    """Whether only white space and NUL bytes follow, which gzip passes over and a record's framing may leave."""
    return _PADDING.match(content, start) is not None
