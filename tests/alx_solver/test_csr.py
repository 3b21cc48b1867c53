"""The sparse matrix: SciPy is the oracle of transpose and conversion; every refusal says what and where."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from alx_solver.csr import CsrMatrix


def csr(indptr, indices, values=None, num_cols=4) -> CsrMatrix:
    values = None if values is None else np.array(values, np.float32)
    return CsrMatrix(np.array(indptr, np.int64), np.array(indices, np.int64), values, num_cols)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**32 - 1), st.booleans())
def test_transpose_and_round_trip_equal_scipy(num_rows, num_cols, seed, binary):
    rng = np.random.default_rng(seed)
    dense = rng.random((num_rows, num_cols)) * (rng.random((num_rows, num_cols)) < 0.4)
    dense = dense.astype(np.float32)
    matrix = CsrMatrix.from_scipy(scipy.sparse.coo_array(dense), binary=binary)
    expected = (dense != 0).astype(np.float32) if binary else dense
    np.testing.assert_array_equal(matrix.to_scipy().toarray(), expected)
    np.testing.assert_array_equal(matrix.transpose().to_scipy().toarray(), expected.T)
    assert matrix.transpose().transpose().digest == matrix.digest
    assert matrix.shape == dense.shape
    np.testing.assert_array_equal(matrix.row_lengths, (dense != 0).sum(1))


def test_digest_ignores_the_integer_type_only():
    matrix = csr([0, 2, 3], [0, 3, 1])
    narrow = CsrMatrix(matrix.indptr, matrix.indices.astype(np.int32), None, 4)
    assert narrow.digest == matrix.digest
    assert csr([0, 1, 3], [0, 1, 3]).digest != matrix.digest
    assert csr([0, 2, 3], [0, 3, 1], [1, 1, 1]).digest != matrix.digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [0, 1]), "start with 0"),
        (([0, 2, 1], [0]), "indptr falls after row 1"),
        (([0, 3], [0, 1]), "indptr ends at 3, but there are 2 indices"),
        (([0, 1, 2], [0, 4]), r"column 4 of row 1 is outside \[0, 4\); is the matrix transposed"),
        (([0, 1, 3], [0, 2, 1]), "columns of row 1 do not strictly ascend"),
        (([0, 0, 2], [1, 1]), "columns of row 1 do not strictly ascend"),
        (([0, 2], [0, 1], [1, -1]), "value -1.0 in row 0: confidences are >= 0"),
        (([0, 2], [0, 1], [1, np.nan]), "value nan in row 0"),
        (([0, 2], [0, 1], [1]), "1 values for 2 indices"),
    ],
)
def test_refusals_say_what_and_where(arguments, message):
    with pytest.raises(ValueError, match=message):
        csr(*arguments)


def test_falling_columns_across_a_row_boundary_are_fine():
    assert csr([0, 0, 2, 2, 4, 4], [2, 3, 0, 1]).num_entries == 4
