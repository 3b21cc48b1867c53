"""`alx train` and `alx tune`, stopped by signals while XLA compiles and after an epoch, and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alx_solver import checkpoint
from alx_solver.cli import OK, main
from tests.alx_solver.planted import write_planted
from webgraph import stop_signals

_SMALL = ["--dim", "8", "--split-seed", "1", "--devices", "1", "--resume"]
_SECONDS = 600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_planted(tmp_path_factory.mktemp("data"))


def _stop(words: list[str], number: signal.Signals, reached: Callable[[], bool], cache: Path | None) -> tuple[int, str]:
    """Starts the command, sends it a signal at a moment, and returns exit code and words.

    Without a `cache` of compiled programs XLA compiles in that process.
    """

    def prepare() -> None:
        signal.signal(number, signal.SIG_DFL)

    command = [sys.executable, "-m", "alx_solver.cli", *words]
    environment = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"}
    if cache is not None:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=prepare
    ) as process:
        deadline = time.monotonic() + _SECONDS
        while not reached():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=_SECONDS)
    return process.returncode, "".join(line for line in errors.splitlines(keepends=True) if "WARNING" not in line)


def _sentence(command: str, number: signal.Signals) -> str:
    return f"alx {command}: stopped by {number.name}; what was finished is whole, go on with --resume.\n"


@pytest.mark.parametrize("number", stop_signals.SIGNALS, ids=lambda number: number.name)
def test_a_training_is_stopped_while_xla_compiles(data: Path, tmp_path: Path, number: signal.Signals) -> None:
    words = ["train", str(data), "--output", str(tmp_path / "run"), "--epochs", "1", *_SMALL]
    code, said = _stop(words, number, (tmp_path / "run" / "metrics.jsonl").exists, None)
    assert (code, said) == (128 + number, _sentence("train", number))
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == ""


def test_a_training_that_was_stopped_goes_on(data: Path, tmp_path: Path) -> None:
    """Every epoch is evaluated, so the signal comes before the second one is done, or just after."""
    words = ["train", str(data), "--output", str(tmp_path / "run"), "--epochs", "12", *_SMALL]
    saved = tmp_path / "run" / "checkpoint" / "epoch-00000001"
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    code, said = _stop(words, signal.SIGTERM, saved.exists, Path(cache) if cache else None)
    assert (code, said) == (143, _sentence("train", signal.SIGTERM))
    folders = list((tmp_path / "run" / "checkpoint").glob("epoch-*"))
    assert folders and all((folder / "manifest.json").exists() for folder in folders)
    assert main(words) == OK
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 13))


@pytest.mark.parametrize("sampler", ["grid", "optuna"])
def test_a_tuning_is_stopped_while_xla_compiles(data: Path, tmp_path: Path, sampler: str) -> None:
    words = ["tune", str(data), "--output", str(tmp_path / "tuned"), "--epochs", "1", "--sampler", sampler, *_SMALL]
    code, said = _stop(words, signal.SIGINT, (tmp_path / "tuned" / "trials.jsonl").exists, None)
    assert (code, said) == (130, _sentence("tune", signal.SIGINT))


def test_a_checkpoint_that_is_being_removed_has_no_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old one is removed after each epoch; what ends the process then leaves none that is not whole."""
    folder = tmp_path / "epoch-00000001"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    monkeypatch.setattr(checkpoint.shutil, "rmtree", _interrupt)
    with pytest.raises(stop_signals.Stopped):
        checkpoint._remove(folder)
    assert not list(tmp_path.glob("epoch-*"))
    assert all(path.name.startswith(".writing-") for path in tmp_path.iterdir())


def _interrupt(folder: Path) -> None:
    raise stop_signals.Stopped(signal.SIGTERM)
