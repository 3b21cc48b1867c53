"""`alx bench`: what each benchmark writes, and its figures where an oracle has them."""

import json

import pytest

from alx_solver.cli import BAD_INPUT, OK, main
from tests.alx_solver.planted import write_planted

SMALL = ["--dim", "8", "--regularization", "0.01", "--unobserved-weight", "0.1", "--devices", "1"]
PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_planted(tmp_path_factory.mktemp("data"))


def bench(kind, data, output, *flags) -> dict:
    assert (
        main(
            [
                "bench",
                kind,
                *map(str, data if isinstance(data, list) else [data]),
                "--output",
                str(output),
                *SMALL,
                *flags,
            ]
        )
        == OK
    )
    assert (output / f"{kind}.png").read_bytes().startswith(PNG)
    return json.loads((output / f"{kind}.json").read_text())


def test_peers_are_timed_in_turns(data, tmp_path):
    flags = ["--repeats", "2", "--linear-solvers", "matrix_free_cg", "--peers", "implicit", "numpy"]
    figures = bench("peers", data, tmp_path, *flags)
    assert set(figures["seconds"]) == {"matrix_free_cg", "implicit", "numpy"}
    assert all(len(row["all"]) == 2 and row["median"] > 0 for row in figures["seconds"].values())


def test_solvers_have_a_gap_to_exact_als_and_a_time_to_its_loss(data, tmp_path):
    figures = bench("solvers", data, tmp_path, "--epochs", "3", "--linear-solvers", "matrix_free_cg", "--cg-steps", "8")
    exact, few = figures["curves"]["cholesky"], figures["curves"]["matrix_free_cg"]
    assert figures["gap_to_exact"]["cholesky"] == [0, 0, 0]
    assert figures["gap_to_exact"]["matrix_free_cg"][-1] == pytest.approx(few["loss"][-1] / exact["loss"][-1] - 1)
    assert few["seconds"] == sorted(few["seconds"])
    assert figures["to_loss"]["cholesky"]["epochs"] <= 3  # as many steps as dimensions: exact, but for rounding
    assert figures["to_loss"]["matrix_free_cg"]["epochs"] == figures["to_loss"]["cholesky"]["epochs"]
    assert figures["to_recall"]["recall"] == pytest.approx(0.99 * max(exact["recall"] + few["recall"]))


def test_bfloat16_tables_stay_near_float32(data, tmp_path):
    figures = bench("precision", data, tmp_path, "--epochs", "2")
    full, half = (figures["final"][f"tables {name}, solves highest"] for name in ("float32", "bfloat16"))
    assert half["loss"] != full["loss"]
    assert half["loss"] == pytest.approx(full["loss"], rel=2e-2)


def test_recall_has_a_table_for_each_graph(data, tmp_path):
    other = write_planted(tmp_path)
    figures = bench("recall", [data, other.rename(tmp_path / "other.npz")], tmp_path, "--epochs", "2")
    assert list(figures["tables"]) == ["planted", "other"]
    for table in figures["tables"].values():
        low, high = table["intervals"]["recall@20"]
        assert low <= table["means"]["ALX"]["recall@20"] <= high
        assert table["means"]["ALX"]["recall@20"] > table["means"]["random"]["recall@20"]


def test_only_recall_takes_several_graphs(data, tmp_path, capsys):
    assert main(["bench", "peers", str(data), str(data), "--output", str(tmp_path)]) == BAD_INPUT
    assert "alx bench peers takes one DATA, got 2" in capsys.readouterr().err
