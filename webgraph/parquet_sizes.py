"""What a Parquet file is going to take in memory, read from its footer and page headers before anything is decoded.

A small file can claim, or truly hold, any number of values: footers and page headers carry 64 and 32 bit counts, pages
are compressed, and front coding repeats a prefix for a byte. So of a file that somebody else may have written

- all values together, 8 bytes each, and all pages together may take 64 MiB and 1,024 times the stored bytes, which
  `parquet_parts` makes sure of when it writes a file;
- every column chunk is of the type that the schema says, is not encrypted, and has size statistics that fit it: pyarrow
  ends the process where they do not;
- every page is a data page of an encoding that `parquet_parts` writes, stands inside the file, and a column's pages
  hold the values that the footer says, so that the decoder, which trusts the page, finds no more.

Page headers are Thrift structs in its compact protocol:
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift and
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

import dataclasses
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow.parquet as pq

DECODED_FLOOR = 64 << 20
DECODED_PER_STORED_BYTE = 1024
_MAX_HEADER_BYTES = 1 << 12
_MAX_FOOTER_BYTES = 1 << 24
_MAX_DEPTH = 12
_DATA_PAGE, _DATA_PAGE_HEADER = 0, 5
_ENCODINGS = {0: "PLAIN", 5: "DELTA_BINARY_PACKED", 7: "DELTA_BYTE_ARRAY", 9: "BYTE_STREAM_SPLIT"}
_STRUCT, _BINARY, _BYTE, _TRUE, _FALSE, _INTEGERS = 12, 8, 3, 1, 2, (4, 5, 6)
_DOUBLE, _LISTS = 7, (9, 10)
_ROW_GROUPS, _COLUMNS, _COLUMN_METADATA, _CRYPTO_METADATA, _SIZE_STATISTICS = 4, 1, 3, 8, 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParquetSizes:
    """What decoding takes.

    Attributes:
      limit: bytes that all of the file may take when decoded.
      largest_page: bytes of the largest page, decompressed.
    """

    limit: int
    largest_page: int


def check_sizes(file: pq.ParquetFile, source: BinaryIO, stored_bytes: int) -> ParquetSizes:
    """Checks footer and page headers of a file, see above.

    Args:
      file: the opened file, whose columns have been checked.
      source: the same file's bytes.
      stored_bytes: its size.

    Raises:
      ValueError: a size is out of bounds, or a page is not as `parquet_parts` writes it.
    """
    _check_footer(file.schema, source, stored_bytes)
    limit = DECODED_FLOOR + DECODED_PER_STORED_BYTE * stored_bytes
    claimed = largest = 0
    for group in range(file.metadata.num_row_groups):
        metadata = file.metadata.row_group(group)
        if not 0 <= metadata.num_rows <= limit // 8:
            raise ValueError(f"row group {group} claims {metadata.num_rows} rows in a file of {stored_bytes} bytes")
        for index in range(metadata.num_columns):
            column = metadata.column(index)
            claimed += 8 * column.num_values
            name = f"column {column.path_in_schema} of row group {group}"
            expected = file.schema.column(index).physical_type
            if column.physical_type != expected:  # pyarrow ends the process when it is asked for statistics of another
                raise ValueError(f"{name} is of type {column.physical_type}, not {expected}")
            values = 0
            for num_values, page_bytes in _pages(source, column, stored_bytes, name):
                values += num_values
                claimed += page_bytes
                largest = max(largest, page_bytes)
                if claimed > limit:
                    break
            if column.num_values < 0 or claimed > limit:
                raise ValueError(f"{name} claims {column.num_values} values in a file of {stored_bytes} bytes")
            if values != column.num_values:
                raise ValueError(f"{name} claims {column.num_values} values, its pages {values}")
    return ParquetSizes(limit=limit, largest_page=largest)


def is_within_limits(content: bytes) -> bool:
    """Returns whether `check_sizes` takes a file that was just written."""
    file = pq.ParquetFile(io.BytesIO(content))
    try:
        check_sizes(file, io.BytesIO(content), len(content))
    except ValueError:
        return False
    return True


def _check_footer(schema: pq.ParquetSchema, source: BinaryIO, stored_bytes: int) -> None:
    """Raises ValueError where pyarrow would end the process when it is asked for a column chunk."""
    source.seek(max(0, stored_bytes - 8))
    size = int.from_bytes(source.read(4), "little")
    if not 0 < size <= min(_MAX_FOOTER_BYTES, stored_bytes - 8):
        raise ValueError(f"has a footer of {size} bytes in a file of {stored_bytes}")
    source.seek(stored_bytes - 8 - size)
    footer = _Thrift(source.read(size), "has a footer").struct(depth=0)
    for group in _items(footer.get(_ROW_GROUPS)):
        for index, chunk in enumerate(_items(group.get(_COLUMNS))[: len(schema)]):
            metadata = chunk.get(_COLUMN_METADATA)
            if _CRYPTO_METADATA in chunk or not isinstance(metadata, dict):
                raise ValueError("has a column that is encrypted")
            column, sizes = schema.column(index), metadata.get(_SIZE_STATISTICS, {})
            levels = (column.max_repetition_level, column.max_definition_level)
            if not isinstance(sizes, dict) or not all(
                sizes.get(field, []) in ([], None) or _has_length(sizes[field], most + 1)
                for field, most in zip((2, 3), levels, strict=True)
            ):
                raise ValueError(f"has size statistics of {column.path} that are not of its levels")
            if 1 in sizes and column.physical_type != "BYTE_ARRAY":
                raise ValueError(f"has size statistics of {column.path} that are not of its type")


def _items(value: Any) -> list[dict[int, Any]]:
    """The structs of a list; what pyarrow has read as one is one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _has_length(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _pages(source: BinaryIO, column: Any, stored_bytes: int, name: str) -> Iterator[tuple[int, int]]:
    """Yields (values, decompressed bytes) of each page of a column chunk."""
    if column.has_dictionary_page or column.dictionary_page_offset is not None:
        raise ValueError(f"{name} has a dictionary, which this program does not write")
    position, end = column.data_page_offset, column.data_page_offset + column.total_compressed_size
    if not 0 <= position <= end <= stored_bytes:
        raise ValueError(f"{name} lies outside the file")
    while position < end:
        source.seek(position)
        header = _Thrift(source.read(_MAX_HEADER_BYTES), f"{name} has a page header")
        fields = header.struct(depth=0)
        data_page = fields.get(_DATA_PAGE_HEADER)
        decompressed, compressed = fields.get(2, -1), fields.get(3, -1)
        if fields.get(1) != _DATA_PAGE or not isinstance(data_page, dict):
            raise ValueError(f"{name} has a page of type {fields.get(1)}, which this program does not write")
        num_values, encoding = data_page.get(1, -1), data_page.get(2)
        if encoding not in _ENCODINGS:
            raise ValueError(f"{name} has a page of encoding {encoding}, which this program does not write")
        if not all(isinstance(size, int) and size >= 0 for size in (decompressed, compressed, num_values)):
            raise ValueError(f"{name} has a page header with the sizes {decompressed}, {compressed}, {num_values}")
        position += header.position + compressed
        if position > end:
            raise ValueError(f"{name} has a page that ends outside it")
        yield num_values, decompressed


class _Thrift:
    """Reads structs of integers, binaries, flags, lists and structs; anything else stands in no header or footer."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self.position = 0

    def struct(self, depth: int) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        if depth > _MAX_DEPTH:
            raise ValueError(f"{self._name} with more than {_MAX_DEPTH} structs and lists one in the other")
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == _BINARY:
            size = self._varint()
            self.position += size
            return None
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind == _DOUBLE:
            self.position += 8
            return None
        if kind in _LISTS:
            return self._list(depth + 1)
        raise ValueError(f"{self._name} with a field of type {kind}")

    def _list(self, depth: int) -> list[Any]:
        if depth > _MAX_DEPTH:
            raise ValueError(f"{self._name} with more than {_MAX_DEPTH} structs and lists one in the other")
        head = self._byte()
        size, kind = head >> 4, head & 15
        if size == 15:
            size = self._varint()
        if size > len(self._data) - self.position:  # each item has a byte
            raise ValueError(f"{self._name} with a list of {size} items in {len(self._data)} bytes")
        kind = _BYTE if kind in (_TRUE, _FALSE) else kind  # in lists, flags are bytes
        return [self._value(kind, depth) for _ in range(size)]

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError(f"{self._name} with a number of more than ten bytes")

    def _byte(self) -> int:
        if self.position >= len(self._data):
            raise ValueError(f"{self._name} that is cut off after {len(self._data)} bytes")
        self.position += 1
        return self._data[self.position - 1]
