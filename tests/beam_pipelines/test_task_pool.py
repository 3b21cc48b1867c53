"""The pool of processes: results, the memory limit, and what happens when a process is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_pipelines.damage import BuildError
from beam_pipelines.machine import MachineOptions, machine_memory, parse_size
from beam_pipelines.task_pool import Task, TaskPool
from tests.beam_pipelines.processes import is_running

_GB = 1 << 30


@pytest.fixture
def pool() -> Iterator[TaskPool]:
    with contextlib.closing(TaskPool(3, 8 * _GB)) as made:
        yield made


def _square(value: int) -> int:
    return value * value


def _run_for(folder: str, name: str) -> None:
    """Leaves a file with how many such tasks ran when this one began."""
    mark = Path(folder) / f"{name}.running"
    mark.touch()
    count = len(list(Path(folder).glob("*.running")))
    time.sleep(0.1)
    (Path(folder) / f"{name}.count").write_text(str(count))
    mark.unlink()


def _fail(message: str) -> None:
    raise ValueError(message)


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_every_task_runs_once(pool: TaskPool) -> None:
    results = pool.run([Task(_square, (value,), 1) for value in range(50)])
    assert sorted(results) == [value * value for value in range(50)]


@pytest.mark.parametrize(("memory", "most"), [(4 * _GB, 1), (2 * _GB, 3), (100 * _GB, 1)])
def test_tasks_run_together_as_far_as_they_fit(pool: TaskPool, tmp_path: Path, memory: int, most: int) -> None:
    list(pool.run([Task(_run_for, (str(tmp_path), str(number)), memory) for number in range(6)]))
    counts = [int(path.read_text()) for path in tmp_path.glob("*.count")]
    assert len(counts) == 6
    assert max(counts) <= most


def test_what_a_task_raises_is_raised(pool: TaskPool) -> None:
    with pytest.raises(ValueError, match="broken"):
        list(pool.run([Task(_fail, ("broken",), 1)]))


def test_a_killed_worker_is_told_in_words(pool: TaskPool) -> None:
    with pytest.raises(BuildError, match=r"killed, most likely because memory ran out.*--max-memory"):
        list(pool.run([Task(_kill_self, (), 1)]))


_PARENT = """
import os, sys, time
from beam_pipelines.task_pool import Task, TaskPool
pool = TaskPool(2, 1 << 33)
print(*set(pool.run([Task(os.getpid, (), 1)] * 40)), flush=True)
time.sleep(60)
"""


def test_workers_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert workers
        parent.kill()
    while any(is_running(pid) for pid in workers):
        time.sleep(0.05)


def test_sizes() -> None:
    assert [parse_size(text) for text in ("4GB", "512MiB", "1.5k", " 7 ", "2T")] == [
        4 * 10**9,
        2**29,
        1500,
        7,
        2 * 10**12,
    ]
    for text in ("", "4 apples", "-1GB", "GB"):
        with pytest.raises(ValueError, match="is no size"):
            parse_size(text)


def test_half_of_the_machine_is_the_default() -> None:
    assert MachineOptions().memory == machine_memory() // 2 > 0
    assert MachineOptions().workers >= 1
    with pytest.raises(ValueError, match="num_workers must be at least 1"):
        MachineOptions(num_workers=0)
