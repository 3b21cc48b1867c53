"""Keyed files: what steps give out, in a file that tells where the values of each output and key are.

The values stand one after another; then comes an index, JSON `{name: {key: [[offset, length], ...]}}`, and then the
length of the index, 8 bytes, little-endian.
"""

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from beam_pipelines.step import Output

_LENGTH_BYTES = 8

Index = dict[str, dict[int, list[tuple[int, int]]]]


def write_keyed(sink: BinaryIO, outputs: Iterable[Output]) -> None:
    """Writes outputs as they come; nothing is held back but the index."""
    index: defaultdict[str, defaultdict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    offset = 0
    for name, key, value in outputs:
        sink.write(value)
        index[name][key].append((offset, len(value)))
        offset += len(value)
    encoded = json.dumps({name: dict(sorted(keys.items())) for name, keys in sorted(index.items())}).encode()
    sink.write(encoded)
    sink.write(len(encoded).to_bytes(_LENGTH_BYTES, "little"))


def read_index(source: BinaryIO) -> Index:
    """Reads where the values are; `source` must be seekable."""
    source.seek(0, os.SEEK_END)
    end = source.tell() - _LENGTH_BYTES
    source.seek(end)
    length = int.from_bytes(source.read(_LENGTH_BYTES), "little")
    source.seek(end - length)
    found = json.loads(source.read(length))
    return {name: {int(key): value for key, value in keys.items()} for name, keys in found.items()}


def is_whole(path: str) -> bool:
    """Whether a local keyed file is there and ends with an index that fits its values; reads the index alone."""
    try:
        with open(path, "rb") as source:
            index = read_index(source)
            size = source.seek(0, os.SEEK_END)
            source.seek(size - _LENGTH_BYTES)
            values = size - _LENGTH_BYTES - int.from_bytes(source.read(_LENGTH_BYTES), "little")
        lengths = sum(length for keys in index.values() for spans in keys.values() for _, length in spans)
    except (OSError, ValueError, TypeError, AttributeError, OverflowError):
        return False
    return lengths == values


def read_keyed(source: BinaryIO) -> Iterator[Output]:
    """Yields all outputs in the order in which they were written."""
    index = read_index(source)
    source.seek(0)
    spans = sorted(
        (offset, length, name, key)
        for name, keys in index.items()
        for key, found in keys.items()
        for offset, length in found
    )
    for _, length, name, key in spans:
        yield Output(name, key, source.read(length))


class KeyedValues:
    """Values of one output and key in local keyed files, read when asked for, each time anew.

    Args:
      spans: (path, offset, length) of each value.
    """

    def __init__(self, spans: Sequence[tuple[str, int, int]]) -> None:
        self._spans = spans

    def __iter__(self) -> Iterator[bytes]:
        for path, spans in itertools.groupby(self._spans, key=lambda span: span[0]):
            with open(path, "rb", buffering=0) as source:
                for _, offset, length in spans:
                    yield os.pread(source.fileno(), length, offset)
