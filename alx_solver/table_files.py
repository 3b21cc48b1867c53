"""One table as an Orbax checkpoint of its own: a folder with a Zarr array that TensorStore reads, bfloat16 as it is.

Orbax writes under a temporary name, renames, and says when a folder is whole; here every file is flushed to disk
besides. It is imported at the first use, which takes a second or more.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from alx_solver.backend import ready_devices

if TYPE_CHECKING:
    from orbax.checkpoint import Checkpointer

_ITEM = "table"


class TableFileError(ValueError):
    """A table's folder cannot be read; the message says why."""


def write_table(folder: Path, table: Shaped[np.ndarray, "rows dim"]) -> None:
    """Writes a table from one process; returns when all of it is on disk.

    Args:
        folder: that does not exist yet.
        table: float32 or bfloat16.
    """
    ready_devices()
    with _checkpointer() as checkpointer, _nothing_to_merge():
        checkpointer.save(folder.resolve(), {_ITEM: table})
    for directory, _, names in os.walk(folder):
        for path in (*(os.path.join(directory, name) for name in names), directory):
            _flush(path)


def read_table(folder: Path) -> Shaped[np.ndarray, "rows dim"]:
    """Reads a table, into memory.

    Raises:
        TableFileError: there is none, or it is damaged so that it cannot be read.
    """
    ready_devices()
    try:
        with _checkpointer() as checkpointer:
            found: Any = checkpointer.restore(folder.resolve())
        return np.asarray(found[_ITEM])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise TableFileError(reason) from error


def _checkpointer() -> "Checkpointer":
    """Of this process alone: it waits for no other."""
    import jax
    from orbax.checkpoint import Checkpointer, PyTreeCheckpointHandler
    from orbax.checkpoint.options import MultiprocessingOptions

    process = jax.process_index()
    alone = MultiprocessingOptions(
        primary_host=process, active_processes={process}, barrier_sync_key_prefix=f"process-{process}"
    )
    handler = PyTreeCheckpointHandler(
        use_ocdbt=False, use_zarr3=True, use_compression=False, multiprocessing_options=alone
    )
    return Checkpointer(handler, multiprocessing_options=alone)


@contextlib.contextmanager
def _nothing_to_merge() -> Iterator[None]:
    """Leaves one warning of Orbax out: it looks for files to merge after each save, of formats that have none too."""

    def keep(record: logging.LogRecord) -> bool:
        return "Skipping merge of OCDBT checkpoints" not in str(record.msg)

    log = logging.getLogger("absl")
    log.addFilter(keep)
    try:
        yield
    finally:
        log.removeFilter(keep)


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
