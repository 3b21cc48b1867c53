"""Character references in an attribute's value: `&amp;`, `&#38;`, `&#x26;` (HTML Standard, 13.2.5.72 to 13.2.5.80).

Python's `html.unescape` is for text. In an attribute a name without semicolon stays as it is where `=`, a letter or a
digit follows, so that `/?a=1&copy=2` is a query of two parameters; and numbers of control characters stand for them.
"""

import re
from html.entities import html5

_REFERENCE = re.compile(r"&(?:#(?:([0-9]++)|[xX]([0-9a-fA-F]++));?+|([a-zA-Z][a-zA-Z0-9]*+(?:;|(?!=))))")
_MOST_DIGITS = 7  # of 0x10FFFF, in decimal
_REPLACEMENT = "\ufffd"


def decode_attribute(value: str) -> str:
    """Returns the value with its character references replaced. Never raises."""
    return _REFERENCE.sub(_decode, value) if "&" in value else value


def _decode(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return html5.get(name, reference[0])
    digits = (decimal or hexadecimal).lstrip("0")
    return _character(int(digits or "0", 10 if decimal else 16)) if len(digits) <= _MOST_DIGITS else _REPLACEMENT


def _character(number: int) -> str:
    if number == 0 or 0xD800 <= number <= 0xDFFF or number > 0x10FFFF:
        return _REPLACEMENT
    if 0x80 <= number <= 0x9F:  # as in windows-1252; its five gaps stand for themselves
        return bytes([number]).decode("windows-1252", "ignore") or chr(number)
    return chr(number)
