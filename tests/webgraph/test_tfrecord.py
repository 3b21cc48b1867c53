"""TFRecords against TensorFlow's own protobuf and reader."""

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webgraph.graph_files import row_block
from webgraph import tfrecord
from webgraph.example_proto import parse_example
from webgraph.row_block import RowBlock, slice_rows
from webgraph.tfrecord import TFRecordError, count_records, decode_records, encode_records, masked_crc32c, read_records
from webgraph.varints import decode_varints, encode_varints

_IDS = st.integers(0, 2**63 - 1) | st.integers(0, 300)
_ROWS = st.dictionaries(_IDS, st.tuples(st.lists(_IDS, max_size=200), st.lists(_IDS, max_size=40)), max_size=12)


def _block(rows: dict[int, tuple[list[int], list[int]]]) -> RowBlock:
    return row_block({tag: cols for tag, (cols, _) in rows.items()}, {tag: gts for tag, (_, gts) in rows.items()})


def _assert_equal(left: RowBlock, right: RowBlock) -> None:
    for name in ("row_tag", "col_offsets", "col_tag", "gt_offsets", "gt_tag"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


def test_equals_tensorflow(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")

    def serialize(tag: int, cols: list[int], gts: list[int]) -> bytes:
        lists = {"row_tag": [tag], "col_tag": cols, "gt_tag": gts}
        features = {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=values)) for name, values in lists.items()
        }
        example = tf.train.Example(features=tf.train.Features(feature=features))
        return bytes(example.SerializeToString(deterministic=True))

    random = np.random.default_rng(0)
    rows: dict[int, tuple[list[int], list[int]]] = {0: ([], []), 127: ([0], [128]), 128: ([2**63 - 1], [2**62])}
    for bits in range(1, 63):
        ids = random.integers(0, 2**bits, size=random.integers(0, 400)).tolist()
        rows[2**bits + 7] = (ids, ids[:9])
    expected = [serialize(tag, *rows[tag]) for tag in sorted(rows)]
    theirs = tmp_path / "theirs"
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for record in expected:
            writer.write(record)
    assert encode_records(_block(rows)) == theirs.read_bytes()
    _assert_equal(read_records(theirs), _block(rows))


@given(rows=_ROWS)
@settings(deadline=None)
def test_round_trip(rows: dict[int, tuple[list[int], list[int]]]) -> None:
    content = encode_records(_block(rows))
    _assert_equal(decode_records(content, "made"), _block(rows))
    assert count_records(content, "made") == len(rows)


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_varints_round_trip(values: list[int]) -> None:
    encoded, offsets = encode_varints(np.array(values, dtype=np.int64))
    decoded, ends = decode_varints(encoded)
    assert decoded.tolist() == values
    assert offsets.tolist() == [0, *ends.tolist()]


@pytest.mark.parametrize("encoded", [b"\x80", b"\x01\xff", b"\x80" * 10 + b"\x01"])
def test_bad_varints(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="varint"):
        decode_varints(encoded)


def test_every_damaged_byte_is_found() -> None:
    content = encode_records(_block({3: ([1, 500], [7]), 9: ([2], [])}))
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x40
        with pytest.raises(TFRecordError, match=r"made: "):
            decode_records(bytes(damaged), "made")
        if position:
            assert count_or_error(content[:position]) != 2


def count_or_error(content: bytes) -> int:
    try:
        return count_records(content, "made")
    except TFRecordError:
        return -1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a\x05abc", "is no tf.train.Example"),
        (b"", "exactly one row_tag"),
        (b"\x0a\x0f\x0a\x0d\x0a\x07row_tag\x12\x02\x12\x00", "not a list of int64"),
        (b"\x0a\x14\x0a\x12\x0a\x07row_tag\x12\x07\x1a\x05\x0a\x01\x01\x08\x02", "exactly one row_tag"),
        (b"\x0a\x12\x0a\x10\x0a\x07row_tag\x12\x05\x1a\x03\x0a\x01\x80", "cut off"),
    ],
)
def test_foreign_records(data: bytes, message: str) -> None:
    header = struct.pack("<Q", len(data))
    frame = header + struct.pack("<I", masked_crc32c(header)) + data + struct.pack("<I", masked_crc32c(data))
    with pytest.raises(TFRecordError, match=message):
        decode_records(frame, "made")


def test_huge_length_allocates_nothing() -> None:
    header = struct.pack("<Q", 2**62)
    with pytest.raises(TFRecordError, match="cut off"):
        decode_records(header + struct.pack("<I", masked_crc32c(header)) + b"1234", "made")


def test_unpacked_lists_and_unknown_fields_are_read() -> None:
    unpacked = b"\x0a\x16\x0a\x12\x0a\x07row_tag\x12\x07\x1a\x05\x08\x05\x08\xac\x02\x10\x01"
    assert parse_example(unpacked) == {b"row_tag": b"\x05\xac\x02"}


@given(_ROWS, st.lists(st.integers(0, 12), max_size=5), st.sampled_from([0, 40, 1 << 20]))
def test_shards_are_files_of_their_rows(
    rows: dict[int, tuple[list[int], list[int]]], cuts: list[int], together: int
) -> None:
    block = _block(rows)
    limits = sorted([0, *(min(cut, block.num_rows) for cut in cuts), block.num_rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfrecord, "EDGES_ENCODED_TOGETHER", together)
        shards = list(tfrecord.encode_shards(block, limits))
    expected = [encode_records(slice_rows(block, *pair)) for pair in itertools.pairwise(limits)]
    assert shards == expected
