"""Graph directories: what is written is read back, by any range; damaged and foreign ones are refused in words."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.graph import OracleGraph
from tests.webgraph.graph_files import made_graph, node_block, split_blocks, write_graph
from webgraph import parquet_parts
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError
from webgraph.graph_layout import EDGES_PER_PART, GraphLayout, choose_layout
from webgraph.graph_parts import part_files
from webgraph.manifest import FileRecord, VariantRecord, canonical_json
from webgraph.row_block import RowBlock
from webgraph.tfrecord import read_records
from webgraph.variants import VARIANTS, Variant, variant_folder


@pytest.fixture(scope="module")
def graph() -> OracleGraph:
    return made_graph()


@pytest.fixture
def folder(tmp_path: Path, graph: OracleGraph) -> Path:
    write_graph(tmp_path / "made", graph)
    return tmp_path / "made"


def _rows(block: RowBlock) -> dict[int, tuple[list[int], list[int]]]:
    cols = np.split(block.col_tag, block.col_offsets[1:-1])
    gts = np.split(block.gt_tag, block.gt_offsets[1:-1])
    return {tag: (cols[i].tolist(), gts[i].tolist()) for i, tag in enumerate(block.row_tag.tolist())}


def _expected(graph: OracleGraph, split: str) -> dict[int, tuple[list[int], list[int]]]:
    if split == "test":
        return graph.test
    return {row: (cols, []) for row, cols in getattr(graph, split).items()}


@pytest.mark.parametrize("split", ["train", "train_t", "test"])
def test_rows_come_back(folder: Path, graph: OracleGraph, split: str) -> None:
    opened = GraphDirectory.open(folder)
    assert (opened.num_nodes, opened.num_edges) == (len(graph.urls), graph.num_edges)
    assert _rows(opened.read_rows(split)) == _expected(graph, split)
    for start, stop in [(0, 0), (5, 41), (40, None), (None, 17), (10_000, None)]:
        wanted = range(start or 0, opened.num_nodes if stop is None else stop)
        expected = {row: lists for row, lists in _expected(graph, split).items() if row in wanted}
        assert _rows(opened.read_rows(split, start, stop)) == expected
    from_tfrecords = RowBlock.concatenate([read_records(path) for path in opened.tfrecord_files(split)])
    assert _rows(from_tfrecords) == _expected(graph, split)


def test_nodes_come_back(folder: Path, graph: OracleGraph) -> None:
    nodes = GraphDirectory.open(folder).read_nodes()
    assert nodes.node_id.tolist() == list(range(len(graph.urls)))
    assert nodes.url.to_pylist() == graph.urls
    assert nodes.out_degree.tolist() == graph.out_degree
    assert nodes.in_degree.tolist() == graph.in_degree


def test_only_overlapping_row_groups_are_read(
    tmp_path: Path, graph: OracleGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_parts, "EDGES_PER_ROW_GROUP", 100)
    write_graph(tmp_path / "made", graph, num_parts=1)
    opened = GraphDirectory.open(tmp_path / "made")
    groups = pq.read_metadata(tmp_path / "made" / "train-00000-of-00001.parquet").num_row_groups
    assert groups > 8
    assert _rows(opened.read_rows("train")) == _expected(graph, "train")
    read = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, group, **kw: read.append(group) or original(self, group, **kw)
    )
    tags = sorted(graph.train)
    opened.read_rows("train", tags[-1])
    assert read == [groups - 1]


def test_parquet_is_plain(folder: Path, graph: OracleGraph) -> None:
    table = pq.read_table([folder / f"test-0000{part}-of-00002.parquet" for part in range(2)])
    assert table.schema.names == ["row_tag", "col_tag", "gt_tag"]
    assert [table.schema.field(name).type.value_type for name in ("col_tag", "gt_tag")] == [pa.int64()] * 2
    assert table["gt_tag"].to_pylist() == [truth for _, truth in graph.test.values()]


def test_bytes_repeat(tmp_path: Path, graph: OracleGraph) -> None:
    first, second = (write_graph(tmp_path / name, graph) for name in ("a", "b"))
    assert first.to_bytes() == second.to_bytes()
    assert first.digest() == second.digest()
    assert (tmp_path / "a" / "manifest.json").read_bytes() == first.to_bytes()


def test_variant_names_open_published_folders(tmp_path: Path, graph: OracleGraph) -> None:
    variant = VariantRecord(name="de-sparse", tlds=("de",), min_degree=10)
    write_graph(tmp_path / "web_graph_tld_de_min_10", graph, variant=variant)
    assert GraphDirectory.open(tmp_path / "de-sparse").path.name == "web_graph_tld_de_min_10"
    assert variant_folder(VARIANTS["dense"]) == "web_graph_min_50"
    assert variant_folder(Variant(name="dense", min_degree=5)) == "dense"


def test_graph_without_urls_and_edges(tmp_path: Path) -> None:
    empty = OracleGraph([], {}, {}, {}, [], [])
    write_graph(tmp_path / "empty", empty, num_parts=1, tfrecord_shards=None)
    opened = GraphDirectory.open(tmp_path / "empty")
    assert opened.read_rows("test").num_rows == opened.read_nodes().num_nodes == 0
    assert opened.tfrecord_files("train") == []


def _edit(folder: Path, path: str, value: object) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    target = content
    *parents, last = path.split(".")
    for name in parents:
        target = target[int(name)] if isinstance(target, list) else target[name]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    del content["digest"]
    content["digest"] = xxhash.xxh3_128_hexdigest(canonical_json(content))
    (folder / "manifest.json").write_bytes(canonical_json(content))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format_version", 2, "format version 2, but this program reads 1; install a newer"),
        ("format_version", "1", "format version '1'"),
        ("graph.num_nodes", ..., "graph.num_nodes is missing"),
        ("graph.num_nodes", -3, "graph.num_nodes must be a number of at least 0, got -3"),
        ("graph.num_nodes", True, "graph.num_nodes must be a number"),
        ("graph.num_edges", 5, "must sum to 5"),
        ("files.0.name", "../nodes", "must be a plain name"),
        ("files.0.name", "else", "files must be those of the layout"),
        ("files.0.xxh3_128", "12", "must be 32 hex digits"),
        ("files", {}, "files must be a list"),
        ("layout.num_parts", 4, "at most tfrecord_shards"),
        ("split.test_fraction", 3, "test_fraction must be in"),
        ("inputs", [3], "inputs must be a list of objects"),
    ],
)
def test_bad_manifests_are_refused(folder: Path, path: str, value: object, message: str) -> None:
    _edit(folder, path, value)
    with pytest.raises(GraphDirectoryError, match=rf"manifest\.json.*{re.escape(message)}"):
        GraphDirectory.open(folder)


def test_other_canonicalizer_is_refused_when_asked(folder: Path) -> None:
    _edit(folder, "canonicalizer", "whatwg-url/0")
    assert GraphDirectory.open(folder).manifest.canonicalizer == "whatwg-url/0"
    with pytest.raises(GraphDirectoryError, match="'whatwg-url/0', not 'whatwg-url/2'"):
        GraphDirectory.open(folder, "whatwg-url/2")


def test_incomplete_folders_are_refused(folder: Path) -> None:
    with pytest.raises(GraphDirectoryError, match="Unknown split 'all'"):
        GraphDirectory.open(folder).read_rows("all")
    (folder / "train-00001-of-00002.parquet").rename(folder / "gone")
    with pytest.raises(GraphDirectoryError, match=r"lacks its file train-00001-of-00002\.parquet"):
        GraphDirectory.open(folder)
    (folder / "train-00001-of-00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(GraphDirectoryError, match="has 4 bytes, not"):
        GraphDirectory.open(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(GraphDirectoryError, match="no valid JSON"):
        GraphDirectory.open(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(GraphDirectoryError, match="no complete graph directory"):
        GraphDirectory.open(folder)


def test_damaged_parquet_is_named(folder: Path) -> None:
    path = folder / "train-00000-of-00002.parquet"
    opened = GraphDirectory.open(folder)
    path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    with pytest.raises(GraphDirectoryError, match=r"train-00000-of-00002\.parquet is damaged"):
        opened.read_rows("train")
    shutil.copy(folder / "nodes-00000-of-00002.parquet", path)
    with pytest.raises(GraphDirectoryError, match=r"is damaged \(has the columns node_id"):
        opened.read_rows("train")


@given(num_nodes=st.integers(0, 400), shards=st.none() | st.integers(1, 60), parts=st.integers(1, 60))
def test_layout_covers_every_id_once(num_nodes: int, shards: int | None, parts: int) -> None:
    parts = parts if shards is None else min(parts, shards)
    layout = GraphLayout(num_nodes=num_nodes, num_parts=parts, tfrecord_shards=shards)
    ranges = [layout.part_range(part) for part in range(parts)]
    assert [node for start, stop in ranges for node in range(start, stop)] == list(range(num_nodes))
    parts_of = layout.part_of(np.arange(num_nodes)).tolist()
    assert all(start <= node < stop for node in range(num_nodes) for start, stop in [ranges[parts_of[node]]])
    covered = [shard for part in range(parts) for shard in layout.shards_of_part(part)]
    assert covered == list(range(shards or 0))
    for part, (start, stop) in enumerate(ranges):
        limits = [layout.shard_range(shard) for shard in layout.shards_of_part(part)]
        assert not limits or (limits[0][0], limits[-1][1]) == (start, stop)


def test_chosen_layouts() -> None:
    def parts(nodes: int, edges: int, shards: int | None) -> int:
        return choose_layout(nodes, edges, shards).num_parts

    assert parts(0, 0, None) == parts(5, 10, 10) == 1
    assert parts(1_000_000, 5 * EDGES_PER_PART + 1, None) == parts(1_000_000, 5 * EDGES_PER_PART + 1, 10) == 6
    assert parts(1_000_000, 50 * EDGES_PER_PART, 10) == 10
    assert parts(3, 50 * EDGES_PER_PART, None) == 3


def test_rows_outside_a_part_are_refused(graph: OracleGraph) -> None:
    layout = GraphLayout(num_nodes=len(graph.urls), num_parts=2, tfrecord_shards=None)
    whole, half = split_blocks(graph, 0, len(graph.urls)), layout.part_range(0)
    with pytest.raises(ValueError, match="row_tag of train in part 0 must ascend"):
        list(part_files(layout, 0, nodes=node_block(graph, *half), **whole))
    with pytest.raises(ValueError, match="node_id in part 0"):
        list(part_files(layout, 0, nodes=node_block(graph, 0, 3), **split_blocks(graph, *half)))


def test_record_names_are_plain() -> None:
    for name in ("../a", "a/b", "", ".hidden", "a\n"):
        with pytest.raises(ValueError, match="plain name"):
            FileRecord(name=name, bytes=0, xxh3_128="0" * 32, rows=0)
