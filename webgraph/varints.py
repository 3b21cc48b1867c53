"""Base-128 varints of whole arrays, without Python work for each value.

Format: https://protobuf.dev/programming-guides/encoding/#varints. Seven bits a byte, least significant first; the
high bit says that more bytes follow. A negative int64 takes ten bytes, as in protobuf.
"""

import numpy as np

MAX_VARINT_BYTES = 10


def encode_varints(values: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Encodes `int64[n]`.

    Returns:
      The bytes of all varints, and `int64[n + 1]` offsets: value i lies at `bytes[offsets[i]:offsets[i + 1]]`.
    """
    unsigned = np.ascontiguousarray(values, dtype=np.int64).view(np.uint64)
    largest = int(unsigned.max()) if len(unsigned) else 0
    longest = max(1, -(-largest.bit_length() // 7))
    if largest < 1 << 32:
        unsigned = unsigned.astype(np.uint32)
    sizes = np.ones(len(unsigned), dtype=np.uint8)
    for size in range(1, longest):
        sizes += unsigned >= unsigned.dtype.type(1 << (7 * size))
    offsets = np.zeros(len(unsigned) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    encoded = np.empty(offsets[-1] + longest, dtype=np.uint8)
    # What a short varint has beyond its end lies at lower bytes of those behind it, which are written later.
    for byte in reversed(range(longest)):
        rest = unsigned >> unsigned.dtype.type(7 * byte)
        low = rest.astype(np.uint8)
        encoded[offsets[:-1] + byte] = np.where(rest > 0x7F, low | 0x80, low)
    return encoded[: offsets[-1]].tobytes(), offsets


def decode_varints(encoded: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Decodes varints that follow each other.

    Returns:
      `int64[n]` values, and `int64[n]` the end of each value's bytes in `encoded`.

    Raises:
      ValueError: the last varint is cut off, or one is longer than ten bytes.
    """
    data = np.frombuffer(encoded, dtype=np.uint8)
    ends = np.flatnonzero(data < 0x80) + 1
    if len(data) and (not len(ends) or ends[-1] != len(data)):
        raise ValueError("A varint is cut off at the end of its bytes.")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])[:-1]
    sizes = ends - starts
    largest = int(sizes.max()) if len(sizes) else 0
    if largest > MAX_VARINT_BYTES:
        raise ValueError(f"A varint of {largest} bytes is longer than {MAX_VARINT_BYTES}.")
    values = np.zeros(len(ends), dtype=np.uint64)
    for byte in range(largest):
        chosen = np.flatnonzero(sizes > byte)
        bits = (data[starts[chosen] + byte] & 0x7F).astype(np.uint64)
        values[chosen] |= bits << np.uint64(7 * byte)
    return values.view(np.int64), ends
