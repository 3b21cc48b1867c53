"""Tasks in processes of this machine, as many at a time as there are workers and as fit in memory."""

import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any, NamedTuple

from beam_pipelines.damage import BuildError

IDLE_WORKER_BYTES = 40 << 20
"""What a forked worker takes beside its tasks, measured: pages that it writes to are copied."""
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_WATCH_SECONDS = 0.2

_log = logging.getLogger(__name__)


class Task(NamedTuple):
    """A call, and the memory that it is expected to take at its peak, in bytes."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    memory: int


class TaskPool:
    """A pool of processes, forked when it is made, which should be before there are threads. Close it when done.

    Args:
      num_workers: processes.
      max_memory: bytes that this process, the workers and their tasks may take together.
    """

    def __init__(self, num_workers: int, max_memory: int) -> None:
        self._num_workers = num_workers
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._executor = ProcessPoolExecutor(
            num_workers, mp_context=context, initializer=_end_with, initargs=(os.getpid(), self._stop)
        )
        wait([self._executor.submit(os.getpid) for _ in range(num_workers)])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
        self._for_tasks = max_memory - peak - num_workers * IDLE_WORKER_BYTES

    def run(self, tasks: Sequence[Task]) -> Iterator[Any]:
        """Runs tasks, the largest first, and yields their results as they come.

        A task that is expected to take more than all tasks may take together runs alone.

        Raises:
          BuildError: a worker was killed.
          Exception: whatever a task raised.
          KeyboardInterrupt, SystemExit: this process was told to end; the workers end at once, amid their tasks.
        """
        waiting = sorted(tasks, key=lambda task: task.memory)
        running: dict[Future, int] = {}
        try:
            while waiting or running:
                while waiting and self._has_room(running, waiting[-1]):
                    task = waiting.pop()
                    running[self._executor.submit(task.function, *task.arguments)] = task.memory
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    del running[future]
                    yield future.result()
        except (KeyboardInterrupt, SystemExit):
            self._stop.set()
            raise
        except BrokenProcessPool as error:
            raise BuildError(
                "A worker was killed, most likely because memory ran out. Run the same command again to go on where "
                "it stopped, with a lower --max-memory or fewer --num-workers."
            ) from error

    def _has_room(self, running: dict[Future, int], task: Task) -> bool:
        if not running:
            if task.memory > self._for_tasks:
                _log.warning(
                    "A task is expected to take %.2f GB, and %.2f GB are left for it by --max-memory; it runs alone.",
                    task.memory / 1e9,
                    max(0, self._for_tasks) / 1e9,
                )
            return True
        return len(running) < self._num_workers and sum(running.values()) + task.memory <= self._for_tasks

    def close(self) -> None:
        """Ends the workers, after the tasks that run."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _end_with(parent: int, stop: Event) -> None:
    """Lets a worker end when its parent says so, or is gone: killed, it cannot end its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C, which all get, the parent tells
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent and not stop.wait(_WATCH_SECONDS):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
