"""Embeddings as files that other programs read: NumPy or Parquet, float32, in order of id, a slice at a time.

npy       row_table.npy, col_table.npy: [rows, dim], row i is id i
parquet   row_table-00000-of-00003.parquet ...: id int64, url string (with a graph), embedding fixed_size_list<float>
both      export.json: epoch, hyperparameters, shapes
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alx_solver.checkpoint import CheckpointError, StoredTables, read_checkpoint
from alx_solver.run_directory import RunDirectory
from webgraph.graph_directory import GraphDirectory
from webgraph.node_lookup import iter_urls
from webgraph.option_values import make_plain

FORMATS = ("npy", "parquet")
_ROWS_AT_ONCE = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is written.

    Attributes:
        file_format: one of `FORMATS`.
        axes: "row", "col" or both.
        rows_per_file: rows of a Parquet file.

    Raises:
        ValueError: an unknown name, or a number below 1.
    """

    file_format: str = "npy"
    axes: tuple[str, ...] = ("row", "col")
    rows_per_file: int = 1 << 20

    def __post_init__(self) -> None:
        make_plain(self)
        if self.file_format not in FORMATS:
            raise ValueError(f"unknown format {self.file_format!r}; valid: {', '.join(FORMATS)}")
        if not self.axes or set(self.axes) - {"row", "col"}:
            raise ValueError(f"axes must be some of row, col, got {self.axes}")
        if self.rows_per_file < 1:
            raise ValueError(f"rows_per_file must be at least 1, got {self.rows_per_file}")


def export_tables(
    run: RunDirectory, output: str | os.PathLike[str], options: ExportOptions, graph: GraphDirectory | None = None
) -> Path:
    """Writes the tables of a run's last checkpoint, under a temporary name that is renamed when all is whole.

    A failure leaves nothing behind.

    Args:
        run: of `alx train` or `ALS.save`.
        output: folder that is made.
        options: what is written.
        graph: whose URLs stand beside the ids of Parquet files.

    Returns:
        The folder.

    Raises:
        FileExistsError: the folder exists.
        ValueError: the run has no checkpoint, or it is damaged.
    """
    final = Path(output)
    if final.exists():
        raise FileExistsError(f"{final}: exists already; give another folder")
    stored = read_checkpoint(run.checkpoint)
    if stored is None:
        raise CheckpointError(f"{run.checkpoint}: no checkpoint in it; train for an epoch first")
    writing = final.with_name(f".writing-{final.name}")
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True)
    try:
        _write_tables(writing, stored, options, graph)
        os.replace(writing, final)
    except BaseException:  # an interruption too
        shutil.rmtree(writing, ignore_errors=True)
        raise
    return final


def _write_tables(folder: Path, stored: StoredTables, options: ExportOptions, graph: GraphDirectory | None) -> None:
    shapes = {}
    for axis in options.axes:
        table = stored.table(f"{axis}_table")
        shapes[f"{axis}_table"] = list(table.shape)
        if options.file_format == "npy":
            _write_npy(folder / f"{axis}_table.npy", table)
        else:
            _write_parquet(folder, f"{axis}_table", table, graph, options.rows_per_file)
    about = {"epoch": stored.epoch, "hyperparameters": stored.manifest["hyperparameters"], "shapes": shapes}
    (folder / "export.json").write_text(json.dumps(about, indent=2) + "\n")


def _write_npy(path: Path, table: np.ndarray) -> None:
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=table.shape)
    for start in range(0, len(table), _ROWS_AT_ONCE):
        out[start : start + _ROWS_AT_ONCE] = table[start : start + _ROWS_AT_ONCE].astype(np.float32)
    out.flush()


def _write_parquet(
    folder: Path, name: str, table: np.ndarray, graph: GraphDirectory | None, rows_per_file: int
) -> None:
    fields = [pa.field("id", pa.int64(), nullable=False)]
    fields += [] if graph is None else [pa.field("url", pa.string())]
    fields += [pa.field("embedding", pa.list_(pa.float32(), table.shape[1]), nullable=False)]
    num_files = max(1, -(-len(table) // rows_per_file))
    urls = None if graph is None else _UrlStream(iter_urls(graph, _ROWS_AT_ONCE))
    for number in range(num_files):
        first, last = number * rows_per_file, min((number + 1) * rows_per_file, len(table))
        path = folder / f"{name}-{number:05}-of-{num_files:05}.parquet"
        with pq.ParquetWriter(path, pa.schema(fields), compression="zstd") as writer:
            for start in range(first, last, _ROWS_AT_ONCE):
                stop = min(start + _ROWS_AT_ONCE, last)
                numbers = np.ascontiguousarray(table[start:stop], dtype=np.float32).reshape(-1)
                columns = [pa.array(np.arange(start, stop))]
                columns += [] if urls is None else [urls.take(stop - start)]
                columns += [pa.FixedSizeListArray.from_arrays(pa.array(numbers), table.shape[1])]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))


class _UrlStream:
    """URLs in order, so many at a time, whatever the batches they come in."""

    def __init__(self, batches: Iterator[pa.Array]) -> None:
        self._batches = batches
        self._left: pa.Array = pa.array([], pa.string())

    def take(self, count: int) -> pa.Array:
        while len(self._left) < count:
            self._left = pa.concat_arrays([self._left, next(self._batches).cast(pa.string())])
        taken, self._left = self._left[:count], self._left[count:]
        return taken
