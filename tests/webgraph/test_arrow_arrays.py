"""Arrow arrays made without `pyarrow.array`, against it; and that no step of a build imports pandas."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webgraph.arrow_arrays import binary_array, number_array
from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl


@given(st.lists(st.binary(max_size=5)))
def test_binary_array_equals_pyarrows(values: list[bytes]) -> None:
    made = binary_array(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, type=pa.large_binary()))


@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.int32])
@pytest.mark.parametrize("step", [1, 2])
def test_number_array_equals_pyarrows(dtype: type, step: int) -> None:
    values = np.arange(10, dtype=dtype)[::step]
    assert number_array(values).equals(pa.array(values))


def test_a_build_does_without_pandas(tmp_path: Path) -> None:
    crawl = write_synthetic_crawl(tmp_path / "crawl", SyntheticCrawlOptions(num_pages=60, seed=1))
    (tmp_path / "pandas.py").write_text("raise RuntimeError('pandas is imported')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    command = [sys.executable, "-m", "webgraph.cli", "build", *map(str, crawl.wat_paths), "--output", "graphs"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True)
    probe = [sys.executable, "-c", "import pyarrow; pyarrow.array([1])"]
    assert subprocess.run(probe, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=False).returncode
