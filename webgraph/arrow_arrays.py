"""Arrow arrays from NumPy arrays and from bytes, without `pyarrow.array`.

`pyarrow.array` asks pandas what it is given, and so imports pandas where that is installed: a third of a second in
every process.
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
