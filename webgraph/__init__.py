"""WebGraph: the rules of the dataset, its files on disk, and what reads them. Needs NumPy and pyarrow, no framework."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name):
        """Reads `__version__` when it is asked for: that takes longer than a command may take to mind signals."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("alx-webgraph")
        except PackageNotFoundError:  # run from a checkout that is not installed
            return "0+unknown"
