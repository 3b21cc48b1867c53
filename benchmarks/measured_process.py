"""Runs a command and watches it: wall and processor time, memory of the whole process tree, folders that appear."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

_RSS_SECONDS = 0.1
_PSS_SECONDS = 0.5


@dataclasses.dataclass
class Measured:
    """What a command took. Memory is the peak of the sum over the tree, sampled.

    Attributes:
      peak_pss_bytes: proportional set sizes, in which a page that n processes share counts 1/n in each (every 0.5 s).
      peak_rss_bytes: resident set sizes, in which it counts in each (every 0.1 s); never below the other.
      cpu_seconds: of all processes that ended and were waited for.
      first_seen: seconds from the start until each watched thing was there.
    """

    seconds: float
    cpu_seconds: float
    peak_pss_bytes: int
    peak_rss_bytes: int
    num_processes: int
    returncode: int
    first_seen: dict[str, float]
    stderr: str

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "stderr"}


def measure(
    command: Sequence[str],
    *,
    stdout: Path | None = None,
    look: Callable[[], Iterator[str]] | None = None,
    max_rss_bytes: int | None = None,
) -> Measured:
    """Runs a command to its end.

    Args:
      stdout: file for its output.
      look: names what is there now, such as stages that began; asked every 0.1 s.
      max_rss_bytes: the command is killed above it, so that it does not take the machine with it.
    """
    before, start = os.times(), time.perf_counter()
    first_seen: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(stdout.open("wb")) if stdout else subprocess.DEVNULL
        process = psutil.Popen(
            list(command), stdout=sink, stderr=subprocess.PIPE, start_new_session=True, encoding="utf-8"
        )
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
        reader.start()
        peak_pss = peak_rss = most = 0
        next_pss = 0.0
        while process.poll() is None:
            now = time.perf_counter() - start
            tree = _tree(process)
            most = max(most, len(tree))
            rss = _sum(tree, lambda one: one.memory_info().rss)
            peak_rss = max(peak_rss, rss)
            if max_rss_bytes is not None and rss > max_rss_bytes:
                os.killpg(process.pid, signal.SIGKILL)
            if now >= next_pss:
                peak_pss = max(peak_pss, _sum(tree, lambda one: one.memory_full_info().pss))
                next_pss = time.perf_counter() - start + _PSS_SECONDS
            for name in look() if look else ():
                first_seen.setdefault(name, round(now, 3))
            time.sleep(_RSS_SECONDS)
        seconds = time.perf_counter() - start
        reader.join()
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(seconds, cpu, peak_pss, peak_rss, most, process.returncode, first_seen, errors[0])


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _sum(tree: Sequence[psutil.Process], value: Callable[[psutil.Process], int]) -> int:
    total = 0
    for one in tree:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess, ProcessLookupError):
            total += value(one)
    return total
