"""What the Encoding Standard decodes otherwise than Python's codecs: `beam_pipelines/encoding_differences.json`.

    python -m tests.oracles.encoding_differences

writes that file anew. A test compares it with what this module finds.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from beam_pipelines.multibyte_decoding import MULTIBYTE, MultibyteRules
from beam_pipelines.text_decoding import single_byte_codec
from tests.oracles import encoding_standard

PATH = Path(__file__).resolve().parents[2] / "beam_pipelines" / "encoding_differences.json"
_ERROR = "\ufffd"


def sequences(encoding: str) -> Iterator[bytes]:
    """All sequences that one step of a multi-byte decoder may read, but those of four bytes beyond the BMP."""
    high, every = range(0x80, 0x100), range(0x100)
    yield from (bytes((byte,)) for byte in high)
    yield from (bytes(pair) for pair in itertools.product(high, every))
    if encoding == "euc-jp":
        yield from (bytes((0x8F, *pair)) for pair in itertools.product(range(0xA1, 0xFF), high))
    if encoding == "gb18030":
        yield from _four_bytes()


def _four_bytes() -> Iterator[bytes]:
    """The sequences of gb18030 for the Basic Multilingual Plane, which a table maps."""
    digits, others = range(0x30, 0x3A), range(0x81, 0xFF)
    for lead in range(0x81, 0x85):
        yield from (bytes((lead, *rest)) for rest in itertools.product(digits, others, digits))


def found_differences() -> dict[str, dict[str, Any]]:
    """By encoding, what `beam_pipelines.multibyte_decoding.Differences` describes, with bytes in hexadecimal.

    A sequence that Python refuses and that is an error in the standard, too, is no difference.
    """
    found: dict[str, dict[str, Any]] = {}
    for encoding in encoding_standard.single_byte_encodings():
        sequences = {}
        for byte in range(0x80, 0x100):
            expected = encoding_standard.decode(bytes((byte,)), encoding)
            if bytes((byte,)).decode(single_byte_codec(encoding), "replace") != expected:
                sequences[f"{byte:02x}"] = expected
        if sequences:
            found[encoding] = {"sequences": sequences}
    for rules in {rules.name: rules for rules in MULTIBYTE.values()}.values():
        if differences := _of_multibyte(rules):
            found[rules.name] = differences
    return found


def _of_multibyte(rules: MultibyteRules) -> dict[str, Any]:
    texts: dict[str, str] = {}
    sources = Counter(map(chr, range(0x80)))
    decoded = {}
    for sequence in sequences(rules.name):
        if not rules.sequence.fullmatch(sequence):
            continue
        expected = encoding_standard.decode(sequence, rules.name)
        try:
            text = sequence.decode(rules.codec)
        except UnicodeDecodeError:
            if _ERROR not in expected:
                texts[sequence.hex()] = expected
            continue
        sources[text] += 1
        if text != expected:
            texts[sequence.hex()], decoded[sequence.hex()] = expected, text
    if not texts:
        return {}
    alone = {sequence: text for sequence, text in decoded.items() if sources[text] == 1}
    return {
        "sequences": texts,
        "characters": {text: texts[sequence] for sequence, text in alone.items()},
        "ambiguous": [sequence for sequence in decoded if sequence not in alone],
    }


def main() -> None:
    """Writes the file, an encoding a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(texts)}" for name, texts in sorted(found_differences().items())]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")


if __name__ == "__main__":
    main()
