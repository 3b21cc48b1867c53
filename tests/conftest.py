"""What all tests share.

Generated examples follow from the tests' names alone, so a run repeats. Files of tests, and the tests in each file, run
in a random order, whose seed is printed first.
"""

import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

# How long it takes to generate an example says how busy the machine is, and nothing about the test.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

_MOST_PROCESSES = 4
"""A process that has compiled and run all kinds of programs holds two to three gigabytes."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes run tests side by side with `-n auto`: one for each core that they may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(_MOST_PROCESSES, cores or 1)


def pytest_configure(config: pytest.Config) -> None:
    """Gives all processes of this run one new folder for compiled programs, which most of the time goes to."""
    if hasattr(config, "workerinput") or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="compiled-")
    added = {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    os.environ.update(added)

    def restore() -> None:
        for name in added:
            os.environ.pop(name, None)
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(restore)
