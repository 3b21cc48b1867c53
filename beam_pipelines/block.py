"""Blocks: what travels through Beam and lies between stages. A block is a set of named columns.

A column is a one-dimensional NumPy array, or a pyarrow binary array for URLs. On the wire a block is a head, one line a
column (`NAME DTYPE LENGTH`, or `NAME url LENGTH BYTES`), and the columns' buffers, each at a multiple of 8 bytes; a
binary column has two, its offsets from 0 and its bytes. Columns of different lengths share a block, reading copies
nothing, and a block of a few rows costs some 100 bytes more than its values: with P partitions a stage sends P x P
blocks, so that what a block costs counts (an Arrow stream costs 1 to 2.5 KB, and 5 times as long to write and read).

Blocks are trusted: they are only ever read by the run that wrote them, on machines of one byte order.
"""

from typing import Any

import numpy as np
import pyarrow as pa

Column = Any
"""np.ndarray, or pa.LargeBinaryArray."""
Block = dict[str, Column]

_ALIGNMENT = 8
_LENGTH_BYTES = 8


def encode_block(block: Block) -> bytes:
    """Serialises a block. Equal blocks give equal bytes."""
    lines: list[str] = []
    buffers: list[Any] = []
    for name, column in block.items():
        if isinstance(column, np.ndarray):
            lines.append(f"{name} {column.dtype.str} {len(column)}")
            _append(buffers, np.ascontiguousarray(column).data)
        else:
            offsets, content = _binary_buffers(column)
            lines.append(f"{name} url {len(column)} {len(content)}")
            _append(buffers, offsets.data)
            _append(buffers, content)
    head = "\n".join(lines).encode()
    return b"".join([len(head).to_bytes(_LENGTH_BYTES, "little"), head, bytes(-len(head) % _ALIGNMENT), *buffers])


def decode_block(data: bytes) -> Block:
    """Reads what `encode_block` wrote; the columns are views of `data`."""
    start = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    block: Block = {}
    position = _aligned(start)
    for line in data[_LENGTH_BYTES:start].decode().splitlines():
        name, kind, *sizes = line.split(" ")
        length = int(sizes[0])
        if kind == "url":
            buffer, begin = pa.py_buffer(data), position + 8 * (length + 1)
            buffers = [None, buffer.slice(position, 8 * (length + 1)), buffer.slice(begin, int(sizes[1]))]
            block[name] = pa.LargeBinaryArray.from_buffers(pa.large_binary(), length, buffers)
            position = _aligned(begin + int(sizes[1]))
        else:
            block[name] = np.frombuffer(data, dtype=kind, count=length, offset=position)
            position = _aligned(position + block[name].nbytes)
    return block


def _aligned(position: int) -> int:
    return position + -position % _ALIGNMENT


def _append(buffers: list[Any], buffer: Any) -> None:
    size = memoryview(buffer).nbytes
    buffers += [buffer, bytes(-size % _ALIGNMENT)]


def _binary_buffers(column: pa.LargeBinaryArray) -> tuple[np.ndarray, Any]:
    """Returns int64[values + 1], offsets from 0, and the bytes of all values."""
    if column.null_count:
        raise ValueError(f"A column of a block must have no nulls, found {column.null_count}.")
    _, offsets, content = column.buffers()
    if not len(column):
        return np.zeros(1, dtype=np.int64), b""
    limits = np.frombuffer(offsets, dtype=np.int64, count=len(column) + 1, offset=8 * column.offset)
    return limits - limits[0], memoryview(content)[int(limits[0]) : int(limits[-1])] if content is not None else b""
