"""Every source gives the same kind of dataset; split laws hold; bad files are said in words.

Oracles: the split rule applied row by row with plain sets, and the matrices that were written.
"""

import gzip
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from alx_solver.csr import CsrMatrix
from alx_solver.datasets import DatasetError, LinkDataset, hold_out_rows, load_dataset, validation_split
from alx_solver.datasets.tfds_dataset import block_from_examples
from tests.alx_solver.planted import planted_csr, planted_matrix, write_planted
from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.split import SplitOptions, assign_split, edge_hashes, num_ground_truth


def row_sets(matrix: CsrMatrix) -> list[set[int]]:
    return [set(row.tolist()) for row in np.split(matrix.indices, matrix.indptr[1:-1])]


def slow_split(rows: list[set[int]], options: SplitOptions) -> dict[int, tuple[set[int], set[int]]]:
    """(history, ground truth) of the test rows, one row at a time."""
    found = {}
    for row, columns in enumerate(rows):
        if len(columns) >= 2 and assign_split([b"%d" % row], options)[0]:
            hashes = {column: edge_hashes(b"%d" % row, [b"%d" % column], options)[0] for column in columns}
            ordered = sorted(columns, key=lambda column: (hashes[column], column))
            truth = set(ordered[: num_ground_truth(len(columns), options)])
            found[row] = (columns - truth, truth)
    return found


def assert_is_split_of(dataset: LinkDataset, whole: CsrMatrix, options: SplitOptions) -> None:
    rows = row_sets(whole)
    expected = slow_split(rows, options)
    assert dataset.test_rows.tolist() == sorted(expected)
    histories, truths = row_sets(dataset.history), row_sets(dataset.ground_truth)
    for place, row in enumerate(sorted(expected)):
        assert (histories[place], truths[place]) == expected[row], f"test row {row}"
    for row, columns in enumerate(row_sets(dataset.train)):
        assert columns == (set() if row in expected else rows[row]), f"train row {row}"


def test_hold_out_follows_the_split_rule(monkeypatch):
    matrix, options = planted_csr(), SplitOptions(seed=3, test_fraction=0.2)
    assert_is_split_of(hold_out_rows(matrix, name="planted", options=options), matrix, options)
    monkeypatch.setattr("alx_solver.datasets.hold_out._NAMES_AT_ONCE", 20)
    assert_is_split_of(hold_out_rows(matrix, name="planted", options=options), matrix, options)


def test_validation_rows_are_train_rows_whatever_the_seed():
    dataset = hold_out_rows(planted_csr(), name="planted", options=SplitOptions(seed=5))
    seen = set()
    for seed in range(6):
        validation = validation_split(dataset, seed=seed)
        assert validation.name == "planted/validation"
        assert not set(validation.test_rows) & set(dataset.test_rows)
        assert validation.train.num_entries < dataset.train.num_entries
        assert (
            row_sets(validation.history)[0] | row_sets(validation.ground_truth)[0]
            == (row_sets(dataset.train)[validation.test_rows[0]])
        )
        seen.add(tuple(validation.test_rows))
    assert len(seen) == 6


def test_npz_and_adjacency_give_the_same_dataset(tmp_path):
    matrix = planted_matrix()
    lines = [" ".join(map(str, np.flatnonzero(row))) for row in matrix.toarray()]
    plain, packed = tmp_path / "planted.adjacency.txt", tmp_path / "planted.adjacency.txt.gz"
    plain.write_text("\n".join([str(len(lines)), *lines]) + "\n")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    options = SplitOptions(seed=1)
    for path in (write_planted(tmp_path), plain, packed):
        dataset = load_dataset(path, options)
        assert dataset.name == "planted"
        assert_is_split_of(dataset, CsrMatrix.from_scipy(matrix), options)


def test_weights_are_kept_and_all_ones_are_not_stored(tmp_path):
    matrix = planted_matrix()
    assert load_dataset(write_planted(tmp_path)).train.values is None
    matrix.data[:] = 2.5
    scipy.sparse.save_npz(tmp_path / "weighted.npz", matrix)
    dataset = load_dataset(tmp_path / "weighted.npz")
    assert set(dataset.train.values) == set(dataset.history.values) == {np.float32(2.5)}


def test_graph_directory(tmp_path):
    graph = made_graph()
    write_graph(tmp_path / "made", graph)
    dataset = load_dataset(tmp_path / "made")
    assert dataset.train.num_rows == dataset.train.num_cols == len(graph.urls)
    assert dataset.urls.to_pylist() == list(graph.urls)
    train = row_sets(dataset.train)
    assert train == [set(graph.train.get(row, ())) for row in range(len(graph.urls))]
    assert dataset.test_rows.tolist() == sorted(graph.test)
    for place, row in enumerate(sorted(graph.test)):
        history, truth = graph.test[row]
        assert row_sets(dataset.history)[place] == set(history)
        assert row_sets(dataset.ground_truth)[place] == set(truth)
    # Names are URLs here: the validation rows follow the URLs' hashes.
    assert validation_split(dataset, seed=0, fraction=0.3).num_test_rows > 0


def test_tfds_examples_in_any_order():
    examples = [
        {"row_tag": np.int64(7), "col_tag": np.array([3, 1]), "gt_tag": np.array([2])},
        {"row_tag": np.int64(2), "col_tag": np.array([], dtype=np.int64), "gt_tag": np.array([9, 8])},
    ]
    block = block_from_examples(examples)
    assert block.row_tag.tolist() == [2, 7]
    assert block.col_offsets.tolist() == [0, 0, 2]
    assert block.col_tag.tolist() == [1, 3]
    assert block.gt_offsets.tolist() == [0, 2, 3]
    assert block.gt_tag.tolist() == [8, 9, 2]


def test_head_takes_evenly_spaced_rows():
    dataset = hold_out_rows(planted_csr(), name="planted", options=SplitOptions(seed=5))
    few = dataset.head(3)
    assert few.num_test_rows == 3
    places = [dataset.test_rows.tolist().index(row) for row in few.test_rows]
    assert row_sets(few.history) == [row_sets(dataset.history)[place] for place in places]
    assert dataset.head(10**6) is dataset


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npz", None, "absent.npz: no such file"),
        ("absent.adjacency.txt", None, "no such file"),
        ("absent.csv", None, "no such file or directory; give a graph directory"),
        ("links.csv", b"1,2\n", "the name does not say what it is"),
        ("page.npz", b"<html>not found</html>", "not a SciPy sparse matrix"),
        ("empty.npz", b"", "not a SciPy sparse matrix"),
        ("short.adjacency.txt", b"3\n0 1\n", "first line says 3 nodes, 1 lines follow"),
        ("words.adjacency.txt", b"nodes\n", "line 1 must be the number of nodes, got 'nodes'"),
        ("word.adjacency.txt", b"3\n1 2\n0 x\n\n", "line 3 must hold node ids, got '0 x'"),
        ("large.adjacency.txt", b"3\n1 2\n\n0 3\n", "line 4 holds id 3, but ids must be below 3"),
        ("cut.adjacency.txt.gz", gzip.compress(b"3\n0 1\n" * 99, mtime=0)[:-20], "cannot be read"),
    ],
)
def test_bad_files_are_said_in_words(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        load_dataset(path)


def test_pickled_and_negative_matrices_are_refused(tmp_path):
    np.savez(tmp_path / "pickled.npz", data=np.array([{"a": 1}], dtype=object), format=np.array("csr", dtype=object))
    with pytest.raises(DatasetError, match=r"not a SciPy sparse matrix .*allow_pickle=False"):
        load_dataset(tmp_path / "pickled.npz")
    matrix = planted_matrix()
    matrix.data[5] = -1
    scipy.sparse.save_npz(tmp_path / "negative.npz", matrix)
    with pytest.raises(DatasetError, match=r"negative.npz: -1.0 at row 0, column .*: the numbers are confidences"):
        load_dataset(tmp_path / "negative.npz")


def test_folders_that_are_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="manifest"):
        load_dataset(tmp_path)


def test_a_matrix_without_candidates_has_no_test_rows():
    diagonal = CsrMatrix.from_scipy(scipy.sparse.eye_array(5))
    with pytest.raises(DatasetError, match=r"none of 0 rows with two entries or more is held out at fraction 0.1"):
        hold_out_rows(diagonal, name="diagonal", options=SplitOptions())


def test_a_test_row_in_train_is_refused():
    matrix = CsrMatrix.from_scipy(scipy.sparse.csr_array(np.ones((2, 2))))
    one = CsrMatrix(np.array([0, 1]), np.array([0]), None, 2)
    with pytest.raises(DatasetError, match="a test row also stands in train"):
        LinkDataset(name="bad", train=matrix, test_rows=np.array([1]), history=one, ground_truth=one)
