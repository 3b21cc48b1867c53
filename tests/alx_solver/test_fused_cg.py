"""The Pallas kernel against the plain path on the same tiles: interpreted here, compiled on a GPU, lowered for CUDA."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alx_solver.dense_batching import WholeTiles
from alx_solver.exchange.table import TableOnDevice
from alx_solver.half_step import OperatorOf, ShardSolver
from alx_solver.linear_solvers import MatrixFreeCg, make_linear_solver
from alx_solver.linear_solvers.fused_cg import INTERPRETED, MOST_NUMBERS, fits, takes, with_kernel
from alx_solver.options import BatchOptions, ExchangeOptions, Precision, SolverOptions
from alx_solver.regularization import RegularizationRule
from tests.alx_solver.problems import make_trainer, power_law, relative_error

TABLE_ROWS, SHARD_ROWS, TILES, TILE_ROWS = 50, 30, 3, 4
PLAIN = MatrixFreeCg(steps=3, tolerance=None, max_steps=1)
CASES = [
    # width, dim, weighted, table: widths that are a power of two and not, a row alone and several in a program
    (16, 32, False, "float32"),
    (5, 32, True, "float32"),
    (1, 64, False, "bfloat16"),
    (12, 64, True, "bfloat16"),
    (100, 64, False, "float32"),
    (24, 128, True, "float32"),
    (64, 128, False, "bfloat16"),
    (256, 128, True, "float32"),
    (9, 6, True, "float32"),
]


def problem(width: int, dim: int, weighted: bool, dtype: str):
    """Tiles, row shard, collected table and systems; the last row of either table is zero, the padding's."""
    rng = np.random.default_rng(width + dim)
    shape = (TILES, TILE_ROWS)
    lengths = rng.integers(1, width + 1, shape)
    lengths[0, 0], lengths[1, 2], lengths[2, 1] = width, 0, 0  # a full row; a row without entries; an empty slot
    ids = rng.integers(0, TABLE_ROWS - 1, (*shape, width))
    padding = np.arange(width) >= lengths[..., None]
    ids[padding] = TABLE_ROWS - 1
    weights = np.where(padding, 0, rng.uniform(0.25, 4, ids.shape)).astype(np.float32) if weighted else None
    rows = rng.permutation(SHARD_ROWS - 1)[: TILES * TILE_ROWS].reshape(shape)
    rows[2, 1] = SHARD_ROWS - 1
    tiles = WholeTiles(
        jnp.asarray(ids, jnp.int32),
        None if weights is None else jnp.asarray(weights),
        jnp.asarray(rows, jnp.int32),
        jnp.asarray(lengths, jnp.int32),
        jnp.asarray([0, 2, TILES], jnp.int32),  # two stages
    )
    tables = []
    for count in (SHARD_ROWS, TABLE_ROWS):
        table = rng.normal(size=(count, dim)) / np.sqrt(dim)
        table[-1] = 0
        tables.append(jnp.asarray(table, dtype))
    hidden = rng.normal(size=(200, dim)) / np.sqrt(dim)
    background = jnp.asarray(0.05 * hidden.T @ hidden, jnp.float32)
    rule = RegularizationRule(jnp.float32(0.3), jnp.float32(0.01), jnp.float32(1.0), jnp.float32(TABLE_ROWS))
    return tiles, *tables, OperatorOf(background, rule, jax.lax.Precision.HIGHEST)


def solve(solver, stage, tiles, row_shard, collected, operator):
    shard_solver = ShardSolver(TableOnDevice(), solver, jax.lax.Precision.HIGHEST)
    into = jnp.full((TILES, TILE_ROWS, row_shard.shape[1]), 7, row_shard.dtype)
    return jax.jit(lambda stage: shard_solver.solve_whole(tiles, stage, row_shard, collected, operator, into))(stage)


def assert_equal_solutions(kernel: str, width: int, dim: int, weighted: bool, dtype: str) -> None:
    given = problem(width, dim, weighted, dtype)
    fused = dataclasses.replace(PLAIN, kernel=kernel)
    assert takes(fused, width, dim) and not takes(PLAIN, width, dim)
    for stage, tiles_of_stage in enumerate((slice(0, 2), slice(2, 3))):
        found = np.asarray(solve(fused, jnp.int32(stage), *given), np.float32)
        expected = np.asarray(solve(PLAIN, jnp.int32(stage), *given), np.float32)
        other = np.delete(np.arange(TILES), tiles_of_stage)
        np.testing.assert_array_equal(found[other], 7)  # tiles of the other stage stay as they are
        tolerance = 2**-8 if dtype == "bfloat16" else 1e-5  # solutions are stored in the table's type
        np.testing.assert_allclose(found[tiles_of_stage], expected[tiles_of_stage], rtol=tolerance, atol=tolerance / 10)
        assert np.isfinite(found).all()


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


@pytest.mark.parametrize("num_devices", [1, 8])
def test_training_is_that_of_the_plain_path(num_devices):
    """Whole rows through the kernel, rows of more than 12 entries cut, rows without any; loss and tables."""
    tables, losses = [], []
    for kernel in ("xla", "pallas"):
        trainer = make_trainer(
            power_law(weighted=True), num_devices=num_devices, solver=SolverOptions(kernel=kernel), binary=False
        )
        state = trainer.epoch(trainer.epoch(trainer.init()))
        tables.append((trainer.row_embeddings(state), trainer.col_embeddings(state)))
        losses.append(trainer.objective(state).total)
    assert isinstance(trainer.linear_solver, MatrixFreeCg) and trainer.linear_solver.kernel == INTERPRETED
    for found, expected in zip(tables[1], tables[0], strict=True):
        assert relative_error(found, expected) < 1e-5
    np.testing.assert_array_equal(tables[1][0][[3, 12, 13]], 0)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_training_in_stages_with_bfloat16_tables():
    losses = []
    for kernel in ("xla", "pallas"):
        trainer = make_trainer(
            power_law(),
            num_devices=8,
            solver=SolverOptions(kernel=kernel),
            batches=BatchOptions(widths=(80,)),
            precision=Precision(table="bfloat16"),
            exchange=ExchangeOptions(name="routed", memory_fraction=0.6),
        )
        losses.append(trainer.objective(trainer.epoch(trainer.epoch(trainer.init()))).total)
    assert trainer.row_side.plan.device.num_stages > 1
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_wide_rows_stay_on_the_plain_path():
    assert fits(256, 128) and fits(512, 64) and fits(1024, 32)
    assert not fits(257, 128) and not fits(1024, 64)
    assert MOST_NUMBERS * 4 <= 128 << 10


def test_the_kernel_of_a_platform(caplog):
    cg = make_linear_solver("matrix_free_cg", steps=3, tolerance=None, max_steps=1)
    assert with_kernel(cg, "auto", "gpu").kernel == with_kernel(cg, "pallas", "gpu").kernel == "pallas"
    for name, platform in (("xla", "gpu"), ("auto", "cpu"), ("auto", "tpu"), ("xla", "cpu")):
        assert with_kernel(cg, name, platform) == cg
    assert not caplog.records
    assert with_kernel(cg, "pallas", "cpu").kernel == INTERPRETED
    assert "kernel 'pallas' on a CPU is interpreted" in caplog.text
    with pytest.raises(ValueError, match="kernel 'pallas' is written for GPUs, and these devices are tpu"):
        with_kernel(cg, "pallas", "tpu")
    for solver in (
        make_linear_solver("cholesky", steps=3, tolerance=None, max_steps=1),
        make_linear_solver("matrix_free_cg", steps=3, tolerance=1e-3, max_steps=9),
    ):
        assert with_kernel(solver, "auto", "gpu") == solver


def test_options_name_the_valid_kernels():
    with pytest.raises(ValueError, match="unknown kernel 'cuda'; valid: auto, xla, pallas"):
        SolverOptions(kernel="cuda")
    with pytest.raises(ValueError, match="kernel 'pallas' is matrix_free_cg with a fixed number of steps, not 'lu'"):
        SolverOptions(kernel="pallas", linear_solver="lu")
    with pytest.raises(ValueError, match=r"not 'matrix_free_cg' with tolerance 0.001"):
        SolverOptions(kernel="pallas", tolerance=1e-3)
