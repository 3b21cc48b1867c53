"""The Pallas kernel against the plain path on the same tiles: interpreted here, compiled on a GPU, lowered for CUDA."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from alx_solver.exchange.table import TableOnDevice
from alx_solver.half_step import ShardSolver
from alx_solver.linear_solvers.fused_cg import INTERPRETED, MOST_NUMBERS, fits
from tests.alx_solver.kernel_problems import CASES, PLAIN, TILE_ROWS, TILES, assert_equal_solutions, problem


@pytest.mark.parametrize(("width", "dim", "weighted", "dtype"), CASES)
def test_kernel_is_the_plain_path(width, dim, weighted, dtype):
    assert_equal_solutions(INTERPRETED, width, dim, weighted, dtype)


@pytest.mark.gpu
@pytest.mark.parametrize(("width", "dim", "weighted", "dtype"), CASES)
def test_kernel_is_the_plain_path_on_a_gpu(width, dim, weighted, dtype):
    with jax.default_device(jax.devices("gpu")[0]):
        assert_equal_solutions("pallas", width, dim, weighted, dtype)


@pytest.mark.parametrize(("width", "dim", "weighted", "dtype"), CASES)
def test_triton_lowering_for_cuda_builds(width, dim, weighted, dtype):
    """No GPU is needed: the module that Triton would compile is made and verified here."""
    tiles, row_shard, collected, operator = problem(width, dim, weighted, dtype)
    shard_solver = ShardSolver(TableOnDevice(), dataclasses.replace(PLAIN, kernel="pallas"), jax.lax.Precision.HIGHEST)

    def run(tiles, row_shard, collected, into):
        return shard_solver.solve_whole(tiles, jnp.int32(0), row_shard, collected, operator, into)

    into = jnp.zeros((TILES, TILE_ROWS, dim), row_shard.dtype)
    text = jax.jit(run).trace(tiles, row_shard, collected, into).lower(lowering_platforms=("cuda",)).as_text()
    assert "xla.gpu.triton" in text or "triton_kernel_call" in text
    assert f"tensor<{TILE_ROWS}x{width}x{dim}x" not in text  # the gathered tile is never an array
    plain = ShardSolver(TableOnDevice(), PLAIN, jax.lax.Precision.HIGHEST)

    def run_plain(tiles, into):
        return plain.solve_whole(tiles, jnp.int32(0), row_shard, collected, operator, into)

    text = jax.jit(run_plain).trace(tiles, into).lower(lowering_platforms=("cuda",)).as_text()
    assert f"tensor<{TILE_ROWS}x{width}x{dim}x" in text


def test_wide_rows_stay_on_the_plain_path():
    assert fits(256, 128) and fits(512, 64) and fits(1024, 32)
    assert not fits(257, 128) and not fits(1024, 64)
    assert MOST_NUMBERS * 4 <= 128 << 10
