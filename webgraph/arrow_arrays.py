"""Arrow arrays from NumPy arrays and from bytes, and back, without pandas.

`pyarrow.array` and `to_numpy` ask pandas what they are given, and so import it where it is installed: a third of a
second in every process.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa


def number_array(values: np.ndarray) -> pa.Array:
    """An array of the numbers of a one-dimensional NumPy array; nothing is copied."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def binary_array(values: Iterable[bytes]) -> pa.LargeBinaryArray:
    """An array of byte strings."""
    values = list(values)
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, values), np.int64, len(values)), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(values), buffers)


def numbers_of(array: pa.Array) -> np.ndarray:
    """The numbers of an array without nulls; nothing is copied."""
    if array.null_count:
        raise ValueError(f"An array of numbers must have no nulls, found {array.null_count}.")
    dtype = np.dtype(str(array.type))
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)
