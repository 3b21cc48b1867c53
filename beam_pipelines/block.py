"""Blocks: what travels through Beam and lies between stages. A block is a set of named columns.

A column is a one-dimensional NumPy array, or a pyarrow binary array for URLs. On the wire a block is an Arrow record
batch of one row whose fields are lists, so that columns of different lengths share a block and reading copies nothing.
Blocks are trusted: they are only ever read by the run that wrote them.
"""

from typing import Any

import numpy as np
import pyarrow as pa

Column = Any
"""np.ndarray, or pa.LargeBinaryArray."""
Block = dict[str, Column]


def encode_block(block: Block) -> bytes:
    """Serialises a block. Equal blocks give equal bytes."""
    batch = _batch(block)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def decode_block(data: bytes) -> Block:
    """Reads what `encode_block` wrote; the columns are views of `data`."""
    with pa.ipc.open_stream(data) as reader:
        return _columns(reader.read_next_batch())


def _batch(block: Block) -> pa.RecordBatch:
    names, arrays = [], []
    for name, column in block.items():
        values = pa.array(column) if isinstance(column, np.ndarray) else column
        offsets = pa.array([0, len(values)], type=pa.int64())
        names.append(name)
        arrays.append(pa.LargeListArray.from_arrays(offsets, values))
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _columns(batch: pa.RecordBatch) -> Block:
    columns: Block = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        values = array.values
        is_binary = pa.types.is_large_binary(values.type)
        columns[name] = values if is_binary else values.to_numpy(zero_copy_only=True)
    return columns
