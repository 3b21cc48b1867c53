"""Arrow arrays from NumPy arrays and from bytes, and back, without pandas.

`pyarrow.array` and `to_numpy` ask pandas what they are given, and so import it where it is installed: a third of a
second in every process.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

_SURROGATES = re.compile("[\ud800-\udfff]")


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


def string_array(values: Sequence[str]) -> pa.LargeStringArray:
    """An array of strings. A surrogate, which UTF-8 has no place for, becomes U+FFFD, as in the URL standard."""
    content = _utf8("".join(values))
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    if len(content) > lengths.sum():
        is_ascii = np.fromiter(map(str.isascii, values), bool, len(values))
        for at in np.flatnonzero(~is_ascii).tolist():
            lengths[at] = len(_utf8(values[at]))
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return pa.LargeStringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(content))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text).encode()


def numbers_of(array: pa.Array) -> np.ndarray:
    """The numbers of an array without nulls; nothing is copied."""
    if array.null_count:
        raise ValueError(f"An array of numbers must have no nulls, found {array.null_count}.")
    dtype = np.dtype(str(array.type))
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)
