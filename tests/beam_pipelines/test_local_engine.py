"""The local engine: each stage as Beam runs it, and a build that goes on where it was stopped."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from beam_pipelines import build_graph, storage, write_steps
from beam_pipelines.beam_engine import BeamEngine
from beam_pipelines.build_graph import WORK_FOLDER, build
from beam_pipelines.damage import BuildError
from beam_pipelines.engine import Engine
from beam_pipelines.filter_steps import DegreeOptions
from beam_pipelines.input_options import InputOptions
from beam_pipelines.local_engine import LocalEngine
from beam_pipelines.machine import MachineOptions
from beam_pipelines.options import Partitioning
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.parsed_files import BLOCKS_SUFFIX, parsed_name
from beam_pipelines.task_pool import Task, TaskPool
from beam_pipelines.write_steps import GraphPlan
from tests.beam_pipelines.graphs import build_files, content, options
from webgraph.graph_layout import choose_layout
from webgraph.split import SplitOptions
from webgraph.synthetic_crawl import SyntheticCrawl, SyntheticCrawlOptions, write_synthetic_crawl

_NAMES = ("all-3=*:3", "de-3=de:3")
_NUM_PARTITIONS = 3
_OPTIONS = options(_NAMES, partitioning=Partitioning(num_partitions=_NUM_PARTITIONS))


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> SyntheticCrawl:
    made = SyntheticCrawlOptions(num_pages=400, seed=8, num_files=4)
    return write_synthetic_crawl(tmp_path_factory.mktemp("crawl") / "made", made)


@pytest.fixture(scope="module")
def whole(crawl: SyntheticCrawl, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a build gives that nothing stopped."""
    output = tmp_path_factory.mktemp("whole") / "out"
    build_files(crawl.wat_paths, output, _OPTIONS)
    return content(output)


def _run_stages(engine: Engine, paths: Sequence[str], folder: Path) -> None:
    """All stages, with one more round of the degree rule."""
    parsed, first, second = (str(folder / name) for name in ("parsed", "round-0", "round-1"))
    for name in (parsed, first, second):
        os.makedirs(name)
    engine.parse(paths, parsed, ParseOptions(num_partitions=_NUM_PARTITIONS), InputOptions())
    degree = DegreeOptions(min_degrees=(3,), num_partitions=_NUM_PARTITIONS)
    engine.filter([os.path.join(parsed, parsed_name(path)) + BLOCKS_SUFFIX for path in paths], first, degree)
    engine.filter_again(range(_NUM_PARTITIONS), first, second, degree)
    reports = [storage.read_json(f"{second}/{number:05}.json") for number in range(_NUM_PARTITIONS)]
    nodes, edges = (sum(report[name][0] for report in reports) for name in ("nodes", "edges"))
    graph = str(folder / "graph")
    os.makedirs(graph)
    plan = GraphPlan(
        layouts=(choose_layout(nodes, edges, 5),),
        folders=(graph,),
        split=SplitOptions(),
        num_partitions=_NUM_PARTITIONS,
        num_nodes=nodes,
    )
    engine.write(range(_NUM_PARTITIONS), second, plan)


def test_every_stage_gives_what_beam_gives(crawl: SyntheticCrawl, tmp_path: Path) -> None:
    paths = [str(path) for path in crawl.wat_paths]
    for name in ("beam", "local"):
        os.makedirs(tmp_path / name / "work")
    _run_stages(BeamEngine(str(tmp_path / "beam" / "work"), []), paths, tmp_path / "beam")
    with contextlib.closing(LocalEngine(str(tmp_path / "local" / "work"), MachineOptions(num_workers=2))) as engine:
        _run_stages(engine, paths, tmp_path / "local")
    for name in ("beam", "local"):
        shutil.rmtree(tmp_path / name / "work")
    assert content(tmp_path / "local") == content(tmp_path / "beam")


@pytest.mark.parametrize("num_workers", [1, 3])
def test_bytes_do_not_depend_on_workers_or_memory(
    crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path, num_workers: int
) -> None:
    machine = MachineOptions(num_workers=num_workers, max_memory=1)  # every task runs alone
    build(list(map(str, crawl.wat_paths)), str(tmp_path / "out"), options=_with(machine))
    assert content(tmp_path / "out") == whole


def _with(machine: MachineOptions) -> Any:
    import dataclasses

    return dataclasses.replace(_OPTIONS, machine=machine)


class _StopError(Exception):
    """Stands for a kill: nothing after it is done."""


def _stop_after(monkeypatch: pytest.MonkeyPatch, num_tasks: int) -> list[int]:
    """Stops the build when so many tasks are done; returns a list that gets an entry a task."""
    done: list[int] = []
    real = TaskPool.run

    def run(self: TaskPool, tasks: Sequence[Task]) -> Iterator[Any]:
        for result in real(self, tasks):
            done.append(1)
            if len(done) == num_tasks:
                raise _StopError
            yield result

    monkeypatch.setattr(TaskPool, "run", run)
    return done


def _count_tasks(crawl: SyntheticCrawl, output: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        done = _stop_after(patch, -1)
        build_files(crawl.wat_paths, output, _OPTIONS)
    return len(done)


def test_a_stopped_build_goes_on_where_it_was(
    crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    total = _count_tasks(crawl, tmp_path / "counted")
    assert total > 20
    for number, stop in enumerate(range(1, total, 4)):
        output = tmp_path / f"out-{number}"
        with pytest.MonkeyPatch.context() as patch:
            _stop_after(patch, stop)
            with pytest.raises(_StopError):
                build_files(crawl.wat_paths, output, _OPTIONS)
        assert {path.name for path in output.iterdir()} == {WORK_FOLDER}
        caplog.clear()
        with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
            again = _stop_after(patch, -1)
            build_files(crawl.wat_paths, output, _OPTIONS)
        assert len(again) <= total - stop  # tasks that ran beside the last one may be done too
        assert "before" in caplog.text
        assert content(output) == whole


def test_files_that_a_killed_worker_left_half_are_in_no_graph(
    crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    real, written = storage.write_file, []

    def write_file(path: str, data: bytes) -> None:
        written.append(path)
        if len(written) == 9:  # dead before the file got its name
            Path(f"{path}.0123456789abcdef.tmp").write_bytes(data[:5])
            raise _StopError
        real(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_steps, "write_file", write_file)
        with pytest.raises(_StopError):
            build_files(crawl.wat_paths, output, _OPTIONS)
    assert list(output.glob(f"{WORK_FOLDER}/graphs/*/*.tmp"))
    build_files(crawl.wat_paths, output, _OPTIONS)
    assert content(output) == whole


@pytest.mark.parametrize("moment", ["before the first", "between two", "after the last"])
def test_a_build_stopped_while_names_are_given_goes_on(
    crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    real, calls = build_graph._publish, []

    def publish(*arguments: str) -> None:
        calls.append(arguments)
        if len(calls) == {"before the first": 1, "between two": 2}.get(moment, 99):
            raise _StopError
        real(*arguments)

    def remove(*_: object) -> None:
        raise _StopError

    with monkeypatch.context() as patch:
        patch.setattr(build_graph, "_publish", publish)
        patch.setattr(build_graph.BuildWork, "remove", remove)
        with pytest.raises(_StopError):
            build_files(crawl.wat_paths, output, _OPTIONS)
    report = build_files(crawl.wat_paths, output, _OPTIONS)
    assert content(output) == whole
    assert sum(archive.counts["pages"] for archive in report.archives) >= 400


def test_other_archives_or_options_are_not_mixed_with_what_is_there(
    crawl: SyntheticCrawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = [tmp_path / path.name for path in crawl.wat_paths]
    for copy, path in zip(copies, crawl.wat_paths, strict=True):
        shutil.copy(path, copy)
    with pytest.MonkeyPatch.context() as patch:
        _stop_after(patch, 12)
        with pytest.raises(_StopError):
            build_files(copies, tmp_path / "out", _OPTIONS)
    shutil.copy(crawl.wat_paths[0], copies[1])  # another content under the same name
    chosen = options(("all-3=*:4",), partitioning=Partitioning(num_partitions=_NUM_PARTITIONS))
    build_files(copies[:3], tmp_path / "out", chosen)
    build_files(copies[:3], tmp_path / "expected", chosen)
    assert content(tmp_path / "out") == content(tmp_path / "expected")


def test_archives_parsed_before_stay_when_others_come(
    crawl: SyntheticCrawl, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = crawl.wat_paths
    with pytest.MonkeyPatch.context() as patch:
        _stop_after(patch, len(paths) + 2)
        with pytest.raises(_StopError):
            build_files(paths[:-1], tmp_path / "out", _OPTIONS)
    with caplog.at_level(logging.INFO):
        build_files(paths, tmp_path / "out", _OPTIONS)
    assert f"parse: {len(paths) - 1} of {len(paths)} archives parsed before" in caplog.text
    build_files(paths, tmp_path / "expected", _OPTIONS)
    assert content(tmp_path / "out") == content(tmp_path / "expected")


def test_a_file_that_failed_is_tried_again(crawl: SyntheticCrawl, whole: dict[str, bytes], tmp_path: Path) -> None:
    paths = [tmp_path / path.name for path in crawl.wat_paths]
    for copy, path in zip(paths[1:], crawl.wat_paths[1:], strict=True):
        shutil.copy(path, copy)
    with pytest.raises(BuildError, match="not_found"):
        build_files(paths, tmp_path / "out", _OPTIONS)
    shutil.copy(crawl.wat_paths[0], paths[0])
    build_files(paths, tmp_path / "out", _OPTIONS)
    assert content(tmp_path / "out") == whole


def test_beam_in_this_process_is_refused_where_it_would_not_fit(crawl: SyntheticCrawl, tmp_path: Path) -> None:
    arguments = {"options": _with(MachineOptions(max_memory=1 << 20)), "beam_args": ["--runner=DirectRunner"]}
    with pytest.raises(BuildError, match=r"would take about 0\.\d GB .* --max-memory"):
        build(list(map(str, crawl.wat_paths)), str(tmp_path / "out"), **arguments)
