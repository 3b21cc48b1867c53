"""Every decoder of the Encoding Standard against its own index tables, and every label."""

import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.multibyte_decoding import MULTIBYTE
from beam_pipelines.text_decoding import decode, encoding_of_label
from tests.oracles import encoding_standard as standard
from tests.oracles.encoding_differences import PATH, found_differences, sequences

_ENCODINGS = sorted(set(standard.labels().values()))
_TWO_BYTE_ENCODINGS = ("big5", "euc-kr", "shift_jis", "gbk", "euc-jp")
_UNIQUE_RULES = sorted({rules.name for rules in MULTIBYTE.values()})


def _expected(document: bytes, encoding: str) -> str:
    if encoding == "utf-8":
        return document.decode("utf-8", "replace").removeprefix("\ufeff")
    text = standard.decode(document, encoding)
    return text.removeprefix("\ufeff") if encoding.startswith("utf-16") else text


def test_there_are_forty_encodings() -> None:
    assert len(_ENCODINGS) == 40


def test_every_label_is_that_of_the_standard() -> None:
    for label, name in standard.labels().items():
        assert encoding_of_label(label) == encoding_of_label(f"\t\n\f\r {label.upper()} \n") == name


@pytest.mark.parametrize(
    "label", ["", "utf-7", "rot13", "idna", "punycode", "unicode_escape", "cp037", "utf_8", "utf-8-sig", "\u00a0utf-8",
              "utf-8\x0b", "\uff55tf-8", "\u212aoi8-r", "utf-8;", "'gbk'", "gb\u00edk"]
)  # fmt: skip
def test_no_other_label_is_known(label: str) -> None:
    assert encoding_of_label(label) is None


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_every_single_byte(encoding: str) -> None:
    for byte in range(0x100):
        document = bytes((byte,))
        assert decode(document, encoding) == _expected(document, encoding), document
        if encoding not in ("utf-16le", "utf-16be", "replacement"):
            assert decode(document + b"<a", encoding) == _expected(document + b"<a", encoding), document


@pytest.mark.parametrize("encoding", standard.MULTIBYTE)
def test_every_sequence_of_two_bytes(encoding: str) -> None:
    for pair in itertools.product(range(0x100), repeat=2):
        document = bytes(pair)
        assert decode(document, encoding) == standard.decode(document, encoding), document


@pytest.mark.parametrize("encoding", _UNIQUE_RULES)
def test_every_pointer_in_one_document_and_behind_an_error(encoding: str) -> None:
    """Behind an error, Python's codec no longer decodes the sequence; at the end of a document, none is read anew."""
    for prefix in (b"", b"\xff"):
        document = b"".join(prefix + sequence + b"\n" for sequence in sequences(encoding))
        assert decode(document, encoding) == standard.decode(document, encoding)


def test_every_pointer_of_iso_2022_jp() -> None:
    document = b"\x1b$B" + bytes(itertools.chain.from_iterable(itertools.product(range(0x21, 0x7F), repeat=2)))
    assert decode(document, "iso-2022-jp") == standard.decode(document, "iso-2022-jp")
    odd = document + b"\x80\x21"
    assert decode(odd, "iso-2022-jp") == standard.decode(odd, "iso-2022-jp")


@pytest.mark.parametrize(
    "pointer", [0, 7456, 7457, 7458, 39419, 39420, 188999, 189000, 189001, 1237575, 1237576, 1587599]
)
def test_ends_of_the_ranges_of_gb18030(pointer: int) -> None:
    first, rest = divmod(pointer, 12600)
    second, rest = divmod(rest, 1260)
    third, fourth = divmod(rest, 10)
    document = bytes((first + 0x81, second + 0x30, third + 0x81, fourth + 0x30))
    code_point = standard.gb18030_range_code_point(pointer)
    assert decode(document, "gb18030") == ("\ufffd" if code_point is None else chr(code_point))
    assert decode(b"\xff" + document, "gbk") == standard.decode(b"\xff" + document, "gbk")


def test_a_broken_sequence_never_swallows_the_markup_behind_it() -> None:
    for encoding in _TWO_BYTE_ENCODINGS:
        for lead in range(0x80, 0x100):
            document = bytes((lead,)) + b'<a href="/">'
            assert '<a href="/">' in decode(document, encoding), (encoding, lead)


def test_a_pair_of_escapes_of_iso_2022_jp_that_shows_nothing_is_an_error() -> None:
    assert decode(b"\x1b(J\x1b(Ba", "iso-2022-jp") == "\ufffda"
    assert decode(b"\x1b(J\\~\x1b(Ba", "iso-2022-jp") == "\u00a5\u203ea"
    assert decode(b"\x1b$B!!\x1bX", "iso-2022-jp") == "\u3000\ufffd\ufffd"


def test_the_file_of_differences_is_what_the_standard_and_python_differ_in() -> None:
    assert json.loads(PATH.read_text("ascii")) == found_differences()


@pytest.mark.parametrize("encoding", _ENCODINGS)
@given(st.binary(max_size=24))
def test_any_bytes(encoding: str, document: bytes) -> None:
    assert decode(document, encoding) == _expected(document, encoding)


@pytest.mark.parametrize("encoding", standard.MULTIBYTE)
def test_damaged_text(encoding: str) -> None:
    """Text with some bytes changed, so that sequences begin and end in wrong places."""
    chosen = random.Random(encoding)
    alphabet = [sequence for sequence in sequences("gb18030" if encoding == "gbk" else encoding) if len(sequence) > 1]
    for _ in range(300):
        pieces = [
            chosen.choice((chosen.choice(alphabet), b"<b>", b"9", b"\x1b$B")) for _ in range(chosen.randrange(1, 30))
        ]
        document = bytearray(b"".join(pieces))
        for _ in range(chosen.randrange(3)):
            start = chosen.randrange(len(document))
            document[start : start + chosen.randrange(3)] = chosen.randbytes(1)
        assert decode(bytes(document), encoding) == standard.decode(bytes(document), encoding), bytes(document)


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ValueError, match="no encoding 'utf-7'"):
        decode(b"a", "utf-7")
