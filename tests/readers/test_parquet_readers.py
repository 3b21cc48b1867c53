"""A graph directory's Parquet files are read alike by other programs' readers, in their oldest and newest versions.

`make readers` installs those into `.readers`. Tests that need them are slow ones; they are skipped where the readers
are missing, but fail there if `CI=true`.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.readers.read_graph import READERS, TABLES
from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.graph_directory import GraphDirectory

_ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = Path(__file__).with_name("read_graph.py")


def _python(age: str) -> Path:
    """Returns the interpreter that has the readers of this age; skips the test, or fails it in CI, without it."""
    python = _ROOT / ".readers" / age / "bin" / "python"
    if not python.exists():
        message = f"The {age} Parquet readers are not installed; run `make readers`."
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    return python


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readers") / "graph"
    write_graph(folder, made_graph(), tfrecord_shards=None)
    return folder


def _expected(folder: Path) -> dict[str, dict[str, list[object]]]:
    graph = GraphDirectory.open(folder)
    tables: dict[str, dict[str, list[object]]] = {}
    for split in ("train", "train_t", "test"):
        rows = graph.read_rows(split)
        tables[split] = {
            "row_tag": rows.row_tag.tolist(),
            "col_tag": [part.tolist() for part in np.split(rows.col_tag, rows.col_offsets[1:-1])],
            "gt_tag": [part.tolist() for part in np.split(rows.gt_tag, rows.gt_offsets[1:-1])],
        }
    nodes = graph.read_nodes()
    tables["nodes"] = {
        "node_id": nodes.node_id.tolist(),
        "url": nodes.url.to_pylist(),
        "out_degree": nodes.out_degree.tolist(),
        "in_degree": nodes.in_degree.tolist(),
    }
    return tables


@pytest.mark.slow
@pytest.mark.parametrize("age", ["oldest", "newest"])
@pytest.mark.parametrize("reader", sorted(READERS))
def test_every_reader_reads_the_same_values(reader: str, age: str, graph: Path) -> None:
    command = [str(_python(age)), str(_SCRIPT), reader, str(graph)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == _expected(graph)


def test_only_encodings_that_all_readers_know_are_written(graph: Path) -> None:
    found = {}
    for table in TABLES:
        for path in graph.glob(f"{table}-*.parquet"):
            group = pq.ParquetFile(path).metadata.row_group(0)
            for index in range(group.num_columns):
                column = group.column(index)
                found[column.path_in_schema] = (set(column.encodings) - {"RLE"}, column.compression)
    plain, delta = ({"PLAIN"}, "ZSTD"), ({"DELTA_BINARY_PACKED"}, "ZSTD")
    assert found == {
        "row_tag": delta,
        "col_tag.list.element": plain,
        "gt_tag.list.element": plain,
        "node_id": delta,
        "url": plain,
        "out_degree": plain,
        "in_degree": plain,
    }
