"""The Encoding Standard's decoders, transcribed step by step from its text, over its own index files.

`encoding_indexes.tar.xz` holds the files `index-*.txt` and `encodings.json` of the standard's repository, unchanged
(https://github.com/whatwg/encoding, 2026-05-21; WHATWG, CC BY 4.0).
"""

import functools
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

_FILES = Path(__file__).with_name("encoding_indexes.tar.xz")
_LINE = re.compile(r"\s*(\d+)\s+0x([0-9A-F]+)")
_ERROR = "\ufffd"
MULTIBYTE = ("gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr")


@functools.cache
def _files() -> dict[str, str]:
    with tarfile.open(_FILES) as archive:
        return {member.name: archive.extractfile(member).read().decode() for member in archive.getmembers()}  # type: ignore[union-attr]


@functools.cache
def labels() -> dict[str, str]:
    """The standard's name, in lower case, by label."""
    groups = json.loads(_files()["encodings.json"])
    return {
        label: entry["name"].lower() for group in groups for entry in group["encodings"] for label in entry["labels"]
    }


@functools.cache
def single_byte_encodings() -> list[str]:
    """Names of the legacy single-byte encodings, each with the name of its index."""
    (group,) = (group for group in json.loads(_files()["encodings.json"]) if "single-byte" in group["heading"])
    return [entry["name"].lower() for entry in group["encodings"]]


@functools.cache
def index(name: str) -> dict[int, int]:
    """Code point by pointer."""
    lines = _files()[f"index-{name}.txt"].splitlines()
    return {int(found[1]): int(found[2], 16) for line in lines if (found := _LINE.match(line))}


def decode(data: bytes, encoding: str) -> str:
    """Runs the decoder over bytes, one at a time; errors become U+FFFD."""
    if encoding == "replacement":
        return _ERROR if data else ""
    if encoding == "x-user-defined":
        return "".join(chr(byte if byte < 0x80 else 0xF780 + byte - 0x80) for byte in data)
    if encoding in ("utf-16be", "utf-16le"):
        return _run(_Utf16(encoding == "utf-16be").step, data)
    if encoding in MULTIBYTE:
        handlers: dict[str, Callable[[], _Decoder]] = {
            "gbk": _Gb18030,
            "gb18030": _Gb18030,
            "big5": _Big5,
            "euc-jp": _EucJp,
            "iso-2022-jp": _Iso2022Jp,
            "shift_jis": _ShiftJis,
            "euc-kr": _EucKr,
        }
        return _run(handlers[encoding]().step, data)
    table = index("iso-8859-8" if encoding == "iso-8859-8-i" else encoding)
    return "".join(chr(byte) if byte < 0x80 else chr(table.get(byte - 0x80, 0xFFFD)) for byte in data)


def _run(step: "Callable[[int | None, list[int]], str | None]", data: bytes) -> str:
    """Processes a queue: `step` gets a byte, or None at its end, and the queue (reversed), to which it may restore.

    It returns text, "" for "continue", and None for "finished".
    """
    queue, out = list(reversed(data)), []
    while True:
        text = step(queue.pop() if queue else None, queue)
        if text is None:
            return "".join(out)
        out.append(text)


class _Decoder:
    leading = 0

    def step(self, byte: int | None, queue: list[int]) -> str | None:
        raise NotImplementedError


class _TwoBytes(_Decoder):
    """What Big5, EUC-KR and Shift_JIS have in common."""

    def step(self, byte: int | None, queue: list[int]) -> str | None:
        if byte is None:
            if self.leading:
                self.leading = 0
                return _ERROR
            return None
        if self.leading:
            leading, self.leading = self.leading, 0
            text = self.pair(leading, byte)
            if text is not None:
                return text
            if byte < 0x80:
                queue.append(byte)
            return _ERROR
        return self.first(byte)

    def pair(self, leading: int, byte: int) -> str | None:
        raise NotImplementedError

    def first(self, byte: int) -> str:
        if byte < 0x80:
            return chr(byte)
        if 0x81 <= byte <= 0xFE:
            self.leading = byte
            return ""
        return _ERROR


def _character(code_point: int | None) -> str | None:
    return None if code_point is None else chr(code_point)


class _Big5(_TwoBytes):
    pairs: ClassVar = {1133: "\u00ca\u0304", 1135: "\u00ca\u030c", 1164: "\u00ea\u0304", 1166: "\u00ea\u030c"}

    def pair(self, leading: int, byte: int) -> str | None:
        pointer = None
        offset = 0x40 if byte < 0x7F else 0x62
        if 0x40 <= byte <= 0x7E or 0xA1 <= byte <= 0xFE:
            pointer = (leading - 0x81) * 157 + (byte - offset)
        if pointer in self.pairs:
            return self.pairs[pointer]
        return None if pointer is None else _character(index("big5").get(pointer))


class _EucKr(_TwoBytes):
    def pair(self, leading: int, byte: int) -> str | None:
        if 0x41 <= byte <= 0xFE:
            return _character(index("euc-kr").get((leading - 0x81) * 190 + (byte - 0x41)))
        return None


class _ShiftJis(_TwoBytes):
    def pair(self, leading: int, byte: int) -> str | None:
        pointer = None
        offset = 0x40 if byte < 0x7F else 0x41
        leading_offset = 0x81 if leading < 0xA0 else 0xC1
        if 0x40 <= byte <= 0x7E or 0x80 <= byte <= 0xFC:
            pointer = (leading - leading_offset) * 188 + byte - offset
        if pointer is not None and 8836 <= pointer <= 10715:
            return chr(0xE000 - 8836 + pointer)
        return None if pointer is None else _character(index("jis0208").get(pointer))

    def first(self, byte: int) -> str:
        if byte <= 0x80:
            return chr(byte)
        if 0xA1 <= byte <= 0xDF:
            return chr(0xFF61 - 0xA1 + byte)
        if 0x81 <= byte <= 0x9F or 0xE0 <= byte <= 0xFC:
            self.leading = byte
            return ""
        return _ERROR


class _EucJp(_Decoder):
    is_jis0212 = False

    def step(self, byte: int | None, queue: list[int]) -> str | None:
        if byte is None:
            if self.leading:
                self.leading = 0
                return _ERROR
            return None
        if self.leading == 0x8E and 0xA1 <= byte <= 0xDF:
            self.leading = 0
            return chr(0xFF61 - 0xA1 + byte)
        if self.leading == 0x8F and 0xA1 <= byte <= 0xFE:
            self.is_jis0212, self.leading = True, byte
            return ""
        if self.leading:
            leading, self.leading = self.leading, 0
            code_point = None
            if 0xA1 <= leading <= 0xFE and 0xA1 <= byte <= 0xFE:
                table = index("jis0212" if self.is_jis0212 else "jis0208")
                code_point = table.get((leading - 0xA1) * 94 + byte - 0xA1)
            self.is_jis0212 = False
            if code_point is not None:
                return chr(code_point)
            if byte < 0x80:
                queue.append(byte)
            return _ERROR
        if byte < 0x80:
            return chr(byte)
        if byte in (0x8E, 0x8F) or 0xA1 <= byte <= 0xFE:
            self.leading = byte
            return ""
        return _ERROR


@functools.cache
def _gb18030_ranges() -> list[tuple[int, int]]:
    return sorted(index("gb18030-ranges").items())


def gb18030_range_code_point(pointer: int) -> int | None:
    """The "index gb18030 ranges code point" of a pointer."""
    if 39419 < pointer < 189000 or pointer > 1237575:
        return None
    if pointer == 7457:
        return 0xE7C7
    offset, code_point_offset = max(entry for entry in _gb18030_ranges() if entry[0] <= pointer)
    return code_point_offset + pointer - offset


class _Gb18030(_Decoder):
    first = second = third = 0

    def step(self, byte: int | None, queue: list[int]) -> str | None:
        first, second, third = self.first, self.second, self.third
        if byte is None:
            self.first = self.second = self.third = 0
            return _ERROR if first or second or third else None
        if third:
            self.first = self.second = self.third = 0
            if not 0x30 <= byte <= 0x39:
                queue.extend((byte, third, second))
                return _ERROR
            pointer = (first - 0x81) * 12600 + (second - 0x30) * 1260 + (third - 0x81) * 10 + byte - 0x30
            return _character(gb18030_range_code_point(pointer)) or _ERROR
        if second:
            if 0x81 <= byte <= 0xFE:
                self.third = byte
                return ""
            queue.extend((byte, second))
            self.first = self.second = 0
            return _ERROR
        if first:
            if 0x30 <= byte <= 0x39:
                self.second = byte
                return ""
            self.first = 0
            pointer = None
            offset = 0x40 if byte < 0x7F else 0x41
            if 0x40 <= byte <= 0x7E or 0x80 <= byte <= 0xFE:
                pointer = (first - 0x81) * 190 + (byte - offset)
            code_point = None if pointer is None else index("gb18030").get(pointer)
            if code_point is not None:
                return chr(code_point)
            if byte < 0x80:
                queue.append(byte)
            return _ERROR
        if byte < 0x80:
            return chr(byte)
        if byte == 0x80:
            return "\u20ac"
        if 0x81 <= byte <= 0xFE:
            self.first = byte
            return ""
        return _ERROR


class _Iso2022Jp(_Decoder):
    state = output_state = "ascii"
    output = False

    def step(self, byte: int | None, queue: list[int]) -> str | None:
        handler = {
            "escape start": self._escape_start,
            "escape": self._escape,
            "trailing byte": self._trailing_byte,
        }.get(self.state, self._character)
        return handler(byte, queue)

    def _character(self, byte: int | None, queue: list[int]) -> str | None:
        if byte == 0x1B:
            self.state = "escape start"
            return ""
        if byte is None:
            return None
        self.output = False
        if self.state == "katakana":
            return chr(0xFF61 - 0x21 + byte) if 0x21 <= byte <= 0x5F else _ERROR
        if self.state == "leading byte":
            if 0x21 <= byte <= 0x7E:
                self.leading, self.state = byte, "trailing byte"
                return ""
            return _ERROR
        if self.state == "roman" and byte in (0x5C, 0x7E):
            return "\u00a5" if byte == 0x5C else "\u203e"
        return chr(byte) if byte < 0x80 and byte not in (0x0E, 0x0F) else _ERROR

    def _trailing_byte(self, byte: int | None, queue: list[int]) -> str | None:
        if byte == 0x1B:
            self.state = "escape start"
            return _ERROR
        self.state = "leading byte"
        if byte is not None and 0x21 <= byte <= 0x7E:
            return _character(index("jis0208").get((self.leading - 0x21) * 94 + byte - 0x21)) or _ERROR
        return _ERROR

    def _escape_start(self, byte: int | None, queue: list[int]) -> str | None:
        if byte in (0x24, 0x28):
            self.leading, self.state = byte, "escape"  # type: ignore[assignment]
            return ""
        if byte is not None:
            queue.append(byte)
        self.output, self.state = False, self.output_state
        return _ERROR

    def _escape(self, byte: int | None, queue: list[int]) -> str | None:
        leading, self.leading = self.leading, 0
        states = {
            (0x28, 0x42): "ascii",
            (0x28, 0x4A): "roman",
            (0x28, 0x49): "katakana",
            (0x24, 0x40): "leading byte",
            (0x24, 0x42): "leading byte",
        }
        state = None if byte is None else states.get((leading, byte))
        if state is not None:
            self.state = self.output_state = state
            output, self.output = self.output, True
            return _ERROR if output else ""
        if byte is not None:
            queue.append(byte)
        queue.append(leading)
        self.output, self.state = False, self.output_state
        return _ERROR


class _Utf16:
    def __init__(self, is_big_endian: bool) -> None:
        self._is_big_endian = is_big_endian
        self._leading_byte: int | None = None
        self._leading_surrogate: int | None = None

    def step(self, byte: int | None, queue: list[int]) -> str | None:
        if byte is None:
            is_pending = self._leading_byte is not None or self._leading_surrogate is not None
            self._leading_byte = self._leading_surrogate = None
            return _ERROR if is_pending else None
        if self._leading_byte is None:
            self._leading_byte = byte
            return ""
        first, self._leading_byte = self._leading_byte, None
        unit = (first << 8) + byte if self._is_big_endian else (byte << 8) + first
        if self._leading_surrogate is not None:
            leading, self._leading_surrogate = self._leading_surrogate, None
            if 0xDC00 <= unit <= 0xDFFF:
                return chr(0x10000 + ((leading - 0xD800) << 10) + (unit - 0xDC00))
            queue.extend((byte, first))
            return _ERROR
        if 0xD800 <= unit <= 0xDBFF:
            self._leading_surrogate = unit
            return ""
        return _ERROR if 0xDC00 <= unit <= 0xDFFF else chr(unit)
