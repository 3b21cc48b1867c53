"""`alx recommend`, `similar` and `export` on a small graph, against brute force on the model's own tables."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse

from alx_solver.cli import BAD_INPUT, OK, main
from alx_solver.model import ALS
from tests.oracles.als import half_step
from tests.oracles.recall import slow_top_k
from tests.webgraph.graph_files import made_graph, write_graph

GRAPH = made_graph()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A run of three epochs, and the graph it was trained on."""
    root = tmp_path_factory.mktemp("use")
    write_graph(root / "graph", GRAPH)
    flags = ["--dim", "6", "--epochs", "3", "--regularization", "0.01", "--unobserved-weight", "0.1", "--devices", "1"]
    assert main(["train", str(root / "graph"), "--output", str(root / "run"), "--evaluate-every", "0", *flags]) == OK
    return root / "run", root / "graph"


@pytest.fixture(scope="module")
def model(folders) -> ALS:
    return ALS.load(folders[0])


def answer(capsys, command: str, folders, *flags: str) -> dict:
    capsys.readouterr()
    assert main([command, *map(str, folders), "--json", *flags]) == OK
    return json.loads(capsys.readouterr().out)


def folded(model: ALS, outlinks: list[int]) -> np.ndarray:
    dense = np.zeros((1, len(GRAPH.urls)), np.float32)
    dense[0, outlinks] = 1
    cols = model.col_embeddings.astype(np.float64)
    return half_step(scipy.sparse.csr_array(dense), np.zeros((1, 6)), cols, 0.01, 0.1)[0]


def test_predicted_outlinks_of_a_train_page(capsys, folders, model):
    page = max(GRAPH.train, key=lambda row: len(GRAPH.train[row]))
    outlinks = GRAPH.train[page]
    url = GRAPH.urls[page].replace("https://www", "HTTPS://WWW") + "#top"
    found = answer(capsys, "recommend", folders, "--url", url, "-k", "7")
    expected = slow_top_k(folded(model, outlinks), model.col_embeddings, {*outlinks, page}, 7)
    assert [row["node"] for row in found["found"]] == expected
    assert [row["url"] for row in found["found"]] == [GRAPH.urls[node] for node in expected]
    assert found["known_outlinks"] == len(outlinks)


def test_held_out_outlinks_of_a_test_page_are_marked(capsys, folders):
    page, (_, truth) = next(iter(GRAPH.test.items()))
    found = answer(capsys, "recommend", folders, "--id", str(page), "-k", str(len(GRAPH.urls)))["found"]
    assert {row["node"] for row in found if row["held_out"]} == set(truth)


def test_a_new_page_is_folded_in_from_given_outlinks(capsys, folders, model):
    given = [GRAPH.urls[node] for node in (2, 5, 9)]
    found = answer(capsys, "recommend", folders, "--outlinks", *given, "https://nowhere.example/", "-k", "4")
    assert found["ignored"] == ["https://nowhere.example/"]
    expected = slow_top_k(folded(model, [2, 5, 9]), model.col_embeddings, {2, 5, 9}, 4)
    assert [row["node"] for row in found["found"]] == expected


@pytest.mark.parametrize("axis", ["col", "row"])
def test_similar_pages(capsys, folders, model, axis):
    page = max(GRAPH.train, key=lambda row: len(GRAPH.train[row]))
    found = answer(capsys, "similar", folders, "--url", GRAPH.urls[page], "--axis", axis, "-k", "5")
    ids, cosines = model.similar(page, k=5, axis=axis)
    assert [row["node"] for row in found["found"]] == ids.tolist()
    np.testing.assert_allclose([row["cosine"] for row in found["found"]], cosines, rtol=1e-4)


def test_tables_for_people(capsys, folders):
    page = next(iter(GRAPH.train))
    assert main(["recommend", *map(str, folders), "--id", str(page), "-k", "2"]) == OK
    assert main(["similar", *map(str, folders), "--id", str(page), "-k", "2"]) == OK
    shown = capsys.readouterr().out
    assert "predicted outlinks of https://www" in shown and "cosine" in shown and "col_table" in shown


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--url", "https://www.a.de/p/99999"], "is not in graph; near it are https://www.a.de/"),
        (["--url", "https://nowhere.example/"], "nor is any other of its host"),
        (["--url", "mailto:a@b.de"], "is not an http or https URL"),
        (["--id", "100000"], "has no node 100000; ids are 0 to"),
        ([], "no page given; add --url or --id"),
        (["--outlinks", "https://nowhere.example/"], "none of the 1 outlinks is in graph"),
        (["--id", "0", "-k", "0"], "-k must be at least 1, got 0"),
    ],
)
def test_mistakes_are_said_in_words(capsys, folders, flags, message):
    assert main(["recommend", *map(str, folders), *flags]) == BAD_INPUT
    assert message in capsys.readouterr().err


def test_another_graph_is_refused(tmp_path, capsys, folders):
    write_graph(tmp_path / "other", made_graph(num_pages=60))
    assert main(["similar", str(folders[0]), str(tmp_path / "other"), "--id", "0"]) == BAD_INPUT
    assert "give the graph it was trained on" in capsys.readouterr().err


def test_export_to_numpy_and_parquet(tmp_path, folders, model, capsys):
    run, graph = map(str, folders)
    assert main(["export", run, str(tmp_path / "npy")]) == OK
    np.testing.assert_array_equal(np.load(tmp_path / "npy" / "row_table.npy"), model.row_embeddings)
    np.testing.assert_array_equal(np.load(tmp_path / "npy" / "col_table.npy"), model.col_embeddings)
    flags = ["--format", "parquet", "--graph", graph, "--rows-per-file", "50", "--axes", "col"]
    assert main(["export", run, str(tmp_path / "parquet"), *flags]) == OK
    files = sorted((tmp_path / "parquet").glob("*.parquet"))
    assert len(files) == -(-len(GRAPH.urls) // 50)
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert [row["id"] for row in rows] == list(range(len(GRAPH.urls)))
    assert [row["url"] for row in rows] == list(GRAPH.urls)
    np.testing.assert_array_equal(np.array([row["embedding"] for row in rows], np.float32), model.col_embeddings)
    assert json.loads((tmp_path / "parquet" / "export.json").read_text())["epoch"] == 3
    assert main(["export", run, str(tmp_path / "npy")]) != OK
    assert "exists already; give another folder" in capsys.readouterr().err
