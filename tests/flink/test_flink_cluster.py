"""A build on a real Flink cluster, whole and with a TaskManager killed, has the bytes of a local build."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.flink.cluster import FlinkCluster, Installation
from deploy.flink.processes import ClusterError
from tests.shared_data import shared_data

pytestmark = [pytest.mark.flink, pytest.mark.timeout(900)]

_ROOT = Path(__file__).resolve().parents[2]
_BUILD_SECONDS = 420
_BEHIND_A_SHUFFLE = ("ParseArchive)", "GroupReduce (")  # in Flink's names of operators


@pytest.fixture(scope="module")
def archives() -> list[str]:
    return [str(path) for path in sorted(shared_data("crawl", "wat").glob("*.warc.wat.gz"))]


@pytest.fixture(scope="module")
def local_bytes(archives: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("local") / "graphs"
    with _build(archives, output, []) as running:
        _finish(running)
    return _content(output)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    installation = Installation(Path(os.environ.get("WEBGRAPH_FLINK", _ROOT / ".flink")))
    with FlinkCluster(installation, tmp_path_factory.mktemp("flink")) as running:
        yield running


def test_a_build_on_flink_has_the_bytes_of_a_local_build(
    cluster: FlinkCluster, archives: list[str], local_bytes: dict[str, bytes], tmp_path: Path
) -> None:
    with _build(archives, tmp_path / "graphs", cluster.beam_args()) as build:
        _finish(build)
    jobs = cluster.rest.jobs()
    assert [job["state"] for job in jobs] == ["FINISHED"] * 3
    for job in jobs:
        assert _task_managers(cluster, job["jid"]) == {"taskmanager-0", "taskmanager-1"}
        assert _attempts(cluster, job["jid"]) == {0}
    _assert_same(_content(tmp_path / "graphs"), local_bytes)


def test_a_build_survives_a_killed_task_manager_with_the_same_bytes(
    cluster: FlinkCluster, archives: list[str], local_bytes: dict[str, bytes], tmp_path: Path
) -> None:
    before = {job["jid"] for job in cluster.rest.jobs()}
    victim = cluster.task_managers[1]
    with _build(archives, tmp_path / "graphs", cluster.beam_args()) as build:
        job = _wait(lambda: _reads_from_shuffle(cluster, before, victim.name), build, "a task that reads a shuffle")
        victim.kill()
        _finish(build)
    assert [each["id"] for each in cluster.rest.task_managers()] == [cluster.task_managers[0].name]
    assert cluster.rest.failures(job), "Flink tells of no failure of the job whose TaskManager was killed"
    assert max(_attempts(cluster, job)) >= 1, "no task was restarted"
    jobs = [each for each in cluster.rest.jobs() if each["jid"] not in before]
    assert [each["state"] for each in jobs] == ["FINISHED"] * 3
    assert _task_managers(cluster, jobs[-1]["jid"]) == {cluster.task_managers[0].name}
    _assert_same(_content(tmp_path / "graphs"), local_bytes)


def _build(archives: list[str], output: Path, beam_args: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "beam_pipelines.build_graph", *archives, "--output", str(output)]
    command += ["--num-partitions=8", *beam_args]  # the bytes do not depend on it; both TaskManagers get some
    output.parent.mkdir(parents=True, exist_ok=True)
    with (output.parent / "build.log").open("wb") as log:
        return _KilledAtExit(command, cwd=_ROOT, stdout=log, stderr=subprocess.STDOUT, log=output.parent / "build.log")


class _KilledAtExit(subprocess.Popen):  # type: ignore[type-arg]
    """A process that does not outlive its `with` block."""

    def __init__(self, *arguments: Any, log: Path, **options: Any) -> None:
        self.log = log
        super().__init__(*arguments, **options)

    def __exit__(self, *error: Any) -> None:
        if self.poll() is None:
            self.kill()
        super().__exit__(*error)


def _finish(build: Any) -> None:
    try:
        code = build.wait(_BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.fail(f"The build did not end in {_BUILD_SECONDS} seconds:\n{build.log.read_text()[-3000:]}")
    assert code == 0, f"The build failed with exit code {code}:\n{build.log.read_text()[-3000:]}"


def _wait(found: Callable[[], str | None], build: Any, what: str) -> str:
    deadline = time.monotonic() + _BUILD_SECONDS
    while (result := found()) is None:
        if build.poll() is not None or time.monotonic() > deadline:
            raise ClusterError(f"The build ended, or {_BUILD_SECONDS} s passed, before {what} was seen in Flink.")
        time.sleep(0.1)
    return result


def _reads_from_shuffle(cluster: FlinkCluster, before: set[str], task_manager: str) -> str | None:
    """The job of which a task behind a shuffle runs on this TaskManager and has read something."""
    for job in cluster.rest.jobs():
        if job["jid"] in before or job["state"] != "RUNNING":
            continue
        for vertex in cluster.rest.vertices(job["jid"]):
            if not any(name in vertex["name"] for name in _BEHIND_A_SHUFFLE):
                continue
            for task in cluster.rest.subtasks(job["jid"], vertex["id"]):
                running = task["status"] == "RUNNING" and task["taskmanager-id"] == task_manager
                if running and task["metrics"]["read-records"] > 0:
                    return str(job["jid"])
    return None


def _subtasks(cluster: FlinkCluster, job: str) -> list[dict[str, Any]]:
    return [task for vertex in cluster.rest.vertices(job) for task in cluster.rest.subtasks(job, vertex["id"])]


def _task_managers(cluster: FlinkCluster, job: str) -> set[str]:
    return {task["taskmanager-id"] for task in _subtasks(cluster, job)}


def _attempts(cluster: FlinkCluster, job: str) -> set[int]:
    return {task["attempt"] for task in _subtasks(cluster, job)}


def _content(output: Path) -> dict[str, bytes]:
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}


def _assert_same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert len(expected) > 10
    assert sorted(found) == sorted(expected)
    different = [name for name in sorted(expected) if found[name] != expected[name]]
    assert not different, f"{len(different)} of {len(expected)} files differ, the first is {different[0]}"
