"""The console script: exit codes, tables and errors of verify, stats and synthetic; commands that are not installed."""

import argparse
import importlib.metadata
import json
from pathlib import Path

import pytest

from tests.webgraph.graph_files import made_graph, write_graph
from webgraph import cli, commands


class _Entry:
    def __init__(self, name: str, load: object) -> None:
        self.name, self._load = name, load

    def load(self) -> object:
        if isinstance(self._load, Exception):
            raise self._load
        return self._load


@pytest.fixture(autouse=True)
def entries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        _Entry("verify", commands.add_verify),
        _Entry("stats", commands.add_stats),
        _Entry("synthetic", commands.add_synthetic),
        _Entry("build", ModuleNotFoundError("No module named 'apache_beam'", name="apache_beam")),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found if group == cli.GROUP else [])
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_graph(tmp_path / "made", made_graph())
    return tmp_path / "made"


def test_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(folder)]) == cli.EXIT_OK
    assert cli.main(["verify", str(folder.parent)]) == cli.EXIT_OK
    (folder / "stray").touch()
    assert cli.main(["verify", str(folder)]) == cli.EXIT_FOUND
    assert "stray is not in the manifest" in capsys.readouterr().out
    assert cli.main(["verify", str(folder / "none")]) == cli.EXIT_USAGE
    assert "no complete graph directory" in capsys.readouterr().err


def test_stats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["stats", str(folder)]) == cli.EXIT_OK
    assert f"{len(made_graph().urls):,}" in capsys.readouterr().out
    assert cli.main(["stats", str(folder.parent), "--json"]) == cli.EXIT_OK
    assert json.loads(capsys.readouterr().out)["num_edges"] == made_graph().num_edges


def test_synthetic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["synthetic", str(tmp_path / "crawl"), "--pages", "30", "--seed", "5"]) == cli.EXIT_OK
    assert len(list((tmp_path / "crawl" / "wat").iterdir())) == 4
    assert cli.main(["synthetic", str(tmp_path / "crawl")]) == cli.EXIT_USAGE
    assert "is not an empty directory" in capsys.readouterr().err.replace("\n", " ")
    assert cli.main(["synthetic", str(tmp_path / "other"), "--pages", "0"]) == cli.EXIT_USAGE


def test_missing_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "a.warc.gz", "--output", "out", "--runner=X"]) == cli.EXIT_USAGE
    message = " ".join(capsys.readouterr().err.split())
    assert "'build' needs the package apache_beam" in message
    assert "pip install 'alx-webgraph[pipeline]'" in message


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == cli.EXIT_USAGE
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("verify", "stats", "synthetic", "build"))
    for words in (["nonsense"], ["stats", "here", "--unknown"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(words)
        assert stopped.value.code == cli.EXIT_USAGE


def test_other_arguments_reach_commands_that_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[str]] = []

    def add_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        parser = subparsers.add_parser("take")
        parser.set_defaults(
            func=lambda arguments: taken.append(arguments.other_arguments) or 0, takes_other_arguments=True
        )

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [_Entry("take", add_command)])
    assert cli.main(["take", "--runner=FnApiRunner"]) == cli.EXIT_OK
    assert taken == [["--runner=FnApiRunner"]]


@pytest.mark.parametrize("command", ["verify", "stats"])
def test_what_is_no_graph_is_said_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    said = {"none": "does not exist,", "file": "is a file and no", "empty": "is no complete graph directory: it has no"}
    for name, words in said.items():
        assert cli.main([command, str(tmp_path / name)]) == cli.EXIT_USAGE
        assert f"{tmp_path / name} {words}" in " ".join(capsys.readouterr().err.split())
