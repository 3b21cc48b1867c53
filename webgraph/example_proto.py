"""The bytes of one `tf.train.Example` with int64 features, without TensorFlow.

Format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/{example,feature}.proto
  Example   { Features features = 1; }
  Features  { map<string, Feature> feature = 1; }      an entry is { string key = 1; Feature value = 2; }
  Feature   { oneof kind { ...; Int64List int64_list = 3; } }
  Int64List { repeated int64 value = 1 [packed = true]; }
Deterministic serialisation writes the entries in order of their keys.
"""

import functools

_EXAMPLE_FEATURES = b"\x0a"
_LENGTH_DELIMITED = 2


def size_varint(size: int) -> bytes:
    """Varint of a non-negative length."""
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


@functools.lru_cache(maxsize=1 << 16)
def entry_header(key: bytes, num_bytes: int) -> bytes:
    """What stands before `num_bytes` of packed varints in a map entry of `Features`."""
    values = b"\x0a" + size_varint(num_bytes) if num_bytes else b""
    int64_list = b"\x1a" + size_varint(len(values) + num_bytes) + values
    entry = b"\x0a" + size_varint(len(key)) + key + b"\x12" + size_varint(len(int64_list) + num_bytes) + int64_list
    return b"\x0a" + size_varint(len(entry) + num_bytes) + entry


@functools.lru_cache(maxsize=1 << 16)
def example_header(num_bytes: int) -> bytes:
    """What stands before `num_bytes` of map entries."""
    return _EXAMPLE_FEATURES + size_varint(num_bytes)


def parse_example(record: bytes) -> dict[bytes, bytes]:
    """Reads the int64 features of a serialised Example, in any order, packed or not.

    Returns:
      The packed varints of each feature, by key. Unknown fields are skipped; a later entry of a key replaces
      an earlier one, as protobuf says of maps.

    Raises:
      ValueError: the bytes are no Example, or a feature holds floats or strings.
    """
    features: dict[bytes, bytes] = {}
    for field, example_value in _fields(record):
        if field != 1:
            continue
        for entry_field, entry in _fields(example_value):
            if entry_field == 1:
                key, feature = b"", b""
                for part, value in _fields(entry):
                    if part == 1:
                        key = value
                    elif part == 2:
                        feature = value
                features[key] = _int64_values(key, feature)
    return features


def _int64_values(key: bytes, feature: bytes) -> bytes:
    values = b""
    for kind, int64_list in _fields(feature):
        if kind != 3:
            raise ValueError(f"feature {key.decode(errors='replace')!r} is not a list of int64.")
        values += b"".join(value for field, value in _fields(int64_list) if field == 1)
    return values


def _fields(message: bytes) -> list[tuple[int, bytes]]:
    """Fields of a message as (number, value); a varint's value is its bytes, so that unpacked lists read alike."""
    fields, position, end = [], 0, len(message)
    while position < end:
        tag, position = _read_varint(message, position)
        wire_type = tag & 7
        if wire_type == _LENGTH_DELIMITED:
            size, position = _read_varint(message, position)
        elif wire_type == 0:
            size = _read_varint(message, position)[1] - position
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"protobuf wire type {wire_type} is not known.")
        if size > end - position:
            raise ValueError(f"a protobuf field of {size} bytes is cut off after {end - position}.")
        fields.append((tag >> 3, message[position : position + size]))
        position += size
    return fields


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a protobuf varint is cut off or too long.")
