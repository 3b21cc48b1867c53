"""A model of the Python API on disk: the folder of a run (`run_directory.py`), and the matrix beside it.

run.json, metrics.jsonl, checkpoint/   as `alx train` writes them
matrix.npz                             the matrix (`scipy.sparse.save_npz`, not compressed; int8 ones where binary)
"""

import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import scipy.sparse

from alx_solver.checkpoint import checkpoint_identity, write_checkpoint
from alx_solver.csr import CsrMatrix
from alx_solver.datasets import LinkDataset
from alx_solver.epoch_record import EpochRecord
from alx_solver.run_directory import RunDirectory, RunDirectoryError
from alx_solver.trained_model import TrainedModel

MATRIX_FILE = "matrix.npz"


def save_model(
    path: str | os.PathLike[str],
    model: TrainedModel,
    matrix: CsrMatrix | None,
    records: Sequence[EpochRecord],
    *,
    overwrite: bool,
) -> None:
    """Writes a model beside its final name and renames it; a failure leaves what was there, and nothing else.

    Raises:
        FileExistsError: something is there, and `overwrite` is false.
        ValueError: the model came without its matrix, by which a folder is known.
    """
    final = Path(path)
    if matrix is None:
        raise ValueError("this model came without its matrix; copy the folder that it was loaded from")
    if final.exists() and not (overwrite and (final / "run.json").exists()):
        remedy = "it is no model, give another path" if overwrite else "give another path, or overwrite=True"
        raise FileExistsError(f"{final}: exists already; {remedy}")
    writing, old = (final.with_name(f".{what}-{final.name}") for what in ("writing", "old"))
    for leftover in (writing, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        _write_model(RunDirectory(writing), final.name, model, matrix, records)
        if final.exists():
            os.replace(final, old)
        os.replace(writing, final)
    except BaseException:  # an interruption too
        shutil.rmtree(writing, ignore_errors=True)
        if old.exists() and not final.exists():
            os.replace(old, final)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_model(
    run: RunDirectory, name: str, model: TrainedModel, matrix: CsrMatrix, records: Sequence[EpochRecord]
) -> None:
    run.start(model.options, without_test_rows(name, matrix))
    for record in records:
        run.append(record)
    scipy.sparse.save_npz(run.path / MATRIX_FILE, matrix.to_scipy(), compressed=False)
    options = model.options
    identity = checkpoint_identity(options.hyperparameters, options.precision.table, matrix)
    tables = {f"{axis}_table": table for axis, table in model.host_tables().items()}
    write_checkpoint(run.checkpoint, tables, model.epoch, identity)


def load_model(
    path: str | os.PathLike[str], devices: Sequence[jax.Device] | None
) -> tuple[TrainedModel, CsrMatrix | None, list[EpochRecord]]:
    """Reads a model; its matrix is None where `alx train` wrote the folder.

    Raises:
        RunDirectoryError, CheckpointError: no such folder, or a damaged one.
    """
    run = RunDirectory(path)
    model = TrainedModel.of_checkpoint(run.checkpoint, run.options(), devices=devices)
    file = run.path / MATRIX_FILE
    matrix = _read_matrix(file) if file.exists() else None
    if matrix is not None and matrix.digest != run.read()["dataset"]["train_digest"]:
        raise RunDirectoryError(f"{file}: damaged, its digest differs; save the model again.")
    return model, matrix, run.records()


def without_test_rows(name: str, matrix: CsrMatrix) -> LinkDataset:
    """A dataset that is all train rows."""
    none = CsrMatrix(np.zeros(1, np.int64), np.empty(0, np.int64), None, matrix.num_cols)
    return LinkDataset(
        name=name, train=matrix, test_rows=np.empty(0, np.int64), history=none, ground_truth=none, urls=None
    )


def _read_matrix(file: Path) -> CsrMatrix:
    try:
        csr = scipy.sparse.csr_array(scipy.sparse.load_npz(file))
        return CsrMatrix(csr.indptr, csr.indices, None if csr.dtype == np.int8 else csr.data, csr.shape[1])
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise RunDirectoryError(f"{file}: cannot be read ({error}); save the model again.") from error
