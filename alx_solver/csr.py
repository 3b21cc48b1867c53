"""A sparse matrix by rows: the solver's only input.

Row r's entries are `indices[indptr[r]:indptr[r + 1]]`, ascending, each column at most once; `values` are
confidences c >= 0 (None: all 1). Law: `matrix.transpose().transpose()` equals `matrix`.
"""

import dataclasses
import hashlib
from functools import cached_property

import numpy as np
import scipy.sparse
from jaxtyping import Float32, Int64, Integer

from alx_solver.summed_entries import as_float32, by_rows, check_type, first_fault, summed, without_zeros


@dataclasses.dataclass(frozen=True, eq=False)
class CsrMatrix:
    """Compressed sparse rows.

    Attributes:
        indptr: offsets of the rows, `num_rows + 1` of them, from 0 to the number of entries.
        indices: column ids, int32 or int64, strictly ascending within a row.
        values: confidences, float32, finite and not negative; None means binary.
        num_cols: number of columns.

    Raises:
        ValueError: an array that does not describe such a matrix; the message names the first offending place.
    """

    indptr: Int64[np.ndarray, " offsets"]
    indices: Integer[np.ndarray, " entries"]
    values: Float32[np.ndarray, " values"] | None
    num_cols: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "indptr", np.ascontiguousarray(self.indptr, dtype=np.int64))
        indices = np.asarray(self.indices)
        if indices.dtype not in (np.int32, np.int64):
            if indices.size and not np.issubdtype(indices.dtype, np.integer):
                raise ValueError(f"indices must be integers, got {indices.dtype}")
            indices = indices.astype(np.int64)
        object.__setattr__(self, "indices", np.ascontiguousarray(indices))
        if self.values is not None:
            object.__setattr__(self, "values", self._float32_values(np.asarray(self.values)))
        self._validate_offsets()
        self._validate_entries()

    def _float32_values(self, values: np.ndarray) -> Float32[np.ndarray, " values"]:
        if values.dtype == np.float32:
            return np.ascontiguousarray(values)
        if values.dtype.kind not in "biuf":
            raise ValueError(f"values must be numbers, got {values.dtype}")
        with np.errstate(over="ignore"):
            rounded = np.ascontiguousarray(values, dtype=np.float32)
        beyond = np.flatnonzero(np.isinf(rounded) & np.isfinite(values))
        if len(beyond):
            raise ValueError(f"value {values.flat[beyond[0]]} is more than float32 holds: divide all by a number")
        return rounded

    def _validate_offsets(self) -> None:
        if self.indptr.ndim != 1 or not len(self.indptr) or self.indptr[0] != 0:
            raise ValueError("indptr must be one-dimensional and start with 0")
        falling = np.flatnonzero(np.diff(self.indptr) < 0)
        if len(falling):
            raise ValueError(f"indptr falls after row {falling[0]}")
        if self.indptr[-1] != len(self.indices):
            raise ValueError(f"indptr ends at {self.indptr[-1]}, but there are {len(self.indices)} indices")

    def _validate_entries(self) -> None:
        if self.num_cols < 0:
            raise ValueError(f"num_cols must not be negative, got {self.num_cols}")
        if len(self.indices) and (self.indices.min() < 0 or self.indices.max() >= self.num_cols):
            place = int(np.flatnonzero((self.indices < 0) | (self.indices >= self.num_cols))[0])
            raise ValueError(
                f"column {self.indices[place]} of row {self._row_of(place)} is outside [0, {self.num_cols}); "
                "is the matrix transposed?"
            )
        descending = np.diff(self.indices) <= 0
        inner = self.indptr[1:-1]
        descending[inner[(inner > 0) & (inner < len(self.indices))] - 1] = False
        if descending.any():
            row = self._row_of(int(np.flatnonzero(descending)[0]))
            raise ValueError(f"columns of row {row} do not strictly ascend: sort them and drop duplicates")
        if self.values is not None:
            if self.values.shape != self.indices.shape:
                raise ValueError(f"{len(self.values)} values for {len(self.indices)} indices")
            bad = np.flatnonzero(~(np.isfinite(self.values) & (self.values >= 0)))
            if len(bad):
                place = int(bad[0])
                raise ValueError(f"value {self.values[place]} in row {self._row_of(place)}: confidences are >= 0")

    def _row_of(self, place: int) -> int:
        return int(np.searchsorted(self.indptr, place, side="right")) - 1

    @property
    def num_rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def num_entries(self) -> int:
        return len(self.indices)

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, self.num_cols

    @cached_property
    def row_lengths(self) -> Int64[np.ndarray, " rows"]:
        """Entries of each row, n_r."""
        return np.diff(self.indptr)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape and entries, whatever the integer type of `indices`; checkpoints record it."""
        digest = hashlib.sha256(repr((self.shape, self.values is None)).encode())
        digest.update(self.indptr.tobytes())
        digest.update(self.indices.astype(np.int64, copy=False).tobytes())
        if self.values is not None:
            digest.update(self.values.tobytes())
        return digest.hexdigest()

    def transpose(self) -> "CsrMatrix":
        """The same entries by columns, [num_cols, num_rows]."""
        columns = self.to_scipy().tocsc()
        values = None if self.values is None else columns.data
        return CsrMatrix(columns.indptr.astype(np.int64), columns.indices, values, self.num_rows)

    @classmethod
    def from_scipy(cls, matrix: "scipy.sparse.spmatrix | scipy.sparse.sparray", *, binary: bool = True) -> "CsrMatrix":
        """From any SciPy sparse matrix.

        Args:
            matrix: [rows, cols]; duplicate entries count once when binary and are summed when not, those of booleans
                to True (see `summed_entries.py`).
            binary: True ignores the stored numbers (every stored entry that is not 0 is an observation).

        Raises:
            ValueError: a damaged matrix, or one with numbers that are no confidences; the message names the first.
        """
        return cls._of_rows(by_rows(matrix), binary=binary)

    @classmethod
    def of_confidences(cls, rows: "scipy.sparse.csr_array") -> "CsrMatrix":
        """From what `summed_entries.by_rows` gives; ones are not stored, so that a matrix of ones is binary.

        Raises:
            ValueError: a number that is no confidence; the message names the first.
        """
        weighted = cls._of_rows(rows, binary=False)
        return dataclasses.replace(weighted, values=None) if np.all(weighted.values == 1) else weighted

    @classmethod
    def _of_rows(cls, rows: "scipy.sparse.csr_array", *, binary: bool) -> "CsrMatrix":
        if binary:  # before duplicates are summed: +1 and -1 are two observations of one entry
            rows = scipy.sparse.csr_array((rows.data != 0, rows.indices, rows.indptr), shape=rows.shape)
        csr = summed(rows)
        if not binary:
            check_type(csr)
            fault = first_fault(csr)
            if fault is not None:
                raise ValueError(fault)
            csr = scipy.sparse.csr_array((as_float32(csr.data), csr.indices, csr.indptr), shape=csr.shape)
        csr = without_zeros(csr)
        values = None if binary else csr.data
        return cls(csr.indptr.astype(np.int64), csr.indices.copy(), values, csr.shape[1])

    def to_scipy(self) -> "scipy.sparse.csr_array":
        """As a SciPy matrix; the numbers of a binary one are int8 ones."""
        data = np.ones(self.num_entries, np.int8) if self.values is None else self.values
        return scipy.sparse.csr_array((data, self.indices, self.indptr), shape=self.shape)
