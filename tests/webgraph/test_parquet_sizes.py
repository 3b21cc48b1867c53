"""Parquet files that would take far more memory than their size tells are refused before they are decoded."""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.webgraph.graph_files import made_graph, node_block, split_blocks, write_graph
from webgraph import parquet_sizes
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError
from webgraph.node_block import NodeBlock
from webgraph.parquet_parts import NODE_SCHEMA, ROW_SCHEMA, encode_nodes, encode_rows, iter_row_groups, read_node_block
from webgraph.parquet_sizes import ParquetSizes, check_sizes
from webgraph.row_block import RowBlock


def _check(content: bytes) -> ParquetSizes:
    return check_sizes(pq.ParquetFile(pa.BufferReader(content)), io.BytesIO(content), len(content))


def _nodes(urls: list[str | None]) -> NodeBlock:
    degrees = np.zeros(len(urls), dtype=np.int64)
    url = pa.array(urls, pa.large_string())
    return NodeBlock(node_id=np.arange(len(urls)), url=url, out_degree=degrees, in_degree=degrees)


def test_what_is_written_here_is_read() -> None:
    graph = made_graph()
    for block in split_blocks(graph, 0, len(graph.urls)).values():
        assert 0 < _check(encode_rows(block)).largest_page < 1 << 20
    ids = np.arange(200_000)
    rows = RowBlock.without_ground_truth(ids, np.arange(len(ids) + 1), (ids * 7919) % len(ids))
    assert _check(encode_rows(rows)).largest_page > 100_000
    _check(encode_nodes(node_block(graph, 0, len(graph.urls))))


@pytest.fixture
def _low_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller bombs do, where less is allowed whatever the stored size."""
    monkeypatch.setattr(parquet_sizes, "DECODED_FLOOR", 1 << 20)


def _written(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, store_schema=False, version="2.6", **options)
    return sink.getvalue()


def _compressed(table: pa.Table, **encodings: str) -> bytes:
    """A file as earlier versions and hostile writers make it: compressed however small it becomes."""
    return _written(table, use_dictionary=False, compression="zstd", column_encoding=encodings)


def _node_table(urls: list[str | None]) -> pa.Table:
    degrees = pa.array(np.zeros(len(urls), dtype=np.int64))
    columns = [pa.array(np.arange(len(urls))), pa.array(urls, pa.string()), degrees, degrees]
    return pa.Table.from_arrays(columns, schema=NODE_SCHEMA)


def _row_table(rows: RowBlock) -> pa.Table:
    lists = [
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values), type=ROW_SCHEMA.field(1).type)
        for offsets, values in ((rows.col_offsets, rows.col_tag), (rows.gt_offsets, rows.gt_tag))
    ]
    return pa.Table.from_arrays([pa.array(rows.row_tag), *lists], schema=ROW_SCHEMA)


@pytest.mark.usefixtures("_low_floor")
def test_a_column_that_decodes_to_far_more_than_it_takes_is_refused() -> None:
    bomb = _compressed(_node_table([None] * 1_000_000), node_id="DELTA_BINARY_PACKED")
    assert len(bomb) < 25_000
    with pytest.raises(ValueError, match=r"claims \d+ values in a file of \d+ bytes"):
        _check(bomb)


@pytest.mark.usefixtures("_low_floor")
def test_a_prefix_that_is_repeated_without_end_is_refused() -> None:
    long = "http://a.de/" + "x" * 50_000
    bomb = _compressed(_node_table([f"{long}{number:04}" for number in range(300)]), url="DELTA_BYTE_ARRAY")
    assert len(bomb) < 10_000
    file = pq.ParquetFile(pa.BufferReader(bomb))
    with pytest.raises(ValueError, match=r"holds more than [0-9]+ bytes when decoded"):
        read_node_block(file, check_sizes(file, io.BytesIO(bomb), len(bomb)))


def _stars(num_rows: int) -> RowBlock:
    """Rows that all link to node 0, which compress a thousand times."""
    ids = np.arange(num_rows)
    return RowBlock.without_ground_truth(ids, np.arange(num_rows + 1), np.zeros_like(ids))


@pytest.mark.usefixtures("_low_floor")
@pytest.mark.parametrize("num_rows", [1, 1000, 1_000_000])
def test_rows_that_compress_like_a_bomb_are_written_so_that_they_are_read(num_rows: int) -> None:
    _check(encode_rows(_stars(num_rows)))


@pytest.mark.usefixtures("_low_floor")
def test_nodes_that_compress_like_a_bomb_are_written_so_that_they_are_read() -> None:
    _check(encode_nodes(_nodes([None] * 1_000_000)))


def test_encodings_of_earlier_versions_are_read() -> None:
    graph = made_graph()
    nodes = node_block(graph, 0, len(graph.urls))
    split = "BYTE_STREAM_SPLIT"
    table = pa.Table.from_arrays(
        [pa.array(nodes.node_id), nodes.url.cast(pa.string()), pa.array(nodes.out_degree), pa.array(nodes.in_degree)],
        schema=NODE_SCHEMA,
    )
    content = _compressed(
        table, node_id="DELTA_BINARY_PACKED", url="DELTA_BYTE_ARRAY", out_degree=split, in_degree=split
    )
    file = pq.ParquetFile(pa.BufferReader(content))
    read = read_node_block(file, check_sizes(file, io.BytesIO(content), len(content)))
    assert read.url.to_pylist() == graph.urls and read.in_degree.tolist() == graph.in_degree
    for block in split_blocks(graph, 0, len(graph.urls)).values():
        encodings = {"row_tag": "DELTA_BINARY_PACKED", "col_tag.list.element": split, "gt_tag.list.element": split}
        content = _compressed(_row_table(block), **encodings)
        file = pq.ParquetFile(pa.BufferReader(content))
        check_sizes(file, io.BytesIO(content), len(content))
        (rows,) = iter_row_groups(file)
        assert np.array_equal(rows.col_tag, block.col_tag) and np.array_equal(rows.gt_tag, block.gt_tag)
        assert np.array_equal(rows.row_tag, block.row_tag) and np.array_equal(rows.col_offsets, block.col_offsets)


def test_pages_of_another_kind_are_refused() -> None:
    ids = pa.array([1, 2, 3], pa.int64())
    table = pa.Table.from_arrays([ids, pa.array(["a", "b", "c"]), ids, ids], schema=NODE_SCHEMA)
    with pytest.raises(ValueError, match="has a dictionary"):
        _check(_written(table))
    with pytest.raises(ValueError, match="has a page of type 3"):
        _check(_written(table, use_dictionary=False, data_page_version="2.0"))
    with pytest.raises(ValueError, match="has a page of encoding 6"):
        _check(_written(table, use_dictionary=False, column_encoding={"url": "DELTA_LENGTH_BYTE_ARRAY"}))
    _check(_written(table, use_dictionary=False, compression="zstd"))


def test_a_page_with_other_values_than_its_column_says_is_refused() -> None:
    rows = RowBlock.without_ground_truth(np.arange(20), np.arange(21), np.arange(20))
    content = bytearray(encode_rows(rows))
    column = pq.ParquetFile(pa.BufferReader(bytes(content))).metadata.row_group(0).column(1)
    start = column.data_page_offset
    count = content.index(b"\x15\x28\x15", start, start + 30)  # field 1, zigzag 40, field 2: num_values is 20
    content[count + 1] += 2
    with pytest.raises(
        ValueError, match=r"column col_tag\.list\.element of row group 0 claims 20 values, its pages 21"
    ):
        _check(bytes(content))
    content[start : start + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(ValueError, match="page header"):
        _check(bytes(content))


@pytest.mark.usefixtures("_low_floor")
def test_a_bomb_in_a_graph_directory_is_refused_by_name(tmp_path: Path) -> None:
    write_graph(tmp_path / "made", made_graph())
    opened = GraphDirectory.open(tmp_path / "made")
    path = tmp_path / "made" / "train-00000-of-00002.parquet"
    path.write_bytes(_compressed(_row_table(_stars(1_000_000)), row_tag="DELTA_BINARY_PACKED"))
    assert pq.ParquetFile(path).schema_arrow.equals(ROW_SCHEMA)
    with pytest.raises(GraphDirectoryError, match=r"train-00000-of-00002\.parquet is damaged \(.*claims \d+ values"):
        opened.read_rows("train")


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    write_graph(tmp_path / "made", made_graph(), tfrecord_shards=None)
    path = tmp_path / "made" / "train-00000-of-00002.parquet"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(GraphDirectoryError, match=r"train-00000-of-00002\.parquet is no regular file"):
        GraphDirectory.open(tmp_path / "made")
