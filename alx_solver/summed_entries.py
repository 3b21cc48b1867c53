"""Any SciPy sparse matrix by rows with every entry once, and its numbers as confidences in float32.

Stored duplicates stand for their sum, as SciPy has it. SciPy adds them in the type of the matrix: 256 visits stored as
ones of uint8 make 0. Here they are added in float64 (longdouble in a matrix of that), and then rounded to float32, so
that every format and every type of the same entries gives the same confidences. A matrix of booleans says which entries
were observed and not how often: duplicates of True are True, as SciPy has them whatever the format.
"""

import copy
import logging
from typing import Any

import numpy as np
import scipy.sparse
from jaxtyping import Float32, Shaped

GREATEST = float(np.finfo(np.float32).max)
_KINDS = "biuf"

_log = logging.getLogger(__name__)


def check_type(matrix: Any) -> None:
    """Refuses matrices of other things than real numbers and booleans.

    Raises:
        ValueError: complex numbers, objects, ...
    """
    if matrix.dtype.kind not in _KINDS:
        raise ValueError(f"the matrix holds {matrix.dtype}; its numbers must be confidences >= 0")


def by_rows(matrix: Any) -> scipy.sparse.csr_array:
    """The stored entries by rows, none of them added; memory is shared with `matrix` only where `summed` leaves it.

    Raises:
        ValueError: offsets or ids that do not describe a matrix of that shape.
    """
    if matrix.format in ("lil", "dok"):  # whose entries are Python objects
        matrix = matrix.tocsr()
    if matrix.format in ("csc", "bsr"):
        matrix.check_format(full_check=True)
    matrix = _of_plain_type(matrix)
    if matrix.format == "coo":
        matrix = scipy.sparse.coo_array((matrix.data, matrix.coords), shape=matrix.shape)  # checks the ids
        matrix.has_canonical_format = True  # or SciPy adds duplicates in the type of the data
    csr = scipy.sparse.csr_array(matrix)
    csr.check_format(full_check=True)
    # A new object, which has not been told, rightly or wrongly, that it is sorted and without duplicates.
    rows = scipy.sparse.csr_array((csr.data, csr.indices, csr.indptr), shape=csr.shape)
    return rows.copy() if matrix.format == "csr" and not rows.has_canonical_format else rows


def summed(csr: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """The same matrix, changed in place: ascending columns, each once in a row, with the sums of duplicates."""
    csr.sort_indices()
    if not csr.has_canonical_format:
        if csr.dtype != bool:
            csr.data = csr.data.astype(np.result_type(csr.dtype, np.float64))
        csr.sum_duplicates()
    return csr


def without_zeros(csr: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """The same matrix without stored zeros; `csr` is not changed."""
    if not len(csr.data) or csr.data.all():
        return csr
    kept = csr.copy()
    kept.eliminate_zeros()
    return kept


def first_fault(csr: scipy.sparse.csr_array) -> str | None:
    """What is wrong with the first number that is no confidence, and where it stands; None where all are."""
    if csr.dtype.kind in "bu":
        return None
    bad = np.flatnonzero(~((csr.data >= 0) & (csr.data <= GREATEST)))
    if not len(bad):
        return None
    place, number = int(bad[0]), csr.data[bad[0]]
    row = int(np.searchsorted(csr.indptr, place, side="right")) - 1
    found = f"{number} at row {row}, column {csr.indices[place]} ({len(bad)} such in all)"
    if np.isfinite(number) and number > 0:
        return (
            f"{found} is more than {GREATEST:.7g}, the greatest number of float32: divide all confidences by a number"
        )
    return f"{found}: the numbers are confidences, finite and >= 0; leave entries out that are not observed"


def as_float32(numbers: Shaped[np.ndarray, " entries"]) -> Float32[np.ndarray, " entries"]:
    """Confidences as they are kept; a warning counts those that become zero because they are too small."""
    rounded = numbers.astype(np.float32)
    if numbers.dtype.itemsize > rounded.itemsize and numbers.dtype.kind == "f":
        vanished = np.count_nonzero(numbers) - np.count_nonzero(rounded)
        if vanished:
            _log.warning(
                "%d confidences are too small for float32, and count as zeros, which are no entries: multiply all "
                "confidences by a number",
                vanished,
            )
    return rounded


def _of_plain_type(matrix: Any) -> Any:
    """The matrix with numbers that SciPy's routines take: in the machine's byte order, and no float16."""
    dtype = np.dtype(np.float32) if matrix.dtype == np.float16 else matrix.dtype.newbyteorder("=")
    if dtype == matrix.dtype and matrix.dtype.isnative:
        return matrix
    changed = copy.copy(matrix)
    changed.data = matrix.data.astype(dtype)
    return changed
