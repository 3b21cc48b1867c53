"""The native kernel against the plain path: whole rows, cut rows, rows of more entries than the buffer holds."""

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from alx_solver.half_step import make_half_step
from alx_solver.linear_solvers.native import native_cg, number_formats
from alx_solver.linear_solvers.native.background_product import BLOCK_ROWS
from alx_solver.options import SolverOptions
from tests.alx_solver.kernel_problems import CASES, PLAIN, assert_equal_solutions, problem, solve
from tests.alx_solver.problems import make_trainer, power_law, relative_error


@pytest.mark.parametrize(("width", "dim", "weighted", "dtype"), CASES)
def test_kernel_is_the_plain_path(width, dim, weighted, dtype):
    assert_equal_solutions("native", width, dim, weighted, dtype)


@pytest.fixture
def _no_half_steps_of_others() -> Iterator[None]:
    """A half-step is kept for all who ask for a like one, and knows nothing of the size of the buffer."""
    make_half_step.cache_clear()
    yield
    make_half_step.cache_clear()


@pytest.mark.usefixtures("_no_half_steps_of_others")
@pytest.mark.parametrize("buffer_numbers", [32, 1000])
def test_rows_longer_than_the_buffer(buffer_numbers, monkeypatch):
    """Each pass gathers such a row again, part after part; here 4 and 125 of its entries at a time."""
    monkeypatch.setattr(native_cg, "BUFFER_NUMBERS", buffer_numbers)
    tables = []
    for kernel in ("xla", "native"):
        trainer = make_trainer(power_law(weighted=True), solver=SolverOptions(kernel=kernel), binary=False)
        assert trainer.row_side.batches.cut is not None
        state = trainer.epoch(trainer.epoch(trainer.init()))
        tables.append((trainer.row_embeddings(state), trainer.col_embeddings(state)))
    for found, expected in zip(tables[1], tables[0], strict=True):
        assert relative_error(found, expected) < 1e-5


def test_a_row_does_not_depend_on_its_neighbours():
    """So that the same rows in other tiles (streamed, on other devices) give the same bytes."""
    tiles, row_shard, collected, operator = problem(24, 64, False, "float32")
    fused = dataclasses.replace(PLAIN, kernel="native")
    whole = np.asarray(solve(fused, jnp.int32(0), tiles, row_shard, collected, operator))
    order = np.array([2, 0, 3, 1])
    assert len(order) == BLOCK_ROWS
    shuffled = jax.tree.map(lambda array: array[:, order] if array.ndim > 1 else array, tiles)
    found = np.asarray(solve(fused, jnp.int32(0), shuffled, row_shard, collected, operator))
    np.testing.assert_array_equal(found[:2], whole[:2, order])


def test_what_a_call_allocates_is_bounded():
    solver = dataclasses.replace(PLAIN, kernel="native")
    short, long, longest = (native_cg.buffer_bytes(solver, length, 128) for length in (10, 5000, 10**9))
    vectors = 4 * (2 + 2 * solver.steps) * BLOCK_ROWS * 128 + 4 * solver.steps * BLOCK_ROWS
    assert (short, long, longest) == (2**19 + vectors, 4 * 5000 * 128 + vectors, 2**24 + vectors)


def test_nan_in_a_table_is_seen():
    """Reordered sums must not lose it: training stops where a number is not finite."""
    tiles, row_shard, collected, operator = problem(16, 32, False, "float32")
    broken = collected.at[int(tiles.ids[0, 1, 0]), 3].set(jnp.nan)
    found = np.asarray(
        solve(dataclasses.replace(PLAIN, kernel="native"), jnp.int32(0), tiles, row_shard, broken, operator)
    )
    assert np.isnan(found[0, 1]).all()


def test_bfloat16_is_rounded_to_nearest_even():
    _, widen, narrow = number_formats.load_and_store("bfloat16")
    numbers = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    numbers[:4] = [np.nan, np.inf, 1 + 2**-8, 1 + 3 * 2**-8]  # the last two are halfway between neighbours
    bits = np.zeros(1000, np.uint16)
    narrow(numbers, bits)
    expected = numbers.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(bits.view(ml_dtypes.bfloat16).astype(np.float32), expected)
    back = np.zeros(1000, np.float32)
    widen(bits, back)
    np.testing.assert_array_equal(back, expected)
