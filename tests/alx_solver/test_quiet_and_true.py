"""Nothing on the screen that a user can do nothing about, and messages that say what is so."""

import logging
import shlex

import numpy as np
import pytest
import scipy.sparse

from alx_solver.als import NotFiniteError
from alx_solver.cli import BAD_INPUT, main
from alx_solver.csr import CsrMatrix
from alx_solver.datasets import DatasetError, load_dataset
from alx_solver.model import ALS
from alx_solver.not_finite import likely_causes
from alx_solver.options import Hyperparameters, Precision, SolverOptions
from alx_solver.table_files import read_table, write_table
from tests.alx_solver.planted import write_planted
from tests.alx_solver.problems import power_law
from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.manifest import VariantRecord


def test_a_table_is_written_and_read_without_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        write_table(tmp_path / "table", np.ones((3, 2), np.float32))
        assert read_table(tmp_path / "table").tolist() == np.ones((3, 2)).tolist()
        assert caplog.records == []
        logging.getLogger("absl").warning("another warning")  # which is not hidden, then or later
    assert [record.message for record in caplog.records] == ["another warning"]


def test_other_warnings_of_orbax_are_still_seen(tmp_path, caplog, monkeypatch):
    from orbax.checkpoint import Checkpointer

    save = Checkpointer.save

    def warn_and_save(*arguments, **options):
        logging.getLogger("absl").warning("the disk is slow")
        return save(*arguments, **options)

    monkeypatch.setattr(Checkpointer, "save", warn_and_save)
    with caplog.at_level(logging.WARNING):
        write_table(tmp_path / "table", np.ones((3, 2), np.float32))
    assert [record.message for record in caplog.records] == ["the disk is slow"]


def causes(matrix: CsrMatrix, **fields) -> str:
    fields = {"regularization": 1e-3, "unobserved_weight": 1e-3, "seed": 0} | fields
    return likely_causes(matrix, Hyperparameters(**fields), Precision(), "matrix_free_cg")


def weighted(factor: float) -> CsrMatrix:
    matrix = power_law(weighted=True)
    return CsrMatrix.from_scipy(
        scipy.sparse.csr_array((matrix.data * factor, matrix.indices, matrix.indptr)), binary=False
    )


def test_large_confidences_are_the_cause_that_is_named():
    for factor in (1e10, 1e19, 1e30):
        named = causes(weighted(factor))
        assert f"confidences of up to {weighted(factor).values.max():g}" in named
        assert "divide all of them" in named and "regularization" not in named
    for matrix in (weighted(1), CsrMatrix.from_scipy(power_law())):
        assert "regularization (0.001) or unobserved_weight (0.001) too small" in causes(matrix)
        assert "regularization (1e+30), whose products" in causes(matrix, regularization=1e30)


def test_training_on_large_confidences_says_so_and_dividing_helps():
    matrix = power_law(weighted=True)
    options = {"dim": 4, "epochs": 1, "solver": SolverOptions(kernel="xla")}
    large = scipy.sparse.csr_array((matrix.data * 1e19, matrix.indices, matrix.indptr), shape=matrix.shape)
    with pytest.raises(
        NotFiniteError, match=r"Likely causes: confidences of up to .*: divide all of them by one number"
    ):
        ALS(**options).fit(large)
    assert np.isfinite(ALS(**options).fit(large / 1e19).records[0].loss)


def message_of(path) -> str:
    with pytest.raises(DatasetError) as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_not_there_is_said_not_to_be_there(tmp_path, capsys):
    assert message_of(tmp_path / "nope").startswith(f"{tmp_path / 'nope'}: no such file or directory; give a graph")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "no such file or directory" in message_of(tmp_path / "link")
    assert main(["train", str(tmp_path / "nope"), "--output", str(tmp_path / "run")]) == BAD_INPUT
    assert "nope: no such file or directory" in capsys.readouterr().err
    (tmp_path / "notes").write_text("words")
    assert "the name does not say what it is" in message_of(tmp_path / "notes")
    for command in (["recommend", "--id", "0"], ["similar", "--id", "0"]):
        assert main([command[0], str(tmp_path), str(tmp_path / "nope"), *command[1:]]) == BAD_INPUT
        assert "nope: no such file or directory" in capsys.readouterr().err


def test_a_folder_of_graphs_lists_them_and_a_command_that_works(tmp_path):
    folder = tmp_path / "my graphs"
    for name in ("dense", "sparse"):
        write_graph(folder / name, made_graph(), variant=VariantRecord(name=name, tlds=(), min_degree=3))
    (folder / ".building-other").mkdir()
    (folder / ".building-other" / "manifest.json").touch()
    message = message_of(folder)
    assert f"{folder}: is a folder of graphs and none itself; give one of dense, sparse, as in `alx train " in message
    named = shlex.split(message.split("`")[1])[2]
    assert load_dataset(named).train.num_entries
    for number in range(7):
        (folder / f"z{number}").mkdir()
        (folder / f"z{number}" / "manifest.json").touch()
    assert "one of dense, sparse, z0, z1, z2, z3 and 3 more, as in" in message_of(folder)


def test_prepared_datasets_and_matrices_are_found_too(tmp_path):
    version = tmp_path / "prepared" / "webgraph" / "sparse" / "1.0.0"
    version.mkdir(parents=True)
    (version / "dataset_info.json").touch()
    assert "give the one in it, webgraph/sparse/1.0.0, as in" in message_of(tmp_path / "prepared")
    (tmp_path / "matrices").mkdir()
    write_planted(tmp_path / "matrices")
    assert "give the one in it, planted.npz, as in" in message_of(tmp_path / "matrices")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("run.json", "is the folder of a run, and no data"),
        ("a.warc.gz", "holds archives and no graph; make one with `webgraph build`"),
        ("wat/a.warc.wat.gz", "holds archives and no graph; make one with `webgraph build`"),
        ("a.txt", "holds no graph; give a graph directory"),
    ],
)
def test_other_folders(tmp_path, file, words):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    assert words in message_of(tmp_path)
