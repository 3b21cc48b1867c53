"""Bytes to text, exactly as the decoders of the Encoding Standard do it, with U+FFFD in place of errors.

The standard (https://encoding.spec.whatwg.org/) defines forty encodings by tables and by what happens to bytes that fit
none. Python's codecs of the same names differ in almost 800 characters and in how they go on after an error, and a
byte that one of them swallows may be the `<` of a tag. Here they do the work where they agree with the standard, which
the tests check for every byte and every sequence of bytes; `encoding_differences.json` holds what they decode
otherwise. It is made of the standard's indexes (copyright WHATWG; BSD 3-Clause where parts are in source code).
"""

import codecs
import functools
import json
from pathlib import Path

from webencodings.labels import LABELS

from beam_pipelines.iso_2022_jp import decode_iso_2022_jp
from beam_pipelines.multibyte_decoding import MULTIBYTE, Differences, MultibyteDecoder

REPLACEMENT = "\ufffd"
_BYTE_ORDER_MARK = "\ufeff"
_ASCII_WHITESPACE = "\t\n\f\r "
_CODECS = {
    "ibm866": "cp866",
    "iso-8859-8-i": "iso-8859-8",
    "macintosh": "mac-roman",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac-cyrillic",
}
"""Python's names of single-byte encodings, where they are others than the standard's."""
_DIFFERENCES = Path(__file__).with_name("encoding_differences.json")
_UNICODE = {"utf-8": "utf-8", "utf-16be": "utf-16-be", "utf-16le": "utf-16-le"}


def encoding_of_label(label: str) -> str | None:
    """Returns the standard's name, in lower case, of the encoding with this label, or None where there is none.

    Encoding Standard, 4.2, "get an encoding": ASCII whitespace around the label and ASCII case do not count.
    """
    label = label.strip(_ASCII_WHITESPACE)
    return LABELS.get(label.lower()) if label.isascii() else None


def decode(document: bytes, encoding: str) -> str:
    """Decodes a document without its byte order mark. Never raises for bytes.

    Args:
      document: the whole document.
      encoding: a name that `encoding_of_label` returns.

    Raises:
      ValueError: the standard has no encoding of this name.
    """
    if codec := _UNICODE.get(encoding):
        return document.decode(codec, "replace").removeprefix(_BYTE_ORDER_MARK)
    if encoding == "replacement":
        return REPLACEMENT if document else ""
    if encoding == "iso-2022-jp":
        return decode_iso_2022_jp(document, _multibyte("euc-jp"))
    if encoding in MULTIBYTE:
        return _multibyte(encoding).decode(document)
    return codecs.charmap_decode(document, "strict", _single_byte_table(encoding))[0]


def single_byte_codec(encoding: str) -> str:
    """Returns Python's codec for one of the standard's legacy single-byte encodings."""
    return _CODECS.get(encoding, encoding)


@functools.cache
def _differences(encoding: str) -> Differences:
    text = _DIFFERENCES.read_text("ascii")
    found = json.loads(text).get(encoding, {})
    return Differences(
        sequences={bytes.fromhex(sequence): text for sequence, text in found.get("sequences", {}).items()},
        characters=found.get("characters", {}),
        ambiguous=[bytes.fromhex(sequence) for sequence in found.get("ambiguous", ())],
    )


@functools.cache
def _multibyte(encoding: str) -> MultibyteDecoder:
    rules = MULTIBYTE[encoding]
    return MultibyteDecoder(rules, _differences(rules.name))


@functools.cache
def _single_byte_table(encoding: str) -> str:
    """The characters of all bytes, U+FFFD for errors (9, "Legacy single-byte encodings"; 14.5, "x-user-defined")."""
    ascii_characters = "".join(map(chr, range(0x80)))
    if encoding == "x-user-defined":
        return ascii_characters + "".join(chr(0xF700 + byte) for byte in range(0x80, 0x100))
    if encoding not in LABELS.values():
        raise ValueError(f"The Encoding Standard has no encoding {encoding!r}; see webencodings.labels.LABELS.")
    characters = list(bytes(range(0x100)).decode(single_byte_codec(encoding), "replace"))
    for sequence, character in _differences(encoding).sequences.items():
        characters[sequence[0]] = character
    return "".join(characters)
