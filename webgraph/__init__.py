"""WebGraph: the rules of the dataset, its files on disk, and what reads them. Needs NumPy and pyarrow, no framework."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("alx-webgraph")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
