"""Rows as TFRecords of `tf.train.Example`, the published form of WebGraph, without TensorFlow.

Framing (https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details"), little endian:
  uint64 length, uint32 masked_crc32c(length), bytes data[length], uint32 masked_crc32c(data)
  masked_crc = ((crc >> 15) | (crc << 17)) + 0xa282ead8  modulo 2^32
Each record is one row with the int64 features `col_tag`, `gt_tag` and `row_tag`, the bytes being those of
`example.SerializeToString(deterministic=True)` with all three features set.
"""

import functools
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import google_crc32c
import numpy as np

from webgraph.example_proto import entry_header, example_header, parse_example
from webgraph.row_block import RowBlock, slice_rows
from webgraph.varints import decode_varints, encode_varints

EDGES_ENCODED_TOGETHER = 1 << 20
"""Of small files; bounds the memory that encoding takes."""
_COL, _GT, _ROW = b"col_tag", b"gt_tag", b"row_tag"
_FRAME_BYTES = 16
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")


class TFRecordError(ValueError):
    """A TFRecord file is damaged, or holds something else than rows."""


def encode_records(block: RowBlock) -> bytes:
    """Content of a TFRecord file with the rows of `block`, in order."""
    return b"".join(_encode_rows(block))


def encode_shards(block: RowBlock, limits: Sequence[int]) -> Iterator[bytes]:
    """Contents of TFRecord files: file k has the rows [limits[k], limits[k + 1]) of `block`, by position.

    Many small files are encoded together, which is several times as fast as one by one.
    """
    first = 0
    while first < len(limits) - 1:
        last = first + 1
        start = limits[first]
        while last < len(limits) - 1 and _num_edges(block, start, limits[last + 1]) <= EDGES_ENCODED_TOGETHER:
            last += 1
        rows = _encode_rows(slice_rows(block, start, limits[last]))
        for shard in range(first, last):
            yield b"".join(rows[limits[shard] - start : limits[shard + 1] - start])
        first = last


def _num_edges(block: RowBlock, start: int, stop: int) -> int:
    cols, gts = (offsets[stop] - offsets[start] for offsets in (block.col_offsets, block.gt_offsets))
    return int(cols + gts)


def _encode_rows(block: RowBlock) -> list[bytes]:
    """The record of each row, with its frame."""
    rows, row_ends = encode_varints(block.row_tag)
    cols, col_ends = encode_varints(block.col_tag)
    gts, gt_ends = encode_varints(block.gt_tag)
    row_at, col_at, gt_at = row_ends.tolist(), col_ends[block.col_offsets].tolist(), gt_ends[block.gt_offsets].tolist()
    crc32c = google_crc32c.value
    records: list[bytes] = []
    for row in range(block.num_rows):
        col = cols[col_at[row] : col_at[row + 1]]
        gt = gts[gt_at[row] : gt_at[row + 1]]
        tag = rows[row_at[row] : row_at[row + 1]]
        entries = b"".join(
            (entry_header(_COL, len(col)), col, entry_header(_GT, len(gt)), gt, entry_header(_ROW, len(tag)), tag)
        )
        data = example_header(len(entries)) + entries
        crc = crc32c(data)
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        records.append(b"".join((_frame_header(len(data)), data, _CRC.pack(masked))))
    return records


def decode_records(content: bytes, name: str) -> RowBlock:
    """Rows of a TFRecord file, in order.

    Args:
      content: the file's bytes.
      name: what error messages call the file.

    Raises:
      TFRecordError: a checksum is wrong, a record is cut off or is no Example, or has not exactly one `row_tag`.
    """
    parts: dict[bytes, list[bytes]] = {_ROW: [], _COL: [], _GT: []}
    for number, record in enumerate(_records(content, name)):
        try:
            features = parse_example(record)
        except ValueError as error:
            raise TFRecordError(f"{name}: record {number} is no tf.train.Example: {error}") from error
        for key, values in parts.items():
            values.append(features.get(key, b""))
    row_tag, row_offsets = _decode_lists(parts[_ROW], name)
    wrong = np.flatnonzero(np.diff(row_offsets) != 1)
    if len(wrong):
        raise TFRecordError(f"{name}: record {wrong[0]} must have exactly one row_tag.")
    col_tag, col_offsets = _decode_lists(parts[_COL], name)
    gt_tag, gt_offsets = _decode_lists(parts[_GT], name)
    return RowBlock(row_tag=row_tag, col_offsets=col_offsets, col_tag=col_tag, gt_offsets=gt_offsets, gt_tag=gt_tag)


def read_records(path: Path) -> RowBlock:
    """Rows of the TFRecord file at `path`; raises `TFRecordError` as `decode_records` does."""
    return decode_records(path.read_bytes(), str(path))


def count_records(content: bytes, name: str) -> int:
    """Number of records of a TFRecord file, from the lengths alone; raises TFRecordError where it is cut off."""
    count, position = 0, 0
    while position < len(content):
        if len(content) - position >= _FRAME_BYTES:
            position += _LENGTH.unpack_from(content, position)[0]
        position += _FRAME_BYTES
        if position > len(content):
            raise TFRecordError(f"{name}: record {count} is cut off at byte {len(content)}.")
        count += 1
    return count


def masked_crc32c(data: bytes) -> int:
    """The checksum that TFRecords carry."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@functools.lru_cache(maxsize=1 << 16)
def _frame_header(num_bytes: int) -> bytes:
    length = _LENGTH.pack(num_bytes)
    return length + _CRC.pack(masked_crc32c(length))


def _records(content: bytes, name: str) -> list[bytes]:
    records: list[bytes] = []
    position, end = 0, len(content)
    while position < end:
        if end - position < _FRAME_BYTES:
            raise TFRecordError(f"{name}: record {len(records)} is cut off at byte {end}.")
        (size,) = _LENGTH.unpack_from(content, position)
        if content[position : position + 12] != _frame_header(size):
            raise TFRecordError(f"{name}: the length of record {len(records)} at byte {position} fails its checksum.")
        if size > end - position - _FRAME_BYTES:
            raise TFRecordError(f"{name}: record {len(records)} is cut off at byte {end}.")
        data = content[position + 12 : position + 12 + size]
        if _CRC.unpack_from(content, position + 12 + size)[0] != masked_crc32c(data):
            raise TFRecordError(f"{name}: record {len(records)} at byte {position} fails its checksum.")
        records.append(data)
        position += size + _FRAME_BYTES
    return records


def _decode_lists(packed: list[bytes], name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        values, ends = decode_varints(b"".join(packed))
    except ValueError as error:
        raise TFRecordError(f"{name}: {error}") from error
    limits = np.zeros(len(packed) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, packed), dtype=np.int64, count=len(packed)), out=limits[1:])
    offsets = np.searchsorted(ends, limits, side="right").astype(np.int64)
    inner = limits[limits > 0]
    if len(inner) and not np.isin(inner, ends).all():
        raise TFRecordError(f"{name}: a list of int64 ends inside a varint.")
    return values, offsets
