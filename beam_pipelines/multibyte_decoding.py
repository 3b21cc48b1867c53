"""The Encoding Standard's decoders of Big5, EUC-JP, EUC-KR, GBK, gb18030 and Shift_JIS (sections 10 to 13).

All of them read a sequence of bytes at a time, and go back to the beginning of a sequence after each. A sequence that
stands for no character is an error, U+FFFD; if it ends in an ASCII byte, that byte is read anew, as itself.

Python's codec decodes a document about twenty times as fast as a loop over its sequences. Where it meets a sequence
that it refuses, the standard's rules decode that one. What it decodes otherwise than the standard is replaced in the
text, if it can come from nothing else; a document with one of the few other sequences is decoded in a loop.
"""

import codecs
import dataclasses
import re
from collections.abc import Mapping, Sequence

_REPLACEMENT = "\ufffd"
_LONGEST = 4
"""Bytes of the longest sequences, which are gb18030's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultibyteRules:
    """How a document is cut into sequences.

    Attributes:
      name: of the encoding, in lower case; that of gb18030 for GBK, whose decoder is the same.
      codec: Python's codec.
      sequence: matches one sequence that is not ASCII. Its last alternative is the byte that leads nothing, or whose
        sequence is not there.
      has_digits: a digit behind a lead byte belongs to a sequence of four bytes, and is never read anew with it.
    """

    name: str
    codec: str
    sequence: "re.Pattern[bytes]"
    has_digits: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Differences:
    """What the standard decodes otherwise than Python's codec.

    Attributes:
      sequences: sequences that the codec decodes otherwise or refuses, and the standard's text; U+FFFD is an error.
      characters: what the codec makes of some of these and of no other sequence, and the standard's text.
      ambiguous: those of which the codec makes a character that others stand for, too.
    """

    sequences: Mapping[bytes, str] = dataclasses.field(default_factory=dict)
    characters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ambiguous: Sequence[bytes] = ()


def _pattern(*alternatives: bytes) -> "re.Pattern[bytes]":
    return re.compile(b"|".join([*alternatives, rb"[\x80-\xff]"]), re.DOTALL)


_GB18030 = MultibyteRules(
    name="gb18030",
    codec="gb18030",
    sequence=_pattern(
        rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]",
        rb"[\x81-\xfe][0-9][\x81-\xfe]?\Z",  # a document that ends within a sequence has one error there
        rb"[\x81-\xfe][^0-9]",
    ),
    has_digits=True,
)
MULTIBYTE: Mapping[str, MultibyteRules] = {
    "big5": MultibyteRules(name="big5", codec="big5hkscs", sequence=_pattern(rb"[\x81-\xfe].")),
    "euc-jp": MultibyteRules(
        name="euc-jp", codec="euc_jp", sequence=_pattern(rb"\x8f[\xa1-\xfe].", rb"[\x8e\x8f\xa1-\xfe].")
    ),
    "euc-kr": MultibyteRules(name="euc-kr", codec="cp949", sequence=_pattern(rb"[\x81-\xfe].")),
    "gb18030": _GB18030,
    "gbk": _GB18030,
    "shift_jis": MultibyteRules(name="shift_jis", codec="cp932", sequence=_pattern(rb"[\x81-\x9f\xe0-\xfc].")),
}


class MultibyteDecoder:
    """Decodes documents of one encoding.

    Args:
      rules: of the encoding.
      differences: what Python's codec decodes otherwise.
    """

    def __init__(self, rules: MultibyteRules, differences: Differences) -> None:
        self._rules = rules
        self._differences = differences.sequences
        self._characters = differences.characters
        self._replaced = re.compile(f"[{''.join(differences.characters)}]") if differences.characters else None
        ambiguous = [re.escape(sequence) for sequence in differences.ambiguous]
        self._ambiguous = re.compile(b"|".join(ambiguous)) if ambiguous else None
        self._texts: dict[bytes, str] = {}
        self._error_handler = f"encoding-standard-{rules.name}"
        codecs.register_error(self._error_handler, self._text_at_error)

    def decode(self, document: bytes) -> str:
        """Decodes a document; errors are U+FFFD."""
        if self._ambiguous is not None and self._ambiguous.search(document):
            return self._decode_in_loop(document)
        text = document.decode(self._rules.codec, self._error_handler)
        if self._replaced is None or text.isascii():
            return text
        return self._replaced.sub(lambda found: self._characters[found[0]], text)

    def text_of(self, sequence: bytes) -> str:
        """Returns what one sequence stands for: a character or two, or U+FFFD and the ASCII byte that is read anew."""
        text = self._texts.get(sequence)
        if text is None:
            text = self._differences.get(sequence) or self._decode_with_codec(sequence)
            if len(sequence) < _LONGEST:  # there are a million and a half of the longest
                self._texts[sequence] = text
        return text

    def _decode_with_codec(self, sequence: bytes) -> str:
        try:
            return sequence.decode(self._rules.codec)
        except UnicodeDecodeError:
            last = sequence[-1:]
            return _REPLACEMENT + last.decode() if last.isascii() and not self._has_digit(sequence) else _REPLACEMENT

    def _has_digit(self, sequence: bytes) -> bool:
        return self._rules.has_digits and sequence[1:2].isdigit()

    def _text_at_error(self, error: UnicodeError) -> tuple[str, int]:
        """The error handler of Python's codec: it returns a text, and where in the document to go on."""
        assert isinstance(error, UnicodeDecodeError)
        document, match = error.object, self._rules.sequence.match
        found = match(document, error.start)
        assert found is not None, "ASCII is no error"
        texts, position = [self.text_of(found[0])], found.end()
        # Errors come together, and here each further one costs a third. What is no error is the codec's again.
        while (found := match(document, position)) and (text := self.text_of(found[0])).startswith(_REPLACEMENT):
            texts.append(text)
            position = found.end()
        return "".join(texts), position

    def _decode_in_loop(self, document: bytes) -> str:
        parts: list[str] = []
        position = 0
        for found in self._rules.sequence.finditer(document):
            parts += (document[position : found.start()].decode("ascii"), self.text_of(found[0]))
            position = found.end()
        return "".join((*parts, document[position:].decode("ascii")))
