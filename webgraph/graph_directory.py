"""Reading a graph directory: the boundary between the pipeline that writes graphs and everything that reads them."""

import contextlib
import dataclasses
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from webgraph.graph_layout import NODES, SPLITS
from webgraph.manifest import MANIFEST_FILE, Manifest, ManifestError, read_manifest
from webgraph.node_block import NodeBlock
from webgraph.parquet_parts import (
    NODE_SCHEMA,
    ROW_SCHEMA,
    check_schema,
    concatenate_nodes,
    iter_row_groups,
    read_node_block,
)
from webgraph.parquet_sizes import ParquetSizes, check_sizes
from webgraph.row_block import RowBlock
from webgraph.variants import VARIANTS, variant_folder


class GraphDirectoryError(ValueError):
    """A folder is no graph directory, or a file of it is missing or damaged."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphDirectory:
    """A complete graph on disk. Make one with `open`."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | os.PathLike[str], canonicalizer: str | None = None) -> "GraphDirectory":
        """Opens the graph at `path`, or of the variant that the last name of `path` stands for.

        `OUT/de-sparse` opens `OUT/web_graph_tld_de_min_10` where the first does not exist.

        Args:
          path: the graph's folder.
          canonicalizer: if given, graphs whose URLs have another canonical form are refused.

        Raises:
          GraphDirectoryError: no complete graph is there, or its format is not this version's.
        """
        folder = find_graph(Path(path))
        try:
            manifest = read_manifest(folder, canonicalizer)
        except ManifestError as error:
            raise GraphDirectoryError(str(error)) from error
        for file in manifest.files:
            try:
                status = (folder / file.name).stat()
            except OSError as error:
                raise GraphDirectoryError(f"{folder} lacks its file {file.name}; copy or build it again.") from error
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait forever
                raise GraphDirectoryError(f"{folder / file.name} is no regular file; copy or build it again.")
            size = status.st_size
            if size != file.bytes:
                raise GraphDirectoryError(
                    f"{folder / file.name} has {size} bytes, not {file.bytes} as its manifest says; "
                    "copy or build it again."
                )
        return cls(path=folder, manifest=manifest)

    @property
    def num_nodes(self) -> int:
        return self.manifest.graph.num_nodes

    @property
    def num_edges(self) -> int:
        """Edges of all splits together, `train_t`, which repeats `train`, not counted."""
        return self.manifest.graph.num_edges

    def read_rows(self, split: str, start: int | None = None, stop: int | None = None) -> RowBlock:
        """Reads the rows of `split` with ids in [start, stop), and no row group outside that range.

        Raises:
          GraphDirectoryError: `split` is none of `train`, `train_t` and `test`, or a file is damaged.
        """
        return RowBlock.concatenate(list(self.iter_row_blocks(split, start, stop)))

    def iter_row_blocks(self, split: str, start: int | None = None, stop: int | None = None) -> Iterator[RowBlock]:
        """Yields the same rows in ascending order, about a million edges at a time."""
        if split not in SPLITS:
            raise GraphDirectoryError(f"Unknown split {split!r} of {self.path}; valid ones are {', '.join(SPLITS)}.")
        layout = self.manifest.layout
        for part in range(layout.num_parts):
            first, last = layout.part_range(part)
            if (stop is None or first < stop) and (start is None or last > start):
                yield from self.iter_part(split, part, start, stop)

    def read_nodes(self) -> NodeBlock:
        """Reads all nodes; URLs as `large_string`.

        Raises:
          GraphDirectoryError: a file is damaged.
        """
        layout = self.manifest.layout
        return concatenate_nodes([self.read_node_part(part) for part in range(layout.num_parts)])

    def read_node_part(self, part: int) -> NodeBlock:
        """Reads the nodes of one part."""
        with self._open_part(NODES, part, NODE_SCHEMA) as (file, sizes):
            return read_node_block(file, sizes)

    def count_rows(self, table: str, part: int) -> int:
        """Rows of one part of a split, or nodes, by its Parquet footer."""
        with self._open_part(table, part, NODE_SCHEMA if table == NODES else ROW_SCHEMA) as (file, _):
            return int(file.metadata.num_rows)

    def tfrecord_files(self, split: str) -> list[Path]:
        """Returns the published files of `split` in order of their shards; none where they were not written."""
        if split not in SPLITS:
            raise GraphDirectoryError(f"Unknown split {split!r} of {self.path}; valid ones are {', '.join(SPLITS)}.")
        layout = self.manifest.layout
        return [self.path / layout.tfrecord_file(split, shard) for shard in range(layout.tfrecord_shards or 0)]

    def iter_part(self, split: str, part: int, start: int | None = None, stop: int | None = None) -> Iterator[RowBlock]:
        """Yields the row groups of one part that overlap the ids [start, stop), each cut to that range."""
        with self._open_part(split, part, ROW_SCHEMA) as (file, _):
            yield from iter_row_groups(file, start, stop)

    @contextlib.contextmanager
    def _open_part(self, table: str, part: int, schema: pa.Schema) -> Iterator[tuple[pq.ParquetFile, ParquetSizes]]:
        """A Parquet file whose columns and sizes have been checked; what it raises is told as damage, by its path."""
        path = self.path / self.manifest.layout.parquet_file(table, part)
        try:
            # Arrow takes a leading ~ for a home, so the path is given whole.
            with open(path, "rb") as source, pq.ParquetFile(os.path.abspath(path)) as file:
                check_schema(file, schema)
                yield file, check_sizes(file, source, os.fstat(source.fileno()).st_size)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise _damaged(path, error) from error


def find_graph(path: Path) -> Path:
    """Returns the folder of the graph that `path` names, whether it is there or not; see `GraphDirectory.open`."""
    if not (path / MANIFEST_FILE).exists() and path.name in VARIANTS:
        published = path.with_name(variant_folder(VARIANTS[path.name]))
        if (published / MANIFEST_FILE).exists():
            return published
    return path


def _damaged(path: Path, error: Exception) -> GraphDirectoryError:
    reason = str(error).strip().rstrip(".")
    return GraphDirectoryError(f"{path} is damaged ({reason}); copy or build it again.")
