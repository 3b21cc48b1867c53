"""Processes of a cluster: each leads a process group, so that it dies together with what it started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.1


class ClusterError(RuntimeError):
    """The cluster is not as it should be; says what was found and where its log is."""


class ClusterProcess:
    """A process and all its children, with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Kills the process and its children at once, as a machine that is switched off would end them."""
        self._signal(signal.SIGKILL)
        self._process.wait(_STOP_SECONDS)

    def stop(self) -> None:
        """Asks the process to end, then kills what is left of its group."""
        if self.running():
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def last_lines(self, count: int = 15) -> str:
        """The end of the log, to show in an error."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


def wait_until(ready: Callable[[], bool], what: str, processes: Sequence[ClusterProcess], seconds: float) -> None:
    """Waits for a condition.

    Raises:
      ClusterError: a process has ended, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        for process in processes:
            if not process.running():
                raise ClusterError(
                    f"{process.name} ended while waiting for {what}; see {process.log}:\n{process.last_lines()}"
                )
        if time.monotonic() > deadline:
            logs = ", ".join(str(process.log) for process in processes)
            raise ClusterError(f"No {what} in {seconds:g} seconds; see {logs}")
        time.sleep(_POLL_SECONDS)


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def _reserved(host: str, port: int = 0) -> Iterator[int]:
    with socket.socket() as held:
        held.bind((host, port))
        yield held.getsockname()[1]


def free_ports(hosts: Sequence[str], count: int) -> list[int]:
    """Ports that are free on all of the hosts just now."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for _ in range(100 * count):
            port = stack.enter_context(_reserved(hosts[0]))
            with contextlib.suppress(OSError), contextlib.ExitStack() as others:
                for host in hosts[1:]:
                    others.enter_context(_reserved(host, port))
                found.append(port)
            if len(found) == count:
                return found
    raise ClusterError(f"No {count} ports are free on all of {', '.join(hosts)}.")
