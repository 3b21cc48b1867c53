"""Fuzz target: the TFRecord decoder, with bytes as they are, and as records whose checksums fit."""

import struct

from webgraph.tfrecord import TFRecordError, count_records, decode_records, encode_records, masked_crc32c


def run(data: bytes) -> None:
    """Raises where bytes are neither rows nor refused in words, or rows do not survive being written again."""
    _read(data)
    _read(b"".join(map(_framed, data.split(b"\n\n"))))


def _framed(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", masked_crc32c(length)) + record + struct.pack("<I", masked_crc32c(record))


def _read(content: bytes) -> None:
    try:
        rows = decode_records(content, "x.tfr")
    except TFRecordError as error:
        assert str(error).startswith("x.tfr: ")
        return
    assert rows.num_rows == count_records(content, "x.tfr")
    again = decode_records(encode_records(rows), "again")
    for name in ("row_tag", "col_offsets", "col_tag", "gt_offsets", "gt_tag"):
        assert (getattr(rows, name) == getattr(again, name)).all(), name
