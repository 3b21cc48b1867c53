"""Tasks in processes of this machine, as many at a time as there are workers and as fit in memory."""

import logging
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from beam_pipelines.damage import BuildError
from beam_pipelines.worker_process import WorkerGoneError, WorkerProcess
from webgraph import stop_signals

IDLE_WORKER_BYTES = 40 << 20
"""What a forked worker takes beside its tasks, measured: pages that it writes to are copied."""
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_SAME_SIGNAL_SECONDS = 0.5

_log = logging.getLogger(__name__)


class WorkerEndedError(BuildError):
    """A worker process was ended from outside, amid its work."""


class Task(NamedTuple):
    """A call, and the memory that it is expected to take at its peak, in bytes."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    memory: int


class TaskPool:
    """A pool of processes, forked when it is made, which should be before there are threads. Close it when done.

    Each worker has a connection of its own, and nothing else is shared: no lock that a worker could take to its grave.

    Args:
      num_workers: processes.
      max_memory: bytes that this process, the workers and their tasks may take together.
    """

    def __init__(self, num_workers: int, max_memory: int) -> None:
        self._workers: list[WorkerProcess] = []
        try:
            for _ in range(num_workers):
                WorkerProcess.fork(self._workers)
        except BaseException:
            self._kill()
            raise
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
        self._for_tasks = max_memory - peak - num_workers * IDLE_WORKER_BYTES

    def run(self, tasks: Sequence[Task]) -> Iterator[Any]:
        """Runs tasks, the largest first, and yields their results as they come.

        A task that is expected to take more than all tasks may take together runs alone.

        Raises:
          WorkerEndedError: a worker was ended from outside.
          Exception: whatever a task raised.
          KeyboardInterrupt, SystemExit: this process was told to end; the workers end at once, amid their tasks.
        """
        waiting = sorted(tasks, key=lambda task: task.memory)
        running: dict[Connection, tuple[WorkerProcess, int]] = {}
        try:
            idle = self._idle_workers()
            while waiting or running:
                while waiting and idle and self._has_room([memory for _, memory in running.values()], waiting[-1]):
                    task, worker = waiting.pop(), idle.pop()
                    running[worker.connection] = worker, task.memory
                    worker.send(task.function, task.arguments)
                for worker in self._ready(running):
                    del running[worker.connection]
                    idle.append(worker)
                    yield worker.receive()
        except (KeyboardInterrupt, SystemExit):
            self._kill()
            raise
        except WorkerGoneError as gone:
            raise self._why_it_ended(gone.worker) from None

    def _idle_workers(self) -> list[WorkerProcess]:
        """All workers, once those are done whose results an earlier run did not wait for."""
        for worker in self._workers:
            if worker.is_busy:
                try:
                    worker.receive()
                except WorkerGoneError:
                    raise
                except Exception:  # it belongs to a run that is over
                    continue
        return list(self._workers)

    def _ready(self, running: dict[Connection, tuple[WorkerProcess, int]]) -> list[WorkerProcess]:
        """Waits for workers that have a result.

        Raises:
          WorkerGoneError: a worker has ended, at work or not.
        """
        workers = {worker.connection: worker for worker in self._workers}
        ready = [workers[connection] for connection in wait(list(workers))]  # type: ignore[index]
        for worker in ready:
            if worker.connection not in running:
                raise WorkerGoneError(worker)
        return ready

    def _has_room(self, running: Sequence[int], task: Task) -> bool:
        if not running:
            if task.memory > self._for_tasks:
                _log.warning(
                    "A task is expected to take %.2f GB, and %.2f GB are left for it by --max-memory; it runs alone.",
                    task.memory / 1e9,
                    max(0, self._for_tasks) / 1e9,
                )
            return True
        return sum(running) + task.memory <= self._for_tasks

    def _why_it_ended(self, worker: WorkerProcess) -> WorkerEndedError:
        """The error about a worker that has ended. The others end, too.

        A signal to the whole group ends workers a moment before this process hears of it, hence the pause.
        """
        ended = worker.exit_code()
        self._kill()
        time.sleep(_SAME_SIGNAL_SECONDS)
        number = -ended if ended < 0 else ended - 128
        if number == signal.SIGKILL:
            return WorkerEndedError(
                "A worker was killed, most likely because memory ran out. Run the same command again to go on where "
                "it stopped, with a lower --max-memory or fewer --num-workers."
            )
        names = {each.value: each.name for each in signal.Signals}
        how = f"by {names[number]}" if number in names else f"with exit code {ended}"
        return WorkerEndedError(
            f"A worker process was ended {how}. Run the same command again to go on where it stopped."
        )

    def _kill(self) -> None:
        """Ends the workers amid their tasks."""
        for worker in self._workers:
            worker.kill()
        self.close()

    def close(self) -> None:
        """Ends the workers, after the tasks that run; at once where this is part of being told to end."""
        if stop_signals.is_stopping() or isinstance(sys.exception(), KeyboardInterrupt | SystemExit):
            for worker in self._workers:
                worker.kill()
        for worker in self._workers:
            worker.connection.close()
        while self._workers:
            self._workers[-1].join()
            self._workers.pop()
