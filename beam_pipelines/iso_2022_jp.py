"""The Encoding Standard's decoder of ISO-2022-JP (section 12.2). What bytes stand for depends on the escape before."""

import codecs
import re

from beam_pipelines.multibyte_decoding import MultibyteDecoder

_REPLACEMENT = "\ufffd"
_ESCAPE = 0x1B
_ASCII, _ROMAN, _KATAKANA, _KANJI = range(4)
_STATES = {b"(B": _ASCII, b"(J": _ROMAN, b"(I": _KATAKANA, b"$@": _KANJI, b"$B": _KANJI}
_PAIR = re.compile(rb"[\x21-\x7e].|.", re.DOTALL)
_WHOLE_PAIRS = re.compile(rb"(?:[\x21-\x7e]{2})*")
_HIGH = bytes(byte | 0x80 for byte in range(0x100))
"""Sets the highest bit, which makes EUC-JP of pairs of JIS X 0208."""


def _table(characters: dict[int, str]) -> str:
    return "".join(characters.get(byte, _REPLACEMENT) for byte in range(0x100))


_LETTERS = {byte: chr(byte) for byte in range(0x80) if byte not in (0x0E, 0x0F, _ESCAPE)}
_TABLES = {
    _ASCII: _table(_LETTERS),
    _ROMAN: _table({**_LETTERS, 0x5C: "\u00a5", 0x7E: "\u203e"}),
    _KATAKANA: _table({byte: chr(0xFF61 - 0x21 + byte) for byte in range(0x21, 0x60)}),
}


def decode_iso_2022_jp(document: bytes, euc_jp: MultibyteDecoder) -> str:
    """Decodes a document; errors are U+FFFD. Takes time linear in its length.

    Args:
      document: the whole document.
      euc_jp: knows the characters of JIS X 0208, whose two bytes EUC-JP has with their highest bits set.
    """
    parts: list[str] = []
    state, position, is_behind_escape = _ASCII, 0, False
    while position < len(document):
        escape = document.find(_ESCAPE, position)
        end = len(document) if escape < 0 else escape
        if end > position:
            parts.append(_decode_run(document[position:end], state, euc_jp))
            is_behind_escape = False
        if escape < 0:
            break
        found = _STATES.get(document[escape + 1 : escape + 3])
        if found is None or is_behind_escape:  # an escape that shows nothing may hide something, so it is an error
            parts.append(_REPLACEMENT)
        is_behind_escape = found is not None
        state, position = (state, escape + 1) if found is None else (found, escape + 3)
    return "".join(parts)


def _decode_run(run: bytes, state: int, euc_jp: MultibyteDecoder) -> str:
    """Decodes bytes without an escape."""
    if state != _KANJI:
        return codecs.charmap_decode(run, "strict", _TABLES[state])[0]
    if _WHOLE_PAIRS.fullmatch(run):
        return euc_jp.decode(run.translate(_HIGH))
    return "".join(_kanji(pair, euc_jp) for pair in _PAIR.findall(run))


def _kanji(pair: bytes, euc_jp: MultibyteDecoder) -> str:
    if len(pair) < 2 or not 0x21 <= pair[1] <= 0x7E:
        return _REPLACEMENT
    return euc_jp.text_of(pair.translate(_HIGH))
