"""Opens whatever a user names as DATA: finds out what it is and calls its reader."""

import os
from pathlib import Path

from alx_solver.datasets.hold_out import hold_out_rows
from alx_solver.datasets.link_dataset import LinkDataset
from alx_solver.datasets.matrix_files import read_adjacency, read_npz
from alx_solver.datasets.no_dataset import DATASET_INFO
from alx_solver.datasets.prepared_graph import read_graph_directory
from webgraph.split import SplitOptions


def load_dataset(path: str | os.PathLike[str], split: SplitOptions | None = None) -> LinkDataset:
    """Loads a dataset.

    Args:
      path: a graph directory, a prepared TFDS version folder, a `.npz` matrix or an `.adjacency.txt[.gz]` list.
      split: how rows are held out of the last two, which come without a split; the others carry their own.

    Raises:
      DatasetError: in one sentence, what is wrong with the path.
    """
    path = Path(path)
    split = split or SplitOptions()
    if path.name.endswith(".npz"):
        return hold_out_rows(read_npz(path), name=path.name.removesuffix(".npz"), options=split)
    if path.name.endswith((".adjacency.txt", ".adjacency.txt.gz")):
        name = path.name.removesuffix(".gz").removesuffix(".adjacency.txt")
        return hold_out_rows(read_adjacency(path), name=name, options=split)
    if (path / DATASET_INFO).exists():
        from alx_solver.datasets.tfds_dataset import read_tfds

        return read_tfds(path)
    return read_graph_directory(path)
