"""Two processes of four devices train what one of eight does. Worker: `train_in_process.py`."""

import argparse
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from alx_solver.processes import join_processes
from tests.alx_solver.planted import write_planted

WORKER = Path(__file__).with_name("train_in_process.py")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def run_processes(count: int, folder: Path) -> dict:
    coordinator = f"localhost:{free_port()}"
    commands = [
        [sys.executable, str(WORKER), coordinator, str(count), str(process), str(folder), str(8 // count)]
        for process in range(count)
    ]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for command in commands]
    try:
        outputs = [process.communicate()[0].decode() for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * count, "\n".join(outputs)[-4000:]
    return json.loads((folder / f"{count}.json").read_text())


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    write_planted(tmp_path)
    one, two = run_processes(1, tmp_path), run_processes(2, tmp_path)
    for name, results in two.items():
        assert results["loss"] == pytest.approx(one[name]["loss"], rel=1e-4), name
        assert results["loss"] == pytest.approx(one["table"]["loss"], rel=1e-4), name
        if "recall" in results:
            assert results["recall"] == pytest.approx(one["table"]["recall"], abs=0.002), name
    assert one["table"]["recall"] > 0.5


def test_flags_go_together():
    with pytest.raises(ValueError, match="--coordinator, --num-processes and --process-id together"):
        join_processes(argparse.Namespace(coordinator="localhost:1", num_processes=2, process_id=None))
    with pytest.raises(ValueError, match="--process-id 2: give 0 to 1"):
        join_processes(argparse.Namespace(coordinator="localhost:1", num_processes=2, process_id=2))


def test_without_flags_there_is_nothing_to_join():
    assert join_processes(argparse.Namespace())
