"""Reads a graph directory (Parquet splits and `manifest.json`) into a `LinkDataset`."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from alx_solver.csr import CsrMatrix
from alx_solver.datasets.link_dataset import DatasetError, LinkDataset
from alx_solver.datasets.no_dataset import why_no_dataset
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError, find_graph
from webgraph.manifest import MANIFEST_FILE
from webgraph.row_block import RowBlock


def read_graph_directory(path: str | os.PathLike[str]) -> LinkDataset:
    """Reads `train`, `test` and the nodes' URLs of a graph directory.

    Raises:
      DatasetError: the directory is not a complete graph directory; the message says what is missing.
    """
    try:
        graph = open_graph(path)
        train, test = graph.read_rows("train"), graph.read_rows("test")
        nodes = graph.read_nodes()
    except GraphDirectoryError as error:
        raise DatasetError(str(error)) from error
    urls = nodes.url.cast(pa.large_string()) if nodes.has_urls else None
    return dataset_from_blocks(graph.manifest.variant.name, train, test, num_nodes=graph.num_nodes, urls=urls)


def open_graph(path: str | os.PathLike[str]) -> GraphDirectory:
    """Opens a graph directory, by its path or by that of its variant.

    Raises:
      DatasetError: no graph is there; the message says what is.
      GraphDirectoryError: it is damaged.
    """
    if not (find_graph(Path(path)) / MANIFEST_FILE).exists():
        raise DatasetError(why_no_dataset(Path(path)))
    return GraphDirectory.open(path)


def dataset_from_blocks(
    name: str, train: RowBlock, test: RowBlock, *, num_nodes: int, urls: pa.Array | None = None
) -> LinkDataset:
    """Turns the rows of the two splits into matrices over all nodes.

    Args:
      name: the dataset's name.
      train: rows of the train split.
      test: rows of the test split, with ground truth.
      num_nodes: size of both axes.
      urls: the nodes' URLs by id, or None.
    """
    lengths = np.zeros(num_nodes, dtype=np.int64)
    lengths[train.row_tag] = np.diff(train.col_offsets)
    return LinkDataset(
        name=name,
        train=CsrMatrix(
            indptr=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
            indices=train.col_tag,
            values=None,
            num_cols=num_nodes,
        ),
        test_rows=np.asarray(test.row_tag, dtype=np.int64),
        history=CsrMatrix(indptr=test.col_offsets, indices=test.col_tag, values=None, num_cols=num_nodes),
        ground_truth=CsrMatrix(indptr=test.gt_offsets, indices=test.gt_tag, values=None, num_cols=num_nodes),
        urls=urls,
    )
