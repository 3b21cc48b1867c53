"""Real archives, graphs and URLs to test on. They are not part of the repository.

They lie in `../shared/data` beside the repository, or where `WEBGRAPH_SHARED_DATA` says. Tests that need them are
skipped where they are missing, but fail there if `CI=true`, so that no automatic run passes without them.
"""

import os
from pathlib import Path

import pytest

ENVIRONMENT_VARIABLE = "WEBGRAPH_SHARED_DATA"


def shared_data_folder() -> Path:
    """The folder of the data, which need not exist."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"


def shared_data(*names: str) -> Path:
    """Returns the path of shared data; skips the test, or fails it if `CI=true`, where the data are missing."""
    path = shared_data_folder().joinpath(*names)
    if path.exists():
        return path
    message = f"The shared data {'/'.join(names)} are missing; set {ENVIRONMENT_VARIABLE} to the folder that has them."
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
