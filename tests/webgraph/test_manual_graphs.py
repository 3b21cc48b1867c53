"""Graphs and archives in a folder: what is found, when two folders count as the same crawl, and the lock."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.manifest import VariantRecord
from webgraph.manual_graphs import (
    ManualGraphError,
    archives_digest,
    file_lock,
    find_archives,
    find_manual_graph,
    graph_from_archives,
)
from webgraph.variants import VARIANTS


def _write(folder: Path, name: str) -> None:
    write_graph(folder, made_graph(), variant=VariantRecord(name=name, tlds=(), min_degree=50))


def test_graphs_are_found_by_variant(tmp_path: Path) -> None:
    _write(tmp_path / "out" / "web_graph_min_50", "dense")
    for folder in (tmp_path / "out", tmp_path / "out" / "web_graph_min_50"):
        graph = find_manual_graph(folder, VARIANTS["dense"])
        assert graph is not None
        assert graph.path.name == "web_graph_min_50"
    assert find_manual_graph(tmp_path / "out" / "web_graph_min_50", VARIANTS["sparse"]) is None
    assert find_manual_graph(tmp_path / "none", VARIANTS["dense"]) is None


def test_archives_are_found_and_identified_by_content(tmp_path: Path) -> None:
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    for name in ("a.WARC.gz", "b.arc", "deep/c.warc.wat.zst", "deep/.hidden/d.warc", "notes.gz"):
        (tmp_path / name).write_text(name)
    archives = find_archives(tmp_path)
    assert [path.name for path in archives] == ["a.WARC.gz", "b.arc", "c.warc.wat.zst"]
    digest = archives_digest(archives)
    assert digest == archives_digest(archives[::-1])
    (tmp_path / "b.arc").rename(tmp_path / "z.arc")
    assert digest == archives_digest(find_archives(tmp_path))
    (tmp_path / "z.arc").write_text("B.arc")
    assert digest != archives_digest(find_archives(tmp_path))


def test_interrupted_build_is_repeated_and_a_silent_one_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "a.warc"
    archive.write_text("a")
    calls: list[Path] = []

    def stops_early(archives: list[Path], folder: Path) -> None:
        calls.append(folder)
        if len(calls) == 1:
            _write(folder / "web_graph_min_10", "sparse")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        graph_from_archives([archive], VARIANTS["dense"], tmp_path / "cache", stops_early)
    with pytest.raises(ManualGraphError, match="made no graph dense"):
        graph_from_archives([archive], VARIANTS["dense"], tmp_path / "cache", stops_early)
    assert calls[0] == calls[1]


def _hold_lock(path: Path, started: Any, done: Path) -> None:
    with file_lock(path):
        started.set()
        time.sleep(0.5)  # long enough for a lock that does not wait to be had before
        done.touch()


def test_lock_waits_for_another_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    started, done = context.Event(), tmp_path / "done"
    process = context.Process(target=_hold_lock, args=(tmp_path / "lock", started, done))
    process.start()
    assert started.wait()
    with file_lock(tmp_path / "lock"):
        assert done.exists()
    process.join()
    assert process.exitcode == 0
