"""Checkpoints: a folder for each epoch, whole or absent, readable on any number of devices, without pickle.

    directory/epoch-00000004/row_table/         [num_rows, dim], by id, without padding; see `table_files.py`
                             col_table/         [num_cols, dim]
                             manifest.json      format, epoch, hyperparameters, table precision, digests
    directory/.writing-epoch-00000005/          what an interrupted writer left: ignored, and removed by the next

A folder is written under the temporary name, flushed to disk and renamed, so that a folder with the final name is
complete. The two newest are kept: the older one is for the case that the newer's disk blocks rot (digests are
checked, and a damaged checkpoint is an error in words, never a silent restart). Orbax writes the arrays; the folder,
its manifest, digests and rename are ours, because a checkpoint is both tables and what they are of, whole or absent.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from jaxtyping import Shaped

from alx_solver.csr import CsrMatrix
from alx_solver.mesh import is_writer, to_host, wait_for_all
from alx_solver.options import Hyperparameters
from alx_solver.table_files import TableFileError, read_table, write_table

if TYPE_CHECKING:
    from alx_solver.als import AlsState, AlsTrainer

FORMAT = 2
_KEPT = 2
_ROWS_HASHED_AT_ONCE = 1 << 16
_PREFIX = "epoch-"
_WRITING = ".writing-"
_TABLES = ("row_table", "col_table")
_REMEDY = "remove its folder to go on from an older one, or from the start"


class CheckpointError(ValueError):
    """A checkpoint that this trainer cannot continue, or that is damaged; the message says which and what to do."""


def save_checkpoint(directory: str | os.PathLike[str], trainer: "AlsTrainer", state: "AlsState") -> Path:
    """Writes the state of an epoch; a crash at any moment leaves the earlier checkpoints as they were.

    With several processes all call it, and the first one writes.

    Args:
        directory: made if absent.
        trainer: whose state it is.
        state: what is saved.

    Returns:
        The folder of this epoch.
    """
    tables = {
        "row_table": trainer.row_ranges.unpad(to_host(state.row_table)),
        "col_table": trainer.col_ranges.unpad(to_host(state.col_table)),
    }
    return write_checkpoint(directory, tables, state.epoch, _identity(trainer))


def write_checkpoint(
    directory: str | os.PathLike[str], tables: dict[str, np.ndarray], epoch: int, identity: dict[str, Any]
) -> Path:
    """Writes tables by id ("row_table" and "col_table") and what they are of (`checkpoint_identity`)."""
    final = Path(directory) / f"{_PREFIX}{epoch:08d}"
    if is_writer():
        _write(final, tables, {"format": FORMAT, "epoch": epoch, **identity})
    wait_for_all(f"checkpoint {epoch}")
    return final


def _write(final: Path, tables: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
    root = final.parent
    root.mkdir(parents=True, exist_ok=True)
    writing = root / f"{_WRITING}{final.name}"
    for leftover in root.glob(f"{_WRITING}*"):
        shutil.rmtree(leftover)
    writing.mkdir()
    digests = {name: _write_table(writing / name, table) for name, table in tables.items()}
    manifest = {**manifest, "sha256": digests}
    with open(writing / "manifest.json", "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, sort_keys=True)
        _flush(file)
    _sync_directory(writing)
    if final.exists():
        _remove(final)
    os.replace(writing, final)
    _sync_directory(root)
    for old in _checkpoints(root)[:-_KEPT]:
        _remove(old)


def _remove(folder: Path) -> None:
    """Removes a checkpoint; while it is not whole any more, it has the name of one that was not finished."""
    leaving = folder.with_name(f"{_WRITING}{folder.name}.old")
    os.replace(folder, leaving)
    shutil.rmtree(leaving)


def restore_checkpoint(directory: str | os.PathLike[str], trainer: "AlsTrainer") -> "AlsState | None":
    """The newest checkpoint, on this trainer's devices; None where there is none.

    Raises:
        CheckpointError: it is of another matrix, other hyperparameters, another table precision or format, or damaged.
    """
    stored = read_checkpoint(directory)
    if stored is None:
        return None
    _require_same(stored.folder, stored.manifest, _identity(trainer))
    return trainer.state_from_tables(stored.table("row_table"), stored.table("col_table"), stored.epoch)


@dataclasses.dataclass(frozen=True)
class StoredTables:
    """A checkpoint as it lies on disk; `table` reads one of its tables.

    Attributes:
        folder: where it lies.
        manifest: the contents of its `manifest.json`.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def epoch(self) -> int:
        return self.manifest["epoch"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        rows, cols = self.manifest["matrix"]["shape"]
        return rows, cols

    def table(self, name: str) -> Shaped[np.ndarray, "rows dim"]:
        """`row_table` or `col_table`, float32 or bfloat16.

        Raises:
            CheckpointError: the file is damaged.
        """
        return _read_table(self.folder / name, self.manifest["table_dtype"], self.manifest["sha256"][name])


def read_checkpoint(directory: str | os.PathLike[str]) -> StoredTables | None:
    """The newest checkpoint, without the matrix that it was trained on; None where there is none.

    Raises:
        CheckpointError: its manifest cannot be read, or is of another format.
    """
    found = _checkpoints(Path(directory))
    if not found:
        return None
    folder = found[-1]
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: unreadable manifest ({error}); {_REMEDY}") from error
    if not isinstance(manifest, dict):
        raise CheckpointError(f"{folder}: its manifest is no JSON object; {_REMEDY}")
    if manifest.get("format") != FORMAT:
        raise CheckpointError(f"{folder}: format {manifest.get('format')}, this version reads {FORMAT}; {_REMEDY}")
    if not _has_all_fields(manifest):
        raise CheckpointError(f"{folder}: its manifest lacks what a checkpoint is of; {_REMEDY}")
    return StoredTables(folder, manifest)


def _has_all_fields(manifest: dict[str, Any]) -> bool:
    """Whether a manifest says all that is read of it, in the types that are read."""
    try:
        rows, cols = manifest["matrix"]["shape"]
        texts = [manifest["table_dtype"], manifest["matrix_sha256"], *map(manifest["sha256"].get, _TABLES)]
        return (
            all(type(number) is int for number in (rows, cols, manifest["epoch"]))
            and all(isinstance(text, str) for text in texts)
            and isinstance(manifest["hyperparameters"], dict)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def checkpoint_identity(hyperparameters: Hyperparameters, table_dtype: str, matrix: CsrMatrix) -> dict[str, Any]:
    """What must be equal for training to go on: solver and batch options may change between epochs, these may not."""
    return {
        "hyperparameters": dataclasses.asdict(hyperparameters),
        "table_dtype": table_dtype,
        "matrix": {"shape": list(matrix.shape), "entries": matrix.num_entries},
        "matrix_sha256": matrix.digest,
    }


def _identity(trainer: "AlsTrainer") -> dict[str, Any]:
    return checkpoint_identity(trainer.hyperparameters, trainer.precision.table, trainer.matrix)


def _require_same(folder: Path, manifest: dict[str, Any], expected: dict[str, Any]) -> None:
    remedy = "give the options it was made with, or another directory"
    stored = manifest["hyperparameters"]
    for name, value in expected["hyperparameters"].items():
        if stored.get(name) != value:
            raise CheckpointError(f"{folder}: made with {name}={stored.get(name)}, not {value}; {remedy}")
    for name in ("table_dtype", "matrix", "matrix_sha256"):
        if manifest[name] != expected[name]:
            raise CheckpointError(f"{folder}: made with {name} {manifest[name]}, not {expected[name]}; {remedy}")


def _checkpoints(root: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(root.glob(f"{_PREFIX}*")) if root.is_dir() else []


def _write_table(folder: Path, table: Shaped[np.ndarray, "rows dim"]) -> str:
    """Writes a table and returns the SHA-256 of its bytes."""
    write_table(folder, table)
    return _digest(table)


def _read_table(folder: Path, dtype: str, sha256: str) -> Shaped[np.ndarray, "rows dim"]:
    try:
        table = read_table(folder)
    except TableFileError as error:
        raise CheckpointError(f"{folder}: unreadable ({error}); {_REMEDY}") from error
    if str(table.dtype) != dtype or _digest(table) != sha256:
        raise CheckpointError(f"{folder}: damaged, its digest differs; {_REMEDY}")
    return table


def _digest(table: Shaped[np.ndarray, "rows dim"]) -> str:
    """SHA-256 of a table's bytes, row after row."""
    plain = table.view(np.uint16) if table.dtype == ml_dtypes.bfloat16 else table
    digest = hashlib.sha256()
    for start in range(0, len(plain), _ROWS_HASHED_AT_ONCE):
        digest.update(np.ascontiguousarray(plain[start : start + _ROWS_HASHED_AT_ONCE]).data)
    return digest.hexdigest()


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
