"""Every exchange brings the right embedding of every entry, moves exactly the bytes it says, and changes no result."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from alx_solver.collective_bytes import collective_bytes
from alx_solver.csr import CsrMatrix
from alx_solver.exchange import EXCHANGES, ExchangeRequest, make_exchange
from alx_solver.exchange.stages import over_stages
from alx_solver.linear_solvers import make_linear_solver
from alx_solver.mesh import SHARDED, make_mesh, put_sharded
from alx_solver.options import EXCHANGES as EXCHANGE_NAMES
from alx_solver.options import ExchangeOptions, Precision, SolverOptions
from alx_solver.ownership import balanced_ranges
from alx_solver.summed_bytes import SummedRowCost
from tests.alx_solver.problems import DIM, make_trainer, power_law, relative_error
from tests.oracles import als as oracle

UNLIMITED = ExchangeOptions()
LONG_SUMMED = ExchangeOptions(summed_min_length=20)
LIMITED = ExchangeOptions(memory_fraction=0.3)
CASES = [
    ("table", UNLIMITED),
    ("routed", UNLIMITED),
    ("routed", LONG_SUMMED),
    ("partial", LONG_SUMMED),
    ("auto", UNLIMITED),
    ("routed", LIMITED),
    ("original", UNLIMITED),
]


def matrix_with_neighbours(rows: int = 1500, cols: int = 1300) -> CsrMatrix:
    """Links to near ids, to a few hubs and to anywhere; some long rows, some empty ones. Two stages of `original`."""
    rng = np.random.default_rng(3)
    lengths = np.minimum(rng.zipf(1.6, rows), 300) + 8
    lengths[::97] = 0
    lengths[::301] = 700
    source = np.repeat(np.arange(rows), lengths)
    near = source * cols // rows + rng.integers(-30, 30, len(source))
    kind = rng.random(len(source))
    target = np.where(
        kind < 0.5, near, np.where(kind < 0.8, rng.integers(0, 20, len(source)), rng.integers(0, cols, len(source)))
    )
    pairs = np.unique(source * cols + np.clip(target, 0, cols - 1))
    ones = np.ones(len(pairs), np.float32)
    return CsrMatrix.from_scipy(scipy.sparse.csr_array((ones, (pairs // cols, pairs % cols)), shape=(rows, cols)))


def request_for(matrix: CsrMatrix, num_devices: int, options: ExchangeOptions, dtype=jnp.float32) -> ExchangeRequest:
    solver = make_linear_solver("matrix_free_cg", steps=3, tolerance=None, max_steps=10)
    return ExchangeRequest(
        matrix=matrix,
        row_ranges=balanced_ranges(matrix.row_lengths, num_devices),
        col_ranges=balanced_ranges(matrix.transpose().row_lengths, num_devices),
        embedding_bytes=2 * jnp.dtype(dtype).itemsize,
        summed_row_cost=SummedRowCost.of(solver, 2, 4, 64),
        options=options,
    )


def collect_every_stage(plan, request: ExchangeRequest, dtype=jnp.float32) -> np.ndarray:
    """[devices, stages, collected, 2]: what each device gathers from, where column c's embedding is (c + 1, c % 7)."""
    mesh = make_mesh(jax.devices()[: request.num_devices])
    cols = request.col_ranges
    ids = np.arange(cols.num_rows)
    table = put_sharded(mesh, jnp.asarray(cols.pad(np.stack([ids + 1, ids % 7], axis=1).astype(np.float32)), dtype))

    def record(shard, arrays):
        arrays = jax.tree.map(lambda array: array[0], arrays)
        rows = jax.eval_shape(plan.device.collect, shard, arrays).shape[0]

        def work(stage, collected, seen):
            return seen.at[stage].set(collected)

        empty = jnp.zeros((plan.device.num_stages, rows, 2), dtype)
        return over_stages(plan.device, shard, arrays, work, empty)[None]

    run = jax.shard_map(record, mesh=mesh, in_specs=(SHARDED, SHARDED), out_specs=SHARDED, check_vma=False)
    return np.asarray(jax.jit(run)(table, put_sharded(mesh, plan.arrays)), np.float32)


@pytest.mark.parametrize("num_devices", [1, 8])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_every_entry_finds_its_embedding(name, options, num_devices):
    matrix = matrix_with_neighbours()
    request = request_for(matrix, num_devices, options)
    plan = make_exchange(name).plan(request)
    seen = collect_every_stage(plan, request)
    row = np.repeat(np.arange(matrix.num_rows), matrix.row_lengths)
    device, stage = request.row_ranges.owners(row), plan.row_stage[row]
    routed = ~np.isin(row, plan.summed_rows)
    found = seen[device[routed], stage[routed], plan.entry_positions[routed]]
    columns = matrix.indices[routed]
    np.testing.assert_array_equal(found, np.stack([columns + 1, columns % 7], axis=1))
    np.testing.assert_array_equal(seen[:, :, plan.padding_position], 0)
    assert set(plan.row_stage) <= set(range(plan.device.num_stages))
    if options is LIMITED and num_devices == 8:
        assert plan.device.num_stages > 1
        assert plan.held_rows <= 0.3 * matrix.num_cols
        assert seen.shape[2] - request.col_ranges.capacity <= plan.held_rows
    if options is LONG_SUMMED and num_devices > 1:
        assert set(plan.summed_rows) == set(np.flatnonzero(matrix.row_lengths >= 20))


def test_stages_hold_less_and_move_more():
    matrix = matrix_with_neighbours()
    whole = make_exchange("routed").plan(request_for(matrix, 8, UNLIMITED))
    limited = make_exchange("routed").plan(request_for(matrix, 8, ExchangeOptions(memory_fraction=0.4)))
    assert limited.held_rows < whole.held_rows
    assert limited.device.num_stages > 1


def test_auto_moves_least():
    matrix = matrix_with_neighbours()
    for num_devices in (2, 8):
        totals = {
            name: make_exchange(name).plan(request_for(matrix, num_devices, UNLIMITED)).total_bytes
            for name in ("auto", "table", "routed", "partial")
        }
        assert totals["auto"] == min(totals.values())


def test_too_little_memory_says_how_much_is_needed():
    with pytest.raises(
        ValueError, match=r"memory_fraction 0.001 is too small for the exchange.* the least that a plan"
    ):
        make_exchange("auto").plan(request_for(matrix_with_neighbours(), 8, ExchangeOptions(memory_fraction=1e-3)))


@pytest.mark.parametrize(
    ("name", "options", "table", "linear_solver"),
    [
        *((name, options, "bfloat16", "matrix_free_cg") for name, options in CASES),
        ("partial", LONG_SUMMED, "float32", "conjugate_gradient"),
        ("partial", LONG_SUMMED, "bfloat16", "subspace"),
    ],
    ids=str,
)
def test_predicted_bytes_are_those_of_the_compiled_half_steps(name, options, table, linear_solver):
    trainer = make_trainer(
        matrix_with_neighbours().to_scipy().astype(np.float32),
        num_devices=8,
        solver=SolverOptions(linear_solver=linear_solver),
        exchange=dataclasses.replace(options, name=name),
        precision=Precision(table=table),
    )
    state = trainer.init()
    for side, tables in (
        (trainer.row_side, (state.row_table, state.col_table)),
        (trainer.col_side, (state.col_table, state.row_table)),
    ):
        program = side.half_step.lower(*tables, side.batches, side.exchange_arrays, side.rule).compile().as_text()
        counted = collective_bytes(program, num_devices=8)
        gramian = 2 * 7 / 8 * 4 * DIM * DIM
        assert sum(counted.values()) - gramian == pytest.approx(side.plan.total_bytes, abs=1e-6), counted


@pytest.mark.parametrize(
    ("name", "options", "linear_solver"),
    [
        *((name, options, "matrix_free_cg") for name, options in CASES),
        ("partial", LONG_SUMMED, "cholesky"),
        ("partial", LONG_SUMMED, "subspace"),  # one block of all dimensions, which is exact
        ("routed", LIMITED, "cholesky"),
    ],
    ids=str,
)
def test_training_equals_the_oracle(name, options, linear_solver):
    """Weighted entries, so that the summed rows' weights are tried too; loss and tables as in float64."""
    matrix, steps = power_law(weighted=True), 3 if linear_solver == "matrix_free_cg" else None
    options = ExchangeOptions(memory_fraction=0.6) if options is LIMITED else options
    trainer = make_trainer(
        matrix,
        num_devices=8,
        solver=SolverOptions(linear_solver=linear_solver),
        exchange=dataclasses.replace(options, name=name),
        binary=False,
    )
    state = trainer.init()
    start = trainer.row_embeddings(state), trainer.col_embeddings(state)
    state = trainer.epoch(trainer.epoch(state))
    rows, cols = list(oracle.train(matrix, *start, 1e-2, 1e-2, epochs=2, cg_steps=steps))[-1]
    assert relative_error(trainer.row_embeddings(state), rows) < 1e-3
    assert trainer.objective(state).total == pytest.approx(
        sum(oracle.objective(matrix, rows, cols, 1e-2, 1e-2)), rel=1e-4
    )


def test_subspace_sweeps_over_summed_rows_are_those_of_the_table():
    """Blocks of 3 of 8 dimensions: they begin at 0, 3 and 5, and the last overlaps."""
    solver, tables = SolverOptions(linear_solver="subspace", cg_steps=2, subspace_block=3), []
    for options in (ExchangeOptions(), dataclasses.replace(LONG_SUMMED, name="partial")):
        trainer = make_trainer(power_law(weighted=True), num_devices=8, solver=solver, exchange=options, binary=False)
        tables.append(trainer.row_embeddings(trainer.epoch(trainer.init())))
    assert len(trainer.row_side.plan.summed_rows) > 0
    assert relative_error(tables[1], tables[0]) < 1e-4


@pytest.mark.parametrize("name", ["routed", "partial"])
def test_fold_in_is_that_of_the_table(name):
    matrix = power_law()
    folded = []
    for each in ("table", name):
        trainer = make_trainer(matrix, num_devices=8, exchange=ExchangeOptions(name=each))
        folded.append(trainer.fold_in(trainer.init(), CsrMatrix.from_scipy(matrix[:40])))
    assert relative_error(folded[1], folded[0]) < 1e-5


def test_options_and_registry_name_the_same():
    assert tuple(EXCHANGES) == EXCHANGE_NAMES


def test_unknown_name_raises_with_the_valid_ones():
    with pytest.raises(ValueError, match="unknown exchange 'teleport'; valid: auto, table, routed, partial, original"):
        make_exchange("teleport")


def test_unknown_name_in_the_options_raises_with_the_valid_ones():
    with pytest.raises(ValueError, match="unknown exchange 'teleport'; valid: auto, table, routed, partial, original"):
        ExchangeOptions(name="teleport")


def test_no_devices_raises():
    with pytest.raises(ValueError, match="at least one device"):
        make_mesh([])
