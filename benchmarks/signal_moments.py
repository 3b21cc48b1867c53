"""Stops the commands by signals at many moments, and looks at what is said and left.

    python -m benchmarks.signal_moments --scratch DIR --output benchmarks/results/signals.json [--scale 1]

Each trial starts a command in a session of its own, waits for a moment (an instant drawn at random from the length of
an undisturbed run, or a named one: see `signal_commands`), and sends SIGTERM, SIGINT, SIGHUP or SIGQUIT to the parent,
to one of its workers, or to the whole group; once, or twice within 1.2 s. Recorded are: seconds to the end, exit code,
what was said, processes of the session that are left, whether the lock is free, names of what is not whole. A trial
passes if the process ended within five seconds, with 128 and the signal's number (1 if only a worker got it), and one
sentence and no traceback, left no process, lock or half-written file, and, where it was tried, the same command then
completed with the bytes of an undisturbed run. Signals that came after the work was done, or before Python had
imported a line of ours, are counted apart.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import itertools
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from benchmarks.signal_commands import (
    Stoppable,
    build_command,
    clear,
    fetch_command,
    make_inputs,
    tfds_command,
    train_command,
    tune_command,
)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
ALLOWED_SECONDS = 5.0
WAITING = "waiting for the lock"
_GIVE_UP_SECONDS = 30
_POLL_SECONDS = 0.004
_BEGUN_SECONDS = 0.5
"""Within which Python may not have imported a line of ours, on a loaded machine."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """What is done to a command, and when."""

    command: str
    moment: str
    seconds: float
    target: str
    number: signal.Signals
    pause: float | None
    reruns: bool


class Runner:
    """Runs trials of the commands.

    Args:
      commands: by name.
      scratch: for their folders.
    """

    def __init__(self, commands: dict[str, Stoppable], scratch: Path) -> None:
        self.commands, self.scratch = commands, scratch
        self.seconds: dict[str, float] = {}
        self.digests: dict[str, str] = {}

    def undisturbed(self, name: str) -> None:
        folder = self.scratch / f"{name}-whole"
        clear(folder)
        began = time.monotonic()
        code, said = self._run(name, folder)
        if code:
            raise SystemExit(f"{name} failed:\n{said}")
        self.seconds[name], self.digests[name] = time.monotonic() - began, self.commands[name].digest(folder)

    def _run(self, name: str, folder: Path) -> tuple[int, str]:
        words, environment = self.commands[name].words(folder), self._environment("rerun")
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr[-2000:]

    def _environment(self, moment: str) -> dict[str, str]:
        """With JAX's cache of compiled programs, but where compilation is to be stopped."""
        if moment in ("any", "imports", "compilation"):
            return dict(os.environ)
        cache = {"JAX_COMPILATION_CACHE_DIR": str(self.scratch / "compiled")}
        return {**os.environ, **cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}

    def run(self, trial: Trial, label: str) -> dict[str, Any]:
        command, folder = self.commands[trial.command], self.scratch / label
        clear(folder)
        lock = hold(folder / command.locked) if trial.moment == WAITING else None
        with (folder / "said").open("wb") as said:
            process = subprocess.Popen(
                command.words(folder),
                cwd=folder,
                env=self._environment(trial.moment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        began = time.monotonic()
        found = self._stop(trial, command, folder, process)
        if lock is not None:
            os.close(lock)
        found["sent_after_seconds"] = round(found.pop("sent_at") - began, 3)
        found |= self._look(trial, command, folder, process, found)
        if trial.reruns and found["kind"] == "stopped":
            code, words = self._run(trial.command, folder)
            found["rerun_code"] = code
            found["rerun_equal"] = code == 0 and command.digest(folder) == self.digests[trial.command]
            if not found["rerun_equal"]:
                found["problems"].append(f"the rerun differs or failed: {words[-600:]}")
        if not found["problems"]:
            clear(folder)
        about = dataclasses.asdict(trial) | {"number": trial.number.name}
        return about | found

    def _stop(self, trial: Trial, command: Stoppable, folder: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Waits for the moment, sends, and waits for the end."""
        reached = command.moments.get(trial.moment, lambda folder: True)
        if trial.moment == WAITING:
            reached = lambda folder: has_opened(process.pid, folder / command.locked)  # noqa: E731
        while process.poll() is None and not reached(folder):
            time.sleep(_POLL_SECONDS)
        time.sleep(trial.seconds if process.poll() is None else 0)
        pid = process.pid
        if trial.target == "worker":
            workers, began = children_of(process.pid), time.monotonic()
            while process.poll() is None and not workers and time.monotonic() < began + _GIVE_UP_SECONDS:
                time.sleep(_POLL_SECONDS)
                workers = children_of(process.pid)
            pid = random.Random(label_of(trial)).choice(workers) if workers else -1
        sent = time.monotonic()
        was_running = process.poll() is None and pid > 0  # there may be no worker at that moment, nor later
        _send(pid, trial)
        if trial.pause is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(trial.pause)
            if process.poll() is None:
                _send(pid, trial)
        try:
            process.wait(_GIVE_UP_SECONDS)
        except subprocess.TimeoutExpired:
            return {"sent_at": sent, "seconds_to_end": None, "code": None, "was_running": was_running}
        seconds = round(time.monotonic() - sent, 3)
        return {"sent_at": sent, "seconds_to_end": seconds, "code": process.returncode, "was_running": was_running}

    def _look(
        self, trial: Trial, command: Stoppable, folder: Path, process: subprocess.Popen[bytes], found: dict[str, Any]
    ) -> dict[str, Any]:
        said = (folder / "said").read_text(errors="replace")
        left = session(process.pid)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        problems = []
        if (found["was_running"] and (found["seconds_to_end"] or 0) > ALLOWED_SECONDS) or found["code"] is None:
            problems.append(f"ended after {found['seconds_to_end']} s")
        if left:
            problems.append(f"{len(left)} processes are left")
        if command.locked and is_locked(folder / command.locked):
            problems.append("its lock is left")
        problems += [f"{name} is not whole" for name in command.unfinished(folder)]
        kind = "stopped"
        if found["code"] == 0:
            kind = "done before" if not found["was_running"] or "stopped by" not in said else "stopped"
        elif found["sent_after_seconds"] < _BEGUN_SECONDS and (
            found["code"] == -trial.number or (found["code"] == 1 and "KeyboardInterrupt" in said)  # amid `site`
        ):
            kind = "before Python had begun"
        if kind == "stopped":
            problems += what_is_wrong(trial, command.name, found["code"], said)
        return {"kind": kind, "said": said.splitlines()[-3:], "problems": problems}


def what_is_wrong(trial: Trial, name: str, code: int | None, said: str) -> list[str]:
    """Exit code and words of a command that was stopped."""
    problems = []
    sentences = said.count(f"{name}: stopped by {trial.number.name}")
    if trial.target == "worker" and code == 1:
        sentences = said.count(f"A worker process was ended by {trial.number.name}. Run the same command again")
    elif code != 128 + trial.number:
        problems.append(f"exit code {code}")
    if sentences != 1 or ((last := said.rstrip().rpartition("\n")[2]) and trial.number.name not in last):
        problems.append(f"{sentences} sentences")
    problems += [word for word in ("Traceback", "Exception ignored", "KeyboardInterrupt", "Quit") if word in said]
    return problems


def label_of(trial: Trial) -> str:
    return f"{trial.command} {trial.moment} {trial.target} {trial.number} {trial.seconds} {trial.pause}"


def _send(pid: int, trial: Trial) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if trial.target == "group":
            os.killpg(pid, trial.number)
        elif pid > 0:
            os.kill(pid, trial.number)


def session(leader: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(") ")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(name))
    return found


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def hold(path: Path) -> int:
    """Takes the lock on a folder, which is made, and returns its descriptor."""
    path.mkdir(parents=True)
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def has_opened(pid: int, path: Path) -> bool:
    """Whether a process has a folder open, as one that waits for its lock has."""
    with contextlib.suppress(OSError):
        return any(os.path.realpath(link) == str(path) for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock on a folder."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def make_trials(runner: Runner, counts: dict[str, tuple[int, int]], seed: int) -> list[Trial]:
    """Random instants and named moments of each command, `counts` of each, with all targets and signals in turn."""
    chosen, trials = random.Random(seed), []
    for name, (at_random, a_moment) in counts.items():
        command = runner.commands[name]
        targets = ["parent", "group", "worker"] if command.has_workers else ["parent", "group"]
        ways = [*itertools.product(SIGNALS, targets, (None, 0.0, 0.3, 1.2))]
        chosen.shuffle(ways)
        turn = itertools.cycle(ways)
        is_ours = "any" not in command.moments  # else the time before that moment is another program's
        moments = ["any"] * at_random + ["imports"] * a_moment * is_ours + [WAITING] * a_moment * bool(command.locked)
        moments += [each for each in command.moments for _ in range(a_moment) if each != "any"]
        spans = {"any": runner.seconds[name] if is_ours else 8.0, "imports": 0.5, "compilation": 2.0, WAITING: 1.0}
        for index, moment in enumerate(moments):
            number, target, pause = next(turn)
            span = spans.get(moment, 0.05)
            if moment in ("imports", WAITING) and target == "worker":
                target = "group"
            seconds = round(chosen.uniform(0.02, span), 3)
            reruns = index % 3 == 0
            trials.append(
                Trial(
                    command=name,
                    moment=moment,
                    seconds=seconds,
                    target=target,
                    number=number,
                    pause=pause,
                    reruns=reruns,
                )
            )
    chosen.shuffle(trials)
    return trials


def summary(trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts by command, moment, target, signal and kind, and the slowest end."""
    table: dict[str, Any] = {}
    for field in ("command", "moment", "target", "number", "kind"):
        table[field] = {
            value: {"trials": count, "passed": sum(not t["problems"] for t in trials if t[field] == value)}
            for value, count in sorted(Counter(t[field] for t in trials).items())
        }
    seconds = [_GIVE_UP_SECONDS if t["seconds_to_end"] is None else t["seconds_to_end"] for t in trials]
    table["seconds_to_end"] = {"most": max(seconds), "median": sorted(seconds)[len(seconds) // 2]}
    table["reruns"] = sum("rerun_code" in t for t in trials)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True, help="a new folder")
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    parser.add_argument("--commands", default="build,train,tune,tune-optuna,fetch,tfds")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of trials")
    parser.add_argument("--jobs", type=int, default=2, help="trials at a time")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.scratch.mkdir(parents=True)
    scratch = arguments.scratch.resolve()
    crawl, matrix = make_inputs(scratch)
    makers = {
        "build": lambda: build_command(crawl),
        "train": lambda: train_command(matrix),
        "tune": lambda: tune_command(matrix, "grid"),
        "tune-optuna": lambda: tune_command(matrix, "optuna"),
        "fetch": lambda: fetch_command(crawl),
        "tfds": lambda: tfds_command(crawl),
    }
    names = arguments.commands.split(",")
    runner = Runner({name: makers[name]() for name in names}, scratch)
    for name in names:
        runner.undisturbed(name)
        print(f"{name}: {runner.seconds[name]:.1f} s undisturbed", flush=True)
    counts = {
        "build": (50, 10),
        "train": (8, 2),
        "tune": (4, 1),
        "tune-optuna": (2, 1),
        "fetch": (16, 6),
        "tfds": (4, 1),
    }
    scaled = {name: (round(a * arguments.scale), round(b * arguments.scale) or 1) for name, (a, b) in counts.items()}
    trials = make_trials(runner, {name: scaled[name] for name in names}, arguments.seed)
    results: list[dict[str, Any]] = []
    with ThreadPoolExecutor(arguments.jobs) as threads:
        for done in threads.map(lambda pair: runner.run(pair[1], f"trial-{pair[0]}"), enumerate(trials)):
            results.append(done)
            contents = {
                "environment": environment(),
                "undisturbed_seconds": runner.seconds,
                "summary": summary(results),
            }
            arguments.output.write_text(json.dumps(contents | {"trials": results}, indent=1) + "\n")
            if done["problems"]:
                print(json.dumps(done), flush=True)
    print(json.dumps(contents["summary"], indent=1))


if __name__ == "__main__":
    main()
