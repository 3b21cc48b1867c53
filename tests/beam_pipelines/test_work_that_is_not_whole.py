"""A build that goes on where files of its work folder are cut, empty or missing gives what an undisturbed one gives."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from beam_pipelines import build_graph, build_work
from beam_pipelines.build_graph import WORK_FOLDER
from beam_pipelines.build_work import BuildWork
from beam_pipelines.damage import BuildError
from beam_pipelines.options import Partitioning
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.stage_marks import is_as_marked, write_mark
from beam_pipelines.task_pool import Task, TaskPool
from tests.beam_pipelines.graphs import build_files, content, options
from webgraph.synthetic_crawl import SyntheticCrawl, SyntheticCrawlOptions, write_synthetic_crawl

_OPTIONS = options(("all-3=*:3", "de-3=de:3"), partitioning=Partitioning(num_partitions=3))


class _StopError(Exception):
    """Stands for a kill: nothing after it is done."""


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> SyntheticCrawl:
    made = SyntheticCrawlOptions(num_pages=200, seed=8, num_files=2)
    return write_synthetic_crawl(tmp_path_factory.mktemp("crawl") / "made", made)


@pytest.fixture(scope="module")
def whole(crawl: SyntheticCrawl, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a build gives that nothing disturbs."""
    output = tmp_path_factory.mktemp("whole") / "out"
    build_files(crawl.wat_paths, output, _OPTIONS)
    return content(output)


def _stop_after_tasks(crawl: SyntheticCrawl, output: Path, num_tasks: int) -> int:
    """Builds until so many tasks are done; returns how many were."""
    done: list[int] = []
    real = TaskPool.run

    def run(self: TaskPool, tasks: Sequence[Task]) -> Iterator[Any]:
        for result in real(self, tasks):
            done.append(1)
            if len(done) == num_tasks:
                raise _StopError
            yield result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskPool, "run", run)
        with contextlib.suppress(_StopError):
            build_files(crawl.wat_paths, output, _OPTIONS)
    return len(done)


def _stop_at(crawl: SyntheticCrawl, output: Path, where: Any, name: str) -> None:
    """Builds until a function is called."""

    def stop(*_: object, **__: object) -> None:
        raise _StopError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, stop)
        with pytest.raises(_StopError):
            build_files(crawl.wat_paths, output, _OPTIONS)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _cut_last_byte(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


_DAMAGES: tuple[Callable[[Path], None], ...] = (_cut, _cut_last_byte, _empty, Path.unlink)


def _first_of_each_kind(work: Path) -> list[Path]:
    """A file that is not empty of each folder and suffix."""
    found = {(path.parent, path.suffix): path for path in sorted(work.rglob("*")) if path.is_file()}
    return [path for path in found.values() if path.stat().st_size]


def _check_each_damage(stopped: Path, crawl: SyntheticCrawl, whole: dict[str, bytes], first: int) -> int:
    """Damages a file of each kind, each in a copy of its own, and builds on; returns how many there were."""
    kinds = _first_of_each_kind(stopped / WORK_FOLDER)
    for number, path in enumerate(kinds, first):
        output = stopped.with_name(f"{stopped.name}-{number}")
        shutil.copytree(stopped, output)
        _DAMAGES[number % len(_DAMAGES)](output / path.relative_to(stopped))
        build_files(crawl.wat_paths, output, _OPTIONS)
        assert content(output) == whole, (path.relative_to(stopped), _DAMAGES[number % len(_DAMAGES)])
        shutil.rmtree(output)
    return len(kinds)


def test_a_file_that_is_not_whole_amid_the_stages(
    crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path
) -> None:
    total = _stop_after_tasks(crawl, tmp_path / "counted", -1)
    checked = 0
    for tasks in range(2, total, 9):
        stopped = tmp_path / f"stopped-{tasks}"
        _stop_after_tasks(crawl, stopped, tasks)
        checked += _check_each_damage(stopped, crawl, whole, checked)
    assert checked > 15


@pytest.mark.parametrize(("stage", "name"), [("filter", "parsed"), ("write", "round-0"), ("_write_manifest", "graphs")])
def test_a_file_that_is_not_whole_between_two_stages(
    crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path, stage: str, name: str
) -> None:
    _stop_at(crawl, tmp_path / "stopped", build_graph.BuildStages, stage)
    assert list((tmp_path / "stopped" / WORK_FOLDER / name).iterdir())
    assert _check_each_damage(tmp_path / "stopped", crawl, whole, 0)


def test_a_graph_that_is_not_whole_when_it_is_to_get_its_name(
    crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    _stop_at(crawl, stopped, build_graph, "_publish")
    assert BuildWork(str(stopped / WORK_FOLDER)).is_publishing
    for first in (0, 3):
        assert _check_each_damage(stopped, crawl, whole, first)


def test_a_graph_that_has_its_name_is_not_replaced_unasked(crawl: SyntheticCrawl, tmp_path: Path) -> None:
    output = tmp_path / "out"
    _stop_at(crawl, output, build_graph, "_publish")
    named = output / "all-3"
    (output / WORK_FOLDER / "graphs" / "all-3").rename(named)
    _cut(next((output / WORK_FOLDER / "graphs" / "de-3").glob("*.parquet")))
    with pytest.raises(BuildError, match=r"all-3 exists.*--overwrite"):
        build_files(crawl.wat_paths, output, _OPTIONS)
    assert (named / "manifest.json").exists()


def test_what_other_code_parsed_is_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = BuildWork(str(tmp_path / "work"))
    work.begin({"a.wat": [1, 2]}, ParseOptions(num_partitions=1), {})
    kept = Path(work.parsed) / "kept"
    kept.touch()
    work.begin({"a.wat": [1, 2]}, ParseOptions(num_partitions=1), {})
    assert kept.exists()
    monkeypatch.setattr(build_work, "code_identity", lambda: "another")
    work.begin({"a.wat": [1, 2]}, ParseOptions(num_partitions=1), {})
    assert not kept.exists()


@pytest.mark.parametrize("plan", [b"", b'{"parse"', b"[]", b"{}", b"\xff"])
def test_a_plan_that_cannot_be_read_is_none(tmp_path: Path, plan: bytes) -> None:
    work = BuildWork(str(tmp_path / "work"))
    work.begin({}, ParseOptions(num_partitions=1), {})
    (tmp_path / "work" / "plan.json").write_bytes(plan)
    (tmp_path / "work" / "round-0.done").touch()
    assert work.num_partitions_of({}) is None
    work.begin({}, ParseOptions(num_partitions=1), {})
    assert not (tmp_path / "work" / "round-0.done").exists()


@pytest.mark.parametrize("mark", [b"", b"[1]", b'{"a": 3', b'{"a": 4}', b'{"b": 3}', b'{"a": "3"}'])
def test_a_mark_that_does_not_fit_its_files(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "a").write_bytes(b"abc")
    path = tmp_path / "stage.done"
    write_mark(str(path), str(tmp_path / "stage"))
    assert is_as_marked(str(path), str(tmp_path / "stage"))
    path.write_bytes(mark)
    assert not is_as_marked(str(path), str(tmp_path / "stage"))
