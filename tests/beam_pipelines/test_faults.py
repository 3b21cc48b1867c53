"""Faults of the machine: each ends in words, leaves nothing unfinished under a final name, and the rerun completes."""

import ast
import fcntl
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from beam_pipelines import build_graph, storage
from beam_pipelines.build_graph import WORK_FOLDER
from beam_pipelines.cli import main
from tests.beam_pipelines.graphs import content
from tests.beam_pipelines.processes import is_running
from webgraph import stop_signals
from webgraph.synthetic_crawl import SyntheticCrawl, SyntheticCrawlOptions, write_synthetic_crawl

_ROOT = Path(__file__).parents[2]
_FLAGS = ["--variants", "all-3=*:3", "--tfrecord-shards", "2", "--num-partitions", "5", "--num-workers", "2"]


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> SyntheticCrawl:
    made = SyntheticCrawlOptions(num_pages=400, seed=8, num_files=3)
    return write_synthetic_crawl(tmp_path_factory.mktemp("crawl") / "made", made)


@pytest.fixture
def inputs(crawl: SyntheticCrawl, tmp_path: Path) -> list[str]:
    """Copies of the archives."""
    (tmp_path / "in").mkdir()
    return [str(shutil.copy2(path, tmp_path / "in")) for path in crawl.wat_paths]


@pytest.fixture(scope="module")
def whole(crawl: SyntheticCrawl, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a build gives that nothing disturbs."""
    output = tmp_path_factory.mktemp("whole") / "out"
    assert main([*map(str, crawl.wat_paths), "--output", str(output), *_FLAGS]) == 0
    return content(output)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


def _build(
    inputs: Sequence[str], output: Path, *flags: str, limit: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Runs a build in a process of its own; returns its exit code and what it said."""
    done = _start(inputs, output, *flags, limit=limit)
    _, errors = done.communicate()
    return done.returncode, " ".join(errors.split())


def _start(
    inputs: Sequence[str], output: Path, *flags: str, limit: Callable[[], None] | None = None
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "beam_pipelines.build_graph", *inputs, "--output", str(output), *_FLAGS, *flags]

    def prepare() -> None:
        for number in stop_signals.SIGNALS:
            signal.signal(number, signal.SIG_DFL)  # a shell lets what it starts in the background ignore some
        if limit is not None:
            limit()

    return subprocess.Popen(
        command,
        cwd=_ROOT,
        preexec_fn=prepare,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _check_unfinished(output: Path) -> None:
    """There is nothing but the work folder, and in it no file that is not whole has a final name."""
    assert {path.name for path in output.iterdir()} <= {WORK_FOLDER}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for less than a build."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by the superuser only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(inputs: list[str], whole: dict[str, bytes], small_disk: Path) -> None:
    code, words = _build(inputs, small_disk / "out")
    assert code == 1
    assert "error: [Errno 28] No space left on device: '" in words and f"{small_disk}/out/.work/" in words
    assert "Free some space" in words and "Traceback" not in words
    _check_unfinished(small_disk / "out")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert _build(inputs, small_disk / "out")[0] == 0
    assert content(small_disk / "out") == whole


def test_a_limit_on_the_size_of_files(inputs: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    code, words = _build(
        inputs, tmp_path / "out", limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    )
    assert code == 1
    assert "error: [Errno 27] File too large: '" in words and "Free some space" in words
    _check_unfinished(tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert _build(inputs, tmp_path / "out")[0] == 0
    assert content(tmp_path / "out") == whole


def test_an_output_that_cannot_be_written_to(inputs: list[str], small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, words = _build(inputs, small_disk / "out")
    assert code == 1
    assert f"error: [Errno 30] Read-only file system: '{small_disk}/out'. Choose an --output that can be" in words


def test_an_output_under_a_file(inputs: list[str], tmp_path: Path) -> None:
    code, words = _build(inputs, Path(inputs[0]) / "out")
    assert code == 2
    assert f"error: The output {inputs[0]}/out would lie in {inputs[0]}, which is a file; name a folder" in words


@pytest.mark.parametrize("fault", ["gone", "cut short", "a folder"])
def test_an_archive_that_changes_between_listing_and_reading(
    inputs: list[str],
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    victim, real = Path(inputs[1]), build_graph.archive_sizes
    kept = victim.read_bytes()

    def sizes(*arguments: object) -> dict[str, int]:
        found = real(*arguments)  # type: ignore[arg-type]
        victim.unlink()
        if fault == "cut short":
            victim.write_bytes(kept[: len(kept) // 2])
        elif fault == "a folder":
            victim.mkdir()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(build_graph, "archive_sizes", sizes)
        assert main([*inputs, "--output", str(tmp_path / "out"), *_FLAGS, "--max-bad-fraction", "0"]) == 1
    words = capsys.readouterr().err
    assert victim.name in words
    assert {"gone": "not_found", "cut short": "damaged and skipped", "a folder": "not_readable"}[fault] in words
    _check_unfinished(tmp_path / "out")
    if victim.is_dir():
        victim.rmdir()
    victim.write_bytes(kept)
    assert main([*inputs, "--output", str(tmp_path / "out"), *_FLAGS]) == 0
    assert content(tmp_path / "out") == whole


def _workers(process: "subprocess.Popen[str]") -> list[int]:
    """The processes that a build has forked."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(pid) for pid in children.split()]


def _wait_until(process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> None:
    while not reached():
        assert process.poll() is None
        time.sleep(0.005)


def _is_busy(output: Path, process: "subprocess.Popen[str]") -> bool:
    return len(_workers(process)) == 2 and bool(list(output.glob(f"{WORK_FOLDER}/parsed/*")))


# Many partitions make a run long enough to be caught in the middle.
_LONG = ("--num-partitions", "300")


@pytest.mark.parametrize("target", ["parent", "group"])
@pytest.mark.parametrize("sent", stop_signals.SIGNALS, ids=lambda sent: sent.name)
def test_a_build_that_is_told_to_end(
    inputs: list[str], whole: dict[str, bytes], tmp_path: Path, sent: signal.Signals, target: str
) -> None:
    output = tmp_path / "out"
    process = _start(inputs, output, *_LONG)
    _wait_until(process, lambda: _is_busy(output, process))
    workers = _workers(process)
    (os.kill if target == "parent" else os.killpg)(process.pid, sent)
    _, errors = process.communicate()
    assert process.returncode == 128 + sent, errors
    said = f"python -m beam_pipelines.build_graph: stopped by {sent.name}; run the same command again to go on where it"
    assert errors.count(said) == 1 and "Traceback" not in errors and "error:" not in errors
    assert not [pid for pid in workers if is_running(pid)]
    assert not _is_locked(output)
    _check_unfinished(output)
    if sent == signal.SIGTERM:
        assert _build(inputs, output, *_LONG)[0] == 0
        assert content(output) == whole


@pytest.mark.parametrize("sent", stop_signals.SIGNALS, ids=lambda sent: sent.name)
def test_a_worker_that_is_told_to_end(inputs: list[str], tmp_path: Path, sent: signal.Signals) -> None:
    output = tmp_path / "out"
    process = _start(inputs, output, *_LONG)
    _wait_until(process, lambda: _is_busy(output, process))
    workers = _workers(process)
    os.kill(workers[-1], sent)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert f"error: A worker process was ended by {sent.name}. Run the same command again" in " ".join(errors.split())
    assert "Traceback" not in errors
    assert not [pid for pid in workers if is_running(pid)]
    assert not _is_locked(output)
    _check_unfinished(output)


def test_a_build_that_waits_for_another_is_told_to_end(inputs: list[str], tmp_path: Path) -> None:
    output = tmp_path / "out"
    with storage.only_one(str(output)):
        process = _start(inputs, output)
        opened = f"/proc/{process.pid}/fd"
        _wait_until(process, lambda: any(os.path.realpath(link) == str(output) for link in Path(opened).glob("*")))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 143
    assert "stopped by SIGTERM" in errors and "Another build" not in errors
    assert _build(inputs, output)[0] == 0


@pytest.mark.parametrize("published", [0, 1])
def test_a_build_that_is_told_to_end_amid_its_last_renames(
    inputs: list[str], whole: dict[str, bytes], tmp_path: Path, published: int
) -> None:
    """The renames take less than a millisecond, so a program that sends itself the signal there stands in."""
    output = tmp_path / "out"
    program = f"""
import os, signal, sys
from beam_pipelines import build_graph, storage
from beam_pipelines.cli import main
publish, count = storage.publish_folder, 0
def stopped(*arguments, **named):
    global count
    if count == {published}:
        os.kill(os.getpid(), signal.SIGTERM)
    publish(*arguments, **named)
    count += 1
storage.publish_folder = stopped
sys.exit(main())
"""
    flags = [*_FLAGS, "--variants", "all-3=*:3,all-4=*:4"]
    command = [sys.executable, "-c", program, *inputs, "--output", str(output), *flags]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 143, done.stderr
    assert done.stderr.count("stopped by SIGTERM") == 1
    assert len([path for path in output.iterdir() if path.name != WORK_FOLDER]) == published
    assert main([*inputs, "--output", str(output), *flags]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["all-3", "all-4"]
    assert {name: data for name, data in content(output).items() if name.startswith("all-3/")} == whole


def _is_locked(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_a_worker_that_is_killed(inputs: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = _start(inputs, output, *_LONG)
    _wait_until(process, lambda: _is_busy(output, process))
    os.kill(_workers(process)[0], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "error: A worker was killed, most likely because memory ran out." in " ".join(errors.split())
    assert "Traceback" not in errors
    _check_unfinished(output)
    assert _build(inputs, output, *_LONG)[0] == 0
    assert content(output) == whole


def _write_within_a_limit(path: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    storage.write_file(path, b"x" * 100)


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    """The buffer is written when the file is closed, so that is where a small file fails. The limit is a process's."""
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        pytest.raises(OSError, match=rf"File too large: '{tmp_path}/small'"),
    ):
        pool.submit(_write_within_a_limit, str(tmp_path / "small")).result()
    assert list(tmp_path.iterdir()) == []


def test_nothing_reads_the_time_of_day() -> None:
    """A clock that jumps changes nothing, because nothing looks at it; `time.monotonic` never goes back."""
    clocks = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime", "strftime", "ctime", "asctime"}
    for package in ("webgraph", "beam_pipelines", "alx_solver"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                    where = called.value.id in ("time", "datetime", "date")
                    assert not (where and called.attr in clocks), f"{path.name}:{called.lineno}"
