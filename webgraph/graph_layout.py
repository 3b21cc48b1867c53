"""How the node ids of a graph are cut into parts and published shards.

Shard k of S covers the ids [k n // S, (k + 1) n // S). Part p of P covers the shards [p S // P, (p + 1) S // P), so
that no shard needs two parts; without shards it covers the ids [p n // P, (p + 1) n // P).

A part is four Parquet files, `train-00000-of-00004.parquet`, `train_t-...`, `test-...` and `nodes-...`; a shard is
three TFRecord files, `train.tfr-00000-of-00010`, `train.transpose.tfr-...` and `test.tfr-...`, as published.
"""

import dataclasses

import numpy as np

EDGES_PER_PART = 8_000_000
SPLITS = ("train", "train_t", "test")
NODES = "nodes"

PARQUET_SUFFIX = ".parquet"
MAX_NODES = 1 << 40
"""Far above any graph, and so far below 2^63 that an id times a number of files still fits."""

_TFRECORD_NAMES = {"train": "train", "train_t": "train.transpose", "test": "test"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphLayout:
    """Cuts of the id range [0, num_nodes).

    Attributes:
      num_nodes: n; may be 0.
      num_parts: P, Parquet files a table; at most `tfrecord_shards`.
      tfrecord_shards: S, TFRecord files a split; None where none are written.
    """

    num_nodes: int
    num_parts: int
    tfrecord_shards: int | None

    def __post_init__(self) -> None:
        if self.num_nodes < 0:
            raise ValueError(f"num_nodes must be at least 0, got {self.num_nodes}.")
        if self.num_nodes > MAX_NODES:
            raise ValueError(f"num_nodes must be at most {MAX_NODES}, got {self.num_nodes}.")
        if self.num_parts < 1:
            raise ValueError(f"num_parts must be at least 1, got {self.num_parts}.")
        if self.tfrecord_shards is not None and self.tfrecord_shards < self.num_parts:
            raise ValueError(
                f"num_parts must be at most tfrecord_shards, got {self.num_parts} parts and "
                f"{self.tfrecord_shards} shards."
            )

    def part_limits(self) -> np.ndarray:
        """Returns int64[num_parts + 1], the first id of each part and `num_nodes`."""
        steps = np.arange(self.num_parts + 1, dtype=np.int64)
        if self.tfrecord_shards is None:
            return steps * self.num_nodes // self.num_parts
        return self.shard_limits()[steps * self.tfrecord_shards // self.num_parts]

    def shard_limits(self) -> np.ndarray:
        """Returns int64[tfrecord_shards + 1], the first id of each shard and `num_nodes`."""
        if self.tfrecord_shards is None:
            raise ValueError("A layout without TFRecords has no shards.")
        return np.arange(self.tfrecord_shards + 1, dtype=np.int64) * self.num_nodes // self.tfrecord_shards

    def part_of(self, ids: np.ndarray) -> np.ndarray:
        """Returns the part of each id: int64, of the shape of `ids`."""
        return np.searchsorted(self.part_limits(), ids, side="right") - 1

    def part_range(self, part: int) -> tuple[int, int]:
        """Returns the ids [start, stop) of a part."""
        self._check_part(part)
        start, stop = self.part_limits()[part : part + 2].tolist()
        return start, stop

    def shards_of_part(self, part: int) -> range:
        """Returns the shards of a part; none where no TFRecords are written."""
        self._check_part(part)
        if self.tfrecord_shards is None:
            return range(0)
        return range(part * self.tfrecord_shards // self.num_parts, (part + 1) * self.tfrecord_shards // self.num_parts)

    def shard_range(self, shard: int) -> tuple[int, int]:
        """Returns the ids [start, stop) of a shard."""
        start, stop = self.shard_limits()[shard : shard + 2].tolist()
        return start, stop

    def parquet_file(self, table: str, part: int) -> str:
        """Returns the file name of a part of a split or of the nodes."""
        return f"{table}-{part:05}-of-{self.num_parts:05}{PARQUET_SUFFIX}"

    def tfrecord_file(self, split: str, shard: int) -> str:
        """Returns the published file name of a shard."""
        return f"{_TFRECORD_NAMES[split]}.tfr-{shard:05}-of-{self.tfrecord_shards:05}"

    @property
    def num_files(self) -> int:
        """How many files a graph has, but for its manifest."""
        return (len(SPLITS) + 1) * self.num_parts + len(SPLITS) * (self.tfrecord_shards or 0)

    def file_names(self) -> list[str]:
        """Returns the names of all files of a graph but its manifest."""
        tables = (*SPLITS, NODES)
        names = [self.parquet_file(table, part) for table in tables for part in range(self.num_parts)]
        shards = range(self.tfrecord_shards or 0)
        return names + [self.tfrecord_file(split, shard) for split in SPLITS for shard in shards]

    def _check_part(self, part: int) -> None:
        if not 0 <= part < self.num_parts:
            raise ValueError(f"part must be in [0, {self.num_parts}), got {part}.")


def choose_layout(num_nodes: int, num_edges: int, tfrecord_shards: int | None) -> GraphLayout:
    """One part for about every `EDGES_PER_PART` edges, at most one a node and one a shard.

    It depends on the graph alone, so that bytes do not depend on how many workers wrote them.
    """
    most = max(1, num_nodes if tfrecord_shards is None else min(num_nodes, tfrecord_shards))
    num_parts = min(most, max(1, -(-num_edges // EDGES_PER_PART)))
    return GraphLayout(num_nodes=num_nodes, num_parts=num_parts, tfrecord_shards=tfrecord_shards)
