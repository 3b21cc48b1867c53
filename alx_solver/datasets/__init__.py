"""Sources of data for the solver: graph directories, TFDS, SciPy matrices, adjacency lists."""

from alx_solver.datasets.hold_out import hold_out_rows as hold_out_rows
from alx_solver.datasets.hold_out import validation_split as validation_split
from alx_solver.datasets.link_dataset import DatasetError as DatasetError
from alx_solver.datasets.link_dataset import LinkDataset as LinkDataset
from alx_solver.datasets.load import load_dataset as load_dataset
