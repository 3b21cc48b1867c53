"""How a command ends when it is told to: SIGINT, SIGTERM, SIGHUP and SIGQUIT, at any moment, in one sentence.

Python runs the handler of a signal in the main thread, between two instructions. That alone is not enough: the main
thread may be inside a compiler for minutes, and an exception that is raised inside a destructor or a callback of the
garbage collector is dropped. So there are three ways to end, each for when the one before it cannot:

1. Before a command's work begins (imports) there is nothing to clean up: the handler ends the process.
2. While it works, the handler raises `Stopped`, which unwinds: workers end, temporary files go, the terminal is
   restored. Where Python reports that the exception was dropped, it is raised again.
3. A thread reads the numbers of signals from a pipe, into which the C part of Python's handler writes them. If the
   process has not ended `GRACE_SECONDS` later, or a second signal comes, the thread ends the children and the process.

The third way may hit any instruction, as SIGKILL may; what commands write is safe against that, since files get their
names when they are whole. A signal that is ignored when the process starts (`nohup`, a shell's background job) stays
ignored. This module imports little, so that it can be in place before anything else is imported.
"""

import _thread
import atexit
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
GRACE_SECONDS = 2.5
"""How long unwinding may take. With the children's end it must stay well under five seconds."""
_SECOND_SIGNAL_SECONDS = 0.5
"""What comes sooner is the same wish to stop: `timeout` sends its signal to the process and then to its group."""
_CHILDREN_SECONDS = 1.0
_POLL_SECONDS = 0.05
_QUIET_DEFAULT: dict[int, Any] = {
    **dict.fromkeys(SIGNALS, signal.SIG_DFL),
    signal.SIGQUIT: lambda number, frame: os._exit(128 + number),  # the default writes a core file
}
_SHOW_CURSOR = "\x1b[?25h"


class Stopped(KeyboardInterrupt):
    """The process got a signal that ends it. Libraries treat it as they treat Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def sentence(name: str, number: int, advice: str = "") -> str:
    """What a command says when a signal has ended it."""
    return f"{name}: stopped by {signal.Signals(number).name}{advice}.\n"


class _Command:
    """The command that this process is, from `begin` to its end."""

    def __init__(self, name: str, advice: str, parent: int) -> None:
        self.name, self.advice, self.parent = name, advice, parent
        self.number = 0  # of the first signal, 0 before there is one
        self.unwinds = False  # whether a signal is to raise `Stopped`, or else to end the process at once
        self.is_complete = False  # whether the work is done, so that there is nothing left to stop
        self.is_held = False
        self._is_raised = False
        self._is_dropped = False
        self._ending = threading.Lock()
        self._ender = 0
        self._hear, tell = os.pipe()
        os.set_blocking(tell, False)
        self._tell = tell
        self.signals = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def install(self) -> None:
        for number in self.signals:
            signal.signal(number, self._handle)
        signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="stop-signals", daemon=True).start()

    def forget(self) -> None:
        """In a forked child: ends what it shares with its parent."""
        signal.set_wakeup_fd(-1)
        for descriptor in (self._hear, self._tell):
            os.close(descriptor)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        if not self.unwinds:
            self.end()
        elif not (self._is_raised or self.is_held or self.is_complete):
            self._is_raised = True
            _be_quiet()
            raise Stopped(self.number)

    def raise_held(self) -> None:
        """Raises what came while the command held signals back."""
        if self.number and self.unwinds and not self._is_raised:
            self._handle(self.number, None)

    def note_dropped(self) -> None:
        """Python has dropped `Stopped`; the watching thread raises it again, since a hook cannot raise."""
        self._is_dropped = True

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            number = self._next_signal(None)
            self.number = self.number or number
            first = time.monotonic()
            while (now := time.monotonic()) < first + GRACE_SECONDS:
                again = self._next_signal(_POLL_SECONDS)
                if again and now > first + _SECOND_SIGNAL_SECONDS:
                    break
                if self._is_dropped:
                    self._is_dropped = self._is_raised = False
                    _thread.interrupt_main(signal.Signals(self.number))
        self.end(restores_terminal=True)

    def _next_signal(self, seconds: float | None) -> int:
        """The number of the next signal, 0 if none comes in time."""
        while select.select([self._hear], [], [], seconds)[0]:
            for number in os.read(self._hear, 64):
                if number in self.signals:
                    return number
        return 0

    def is_ending_elsewhere(self) -> bool:
        """Whether another thread than this one is ending the process."""
        return self._ender not in (0, threading.get_ident())

    def end(self, *, restores_terminal: bool = False) -> None:
        """Ends the process and its children, from any thread; of several calls the first counts.

        It returns only where a signal comes amid an earlier call in the same thread, which then goes on.
        """
        if not self._ending.acquire(blocking=False):
            if self._ender != threading.get_ident():
                time.sleep(2 * _CHILDREN_SECONDS)
                os._exit(128 + self.number)
            return
        self._ender = threading.get_ident()
        words = sentence(self.name, self.number, " after its work was done" if self.is_complete else self.advice)
        with contextlib.suppress(OSError):  # the terminal may be gone, which is what SIGHUP says
            if self.parent:
                os.kill(self.parent, self.number)
            else:
                os.write(2, (f"{_SHOW_CURSOR}\r\n{words}" if restores_terminal and os.isatty(2) else words).encode())
        _end_children()
        os._exit(128 + self.number)


_command: _Command | None = None


def begin(name: str, advice: str = "", *, parent: int = 0) -> None:
    """Takes charge of the signals that end this process. To be called first of all; only the main thread can.

    Args:
      name: of the command, which begins its sentence.
      advice: how the sentence ends: what is kept, and how to go on.
      parent: of a process that works for another one which would wait for ever: it gets the signal, and says so.
    """
    global _command
    if _command is not None or threading.current_thread() is not threading.main_thread():
        return
    _command = _Command(name, advice, parent)
    os.register_at_fork(before=_block_for_fork, after_in_parent=_unblock_after_fork, after_in_child=_forget)
    _hide_what_stopping_causes()
    _command.install()


def run(work: Callable[[], int]) -> int:
    """Runs a command's work, which a signal ends by `Stopped`, and returns its exit code.

    Where `begin` was called and a signal came, the process ends here. Else `KeyboardInterrupt` is the caller's.
    """
    command = _command
    if command is None:
        return work()
    code = 0
    try:
        with unwinding():
            code = work()
    except KeyboardInterrupt as stop:
        command.number = command.number or getattr(stop, "number", signal.SIGINT)
    if command.number and not command.is_complete:
        _end_unwound(command)
    command.is_complete = True
    for each in command.signals:  # Python sets the default again while it shuts down, and the work is done
        signal.signal(each, signal.SIG_IGN)
    return code


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Inside, a signal raises `Stopped` instead of ending the process; outside of a command it changes nothing."""
    command = _command
    if command is None:
        yield
        return
    command.unwinds = True
    try:
        yield
    finally:
        command.unwinds = command.number > 0 or command.is_complete


def end_unwound() -> None:
    """Ends the process of a command that a signal has unwound; returns where no signal came."""
    if _command is not None and _command.number:
        _end_unwound(_command)


def _end_unwound(command: _Command) -> NoReturn:
    command.is_held = True
    with contextlib.suppress(BaseException):  # whatever it is, the process ends
        sys.stdout.flush()
        atexit._run_exitfuncs()  # temporary folders; threads that still run are not waited for
    command.end()
    os._exit(128 + command.number)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Inside, no signal raises; the first that came does so at the end. Forked children inherit signals as blocked.

    For a few instructions only, such as a fork and the line that remembers the child.
    """
    command = _command
    if command is not None:
        command.is_held = True
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if command is not None:
            command.is_held = False
            command.raise_held()


def complete() -> None:
    """Says that a command's work is done for good: signals that come from now on do not make it end differently."""
    if _command is not None:
        _command.is_complete = True


def is_stopping() -> bool:
    """Whether a signal is ending this command, so that errors are its consequences and no news."""
    return _command is not None and _command.number > 0 and not _command.is_complete


def end_as_child() -> None:
    """In a forked worker: lets signals end it silently, but for those that are ignored, and takes them unblocked."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _QUIET_DEFAULT[number])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


_fork = threading.local()


def _block_for_fork() -> None:
    """Else a child that gets a signal at once would write it into the pipe that it has of its parent."""
    if _command is not None and _command.is_ending_elsewhere():
        while True:  # the process ends its children: a pool must not replace them meanwhile
            time.sleep(1)
    _fork.mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _unblock_after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _fork.mask)


def _forget() -> None:
    """In a forked child: it is not the command, and its signals are not the command's."""
    global _command
    if _command is not None:
        command, _command = _command, None
        command.forget()
        for number in command.signals:
            signal.signal(number, _QUIET_DEFAULT[number])
    _unblock_after_fork()


def _hide_what_stopping_causes() -> None:
    """Once a signal has come, destructors, callbacks and threads that fail because of it print nothing."""
    unraisable, in_thread = sys.unraisablehook, threading.excepthook

    def report(unraised: Any) -> None:
        command = _command
        if command is None or not command.number:
            unraisable(unraised)
        elif isinstance(unraised.exc_value, Stopped):
            command.note_dropped()

    def report_in_thread(failed: Any) -> None:
        if not is_stopping():
            in_thread(failed)

    sys.unraisablehook, threading.excepthook = report, report_in_thread


def _be_quiet() -> None:
    """No log line comes between the signal and the sentence."""
    logging = sys.modules.get("logging")
    if logging is not None:
        logging.disable(logging.CRITICAL)


def _end_children() -> None:
    """Ends all descendants of this process: by SIGTERM, and by SIGKILL those that stay."""
    deadline = time.monotonic() + _CHILDREN_SECONDS
    number = signal.SIGTERM
    while children := _descendants(os.getpid()):
        for pid in children:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        while children and number == signal.SIGTERM and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 5)
            children = _descendants(os.getpid())
        number = signal.SIGKILL
        if time.monotonic() > deadline + _CHILDREN_SECONDS:
            return


def _descendants(root: int) -> list[int]:
    """Processes whose chain of parents leads to `root`, where the system tells; those that have ended are left out."""
    parents: dict[int, int] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{name}/stat", "rb") as source:
                state, parent = source.read().rpartition(b") ")[2].split()[:2]
            if state != b"Z":
                parents[int(name)] = int(parent)
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]
