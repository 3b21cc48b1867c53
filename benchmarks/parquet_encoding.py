"""What each Parquet encoding of adjacency lists and of URLs costs in bytes and time, measured on given graphs.

  python benchmarks/parquet_encoding.py GRAPH... --json benchmarks/results/parquet_encoding.json

A GRAPH is a SciPy CSR file (`.npz`), an adjacency text (`.txt.gz`: the number of nodes, then a line of successors
for each node), or a graph directory with URLs, of which the nodes are measured instead. Each graph is written as
`train` rows in both directions, as the graph directory does, with every encoding of `col_tag` below. Columns: bytes an
edge, and the best of several times for writing and for reading into NumPy arrays, in nanoseconds an edge, on one
thread. "gaps" stores differences instead of ids, which other readers would misread; it stands there only for its size.
Readers of each encoding: `tests/readers`.
"""

import argparse
import gzip
import io
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from webgraph.graph_directory import GraphDirectory
from webgraph.parquet_parts import NODE_SCHEMA

NODE_ENCODINGS = {
    "URLs and degrees plain, zstd3": {"url": "PLAIN", "out_degree": "PLAIN", "in_degree": "PLAIN"},
    "URLs front coded, degrees plain, zstd3": {"url": "DELTA_BYTE_ARRAY", "out_degree": "PLAIN", "in_degree": "PLAIN"},
    "URLs front coded, degrees split, zstd3": {
        "url": "DELTA_BYTE_ARRAY",
        "out_degree": "BYTE_STREAM_SPLIT",
        "in_degree": "BYTE_STREAM_SPLIT",
    },
}
_NODE_LINE = (
    "{graph:36} {encoding:40} {bytes_a_node:6.2f} B  write {write_ns_a_node:6.1f} ns  read {read_ns_a_node:5.1f} ns"
)
_LINE = (
    "{graph:36} {direction:8} {encoding:28} {bytes_an_edge:6.3f} B  write {write_ns_an_edge:6.1f} ns  "
    "read {read_ns_an_edge:5.1f} ns"
)
COLUMN = "col_tag.list.element"
ENCODINGS: dict[str, dict[str, Any]] = {
    "plain": {"column_encoding": {COLUMN: "PLAIN"}, "compression": "none"},
    "plain+zstd3": {"column_encoding": {COLUMN: "PLAIN"}, "compression": "zstd", "compression_level": 3},
    "dictionary+snappy (default)": {"use_dictionary": True, "compression": "snappy"},
    "dictionary+zstd3": {"use_dictionary": True, "compression": "zstd", "compression_level": 3},
    "delta": {"column_encoding": {COLUMN: "DELTA_BINARY_PACKED"}, "compression": "none"},
    "delta+lz4": {"column_encoding": {COLUMN: "DELTA_BINARY_PACKED"}, "compression": "lz4"},
    "delta+zstd1": {"column_encoding": {COLUMN: "DELTA_BINARY_PACKED"}, "compression": "zstd", "compression_level": 1},
    "delta+zstd3": {"column_encoding": {COLUMN: "DELTA_BINARY_PACKED"}, "compression": "zstd", "compression_level": 3},
    "delta+zstd9": {"column_encoding": {COLUMN: "DELTA_BINARY_PACKED"}, "compression": "zstd", "compression_level": 9},
    "split+zstd1": {"column_encoding": {COLUMN: "BYTE_STREAM_SPLIT"}, "compression": "zstd", "compression_level": 1},
    "split+zstd3": {"column_encoding": {COLUMN: "BYTE_STREAM_SPLIT"}, "compression": "zstd", "compression_level": 3},
    "split+zstd9": {"column_encoding": {COLUMN: "BYTE_STREAM_SPLIT"}, "compression": "zstd", "compression_level": 9},
    "gaps, split+zstd3": {
        "column_encoding": {COLUMN: "BYTE_STREAM_SPLIT"},
        "compression": "zstd",
        "compression_level": 3,
        "gaps": True,
    },
}


def main() -> None:
    """Prints a table and writes it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="+", type=Path, metavar="GRAPH")
    parser.add_argument("--repeats", type=int, default=3, help="times of which the best counts (default 3)")
    parser.add_argument("--json", type=Path, help="where to write the results")
    arguments = parser.parse_args()
    pa.set_cpu_count(1)
    console = Console(width=140)
    results = []
    for path in arguments.graphs:
        if path.is_dir():
            results += _measure_nodes(path, arguments.repeats, console)
            continue
        for direction, offsets, targets in _directions(path):
            for name in ENCODINGS:
                result = {"graph": path.name, "direction": direction, "encoding": name}
                result |= _measure(name, offsets, targets, arguments.repeats)
                results.append(result)
                console.print(_LINE.format(**result), highlight=False)
    if arguments.json:
        about = {"pyarrow": pa.__version__, "machine": platform.machine(), "threads": 1, "repeats": arguments.repeats}
        arguments.json.write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")


def _measure_nodes(path: Path, repeats: int, console: Console) -> list[dict[str, Any]]:
    """Bytes a node, and nanoseconds a node to write and to read, of each encoding of the nodes of a graph directory."""
    nodes = GraphDirectory.open(path).read_nodes()
    degrees = [pa.array(nodes.out_degree), pa.array(nodes.in_degree)]
    table = pa.Table.from_arrays([pa.array(nodes.node_id), nodes.url.cast(pa.string()), *degrees], schema=NODE_SCHEMA)
    results = []
    for name, encodings in NODE_ENCODINGS.items():
        options = {
            "column_encoding": {"node_id": "DELTA_BINARY_PACKED", **encodings},
            "compression": "zstd",
            "compression_level": 3,
            "use_dictionary": False,
            "store_schema": False,
        }
        write_times, read_times, content = [], [], b""
        for _ in range(repeats):
            start = time.perf_counter()
            sink = io.BytesIO()
            pq.write_table(table, sink, **options)
            write_times.append(time.perf_counter() - start)
            content = sink.getvalue()
            start = time.perf_counter()
            read = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
            read_times.append(time.perf_counter() - start)
            assert read.equals(table)
        result: dict[str, Any] = {
            "graph": path.name,
            "nodes": table.num_rows,
            "encoding": name,
            "bytes_a_node": round(len(content) / table.num_rows, 3),
            "write_ns_a_node": round(min(write_times) / table.num_rows * 1e9, 1),
            "read_ns_a_node": round(min(read_times) / table.num_rows * 1e9, 1),
        }
        results.append(result)
        console.print(_NODE_LINE.format(**result), highlight=False)
    return results


def _directions(path: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Offsets and targets of a graph and of its transpose."""
    offsets, targets = _read_npz(path) if path.suffix == ".npz" else _read_adjacency(path)
    yield "train", offsets, targets
    sources = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.argsort(targets, kind="stable")
    counts = np.bincount(targets, minlength=len(offsets) - 1)
    yield "train_t", np.concatenate([[0], np.cumsum(counts)]), sources[order]


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as arrays:
        offsets, targets = arrays["indptr"].astype(np.int64), arrays["indices"].astype(np.int64)
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return offsets, targets[np.lexsort((targets, rows))]


def _read_adjacency(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(path, "rt") as lines:
        next(lines)
        rows = [np.fromstring(line, dtype=np.int64, sep=" ") for line in lines]
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]), np.concatenate(rows)


def _measure(name: str, offsets: np.ndarray, targets: np.ndarray, repeats: int) -> dict[str, float]:
    options = dict(ENCODINGS[name])
    stored = np.diff(targets, prepend=0) if options.pop("gaps", False) else targets
    keep = np.flatnonzero(np.diff(offsets))
    table = pa.table(
        {
            "row_tag": keep,
            "col_tag": pa.ListArray.from_arrays(
                pa.array(offsets[np.append(keep, len(offsets) - 1)], pa.int32()), stored
            ),
        }
    )
    options = {"use_dictionary": False, "write_statistics": ["row_tag"], "store_schema": False, **options}
    write_times, read_times, size = [], [], 0
    for _ in range(repeats):
        start = time.perf_counter()
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, table.schema, **options) as writer:
            writer.write_table(table, row_group_size=max(1, table.num_rows * 1_000_000 // len(targets)))
        write_times.append(time.perf_counter() - start)
        content = sink.getvalue()
        size = len(content)
        start = time.perf_counter()
        read = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)["col_tag"]
        values = np.concatenate([chunk.flatten().to_numpy() for chunk in read.chunks])
        read_times.append(time.perf_counter() - start)
        assert np.array_equal(values, stored)
    return {
        "bytes_an_edge": round(size / len(targets), 4),
        "write_ns_an_edge": round(min(write_times) / len(targets) * 1e9, 2),
        "read_ns_an_edge": round(min(read_times) / len(targets) * 1e9, 2),
    }


if __name__ == "__main__":
    main()
