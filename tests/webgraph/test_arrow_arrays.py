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

from webgraph.arrow_arrays import binary_array, number_array, numbers_of, string_array
from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl


@given(st.lists(st.binary(max_size=5)))
def test_binary_array_equals_pyarrows(values: list[bytes]) -> None:
    made = binary_array(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, type=pa.large_binary()))


@given(st.lists(st.text(max_size=5)))
def test_string_array_equals_pyarrows(values: list[str]) -> None:
    made = string_array(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, type=pa.large_string()))


def test_string_array_has_no_place_for_surrogates() -> None:
    assert string_array(["a", "\ud800\udc00b", "\u00e4"]).to_pylist() == ["a", "\ufffd\ufffdb", "\u00e4"]


@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.int32])
@pytest.mark.parametrize("step", [1, 2])
def test_number_array_equals_pyarrows(dtype: type, step: int) -> None:
    values = np.arange(10, dtype=dtype)[::step]
    made = number_array(values)
    assert made.equals(pa.array(values))
    assert (numbers_of(made) == values).all()
    assert (numbers_of(made[2:]) == values[2:]).all()


def test_a_build_does_without_pandas(tmp_path: Path) -> None:
    crawl = write_synthetic_crawl(tmp_path / "crawl", SyntheticCrawlOptions(num_pages=60, seed=1))
    (tmp_path / "pandas.py").write_text("open('imported', 'w').close()\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    command = [sys.executable, "-m", "webgraph.cli", "build", *map(str, crawl.wat_paths), "--output", "graphs"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True)
    assert not (tmp_path / "imported").exists()
    probe = [sys.executable, "-c", "import pyarrow; pyarrow.array([1])"]
    subprocess.run(probe, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert (tmp_path / "imported").exists()  # so it would have been seen
