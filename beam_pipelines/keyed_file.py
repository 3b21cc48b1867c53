"""Keyed files: byte strings, each under an integer key, in a file that tells where those of a key are.

The strings stand one after another; then comes an index, JSON `{key: [[offset, length], ...]}`, and then the length of
the index, 8 bytes, little-endian. Blocks between stages lie in such files, under the number of their partition.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_LENGTH_BYTES = 8

Index = dict[int, list[tuple[int, int]]]


def write_keyed(sink: BinaryIO, items: Iterable[tuple[int, bytes]]) -> None:
    """Writes (key, string) pairs as they come; nothing is held back but the index."""
    index: Index = defaultdict(list)
    offset = 0
    for key, value in items:
        sink.write(value)
        index[key].append((offset, len(value)))
        offset += len(value)
    encoded = json.dumps(dict(sorted(index.items()))).encode()
    sink.write(encoded)
    sink.write(len(encoded).to_bytes(_LENGTH_BYTES, "little"))


def read_index(source: BinaryIO) -> Index:
    """Reads where the strings of each key are; `source` must be seekable."""
    source.seek(0, 2)
    end = source.tell() - _LENGTH_BYTES
    source.seek(end)
    length = int.from_bytes(source.read(_LENGTH_BYTES), "little")
    source.seek(end - length)
    return {int(key): value for key, value in json.loads(source.read(length)).items()}


def read_keyed(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields all (key, string) pairs in the order in which they were written."""
    index = read_index(source)
    source.seek(0)
    spans = sorted((offset, length, key) for key, found in index.items() for offset, length in found)
    for _, length, key in spans:
        yield key, source.read(length)
