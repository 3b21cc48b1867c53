"""The Python API against brute force in NumPy, through saving and loading, and its words for mistakes."""

import shutil

import jax
import numpy as np
import pytest
import scipy.sparse

from alx_solver.checkpoint import CheckpointError
from alx_solver.csr import CsrMatrix
from alx_solver.datasets import hold_out_rows
from alx_solver.matrix_input import as_csr_matrix
from alx_solver.model import ALS
from alx_solver.options import Precision
from alx_solver.run_directory import RunDirectoryError
from alx_solver.table_files import read_table, write_table
from tests.alx_solver.planted import planted_csr
from tests.alx_solver.problems import power_law, relative_error
from tests.oracles.als import half_step
from tests.oracles.recall import slow_top_k
from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.split import SplitOptions

LAM, ALPHA = 1e-2, 1e-1


def als(**options) -> ALS:
    defaults = {"dim": 8, "regularization": LAM, "unobserved_weight": ALPHA, "epochs": 3, "devices": jax.devices()[:2]}
    return ALS(**(defaults | options))


@pytest.fixture(scope="module")
def matrix() -> scipy.sparse.csr_array:
    return power_law(weighted=True)


@pytest.fixture(scope="module")
def model(matrix) -> ALS:
    return als().fit(matrix)


def seen_of(matrix, row: int) -> set[int]:
    return set(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].tolist())


def cosine_order(table: np.ndarray, query: int, k: int) -> list[int]:
    norms = np.linalg.norm(table, axis=1)
    found = [other for other in range(len(table)) if other != query and norms[other] > 0]
    cosines = {other: table[other] @ table[query] / norms[other] / norms[query] for other in found}
    return sorted(found, key=lambda other: -cosines[other])[:k]


def test_recommendations_are_those_of_brute_force(model, matrix):
    rows = [0, 1, 11, 40]
    ids, scores = model.recommend(rows, k=6)
    for row, ours, values in zip(rows, ids, scores, strict=True):
        expected = slow_top_k(model.row_embeddings[row], model.col_embeddings, seen_of(matrix, row), 6)
        expected += [-1] * (6 - len(expected))  # row 11 has all columns but two
        assert ours.tolist() == expected
        kept = ours >= 0
        np.testing.assert_allclose(
            values[kept], model.col_embeddings[ours[kept]] @ model.row_embeddings[row], rtol=1e-4, atol=1e-6
        )
        assert np.isneginf(values[~kept]).all()
    unfiltered, _ = model.recommend(0, k=5, exclude_seen=False)
    assert unfiltered.tolist() == slow_top_k(model.row_embeddings[0], model.col_embeddings, set(), 5)


@pytest.mark.parametrize("axis", ["row", "col"])
def test_similar_ones_are_those_of_brute_force(model, axis):
    table = model.row_embeddings if axis == "row" else model.col_embeddings
    ids, cosines = model.similar([0, 5], k=7, axis=axis)
    assert ids.tolist() == [cosine_order(table, query, 7) for query in (0, 5)]
    first = table[0] @ table[ids[0, 0]] / np.linalg.norm(table[0]) / np.linalg.norm(table[ids[0, 0]])
    assert cosines[0, 0] == pytest.approx(first, rel=1e-4)
    one, _ = model.similar(5, k=7, axis=axis)
    assert one.tolist() == ids[1].tolist()


def test_new_rows_are_folded_in_as_the_oracle_solves_them(model, matrix):
    new = matrix[[0, 3, 20]]  # row 3 is empty
    expected = half_step(new, np.zeros((3, 8)), model.col_embeddings.astype(np.float64), LAM, ALPHA)
    folded = model.fold_in(new)
    assert relative_error(folded, expected) < 1e-3  # a residual of 1e-5, times the condition
    assert not folded[1].any()
    ids, _ = model.recommend(matrix[[0, 20]], k=5)
    for at, row in ((0, 0), (1, 20)):
        query = expected[[0, 2][at]]
        assert ids[at].tolist() == slow_top_k(query, model.col_embeddings, seen_of(matrix, row), 5)


def test_the_callback_sees_every_epoch(matrix):
    seen = []
    model = als().fit(matrix, callback=seen.append)
    assert [record.epoch for record in seen] == [1, 2, 3]
    assert seen == model.records
    losses = [record.loss for record in seen]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("table", ["float32", "bfloat16"])
def test_a_saved_model_is_the_same_on_other_devices(tmp_path, model, matrix, table):
    if table == "bfloat16":
        model = als(epochs=1, precision=Precision(table=table), devices=jax.devices()[:1]).fit(matrix)
    model.save(tmp_path / "model")
    loaded = ALS.load(tmp_path / "model", devices=jax.devices()[:3])
    assert loaded.options == model.options
    assert loaded.records == model.records
    np.testing.assert_array_equal(loaded.row_embeddings, model.row_embeddings)
    np.testing.assert_array_equal(loaded.col_embeddings, model.col_embeddings)
    assert loaded.matrix is not None and loaded.matrix.digest == model.matrix.digest
    assert loaded.recommend([0, 8], k=4)[0].tolist() == model.recommend([0, 8], k=4)[0].tolist()


def test_saving_does_not_overwrite_unasked(tmp_path, model):
    model.save(tmp_path / "model")
    with pytest.raises(FileExistsError, match="give another path, or overwrite=True"):
        model.save(tmp_path / "model")
    model.save(tmp_path / "model", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="it is no model"):
        model.save(tmp_path / "mine", overwrite=True)


def test_damaged_files_are_named(tmp_path, model):
    model.save(tmp_path / "model")
    table = next((tmp_path / "model" / "checkpoint").rglob("col_table"))
    embeddings = read_table(table).copy()
    embeddings[0, 0] += 1
    shutil.rmtree(table)
    write_table(table, embeddings)
    with pytest.raises(CheckpointError, match="damaged, its digest differs"):
        ALS.load(tmp_path / "model")
    with pytest.raises(RunDirectoryError, match=r"no run.json in it"):
        ALS.load(tmp_path / "nothing")


def test_datasets_and_graphs_give_their_train_rows(tmp_path):
    dataset = hold_out_rows(planted_csr(), name="planted", options=SplitOptions(test_fraction=0.1))
    assert as_csr_matrix(dataset) is as_csr_matrix(dataset.train) is dataset.train
    graph = made_graph()
    write_graph(tmp_path / "graph", graph)
    fitted = as_csr_matrix(tmp_path / "graph")
    rows = {row: fitted.indices[fitted.indptr[row] : fitted.indptr[row + 1]].tolist() for row in graph.train}
    assert rows == graph.train
    assert fitted.num_entries == sum(map(len, graph.train.values()))


def test_any_sparse_format_is_the_same_matrix(matrix):
    coo = matrix.tocoo()
    shuffled = np.random.default_rng(0).permutation(coo.nnz)
    coo = scipy.sparse.coo_array((coo.data[shuffled], (coo.row[shuffled], coo.col[shuffled])), shape=coo.shape)
    digest = CsrMatrix.from_scipy(matrix, binary=False).digest
    assert [as_csr_matrix(other).digest for other in (matrix, coo, matrix.tocsc(), matrix.tolil())] == [digest] * 4
    twice = scipy.sparse.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 3))
    assert as_csr_matrix(twice).values.tolist() == [3]


def test_numbers_of_a_matrix_of_ones_are_not_kept():
    assert as_csr_matrix(power_law().astype(bool)).digest == CsrMatrix.from_scipy(power_law()).digest
    assert as_csr_matrix(power_law().astype(np.int64)).values is None


def with_number(number: float) -> scipy.sparse.csr_array:
    matrix = power_law(weighted=True).copy()
    matrix.data[matrix.indptr[11]] = number
    return matrix


def outside() -> scipy.sparse.csr_array:
    matrix = power_law(weighted=True).copy()
    matrix.indices[3] = 500
    return matrix


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (lambda: power_law().toarray(), TypeError, r"dense array of shape \(90, 70\); give scipy.sparse.csr_array"),
        (lambda: [[1, 0]], TypeError, "got list; give a SciPy sparse matrix"),
        (lambda: with_number(np.nan), ValueError, "nan at row 11, column .*: the numbers are confidences"),
        (lambda: with_number(-2), ValueError, r"-2.0 at row 11, column .* \(1 such in all\)"),
        (outside, ValueError, "damaged .*: are rows and columns exchanged"),
        (lambda: power_law()[3], ValueError, "1 axis, expected rows and columns"),
        (lambda: scipy.sparse.csr_array((5, 4)), ValueError, r"\(5, 4\) has no entries"),
        (lambda: power_law().astype(np.complex64), ValueError, "holds complex64"),
        (lambda: "no-such-graph", ValueError, "no-such-graph"),
    ],
)
def test_what_is_no_matrix_is_refused_in_words(data, error, message):
    with pytest.raises(error, match=message):
        als().fit(data())


def test_mistakes_of_axis_are_caught_in_words(model, matrix):
    with pytest.raises(ValueError, match=r"row 90 of 90 rows .*did you pass the transposed matrix\?"):
        model.recommend([3, 90])
    with pytest.raises(ValueError, match=r"column -1 of 70 columns"):
        model.similar(-1)
    with pytest.raises(ValueError, match=r"90 columns, the model has 70: did you pass the transposed matrix\?"):
        model.fold_in(matrix.T)
    with pytest.raises(ValueError, match="60 columns, the model has 70"):
        model.recommend(matrix[:, :60])
    with pytest.raises(TypeError, match="row ids must be integers, got float64"):
        model.recommend([0.5])
    with pytest.raises(ValueError, match="unknown axis 'rows'; valid: row, col"):
        model.similar(0, axis="rows")
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        model.recommend(0, k=0)
    with pytest.raises(ValueError, match="not trained: call fit"):
        als().recommend(0)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        als(epochs=0)


def test_rows_without_entries_are_named_or_get_nothing(model, matrix):
    with pytest.raises(ValueError, match="no entries in rows 3, 12, so nothing to go by"):
        model.recommend([0, 3, 12])
    ids, scores = model.recommend([0, 3], k=2, allow_empty=True)
    assert (ids[0] >= 0).all() and (ids[1] == -1).all() and np.isneginf(scores[1]).all()
    with pytest.raises(ValueError, match="no entries in rows 1"):
        model.recommend(matrix[[0, 3]])
    with pytest.raises(ValueError, match="no entries in columns 69"):
        model.similar(69)
    assert 69 not in model.similar(0, k=70)[0]


def test_a_run_of_the_command_has_no_matrix_and_says_so(tmp_path, model, matrix):
    model.save(tmp_path / "model")
    (tmp_path / "model" / "matrix.npz").unlink()
    loaded = ALS.load(tmp_path / "model")
    with pytest.raises(ValueError, match="came without its matrix"):
        loaded.recommend(0)
    assert loaded.recommend(0, exclude_seen=False)[0].tolist() == model.recommend(0, exclude_seen=False)[0].tolist()
    assert loaded.recommend(matrix[[0]])[0].tolist() == model.recommend(matrix[[0]])[0].tolist()
