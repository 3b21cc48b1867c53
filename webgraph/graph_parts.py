"""The files of one part of a graph: Parquet of rows and nodes, and the published TFRecord shards."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from webgraph.graph_layout import NODES, GraphLayout, choose_layout
from webgraph.manifest import FileRecord
from webgraph.node_block import NodeBlock
from webgraph.parquet_parts import encode_nodes, encode_rows
from webgraph.row_block import RowBlock
from webgraph.tfrecord import count_records, encode_shards

__all__ = ["GraphLayout", "NodeBlock", "choose_layout", "describe_file", "part_files"]


def part_files(
    layout: GraphLayout, part: int, *, train: RowBlock, train_t: RowBlock, test: RowBlock, nodes: NodeBlock
) -> Iterator[tuple[str, bytes]]:
    """Makes the files of a part, one at a time.

    Args:
      layout: of the whole graph.
      part: which part, from 0.
      train, train_t, test: the part's rows, those whose `row_tag` lies in `layout.part_range(part)`.
      nodes: the part's nodes, all of that range.

    Yields:
      (file name, content): four Parquet files, then the TFRecord shards of the part, if any are wanted.

    Raises:
      ValueError: rows or nodes outside the part's range or out of order.
    """
    start, stop = layout.part_range(part)
    splits = {"train": train, "train_t": train_t, "test": test}
    for split, block in splits.items():
        _check_tags(block.row_tag, start, stop, f"row_tag of {split} in part {part}")
    if not np.array_equal(nodes.node_id, np.arange(start, stop)):
        raise ValueError(f"node_id in part {part} must be all of [{start}, {stop}) in order.")
    for split, block in splits.items():
        yield layout.parquet_file(split, part), encode_rows(block)
    yield layout.parquet_file(NODES, part), encode_nodes(nodes)
    shards = layout.shards_of_part(part)
    if shards:
        ids = layout.shard_limits()[shards.start : shards.stop + 1]
        for split, block in splits.items():
            contents = encode_shards(block, np.searchsorted(block.row_tag, ids).tolist())
            for shard, content in zip(shards, contents, strict=True):
                yield layout.tfrecord_file(split, shard), content


def describe_file(name: str, content: bytes) -> FileRecord:
    """What the manifest says of a file that `part_files` made."""
    if name.endswith(".parquet"):
        rows = pq.read_metadata(pa.BufferReader(content)).num_rows
    else:
        rows = count_records(content, name)
    return FileRecord(name=name, bytes=len(content), xxh3_128=xxhash.xxh3_128_hexdigest(content), rows=rows)


def _check_tags(tags: np.ndarray, start: int, stop: int, what: str) -> None:
    if len(tags) and not (start <= tags[0] and tags[-1] < stop and (np.diff(tags) > 0).all()):
        raise ValueError(f"{what} must ascend in [{start}, {stop}), got {tags[0]} to {tags[-1]}.")
