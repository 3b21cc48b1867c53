"""Reads a prepared TFDS dataset of the public features `row_tag`, `col_tag`, `gt_tag` into a `LinkDataset`.

A leaf: the only file of the solver that imports TensorFlow Datasets, and only when such a dataset is asked for.
URLs are not part of those datasets.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from alx_solver.datasets.link_dataset import DatasetError, LinkDataset
from alx_solver.datasets.prepared_graph import dataset_from_blocks
from webgraph.missing_extra import missing_extra
from webgraph.prepared_dataset import prepared_problem
from webgraph.row_block import RowBlock


def read_tfds(path: str | os.PathLike[str]) -> LinkDataset:
    """Reads a version folder of a prepared dataset (the one that holds `dataset_info.json`).

    The number of nodes is the metadata's `num_nodes` where recorded, else the largest id plus one.

    Raises:
      DatasetError: TensorFlow Datasets is missing, or the dataset lacks the splits or features.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DatasetError(missing_extra(f"{path}: reading a prepared dataset", "tfds", error)) from error
    try:
        builder = tfds.builder_from_directory(os.fspath(path))
    except Exception as error:  # of JSON, of protocol buffers, or TFDS's own
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DatasetError(f"{path}: its dataset_info.json or features.json is damaged ({reason}).") from error
    missing = {"train", "test"} - set(builder.info.splits) | {"row_tag", "col_tag", "gt_tag"} - set(
        builder.info.features
    )
    if missing:
        raise DatasetError(f"{path}: lacks {', '.join(sorted(missing))}; prepare it with `tfds build webgraph`.")
    problem = prepared_problem(builder.info)
    if problem:
        raise DatasetError(f"{path}: {problem}; prepare it again with `tfds build webgraph ... --overwrite`.")
    blocks = {split: block_from_examples(_examples(builder, split, path)) for split in ("train", "test")}
    recorded = (builder.info.metadata or {}).get("num_nodes")
    num_nodes = _largest_id(blocks.values()) + 1 if recorded is None else int(recorded)
    name = "/".join(Path(path).resolve().parts[-3:-1])
    return dataset_from_blocks(name, blocks["train"], blocks["test"], num_nodes=num_nodes)


def _examples(builder: Any, split: str, path: str | os.PathLike[str]) -> Iterable[dict[str, Any]]:
    """The examples of a split, as NumPy. ArrayRecord files are read by index: TFDS has no `tf.data` for them."""
    import tensorflow_datasets as tfds

    if builder.info.file_format not in tfds.core.FileFormat.with_tf_data():
        try:
            return builder.as_data_source(split=split)
        except ImportError as error:
            raise DatasetError(
                missing_extra(f"{path}: reading files of {builder.info.file_format.value}", "tfds", error)
            ) from error
    return tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))


def block_from_examples(examples: Iterable[dict[str, Any]]) -> RowBlock:
    """Collects examples, in any order, into rows ascending by `row_tag` with ascending columns."""
    rows = sorted(
        ((int(e["row_tag"]), np.sort(e["col_tag"]), np.sort(e["gt_tag"])) for e in examples), key=lambda row: row[0]
    )
    empty = np.empty(0, dtype=np.int64)
    return RowBlock(
        row_tag=np.array([row for row, _, _ in rows], dtype=np.int64),
        col_offsets=_offsets([len(columns) for _, columns, _ in rows]),
        col_tag=np.concatenate([empty, *(columns for _, columns, _ in rows)]),
        gt_offsets=_offsets([len(truth) for _, _, truth in rows]),
        gt_tag=np.concatenate([empty, *(truth for _, _, truth in rows)]),
    )


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _largest_id(blocks: Iterable[RowBlock]) -> int:
    tags = [tag for block in blocks for tag in (block.row_tag, block.col_tag, block.gt_tag)]
    return max((int(tag.max()) for tag in tags if len(tag)), default=-1)
