"""A forked process that runs one call after another for its parent, and ends with it."""

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any, NoReturn

from webgraph import stop_signals


class WorkerGoneError(Exception):
    """The worker has ended, so that no result comes."""

    def __init__(self, worker: "WorkerProcess") -> None:
        super().__init__()
        self.worker = worker


class WorkerProcess:
    """The parent's side of a worker.

    Attributes:
      connection: to it; when it has ended, nothing but the end of the stream comes from there.
      is_busy: whether a result is still to be received.
    """

    def __init__(self, connection: Connection, life: int, pid: int) -> None:
        self.connection = connection
        self.is_busy = False
        self._life = life
        self._pid = pid
        self._exit_code: int | None = None

    @staticmethod
    def fork(workers: "list[WorkerProcess]") -> None:
        """Forks a worker and appends it to those that there are, at one go: no signal finds one that is in no list."""
        with stop_signals.held():
            ours, theirs = Pipe()
            hear, life = os.pipe()
            pid = os.fork()
            if not pid:
                _serve(theirs, hear, [ours.fileno(), life, *(fd for worker in workers for fd in worker._descriptors())])
            theirs.close()
            os.close(hear)
            workers.append(WorkerProcess(ours, life, pid))

    def _descriptors(self) -> list[int]:
        return [self.connection.fileno(), self._life]

    def send(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Begins a call. Raises WorkerGoneError where there is none."""
        self.is_busy = True
        try:
            self.connection.send((function, arguments))
        except (BrokenPipeError, ConnectionResetError):
            raise WorkerGoneError(self) from None

    def receive(self) -> Any:
        """Waits for the result of the call, or raises what the call raised; WorkerGoneError where none comes."""
        try:
            is_result, value = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerGoneError(self) from None
        self.is_busy = False
        if is_result:
            return value
        raise value

    def kill(self) -> None:
        """Ends it at once, also amid a call."""
        if self._exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def exit_code(self) -> int:
        """Waits for its end, which comes after the call that it is at; negative where a signal ended it."""
        if self._exit_code is None:
            try:
                self._exit_code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            except ChildProcessError:  # somebody else has waited for all children
                self._exit_code = 0
        return self._exit_code

    def join(self) -> None:
        """Waits for its end and forgets it."""
        self.exit_code()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1


def _serve(connection: Connection, life: int, inherited: Sequence[int]) -> NoReturn:
    """Runs in the child: makes calls until the parent closes the connection.

    Args:
      connection: to the parent.
      life: descriptor of a pipe that ends with the parent, since a call may take long and the connection is not read.
      inherited: descriptors of the parent's that keep what it shares with other workers, and with this one, alive.
    """
    code = 1
    try:
        for descriptor in inherited:
            os.close(descriptor)
        threading.Thread(target=_end_with, args=(life,), daemon=True).start()
        stop_signals.end_as_child()
        while True:
            function, arguments = connection.recv()
            _send(connection, _result(function, arguments))
    except (EOFError, OSError):  # the parent wants no more, or is gone
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _end_with(life: int) -> None:
    os.read(life, 1)
    os._exit(1)


def _send(connection: Connection, result: tuple[bool, Any]) -> None:
    try:
        connection.send(result)
    except OSError:
        raise
    except Exception as error:  # whatever pickling it raises
        connection.send((False, RuntimeError(f"{result[1]!r} cannot be sent from a worker process: {error}")))


def _result(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:
        error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
        return False, error
