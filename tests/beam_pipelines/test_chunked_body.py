"""Chunked bodies: as the standard has them, cut, with every wrong size, and with every byte of the framing damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.body_decoding import Budget, Clock, Decoded
from beam_pipelines.chunked_body import unchunk
from beam_pipelines.record_limits import RecordLimits

_AMPLE = Budget(1 << 24, Clock(60))
_CHUNKS = [
    b"<html>" + b"<p>first</p>\r\n" * 5,
    b"<a href='/1'>\n" * 5 + b"<a>\r\n12\r\n</a>\n" + b"<a href='/1'>\n" * 5,
    b"<b>\n</b>\r\n\r\n\r" * 5 + b"0\r\n\r\n" + b"</b>\r\n" * 9,
    b"<i>\n" * 20 + b"\r\n0\r\n\r\n" + b"<i>\n" * 20,
    b"x" * 60 + b"</html>",
]
"""No wrong size that is tried reaches a line in a chunk that looks as one between chunks."""
_TRUTH = b"".join(_CHUNKS)


def _chunk(data: bytes, size: int | None = None) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data) if size is None else size, data)


def _body(chunks: list[bytes]) -> bytes:
    return b"".join(map(_chunk, chunks)) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 100, 1000])
def test_chunks_of_every_size(size: int) -> None:
    chunks = [_TRUTH[start : start + size] for start in range(0, len(_TRUTH), size)]
    assert unchunk(_body(chunks), _AMPLE) == Decoded(_TRUTH, False)


@pytest.mark.parametrize(
    "body",
    [
        b"A\r\n0123456789\r\n0\r\n\r\n",
        b"a\r\n0123456789\r\n0\r\n\r\n",
        b"0000a\r\n0123456789\r\n000\r\n\r\n",
        b"a \r\n0123456789\r\n0\r\n\r\n",
        b" a\r\n0123456789\r\n 0 \r\n\r\n",
        b'a;name=value;other="x y"\r\n0123456789\r\n0;last\r\n\r\n',
        b"a;" + b"x" * 10_000 + b"\r\n0123456789\r\n0\r\n\r\n",
        b"4\r\n0123\r\n6\r\n456789\r\n0\r\nTrailer: value\r\nOther: value\r\n\r\n",
        b"4\n0123\n6\n456789\n0\n\n",
        b"a\r\n0123456789\r\n0\r\n",  # the empty line at the end is missing, but no data are
        b"a\r\n0123456789\r\n0",
        b"a\r\n0123456789\r\n0\r\n\r\n\r\n",
    ],
)
def test_whole_bodies(body: bytes) -> None:
    assert unchunk(body, _AMPLE) == Decoded(b"0123456789", False)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>\r\n12\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r",
        b"ADD\n<html>",
        b"ADD\n" + b"<html>" * 1000,
        b"FEED\n<html>" * 10_000,
        b"\x1f\x8b\x08" + bytes(100),
        b"-1\r\nx\r\n",
        b"0x5\r\nhello\r\n",
        b"1_0\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"fffffffffffffffff\r\nhello\r\n",
    ],
)
def test_what_is_not_chunked_is_returned_as_it_is(body: bytes) -> None:
    assert unchunk(body, _AMPLE) == Decoded(body, False)


def test_a_first_line_that_may_be_a_size_is_kept_and_counted() -> None:
    body = b"FEED\r\n<html>" * 10_000
    assert unchunk(body, _AMPLE) == Decoded(body, True)


def test_an_empty_body_has_no_last_chunk() -> None:
    assert unchunk(b"", _AMPLE) == Decoded(b"", True)
    assert unchunk(b"0\r\n\r\n", _AMPLE) == Decoded(b"", False)


def test_a_body_that_is_cut_anywhere_is_read_up_to_there() -> None:
    body = _body(_CHUNKS)
    for at in range(1, len(body)):
        data, is_damaged = unchunk(body[:at], _AMPLE)
        if b"\r\n" not in body[:at]:
            assert data == body[:at]  # nothing says that it is chunked
            continue
        assert _TRUTH.startswith(data)
        assert is_damaged == (at < len(body) - len(b"\r\n\r\n"))
        assert len(data) >= at - 12 * len(_CHUNKS)


@pytest.mark.parametrize("which", range(len(_CHUNKS)))
def test_a_wrong_size_costs_no_data_and_is_counted(which: int) -> None:
    """The chunks are so long that no size reaches the end of the next one, where nobody could tell."""
    for size in (1, 2, *range(len(_CHUNKS[which]) - 40, len(_CHUNKS[which]) + 41), 1 << 20):
        chunks = list(map(_chunk, _CHUNKS))
        chunks[which] = _chunk(_CHUNKS[which], size)
        body = b"".join(chunks) + b"0\r\n\r\n"
        assert unchunk(body, _AMPLE) == Decoded(_TRUTH, size != len(_CHUNKS[which])), size


@pytest.mark.parametrize("bits", [0xFF, 0x80, 0x01, 0x10])
def test_a_damaged_byte_between_chunks_costs_little_and_is_counted(bits: int) -> None:
    """Chunks that are not beside the damage are there whole, and at most the framing beside it is taken for data."""
    body = _body(_CHUNKS)
    at = 0
    for number, chunk in enumerate([*_CHUNKS, b""]):
        line = len(b"%x\r\n" % len(chunk))
        for damaged in (*range(at, at + line), *range(at + line + len(chunk), at + line + len(chunk) + 2)):
            flipped = body[:damaged] + bytes([body[damaged] ^ bits]) + body[damaged + 1 :]
            data, is_damaged = unchunk(flipped, _AMPLE)
            if data == flipped:
                assert number == 0  # a damaged first line
                assert is_damaged
                continue
            assert data.startswith(b"".join(_CHUNKS[: max(0, number - 1)]))
            assert data.endswith(b"".join(_CHUNKS[number + 2 :]))
            assert abs(len(data) - len(_TRUTH)) <= 24
            assert is_damaged or data == _TRUTH
        at += line + len(chunk) + 2


def test_what_follows_the_last_chunk_is_ignored_and_counted() -> None:
    for rest in (b"x", b"HTTP/1.1 200 OK\r\n\r\n", b"5\r\nhello\r\n", b"x" * 10_000):
        assert unchunk(_body(_CHUNKS) + rest, _AMPLE) == Decoded(_TRUTH, True)


def test_it_stops_at_its_budget() -> None:
    body = _body([b"x"] * 10_000)
    assert unchunk(body, _AMPLE) == Decoded(b"x" * 10_000, False)
    assert unchunk(body, Budget(100, Clock(60))) == Decoded(b"x" * 100, False)
    assert unchunk(body, Budget(1 << 24, Clock(0))) == Decoded(b"x" * 2048, False)


@pytest.mark.parametrize(
    "body",
    [
        b"1\r\nx\r\n", b"0\r\n", b"0;a:\r\n", b"5\r\n", b"\r\n1", b"\r\n0", b"1;a:\r\nb:\r\n", b"0\r\na:\n",
        b"ffff\r\n", b"\r\n;", b";" * 100 + b"\n", b"1\r\nab\r\n", b"3\r\na\r\n", b"x\r\n1\r\na\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", [b"", b"5\r\nhello\r\n", b"ffff\r\n", b"0;"])
def test_many_lines_end(start: bytes, body: bytes) -> None:
    """They take less than a second. They are not timed, but if the same bytes were read again and again, they would not
    end."""
    lines = start + body * (200_000 // len(body))
    for end in (b"", b"z", b"\r\n0\r\n\r\n"):
        assert len(unchunk(lines + end, _AMPLE).data) <= len(lines + end)


@given(st.lists(st.sampled_from([b"0", b"5", b"a", b"\r\n", b"\n", b"\r", b";", b":", b" ", b"<a>", b"hello", b"\0"])))
def test_no_body_raises(parts: list[bytes]) -> None:
    body = b"".join(parts)
    data, _ = unchunk(body, _AMPLE)
    assert len(data) <= len(body)
    assert RecordLimits().max_body_bytes == _AMPLE.max_bytes
