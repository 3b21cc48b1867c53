"""Chunked transfer coding (RFC 9112, 7.1).

Browsers stop at a chunk that does not end where its size says, and at a size that cannot be read. Here reading goes on
at the next sound chunk, so that a wrong size costs no data, but it counts as damage.
"""

import re

from beam_pipelines.body_decoding import Budget, Decoded

_SIZE = rb"[ \t]{0,16}+([0-9A-Fa-f]{1,16}+)[ \t]{0,16}+"
_SIZE_LINE = re.compile(_SIZE + rb"(?:;[^\n]{0,16384}+)?+(?:\r?\n|(?<=\r)\n)")
"""With the extensions of the chunk, which have at most as many bytes as in Chromium."""
_CR_LF, _LF = re.compile(rb"\r\n"), re.compile(rb"\r?\n")
_BOUNDARY = re.compile(rb"\r\n(?=" + _SIZE + rb"(?:;|\r\n))")
_LAST_CHUNK = re.compile(rb"[ \t]{0,16}+0++[ \t]*+(?:;[^\n]*+)?+(?:\r?\n(?:[^\r\n:]++:[^\n]*+\n)*+)?[\0\t\n\r ]*+\Z")
"""With its trailer section, up to the end of the body."""
_LAST_CHUNK_BYTES = 1 << 12
_WHOLE_END = b"\r\n0\r\n\r\n"
_DAMAGED_LINE = re.compile(rb"[0-9A-Fa-f]{0,16}+(?:[^0-9A-Fa-f\r\n][0-9A-Fa-f]{0,16}+\r?\n|\r[^\n])")
"""A size line with one byte damaged."""
_A_LOOK = 1024
"""Chunks, or what may be some, between two looks at the clock."""


def unchunk(content: bytes, budget: Budget) -> Decoded:
    """Joins the chunks of a body. One that is not chunked is returned as it is: whoever stored it joined the chunks."""
    line = _SIZE_LINE.match(content)
    if line is None and not content.endswith(_WHOLE_END):
        return Decoded(content, not content)
    is_strict = line is None or line[0].endswith(b"\r\n")  # which is all but every body
    return _Chunks(content, _CR_LF if is_strict else _LF, budget).joined(line)


class _Chunks:
    """The chunks of a body.

    Args:
      content: the body.
      line_end: what ends the data of a chunk.
      budget: what joining them may cost.
    """

    def __init__(self, content: bytes, line_end: re.Pattern[bytes], budget: Budget) -> None:
        self._content = content
        self._line_end = line_end
        self._budget = budget

    def joined(self, line: re.Match[bytes] | None) -> Decoded:
        """Joins them, from the one with this size line, or from the first sound one if the first line is damaged."""
        content, budget, line_end_at = self._content, self._budget, self._line_end.match
        data, view = bytearray(), memoryview(content)
        is_damaged = line is None
        if line is None:
            damaged = _DAMAGED_LINE.match(content)
            end, line = self._next_sound(0)
            data += content[damaged.end() if damaged else 0 : end]
        chunks = 0
        while line is not None:
            start, end = line.end(), line.end() + int(line[1], 16)
            line_end = line_end_at(content, end)
            following = _SIZE_LINE.match(content, line_end.end()) if line_end else None
            if following and end > start:
                data += view[start:end]
            elif self._is_last(line.start()):
                return Decoded(bytes(data), is_damaged)
            elif line_end and end > start and self._is_last(line_end.end()):  # cut behind the size of the last one
                return Decoded(bytes(data) + content[start:end], is_damaged)
            else:
                part, following = self._mended(line, line_end)
                if following is None and line.start() == 0 and line_end is None and self._is_text(line, end):
                    return Decoded(content, self._line_end is _CR_LF)
                data += part
                is_damaged = True
            line = following
            chunks += 1
            if len(data) >= budget.max_bytes or (chunks % _A_LOOK == 0 and budget.clock.is_over()):
                return Decoded(bytes(data), is_damaged)
        return Decoded(bytes(data), True)

    def _is_text(self, line: re.Match[bytes], end: int) -> bool:
        """Whether a first line that could be one of a chunk is more likely one of a text."""
        return self._line_end is _LF or self._content[end:] not in (b"", b"\r")

    def _mended(self, line: re.Match[bytes], line_end: re.Match[bytes] | None) -> tuple[bytes, re.Match[bytes] | None]:
        """Returns the data of a chunk that is damaged or beside damage, and the size line of the next sound chunk."""
        content, start, end = self._content, line.end(), line.end() + int(line[1], 16)
        if line_end is None:  # the size may be right, and the line end behind the data damaged
            for at in (end + 2, end + 1):
                if content[at - 2 : at] != b"\r\n" and (following := self._sound(at)):
                    return content[start:end], following
        elif end == start:
            return b"", None  # the last chunk, and something behind it
        next_start, following = self._next_sound(start)
        if line_end is None:
            return content[start : next_start if following else min(end, next_start)], following
        damaged = _DAMAGED_LINE.match(content, line_end.end())
        if damaged is not None and damaged.end() <= next_start:
            return content[start:end] + content[damaged.end() : next_start], following
        # The body is cut in a size line, or what seems to end the chunk is a line end in its data.
        return content[start : next_start if following else end], following

    def _next_sound(self, start: int) -> tuple[int, re.Match[bytes] | None]:
        """Returns where the data before the next sound chunk end, and its size line; else the length of the body."""
        for count, boundary in enumerate(_BOUNDARY.finditer(self._content, start), 1):
            if line := self._sound(boundary.end()):
                return boundary.start(), line
            if count % _A_LOOK == 0 and self._budget.clock.is_over():
                break
        return len(self._content), None

    def _sound(self, at: int) -> re.Match[bytes] | None:
        """Returns the size line of the chunk that begins there, if another one or the end is behind it."""
        line = _SIZE_LINE.match(self._content, at)
        if line is None or not line[0].endswith(b"\r\n"):
            return None
        end = line.end() + int(line[1], 16)
        if end == line.end():
            return line if self._is_last(at) else None
        if not self._content.startswith(b"\r\n", end):
            return None
        return line if self._is_last(end + 2) or _SIZE_LINE.match(self._content, end + 2) else None

    def _is_last(self, at: int) -> bool:
        """Whether the last chunk is there, and nothing behind it but its trailer."""
        return len(self._content) - at <= _LAST_CHUNK_BYTES and _LAST_CHUNK.match(self._content, at) is not None
