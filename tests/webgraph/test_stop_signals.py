"""What a signal does to a command: small programs, each at a moment that is hard to be stopped at."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from webgraph import cli, stop_signals

_SECONDS = 600
"""Bound of waiting, for a busy machine; the strict one is measured by `benchmarks/signal_moments.py`."""
_START = """
import os, signal, sys, time
from webgraph import stop_signals
stop_signals.begin("the program", "; its advice")

def say(words):
    os.write(1, words.encode() + b"\\n")
"""
_each_signal = pytest.mark.parametrize("number", stop_signals.SIGNALS, ids=lambda number: number.name)


class Program:
    """A program in a session of its own, in which no signal is ignored, and whose lines are read one by one."""

    def __init__(self, code: str, ignored: Sequence[int] = ()) -> None:
        def prepare() -> None:
            for number in stop_signals.SIGNALS:
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

        self.process = subprocess.Popen(
            [sys.executable, "-c", _START + textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str, str]:
        """Exit code, and what more it said on both streams."""
        out, errors = self.process.communicate(timeout=_SECONDS)
        return self.process.returncode, out.strip(), errors


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Programs of a test, which do not outlive it."""
    started: list[Program] = []
    yield started
    for program in started:
        program.process.kill()
        program.process.communicate()


def _sentence(number: int) -> str:
    return f"the program: stopped by {signal.Signals(number).name}; its advice.\n"


def _is_there(pid: int) -> bool:
    """Whether a process has not ended; one that waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@_each_signal
def test_before_the_work_there_is_nothing_to_unwind(programs: list[Program], number: signal.Signals) -> None:
    programs.append(Program("say('ready')\ntry:\n    time.sleep(600)\nfinally:\n    say('unwound')"))
    assert programs[0].line() == "ready"
    os.kill(programs[0].process.pid, number)
    assert programs[0].end() == (128 + number, "", _sentence(number))


@_each_signal
def test_work_is_unwound(programs: list[Program], number: signal.Signals) -> None:
    program = Program(
        """
        import atexit
        atexit.register(say, "at exit")
        def work():
            try:
                say("ready")
                time.sleep(600)
            finally:
                say("unwound")
        sys.exit(stop_signals.run(work))
        """
    )
    programs.append(program)
    assert program.line() == "ready"
    os.kill(program.process.pid, number)
    assert program.end() == (128 + number, "unwound\nat exit", _sentence(number))


@pytest.mark.parametrize("target", ["the process", "another thread"])
def test_a_main_thread_that_sits_in_a_library_does_not_hold_the_process(programs: list[Program], target: str) -> None:
    """As a compiler does: it runs no instruction of Python for minutes, and lets other threads run."""
    program = Program(
        """
        import ctypes, hashlib, threading
        def tell():
            time.sleep(0.5)
            say(str(threading.get_native_id()))
            time.sleep(600)
        threading.Thread(target=tell, daemon=True).start()
        stop_signals.run(lambda: len(hashlib.pbkdf2_hmac("sha256", b"", b"", (1 << 31) - 1)))
        """
    )
    programs.append(program)
    thread = int(program.line())
    os.kill(program.process.pid if target == "the process" else thread, signal.SIGTERM)
    assert program.end() == (143, "", _sentence(signal.SIGTERM))


def test_an_exception_that_a_destructor_drops_is_raised_again(programs: list[Program]) -> None:
    """As the callback of XLA drops it that the garbage collector calls."""
    program = Program(
        """
        class Dropping:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000):
                    time.sleep(0.001)
        def work():
            try:
                Dropping()
                say("dropped")
                while True:
                    time.sleep(0.01)
            finally:
                say("unwound")
        stop_signals.run(work)
        """
    )
    programs.append(program)
    assert program.end() == (130, "dropped\nunwound", _sentence(signal.SIGINT))


def test_an_exception_that_the_code_swallows_does_not_save_the_process(programs: list[Program]) -> None:
    program = Program(
        """
        def work():
            try:
                say("ready")
                time.sleep(600)
            except BaseException:
                say("swallowed")
            time.sleep(600)
        stop_signals.run(work)
        """
    )
    programs.append(program)
    assert program.line() == "ready"
    os.kill(program.process.pid, signal.SIGHUP)
    assert program.end() == (129, "swallowed", _sentence(signal.SIGHUP))


def test_a_second_signal_ends_what_unwinds_for_long(programs: list[Program]) -> None:
    program = Program(
        """
        stop_signals.GRACE_SECONDS = 600
        def work():
            try:
                say("ready")
                time.sleep(600)
            finally:
                say("unwinding")
                time.sleep(600)
        stop_signals.run(work)
        """
    )
    programs.append(program)
    assert program.line() == "ready"
    os.kill(program.process.pid, signal.SIGINT)
    assert program.line() == "unwinding"
    time.sleep(1)
    os.kill(program.process.pid, signal.SIGTERM)
    assert program.end() == (130, "", _sentence(signal.SIGINT))


def test_children_end_even_if_they_do_not_want_to(programs: list[Program]) -> None:
    program = Program(
        """
        import subprocess
        stubborn = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.write(1, b'x'); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
        child.stdout.read(1)
        say(str(child.pid))
        time.sleep(600)
        """
    )
    programs.append(program)
    child = int(program.line())
    assert _is_there(child)
    os.kill(program.process.pid, signal.SIGTERM)
    assert program.end() == (143, "", _sentence(signal.SIGTERM))
    deadline = time.monotonic() + _SECONDS
    while _is_there(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_signals_that_come_while_the_process_ends_do_not_keep_it(programs: list[Program]) -> None:
    """It waits for a child that does not want to end; each signal interrupts that in the same thread."""
    program = Program(
        """
        import subprocess, threading
        stubborn = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.write(1, b'x'); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
        child.stdout.read(1)
        def send():
            while True:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.1)
        threading.Thread(target=send, daemon=True).start()
        time.sleep(600)
        """
    )
    programs.append(program)
    assert program.end() == (143, "", _sentence(signal.SIGTERM))


@_each_signal
def test_what_is_ignored_from_the_start_stays_ignored(programs: list[Program], number: signal.Signals) -> None:
    other = signal.SIGTERM if number != signal.SIGTERM else signal.SIGINT
    program = Program(
        "stop_signals.run(lambda: (say('ready'), time.sleep(1), say('went on'), time.sleep(600)))", [number]
    )
    programs.append(program)
    assert program.line() == "ready"
    os.kill(program.process.pid, number)
    assert program.line() == "went on"
    os.kill(program.process.pid, other)
    assert program.end() == (128 + other, "", _sentence(other))


def test_what_is_held_back_is_raised_afterwards(programs: list[Program]) -> None:
    program = Program(
        """
        def work():
            with stop_signals.held():
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.2)
                say("held")
            say("not reached")
        stop_signals.run(work)
        """
    )
    programs.append(program)
    assert program.end() == (143, "held", _sentence(signal.SIGTERM))


def test_a_signal_that_comes_after_the_work_changes_nothing(programs: list[Program]) -> None:
    program = Program(
        """
        import atexit
        atexit.register(lambda: [os.kill(os.getpid(), number) for number in stop_signals.SIGNALS])
        def work():
            stop_signals.complete()
            os.kill(os.getpid(), signal.SIGTERM)
            return 7
        sys.exit(stop_signals.run(work))
        """
    )
    programs.append(program)
    assert program.end() == (7, "", "")


def test_a_forked_child_shares_no_signals(programs: list[Program]) -> None:
    program = Program(
        """
        def work():
            for number in stop_signals.SIGNALS:
                pid = os.fork()
                if not pid:
                    time.sleep(600)
                os.kill(pid, number)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                assert status == (131 if number == signal.SIGQUIT else -number), status
            time.sleep(0.2)
            say("not stopped")
            return 0
        sys.exit(stop_signals.run(work))
        """
    )
    programs.append(program)
    assert program.end() == (0, "not stopped", "")


def test_a_child_that_a_parent_waits_for_tells_it(programs: list[Program]) -> None:
    program = Program(
        """
        pid = os.fork()
        if not pid:
            stop_signals.begin("the child", parent=os.getppid())
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(600)
        time.sleep(600)
        """
    )
    programs.append(program)
    assert program.end() == (143, "", _sentence(signal.SIGTERM))


def test_a_program_that_calls_a_command_keeps_its_signals(capsys: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in stop_signals.SIGNALS]
    with pytest.raises(SystemExit):
        cli.main(["verify", "--help"])
    assert [signal.getsignal(number) for number in stop_signals.SIGNALS] == before
    assert "usage:" in capsys.readouterr().out


def test_signals_are_minded_before_anything_is_imported() -> None:
    """What stands between the start of Python and the handlers is no package, and little of the standard library."""
    heavy = "argparse|importlib.metadata|logging|numpy|rich|subprocess|pyarrow|jax"
    for module in ("webgraph.cli", "alx_solver.cli"):
        program = f"import sys, {module}; sys.exit(' '.join(set({heavy!r}.split('|')) & set(sys.modules)) or 0)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
