"""What `ALS` takes as a matrix, and what it says of things that are none: one place for mistakes of axis and type.

Numbers are confidences c >= 0, and zeros are no entries; a matrix of ones (or of booleans) is binary. Duplicate
entries are summed, in float64 whatever the type of the matrix; those of booleans count once (`summed_entries.py`).
"""

import os
from typing import Any

import numpy as np
import scipy.sparse

from alx_solver.csr import CsrMatrix
from alx_solver.datasets import LinkDataset, load_dataset
from alx_solver.summed_entries import by_rows, check_type

_LISTED = 5


def as_csr_matrix(data: Any) -> CsrMatrix:
    """The matrix of entries that `data` stands for, [rows, cols].

    Args:
        data: a SciPy sparse matrix of any format, a `CsrMatrix`, a `LinkDataset` (its train rows) or a path that
            `load_dataset` reads (its train rows).

    Raises:
        TypeError: none of these.
        ValueError: an id outside the shape, or a number that is no confidence; the message names its place.
    """
    if isinstance(data, CsrMatrix):
        return data
    if isinstance(data, LinkDataset):
        return data.train
    if isinstance(data, str | os.PathLike):
        return load_dataset(data).train
    if not scipy.sparse.issparse(data):
        raise TypeError(_not_sparse(data))
    if data.ndim != 2:
        raise ValueError(
            f"the matrix has {data.ndim} {'axis' if data.ndim == 1 else 'axes'}, expected rows and columns; for one "
            "row take matrix[[7]], not matrix[7]"
        )
    check_type(data)
    try:
        entries = by_rows(data)
    except ValueError as error:
        raise ValueError(
            f"the {data.format} matrix of shape {data.shape} is damaged ({error}): are rows and columns exchanged?"
        ) from error
    return CsrMatrix.of_confidences(entries)


def _not_sparse(data: Any) -> str:
    if isinstance(data, np.ndarray):
        return (
            f"got a dense array of shape {data.shape}; give scipy.sparse.csr_array(array), in which every number that "
            "is not 0 is an observed entry"
        )
    return (
        f"got {type(data).__name__}; give a SciPy sparse matrix (rows x columns), a CsrMatrix, a LinkDataset, or the "
        "path of a graph directory or .npz file"
    )


def check_columns(rows: CsrMatrix, num_cols: int) -> None:
    """Checks that new rows have the columns of the model.

    Raises:
        ValueError: they have others.
    """
    if rows.num_cols != num_cols:
        hint = "did you pass the transposed matrix?" if rows.num_rows == num_cols else "give them that shape"
        raise ValueError(f"the rows have {rows.num_cols} columns, the model has {num_cols}: {hint}")


def check_ids(ids: Any, size: int, axis: str) -> np.ndarray:
    """Ids of rows or columns as int64[ids].

    Args:
        ids: one integer, or several.
        size: how many rows or columns there are.
        axis: "row" or "column", for the message.

    Raises:
        TypeError: not integers.
        ValueError: an id outside [0, size), or not a list of ids.
    """
    array = np.atleast_1d(np.asarray(ids))
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{axis} ids must be integers, got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{axis} ids must be one integer or a list of them, got an array of shape {array.shape}")
    outside = array[(array < 0) | (array >= size)]
    if len(outside):
        raise ValueError(
            f"{axis} {outside[0]} of {size} {axis}s ({len(outside)} such ids in all): did you pass the transposed "
            "matrix?"
        )
    return array.astype(np.int64)


def listed(ids: np.ndarray) -> str:
    """The first ids in words, and how many more there are."""
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(map(str, ids[:_LISTED].tolist())) + more
