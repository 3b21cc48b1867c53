"""Sums of duplicate entries: every format and every type of numbers gives the confidences that exact integers give.

The oracle adds Python's integers in a dictionary.
"""

import json
import logging

import numpy as np
import pytest
import scipy.sparse

from alx_solver.cli import OK, main
from alx_solver.csr import CsrMatrix
from alx_solver.datasets import load_dataset
from alx_solver.datasets.matrix_files import read_npz
from alx_solver.matrix_input import as_csr_matrix
from tests.shared_data import shared_data

SHAPE = (6, 8)
VISITS = {(0, 0): 256, (0, 1): 300, (1, 3): 1, (2, 7): 65_536, (4, 2): 2, (4, 5): 70_000, (5, 0): 128}
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float32", "float64", "longdouble")
FORMATS = ("coo", "csr", "csc", "bsr")


def shuffled_ones(dtype: str, *, index: str = "int64") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(data, rows, columns): one stored one a visit in any order, and stored zeros, at places of ones too."""
    places = [place for place, count in VISITS.items() for _ in range(count)]
    zeros = [(0, 0), (3, 3), (5, 7)]
    numbers = np.array([1] * len(places) + [0] * len(zeros), dtype=dtype)
    rows, columns = np.array(places + zeros, dtype=index).T
    order = np.random.default_rng(0).permutation(len(numbers))
    return numbers[order], rows[order], columns[order]


def compressed(major: np.ndarray, minor: np.ndarray, data: np.ndarray, size: int):
    """(data, indices, indptr) with duplicates and without order within a row."""
    order = np.argsort(major, kind="stable")
    indptr = np.searchsorted(major[order], np.arange(size + 1)).astype(major.dtype)
    return data[order], minor[order], indptr


def stored(file_format: str, dtype: str, *, matrix: bool = False, index: str = "int64"):
    """The visits in a format, each as a stored one of its own."""
    data, rows, columns = shuffled_ones(dtype, index=index)
    make = getattr(scipy.sparse, f"{file_format}_{'matrix' if matrix else 'array'}")
    if file_format == "coo":
        return make((data, (rows, columns)), shape=SHAPE)
    if file_format == "csc":
        return make(compressed(columns, rows, data, SHAPE[1]), shape=SHAPE)
    if file_format == "csr":
        return make(compressed(rows, columns, data, SHAPE[0]), shape=SHAPE)
    numbers, block_columns, indptr = compressed(rows // 2, columns // 4, np.arange(len(data)), SHAPE[0] // 2)
    blocks = np.zeros((len(data), 2, 4), dtype)
    blocks[np.arange(len(data)), rows[numbers] % 2, columns[numbers] % 4] = data[numbers]
    return make((blocks, block_columns, indptr), shape=SHAPE)


def entries_of(matrix: CsrMatrix) -> dict[tuple[int, int], float]:
    values = np.ones(matrix.num_entries, np.float32) if matrix.values is None else matrix.values
    rows = np.repeat(np.arange(matrix.num_rows), matrix.row_lengths)
    return dict(zip(zip(rows.tolist(), matrix.indices.tolist(), strict=True), values.tolist(), strict=True))


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_duplicates_are_summed_exactly(tmp_path, file_format, dtype):
    matrix = stored(file_format, dtype)
    assert matrix.dtype == dtype and matrix.format == file_format
    assert entries_of(as_csr_matrix(matrix)) == VISITS
    assert entries_of(CsrMatrix.from_scipy(matrix, binary=False)) == VISITS
    assert entries_of(CsrMatrix.from_scipy(matrix)) == dict.fromkeys(VISITS, 1)
    scipy.sparse.save_npz(tmp_path / "visits.npz", matrix)
    assert entries_of(read_npz(tmp_path / "visits.npz")) == VISITS


@pytest.mark.parametrize("file_format", FORMATS)
def test_old_matrices_and_short_indices_are_the_same(file_format):
    for options in ({"matrix": True}, {"index": "int32"}, {"matrix": True, "index": "int32"}):
        assert entries_of(as_csr_matrix(stored(file_format, "uint8", **options))) == VISITS


@pytest.mark.parametrize("file_format", FORMATS)
def test_booleans_are_observations_and_count_once(tmp_path, file_format):
    matrix = stored(file_format, "bool")
    for found in (as_csr_matrix(matrix), CsrMatrix.of_confidences(matrix.tocsr()), as_csr_matrix(matrix.tocsr())):
        assert found.values is None
        assert entries_of(found) == dict.fromkeys(VISITS, 1)
    assert set(entries_of(CsrMatrix.from_scipy(matrix, binary=False)).values()) == {1}
    scipy.sparse.save_npz(tmp_path / "seen.npz", matrix)
    assert entries_of(read_npz(tmp_path / "seen.npz")) == dict.fromkeys(VISITS, 1)
    merged = matrix.tocsr()
    merged.sum_duplicates()  # SciPy's own rule
    assert as_csr_matrix(merged).digest == as_csr_matrix(matrix).digest


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS])
@pytest.mark.parametrize("file_format", ["dia", "lil", "dok"])
def test_formats_without_duplicates(file_format, dtype):
    dense = np.zeros(SHAPE, dtype)
    for place, count in VISITS.items():
        dense[place] = min(count, 100)
    matrix = scipy.sparse.coo_array(dense).asformat(file_format)
    assert entries_of(as_csr_matrix(matrix)) == {
        place: 1 if dtype == "bool" else min(count, 100) for place, count in VISITS.items()
    }


def test_a_list_of_lists_with_duplicates_made_by_hand():
    matrix = scipy.sparse.lil_array((1, 2), dtype=np.uint8)
    matrix.rows[0], matrix.data[0] = [0] * 300 + [1], [1] * 301
    assert entries_of(as_csr_matrix(matrix)) == {(0, 0): 300, (0, 1): 1}


@pytest.mark.parametrize("file_format", ["coo", "csr", "csc", "bsr", "dia"])
@pytest.mark.parametrize("dtype", ["float16", ">f4", ">f8", ">i2", ">u8", "longlong"])
def test_types_that_scipy_does_not_compute_with(file_format, dtype):
    dense = np.zeros(SHAPE)
    for place, count in VISITS.items():
        dense[place] = min(count, 100)
    matrix = scipy.sparse.coo_array(dense).asformat(file_format)
    matrix.data = matrix.data.astype(dtype)
    assert entries_of(as_csr_matrix(matrix)) == {place: min(count, 100) for place, count in VISITS.items()}


def test_float16_with_duplicates_is_summed_beyond_its_range(tmp_path):
    matrix = scipy.sparse.csr_array(
        (np.full(3, 60_000, np.float16), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2)
    )
    assert matrix.dtype == np.float16
    expected = {(0, 0): float(np.float16(60_000)), (0, 1): 2 * float(np.float16(60_000))}
    assert entries_of(as_csr_matrix(matrix)) == expected
    scipy.sparse.save_npz(tmp_path / "half.npz", matrix)
    assert entries_of(read_npz(tmp_path / "half.npz")) == expected


@pytest.mark.parametrize(("number", "dtype"), [(2**63 + 2**40, "uint64"), (2**64 - 1, "uint64"), (2**63 - 1, "int64")])
@pytest.mark.parametrize("file_format", ["coo", "csr", "csc"])
def test_sums_beyond_64_bits(file_format, number, dtype):
    ones = scipy.sparse.coo_array((np.array([number, number], dtype), ([0, 0], [1, 1])), shape=(2, 3))
    if file_format == "csr":
        ones = scipy.sparse.csr_array((ones.data, ones.col, np.array([0, 2, 2])), shape=(2, 3))
    if file_format == "csc":
        ones = scipy.sparse.csc_array((ones.data, ones.row, np.array([0, 0, 2, 2])), shape=(2, 3))
    assert entries_of(as_csr_matrix(ones)) == {(0, 1): float(np.float32(float(2 * number)))}


def test_float32_duplicates_are_summed_in_float64():
    numbers = np.array([2**24, 1, 1, 1, 1], np.float32)  # in float32 each of the ones is lost
    matrix = scipy.sparse.csr_array((numbers, np.zeros(5, int), np.array([0, 5])), shape=(1, 1))
    assert entries_of(as_csr_matrix(matrix)) == entries_of(as_csr_matrix(matrix.tocoo())) == {(0, 0): 2**24 + 4}


@pytest.mark.parametrize("file_format", ["coo", "csr", "csc"])
def test_a_sum_is_what_is_judged_whatever_the_format(file_format):
    """+3 and -1 stand for 2, as `matrix.sum_duplicates()` would say; +1 and -1 for no entry; -2 is no confidence."""
    rows, columns = np.array([0, 0, 0, 0, 1]), np.array([1, 1, 2, 2, 0])

    def made(last: float):
        coo = scipy.sparse.coo_array((np.array([3, -1, 1, -1, last]), (rows, columns)), shape=(2, 3))
        if file_format == "csr":
            return scipy.sparse.csr_array(compressed(rows, columns, coo.data, 2), shape=(2, 3))
        return (
            scipy.sparse.csc_array(compressed(columns, rows, coo.data, 3), shape=(2, 3))
            if file_format == "csc"
            else coo
        )

    assert entries_of(as_csr_matrix(made(5))) == {(0, 1): 2, (1, 0): 5}
    with pytest.raises(ValueError, match=r"-2(\.0)? at row 1, column 0 \(1 such in all\): the numbers are confidences"):
        as_csr_matrix(made(-2))


def test_the_users_matrix_is_neither_changed_nor_shared():
    matrix = stored("csr", "float32")
    before = [part.copy() for part in (matrix.data, matrix.indices, matrix.indptr)]
    as_csr_matrix(matrix)
    for part, old in zip((matrix.data, matrix.indices, matrix.indptr), before, strict=True):
        np.testing.assert_array_equal(part, old)
    clean = scipy.sparse.csr_array(np.array([[0, 2.5], [1, 0]], np.float32))
    found = as_csr_matrix(clean)
    clean.indices[:], clean.data[:] = 0, 9
    assert entries_of(found) == {(0, 1): 2.5, (1, 0): 1}


def test_what_scipy_was_told_of_a_matrix_is_not_believed():
    matrix = stored("csr", "uint8")
    matrix.has_canonical_format = True
    assert entries_of(as_csr_matrix(matrix)) == VISITS
    coo = stored("coo", "uint8")
    coo.has_canonical_format = True
    assert entries_of(as_csr_matrix(coo)) == VISITS
    coo.coords[0][3] = 99  # outside, after SciPy has checked
    with pytest.raises(ValueError, match=r"the coo matrix of shape .* is damaged"):
        as_csr_matrix(coo)


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
def test_confidences_beyond_float32_are_named_by_their_own_value(tmp_path, dtype):
    matrix = scipy.sparse.coo_array((np.array([1, 1e39], dtype), ([0, 1], [0, 2])), shape=(2, 3))
    message = r"1e\+39 at row 1, column 2 \(1 such in all\) is more than 3.402823e\+38, .*divide all confidences"
    for read in (as_csr_matrix, lambda data: CsrMatrix.from_scipy(data, binary=False)):
        with pytest.raises(ValueError, match=message):
            read(matrix)
    scipy.sparse.save_npz(tmp_path / "large.npz", matrix)
    with pytest.raises(ValueError, match=message):
        load_dataset(tmp_path / "large.npz")
    with pytest.raises(ValueError, match=r"value 1e\+39 is more than float32 holds"):
        CsrMatrix(np.array([0, 1]), np.array([0]), np.array([1e39]), 1)
    with pytest.raises(ValueError, match=r"inf at row 0, column 0 .*finite and >= 0"):
        as_csr_matrix(matrix * np.inf)


def test_confidences_below_float32_are_counted_in_a_warning(caplog):
    matrix = scipy.sparse.coo_array((np.array([1, 1e-60, 1e-50, 0.0]), ([0, 1, 1, 1], [0, 2, 1, 0])), shape=(2, 3))
    with caplog.at_level(logging.WARNING):
        assert entries_of(as_csr_matrix(matrix)) == {(0, 0): 1}
    assert "2 confidences are too small for float32" in caplog.text


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.clongdouble])
@pytest.mark.parametrize("file_format", FORMATS)
def test_complex_numbers_are_refused_in_one_sentence(tmp_path, file_format, dtype):
    matrix = stored(file_format, "float64").astype(dtype)
    with pytest.raises(ValueError, match=r"the matrix holds .*complex.*; its numbers must be confidences >= 0"):
        as_csr_matrix(matrix)
    scipy.sparse.save_npz(tmp_path / "complex.npz", matrix)
    with pytest.raises(ValueError, match=r"complex.npz: .*complex"):
        read_npz(tmp_path / "complex.npz")
    with pytest.raises(ValueError, match="values must be numbers, got complex"):
        CsrMatrix(np.array([0, 1]), np.array([0]), np.array([1j]), 1)


def test_objects_and_more_axes_are_refused_in_one_sentence():
    matrix = scipy.sparse.csr_array((np.array([1, 2], object), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    with pytest.raises(ValueError, match="the matrix holds object"):
        as_csr_matrix(matrix)
    with pytest.raises(ValueError, match="the matrix has 3 axes, expected rows and columns"):
        as_csr_matrix(scipy.sparse.coo_array(np.ones((2, 3, 4))))


@pytest.mark.parametrize("file_format", ["csc", "bsr"])
def test_damage_is_found_before_scipy_follows_it(tmp_path, file_format):
    matrix = stored(file_format, "float32")
    matrix.indices[0] = 10**6
    with pytest.raises(ValueError, match=f"the {file_format} matrix of shape .* is damaged"):
        as_csr_matrix(matrix)
    scipy.sparse.save_npz(tmp_path / "damaged.npz", matrix)
    with pytest.raises(ValueError, match=r"damaged.npz: "):
        read_npz(tmp_path / "damaged.npz")


def test_found_visits_are_trained_on(tmp_path):
    path = shared_data("found", "visits-uint8-coo.npz")
    found = entries_of(read_npz(path))
    loaded = scipy.sparse.load_npz(path)
    expected: dict[tuple[int, int], int] = {}
    for row, column, number in zip(*(part.tolist() for part in (*loaded.coords, loaded.data)), strict=True):
        expected[row, column] = expected.get((row, column), 0) + number
    assert found == expected
    assert sorted(found.values())[-2:] == [257, 300]
    flags = ["--dim", "4", "--epochs", "1", "--devices", "1", "--output", str(tmp_path / "run")]
    assert main(["train", str(path), *flags]) == OK
    dataset = load_dataset(path)
    described = json.loads((tmp_path / "run" / "run.json").read_text())["dataset"]
    assert described["train_digest"] == dataset.train.digest
    assert described["train_entries"] + dataset.history.num_entries + dataset.ground_truth.num_entries == len(expected)
