"""Kills a build at many moments with SIGKILL, starts it again, and compares every byte.

    python -m benchmarks.kill_runs ARCHIVE... --scratch DIR --output benchmarks/results/kill_runs.json [-- BUILD FLAGS]

The first, undisturbed build gives the bytes to compare with and how long each stage takes. Then, for each moment: the
build is started in a session of its own, its whole process group gets SIGKILL, and the same command runs to its end.
Moments are spread evenly over the whole duration (`--even`), and evenly inside parse, shuffle and write (`--per-
stage`), counted from when the stage was seen to begin. The renames take about a millisecond together; for kills between
them, `strace` (which must be installed) delays each rename of a graph by half a second. A stage is told by the files in
OUTPUT/.work. Recorded for each: the stage, what the kill left, seconds and log of the second run, files that were not
made anew in it (same inode and time as before), and whether the result is byte for byte the same.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import environment

STAGES = ("start", "parse", "shuffle", "write", "rename")
_POLL_SECONDS = 0.02
_RENAME_MICROSECONDS = 500_000
_TIMEOUT_SECONDS = 1800


def stage_of(output: Path) -> str:
    """The stage that a build is in, by what lies in its output folder."""
    work = output / ".work"
    if next(output.glob("*/manifest.json"), None) is not None:
        return "rename"
    if (work / "graphs").exists():
        return "write"
    if (work / "round-0").exists() or (work / "spills").exists():
        return "shuffle"
    return "parse" if (work / "parsed").exists() else "start"


def digests(output: Path) -> dict[str, str]:
    """sha256 of every file under a folder, by relative name; empty folders count too."""
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(output.rglob("*"))
    }


def files_in_work(output: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every file in the work folder."""
    found = {}
    for folder, _, names in os.walk(output / ".work"):  # unlike a glob, it lets folders vanish meanwhile
        for name in names:
            path = Path(folder) / name
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found[str(path.relative_to(output))] = (status.st_ino, status.st_mtime_ns)
    return found


class Build:
    """A build as processes in a session of their own."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._sink = log.open("wb")
        self.start = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=self._sink, start_new_session=True, stdin=subprocess.DEVNULL
        )

    def kill(self) -> float:
        """Sends SIGKILL to all of its processes; returns its age in seconds."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        age = time.perf_counter() - self.start
        self.process.wait()
        self._sink.close()
        return age

    def finish(self) -> float:
        self.process.wait(timeout=_TIMEOUT_SECONDS)
        self._sink.close()
        return time.perf_counter() - self.start

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None


class Killing:
    """All runs of one command."""

    def __init__(self, command: list[str], scratch: Path) -> None:
        self._command = command
        self._scratch = scratch
        self.output = scratch / "graphs"
        self.stage_seconds: dict[str, float] = {}

    def undisturbed(self) -> float:
        """Builds once; keeps the digests and the length of each stage."""
        shutil.rmtree(self.output, ignore_errors=True)
        build, began = self._start("undisturbed"), {"start": 0.0}
        while build.is_running:
            began.setdefault(stage_of(self.output), time.perf_counter() - build.start)
            time.sleep(_POLL_SECONDS)
        seconds = build.finish()
        if build.process.returncode:
            raise SystemExit(f"The build failed:\n{(self._scratch / 'undisturbed.log').read_text()}")
        began.setdefault("rename", seconds)
        times = [began.get(stage, 0.0) for stage in STAGES] + [seconds]
        self.stage_seconds = {stage: times[n + 1] - times[n] for n, stage in enumerate(STAGES)}
        self.expected = digests(self.output)
        return seconds

    def _start(self, name: str, prefix: Sequence[str] = ()) -> Build:
        return Build([*prefix, *self._command, "--output", str(self.output)], self._scratch / f"{name}.log")

    def at_second(self, seconds: float) -> dict[str, Any]:
        """Kills so long after the start."""
        return self._killed("even", lambda build: _wait(build, lambda: time.perf_counter() - build.start >= seconds))

    def inside(self, stage: str, fraction: float) -> dict[str, Any]:
        """Kills in a stage, at a fraction of its measured length."""

        def wait(build: Build) -> None:
            _wait(build, lambda: STAGES.index(stage_of(self.output)) >= STAGES.index(stage))
            began = time.perf_counter()
            _wait(build, lambda: time.perf_counter() - began >= fraction * self.stage_seconds[stage])

        return self._killed(stage, wait)

    def at_rename(self, number: int) -> dict[str, Any]:
        """Kills when so many graphs have their final names, and the next is being renamed."""
        graphs = [name for name, digest in self.expected.items() if digest == "folder" and "/" not in name]
        slow = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", str(self._scratch / "strace.log"), "-e", "trace=rename"]
        slow += ["-e", f"inject=rename:delay_enter={_RENAME_MICROSECONDS}"]
        slow += [option for name in graphs for option in ("-P", str(self.output / ".work" / "graphs" / name))]

        def wait(build: Build) -> None:
            _wait(build, lambda: sum((self.output / name).exists() for name in graphs) >= number)

        return self._killed("rename", wait, slow)

    def _killed(self, aim: str, wait: Callable[[Build], None], prefix: Sequence[str] = ()) -> dict[str, Any]:
        shutil.rmtree(self.output, ignore_errors=True)
        build = self._start("killed", prefix)
        wait(build)
        age = build.kill()
        stage, left = stage_of(self.output), files_in_work(self.output)
        finished = sorted(path.parent.name for path in self.output.glob("*/manifest.json"))
        work_left = (self.output / ".work").exists()
        if stage == "rename" and not work_left:
            stage = "done"
        again = self._start("again")
        kept: dict[str, int] = {}
        while again.is_running:  # a folder's files that are the same when it is last seen were not made anew
            now = files_in_work(self.output)
            same = Counter(name.split("/")[1] for name, value in left.items() if now.get(name) == value)
            kept.update({folder: same[folder] for folder in {name.split("/")[1] for name in now}})
            time.sleep(_POLL_SECONDS * 5)
        seconds = again.finish()
        found = digests(self.output)
        return {
            "aim": aim,
            "stage": stage,
            "killed_after_seconds": round(age, 3),
            "files_left": dict(Counter(name.split("/")[1] for name in left)),
            "temporary_files_left": sum(".tmp" in name for name in left),
            "graphs_finished": finished,
            "second_run_seconds": round(seconds, 3),
            "second_run_returncode": again.process.returncode,
            "files_kept": kept,
            "log": (self._scratch / "again.log").read_text(errors="replace").splitlines()[:40],
            "bytes_equal": found == self.expected,
            "differing": sorted(
                name for name in found.keys() | self.expected if found.get(name) != self.expected.get(name)
            ),
        }


def _wait(build: Build, reached: Callable[[], bool]) -> None:
    while build.is_running and not reached():
        time.sleep(_POLL_SECONDS)


def main() -> None:
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--scratch", type=Path, required=True, help="a new folder, removed at the end")
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    parser.add_argument("--even", type=int, default=8, help="moments over the whole duration")
    parser.add_argument("--per-stage", type=int, default=3, help="moments in each of parse, shuffle, write and rename")
    arguments = parser.parse_args(sys.argv[1:at])
    arguments.scratch.mkdir(parents=True)
    command = [sys.executable, "-m", "webgraph.cli", "build", *map(str, arguments.archives), *sys.argv[at + 1 :]]
    killing = Killing(command, arguments.scratch)
    seconds = killing.undisturbed()
    results: dict[str, Any] = {
        "environment": environment(),
        "flags": sys.argv[at + 1 :],
        "files": len(arguments.archives),
        "bytes": sum(path.stat().st_size for path in arguments.archives),
        "undisturbed_seconds": seconds,
        "stage_seconds": killing.stage_seconds,
        "kills": [],
    }
    count = arguments.per_stage
    moments: list[Callable[[], dict[str, Any]]] = []
    moments += [lambda n=n: killing.at_second(seconds * (n + 0.5) / arguments.even) for n in range(arguments.even)]
    for stage in ("parse", "shuffle", "write"):
        moments += [lambda s=stage, n=n: killing.inside(s, (n + 0.5) / count) for n in range(count)]
    moments += [lambda n=n: killing.at_rename(1 + n * 4 // max(1, count - 1)) for n in range(count)]
    for moment in moments:
        results["kills"].append(moment())
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
        kill = results["kills"][-1]
        print(
            f"{kill['aim']:8} killed in {kill['stage']:8} after {kill['killed_after_seconds']:7.2f} s; again "
            f"{kill['second_run_seconds']:7.2f} s of {seconds:.2f}; bytes equal: {kill['bytes_equal']}"
        )
    shutil.rmtree(arguments.scratch)
    hits = Counter(kill["stage"] for kill in results["kills"])
    print(f"kills by stage: {dict(hits)}; all equal: {all(kill['bytes_equal'] for kill in results['kills'])}")


if __name__ == "__main__":
    main()
