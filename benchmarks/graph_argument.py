"""The matrix named on a benchmark's command line."""

from pathlib import Path

from alx_solver.csr import CsrMatrix
from alx_solver.datasets import load_dataset
from alx_solver.datasets.matrix_files import read_adjacency, read_npz


def read_graph(path: str) -> tuple[str, CsrMatrix]:
    """Name and binary matrix: the train rows of a graph directory, or a whole `.npz` or adjacency text file."""
    if Path(path).is_dir():
        dataset = load_dataset(path)
        return dataset.name, dataset.train
    name = Path(path).name
    matrix = read_npz(path) if name.endswith(".npz") else read_adjacency(path)
    return name.split(".")[0], CsrMatrix(matrix.indptr, matrix.indices, None, matrix.num_cols)
