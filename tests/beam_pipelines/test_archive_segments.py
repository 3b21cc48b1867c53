"""Segments: every compression, and damage at every place."""

import gzip
import io
import random

import pytest
import zstandard

from beam_pipelines.archive_segments import SEGMENT_BYTES, Segment, read_segments
from beam_pipelines.record_limits import RecordLimits

_MEMBERS = [b"first member " * 20, b"second " * 50, b"", b"fourth"]


def _gzip(parts: list[bytes]) -> bytes:
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def _read(data: bytes) -> list[Segment]:
    return list(read_segments(io.BytesIO(data)))


def _joined(segments: list[Segment]) -> bytes:
    return b"".join(segment.data for segment in segments)


def _size(segments: list[Segment]) -> int:
    return sum(segment.raw_bytes for segment in segments)


def test_gzip_members() -> None:
    data = _gzip(_MEMBERS)
    segments = _read(data)
    assert [segment.data for segment in segments] == _MEMBERS
    assert all(segment.starts_member and segment.ends_member and not segment.damage for segment in segments)
    assert [segment.raw_bytes for segment in segments] == [len(gzip.compress(part, mtime=0)) for part in _MEMBERS]


def test_one_member_of_many_segments() -> None:
    content = random.Random(1).randbytes(3 * SEGMENT_BYTES + 17) + bytes(2 * SEGMENT_BYTES)
    data = gzip.compress(content, 1, mtime=0)
    segments = _read(data)
    assert _joined(segments) == content
    assert max(len(segment.data) for segment in segments) <= SEGMENT_BYTES
    assert [segment.starts_member for segment in segments].count(True) == 1 == segments[0].starts_member
    assert [segment.ends_member for segment in segments].count(True) == 1 == segments[-1].ends_member
    assert _size(segments) == len(data)


def test_a_bomb_is_read_in_pieces() -> None:
    data = gzip.compress(bytes(64 * SEGMENT_BYTES), mtime=0)
    num_bytes = 0
    for segment in read_segments(io.BytesIO(data), RecordLimits(max_ratio=2000)):
        assert len(segment.data) <= SEGMENT_BYTES
        num_bytes += len(segment.data)
    assert num_bytes == 64 * SEGMENT_BYTES


@pytest.mark.parametrize("one_frame", [True, False])
def test_zstandard(one_frame: bool) -> None:
    compress = zstandard.ZstdCompressor().compress
    data = compress(b"".join(_MEMBERS)) if one_frame else b"".join(map(compress, _MEMBERS))
    segments = _read(data)
    assert _joined(segments) == b"".join(_MEMBERS)
    assert _size(segments) == len(data)
    assert not any(segment.damage for segment in segments)


def test_not_compressed() -> None:
    data = random.Random(2).randbytes(3 * SEGMENT_BYTES)
    assert _joined(_read(b"WARC" + data)) == b"WARC" + data
    assert _size(_read(b"WARC" + data)) == len(data) + 4


@pytest.mark.parametrize("data", [b"", b"\x1f", b"\x1f\x8b", b"x"])
def test_tiny_files(data: bytes) -> None:
    assert _size(_read(data)) == len(data)


def test_gzip_truncated_at_every_byte() -> None:
    data = _gzip(_MEMBERS)
    whole = b"".join(_MEMBERS)
    ends = [len(_gzip(_MEMBERS[:number])) for number in range(len(_MEMBERS) + 1)]
    for length in range(2, len(data)):  # one byte does not tell that it is gzip
        segments = _read(data[:length])
        assert whole.startswith(_joined(segments))
        assert _size(segments) == length
        assert any(segment.damage for segment in segments) == (length not in ends), length


def test_zstandard_truncated_at_every_byte() -> None:
    compress = zstandard.ZstdCompressor().compress
    frames = [compress(part) for part in _MEMBERS]
    data, ends = b"".join(frames), [len(b"".join(frames[:number])) for number in range(len(frames) + 1)]
    for length in range(4, len(data)):
        segments = _read(data[:length])
        assert b"".join(_MEMBERS).startswith(_joined(segments))
        assert _size(segments) == length
        assert any(segment.damage for segment in segments) == (length not in ends), length


def test_gzip_with_every_byte_flipped() -> None:
    parts = [b"one" * 9, b"two" * 9, b"three" * 9]
    data = _gzip(parts)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        assert _size(_read(bytes(damaged))) == len(data), position


def test_reading_goes_on_after_a_damaged_member() -> None:
    parts = [random.Random(number).randbytes(300_000) for number in range(3)]
    compressed = [gzip.compress(part, mtime=0) for part in parts]
    middle = bytearray(compressed[1])
    middle[150_000] ^= 0xFF  # stored blocks: noticed at the checksum, when all is read
    middle[20] ^= 0xFF
    segments = _read(compressed[0] + bytes(middle) + compressed[2])
    assert _joined(segments).startswith(parts[0])
    assert _joined(segments).endswith(parts[2])
    assert [segment.damage for segment in segments if segment.damage] == ["bad_gzip_member"]
    assert _size(segments) == sum(map(len, compressed))


def test_garbage_between_members() -> None:
    data = gzip.compress(b"one", mtime=0) + b"garbage \x1f\x8b" + gzip.compress(b"two", mtime=0)
    segments = _read(data)
    assert [(segment.data, segment.damage) for segment in segments] == [
        (b"one", ""),
        (b"", "garbage_between_members"),
        (b"two", ""),
    ]
    assert segments[1].raw_bytes == len(b"garbage \x1f\x8b")


def test_damage_around_nested_members_is_marked() -> None:
    inner = _gzip([random.Random(number).randbytes(900_000) for number in range(4)])
    outer = bytearray(gzip.compress(inner, mtime=0))
    outer[-6] ^= 1  # the checksum, behind the last member
    segments = _read(bytes(outer))
    assert {segment.damage for segment in segments} == {"", "bad_gzip_member", "truncated_gzip_member"}
    assert _joined(segments)[:900_000] == random.Random(0).randbytes(900_000)
    assert _size(segments) == len(outer)


def test_garbage_in_zstandard() -> None:
    frame, other = map(zstandard.ZstdCompressor().compress, (b"one", b"two"))
    segments = _read(frame + b"garbage" + other)
    assert [(segment.data, segment.damage, segment.raw_bytes) for segment in segments] == [
        (b"one", "", len(frame)),
        (b"", "garbage_between_members", 7),
        (b"two", "", len(other)),
    ]
