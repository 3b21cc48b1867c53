"""Parquet files of rows and of nodes: their schema, encoding and checked reading.

  rows   row_tag int64, col_tag list<int64>, gt_tag list<int64>; sorted by row_tag, lists ascending, nothing null
  nodes  node_id int64, url string (null in graphs without URLs), out_degree int64, in_degree int64; sorted by node_id

Lists, degrees and URLs are stored plainly and compressed with Zstandard; only the sorted `row_tag` and `node_id` are
stored as deltas. This is what every Parquet reader of the last years opens. Byte planes (`BYTE_STREAM_SPLIT`) would
take 0.5 to 0.7 of the bytes an edge, and front-coded URLs 0.7 of the bytes a node, but DuckDB before 2.0, pyarrow
before 15, Polars 0.20 and fastparquet do not read them; `benchmarks/parquet_encoding.py` measures what each encoding
costs. Files in those encodings, which earlier versions wrote, are still read. Row groups hold about a million edges
and have statistics of `row_tag`, so that a reader of an id range skips the others. The bytes depend on the values and
on the version of pyarrow alone.
"""

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webgraph.arrow_arrays import number_array
from webgraph.node_block import NodeBlock
from webgraph.parquet_sizes import ParquetSizes, is_within_limits
from webgraph.row_block import RowBlock, slice_rows

EDGES_PER_ROW_GROUP = 1_000_000
NODES_PER_ROW_GROUP = 262_144

_IDS = pa.list_(pa.field("element", pa.int64(), nullable=False))
ROW_SCHEMA = pa.schema(
    [
        pa.field("row_tag", pa.int64(), nullable=False),
        pa.field("col_tag", _IDS, nullable=False),
        pa.field("gt_tag", _IDS, nullable=False),
    ]
)
NODE_SCHEMA = pa.schema(
    [
        pa.field("node_id", pa.int64(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("out_degree", pa.int64(), nullable=False),
        pa.field("in_degree", pa.int64(), nullable=False),
    ]
)
_COMPRESSED: dict[str, Any] = {"compression": "zstd", "compression_level": 3}
_COMMON: dict[str, Any] = {
    "use_dictionary": False,
    "store_schema": False,
    "version": "2.6",
    "data_page_version": "1.0",
}
_URL_BYTES_DECODED_TOGETHER = 1 << 30
_DELTA, _PLAIN = "DELTA_BINARY_PACKED", "PLAIN"
_ROW_ENCODINGS = {"row_tag": _DELTA, "col_tag.list.element": _PLAIN, "gt_tag.list.element": _PLAIN}
_NODE_ENCODINGS = {"node_id": _DELTA, "url": _PLAIN, "out_degree": _PLAIN, "in_degree": _PLAIN}


def encode_rows(block: RowBlock) -> bytes:
    """Returns the content of a Parquet file with the rows of `block`."""
    return _readable(lambda compression: _encode_rows(block, compression))


def encode_nodes(block: NodeBlock) -> bytes:
    """Returns the content of a Parquet file with the nodes of `block`."""
    return _readable(lambda compression: _encode_nodes(block, compression))


def _readable(encode: Callable[[dict[str, Any]], bytes]) -> bytes:
    """Compresses a file unless that makes it so small that `parquet_sizes` would take it for a decompression bomb.

    Rows that all hold the same few ids compress ten thousand times; without compression they stay within the limits.
    """
    content = encode(_COMPRESSED)
    return content if is_within_limits(content) else encode({"compression": "none"})


def _encode_rows(block: RowBlock, compression: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    options = {**_COMMON, **compression, "column_encoding": _ROW_ENCODINGS, "write_statistics": ["row_tag"]}
    with pq.ParquetWriter(sink, ROW_SCHEMA, **options) as writer:
        for start, stop in _row_group_limits(block):
            columns = [
                _int64(block.row_tag[start:stop]),
                _list_array(block.col_offsets, block.col_tag, start, stop),
                _list_array(block.gt_offsets, block.gt_tag, start, stop),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=ROW_SCHEMA), row_group_size=stop - start)
    return sink.getvalue()


def _encode_nodes(block: NodeBlock, compression: dict[str, Any]) -> bytes:
    columns = [
        _int64(block.node_id),
        block.url.cast(pa.string()),
        _int64(block.out_degree),
        _int64(block.in_degree),
    ]
    sink = io.BytesIO()
    options = {**_COMMON, **compression, "column_encoding": _NODE_ENCODINGS, "write_statistics": ["node_id"]}
    with pq.ParquetWriter(sink, NODE_SCHEMA, **options) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=NODE_SCHEMA), row_group_size=NODES_PER_ROW_GROUP)
    return sink.getvalue()


def iter_row_groups(file: pq.ParquetFile, start: int | None = None, stop: int | None = None) -> Iterator[RowBlock]:
    """Reads the row groups that overlap the ids [start, stop), each cut to that range.

    Args:
      file: a file of rows; its schema has been checked with `check_schema`.
      start, stop: None for no limit.
    """
    low, high = 0 if start is None else start, 2**63 - 1 if stop is None else stop
    for group in range(file.metadata.num_row_groups):
        statistics = file.metadata.row_group(group).column(0).statistics
        if statistics is not None and statistics.has_min_max and (statistics.max < low or statistics.min >= high):
            continue
        block = _row_block(file.read_row_group(group, use_threads=False))
        first, last = np.searchsorted(block.row_tag, (low, high)).tolist()
        yield block if (first, last) == (0, block.num_rows) else slice_rows(block, first, last)


def read_node_block(file: pq.ParquetFile, sizes: ParquetSizes) -> NodeBlock:
    """Reads all of a file of nodes, whose schema and sizes have been checked with `check_schema` and `check_sizes`.

    A front-coded URL repeats up to a page of bytes before it, so a few are decoded at a time, and counted.

    Raises:
      ValueError: the decoded nodes take more than `sizes.limit`; a URL is no UTF-8.
    """
    rows = max(1, min(NODES_PER_ROW_GROUP, _URL_BYTES_DECODED_TOGETHER // max(1, sizes.largest_page)))
    batches, decoded = [], 0
    for batch in file.iter_batches(batch_size=rows, use_threads=False):
        decoded += batch.nbytes
        if decoded > sizes.limit:
            raise ValueError(f"holds more than {sizes.limit} bytes when decoded, far more than its size tells")
        batches.append(batch)
    table = pa.Table.from_batches(batches, schema=file.schema_arrow)
    table["url"].validate(full=True)
    url = table["url"].cast(pa.large_string()).combine_chunks()
    return NodeBlock(
        node_id=table["node_id"].to_numpy(),
        url=url,
        out_degree=table["out_degree"].to_numpy(),
        in_degree=table["in_degree"].to_numpy(),
    )


def concatenate_nodes(blocks: Sequence[NodeBlock]) -> NodeBlock:
    """Joins blocks in the order given; at least one."""
    return NodeBlock(
        node_id=np.concatenate([block.node_id for block in blocks]),
        url=pa.concat_arrays([block.url for block in blocks]),
        out_degree=np.concatenate([block.out_degree for block in blocks]),
        in_degree=np.concatenate([block.in_degree for block in blocks]),
    )


def check_schema(file: pq.ParquetFile, expected: pa.Schema) -> None:
    """Raises ValueError where a file has other columns, other types, or nulls where none belong."""
    if not file.schema_arrow.equals(expected):
        found = ", ".join(f"{field.name} {field.type}" for field in file.schema_arrow)
        wanted = ", ".join(f"{field.name} {field.type}" for field in expected)
        raise ValueError(f"has the columns {found}, not {wanted}")


def _row_group_limits(block: RowBlock) -> list[tuple[int, int]]:
    edges = block.col_offsets + block.gt_offsets
    limits = np.searchsorted(edges, np.arange(0, block.num_edges, EDGES_PER_ROW_GROUP), side="left")
    limits = np.unique(np.append(limits, [0, block.num_rows])).tolist()
    return list(itertools.pairwise(limits))


def _int64(values: np.ndarray) -> pa.Array:
    return number_array(values.astype(np.int64, copy=False))


def _list_array(offsets: np.ndarray, values: np.ndarray, start: int, stop: int) -> pa.ListArray:
    offsets = offsets[start : stop + 1]
    relative = number_array((offsets - offsets[0]).astype(np.int32))
    return pa.ListArray.from_arrays(relative, _int64(values[offsets[0] : offsets[-1]]), type=_IDS)


def _row_block(table: pa.Table) -> RowBlock:
    lists = {}
    for name in ("col", "gt"):
        column = table[f"{name}_tag"].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        offsets = column.offsets.to_numpy().astype(np.int64)
        lists[f"{name}_offsets"] = offsets - offsets[0]
        lists[f"{name}_tag"] = column.flatten().to_numpy()
    return RowBlock(row_tag=table["row_tag"].to_numpy(), **lists)
