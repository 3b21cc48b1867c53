"""`tfds build webgraph`, stopped by signals while our pipeline runs and while TFDS writes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webgraph import stop_signals
from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 600
_MOMENTS = {
    "the pipeline runs": "downloads/webgraph-*/.work/parsed/*",
    "TFDS writes": "data/webgraph/sparse/*incomplete*",
}


def _start(folder: Path, *flags: str) -> "subprocess.Popen[str]":
    def prepare() -> None:
        for number in stop_signals.SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    command = [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", "build", "webgraph/sparse", *flags]
    command += ["--imports", "webgraph.webgraph_dataset_builder", "--manual_dir", str(folder / "made" / "wat")]
    command += ["--data_dir", str(folder / "data"), "--download_dir", str(folder / "downloads")]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number", "target"),
    [
        ("the pipeline runs", signal.SIGTERM, "group"),
        ("the pipeline runs", signal.SIGINT, "parent"),
        ("TFDS writes", signal.SIGHUP, "group"),
    ],
)
def test_a_build_of_tfds_is_told_to_end(tmp_path: Path, moment: str, number: signal.Signals, target: str) -> None:
    write_synthetic_crawl(tmp_path / "made", SyntheticCrawlOptions(num_pages=400, seed=8, num_files=3))
    with _start(tmp_path) as process:
        deadline = time.monotonic() + _SECONDS
        while not list(tmp_path.glob(_MOMENTS[moment])):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        (os.kill if target == "parent" else os.killpg)(process.pid, number)
        _, errors = process.communicate(timeout=_SECONDS)
    assert process.returncode == 128 + number, errors
    assert errors.count(f"tfds build webgraph: stopped by {number.name}; run the same command again") == 1
    assert "Traceback" not in errors
    assert not list((tmp_path / "data").glob("webgraph/sparse/1.0.0/*"))
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody of the group is left
    with _start(tmp_path) as process:
        _, errors = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, errors
    assert (tmp_path / "data" / "webgraph" / "sparse" / "1.0.0" / "dataset_info.json").exists()
