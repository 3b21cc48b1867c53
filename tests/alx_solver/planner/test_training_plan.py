"""A plan of a matrix is what the trainer then has on its devices, and what the compiler says of its programs."""

import dataclasses

import jax
import numpy as np
import pytest

from alx_solver.collective_bytes import collective_bytes
from alx_solver.linear_solvers import MatrixFreeCg
from alx_solver.options import BatchOptions, ExchangeOptions, Precision, SolverOptions
from alx_solver.planner import PROFILES, PlanOptions, plan_matrix, plan_shape
from alx_solver.planner.costs import peak_costs, roofline_seconds, solver_work
from alx_solver.planner.memory import arguments, workspace
from alx_solver.planner.shape_load import ProblemShape, distinct
from tests.alx_solver.problems import DIM, make_trainer
from tests.alx_solver.test_exchange import matrix_with_neighbours

# Tiles small beside the tables, as they are in any training that needs a plan.
BATCHES = BatchOptions(widths=(16, 32), tile_entries=256, cut_width=32, cut_slots=4)


def options(num_devices: int, exchange: ExchangeOptions, table: str = "float32", kernel: str = "auto") -> PlanOptions:
    return PlanOptions(
        device=dataclasses.replace(PROFILES["h200"], platform="cpu"),
        count=num_devices,
        dim=DIM,
        solver=SolverOptions(linear_solver="matrix_free_cg", kernel=kernel),
        precision=Precision(table=table),
        exchange=exchange,
        batches=BATCHES,
    )


@pytest.mark.parametrize(
    ("num_devices", "exchange", "table", "kernel"),
    [
        (1, ExchangeOptions(), "float32", "native"),
        (1, ExchangeOptions(), "bfloat16", "native"),
        (8, ExchangeOptions(name="auto"), "float32", "native"),
        (8, ExchangeOptions(name="auto"), "bfloat16", "native"),
        pytest.param(
            8, ExchangeOptions(name="routed", memory_fraction=0.3), "float32", "native", marks=pytest.mark.slow
        ),
        pytest.param(1, ExchangeOptions(), "float32", "xla", marks=pytest.mark.slow),
        pytest.param(8, ExchangeOptions(name="auto"), "float32", "xla", marks=pytest.mark.slow),
        pytest.param(8, ExchangeOptions(), "float32", "xla", marks=pytest.mark.slow),
        pytest.param(8, ExchangeOptions(name="routed", memory_fraction=0.3), "float32", "xla", marks=pytest.mark.slow),
        pytest.param(1, ExchangeOptions(), "bfloat16", "xla", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_memory_and_bytes_are_those_of_the_compiled_half_steps(num_devices, exchange, table, kernel):
    matrix = matrix_with_neighbours(4000, 3500)
    trainer = make_trainer(
        matrix.to_scipy().astype(np.float32),
        num_devices=num_devices,
        solver=SolverOptions(kernel=kernel),
        exchange=exchange,
        precision=Precision(table=table),
        batches=BATCHES,
    )
    plan = plan_matrix(trainer.matrix, "made", options(num_devices, exchange, table, kernel))
    state, moved = trainer.init(), 0.0
    for load, side, tables in (
        (plan.loads[0], trainer.row_side, (state.row_table, state.col_table)),
        (plan.loads[1], trainer.col_side, (state.col_table, state.row_table)),
    ):
        program = side.half_step.lower(*tables, side.batches, side.exchange_arrays, side.rule).compile()
        analysis, numbers = program.memory_analysis(), plan.options.numbers
        # The compiler leaves out what a program does not read: the native kernel goes by lengths.
        cut = side.batches.cut
        unread = 0 if cut is None or kernel == "xla" else cut.segment_ids.nbytes // num_devices
        held = analysis.argument_size_in_bytes + unread
        assert arguments(load, numbers) == pytest.approx(held, abs=64)
        total = held + analysis.temp_size_in_bytes
        # With few classes XLA may put solutions together within the last gather, which a plan does not count.
        assert arguments(load, numbers) + workspace(load, numbers) == pytest.approx(
            total, rel=0.15 if num_devices == 1 else 0.1
        )
        moved += sum(collective_bytes(program.as_text(), num_devices=num_devices).values())
        assert load.batch_bytes * num_devices == sum(array.nbytes for array in jax.tree.leaves(side.batches))
        assert load.footprints.sum() == load.entries + load.cut_entries + load.summed_entries
        if kernel == "native" and num_devices == 1:
            assert load.entries + load.cut_entries == matrix.num_entries
    assert plan.total_bytes == pytest.approx(moved, abs=1e-6)
    assert plan.exact


def test_the_roofline_is_entries_times_bytes_by_bandwidth():
    shape = ProblemShape(name="made", rows=1000, cols=2000, entries=10**9)
    plan = plan_shape(shape, PlanOptions(device=PROFILES["h200"], count=4, dim=64))
    assert plan.roofline["memory"] == pytest.approx(2 * 10**9 / 4 * 64 * 4 / 4.8e12)
    solver = plan.options.linear_solver
    assert solver_work(solver, 64).entry_flops == (4 * 3 + 2) * 64
    flops = roofline_seconds(plan.loads[0], PROFILES["h200"], solver, 64, 4, 4)["flops"]
    assert flops == pytest.approx((10**9 / 4 * 14 * 64 + 501 * 2 * 64**2) / 67e12, rel=1e-6)


def test_a_kernel_reads_each_embedding_and_id_once():
    solver = MatrixFreeCg(3, None, 1)
    by_kernel, by_xla = (
        peak_costs(PROFILES["h200"], dataclasses.replace(solver, kernel=kernel), 128, 2, 8)
        for kernel in ("pallas", "xla")
    )
    assert by_kernel.entry == pytest.approx((128 * 2 + 4) / (0.5 * 4.8e12))
    assert by_kernel.plain_entry == by_xla.entry > 15 * by_kernel.entry  # 2 + 4 + 7 x 4 bytes a number
    assert by_kernel.cut_entry == by_xla.cut_entry  # only on CPUs do kernels take cut rows
    assert by_kernel.row < by_xla.row


def test_what_does_not_fit_the_kernel_is_planned_for_xla():
    matrix = matrix_with_neighbours(4000, 3500)
    on_gpu = dataclasses.replace(options(1, ExchangeOptions()), device=PROFILES["h200"])
    assert plan_matrix(matrix, "made", on_gpu).to_json()["kernel"] == "pallas"
    wide = dataclasses.replace(on_gpu, dim=1024, batches=BatchOptions(widths=(16, 48), cut_width=32))
    for narrow_plan, wide_plan in zip(
        plan_matrix(matrix, "made", on_gpu).loads, plan_matrix(matrix, "made", wide).loads, strict=True
    ):
        assert narrow_plan.plain_entries == 0 < wide_plan.plain_entries < wide_plan.entries
        assert wide_plan.by_xla
    plain = dataclasses.replace(on_gpu, solver=SolverOptions(linear_solver="matrix_free_cg", kernel="xla"))
    assert all(load.by_xla and load.tiles > 100 for load in plan_matrix(matrix, "made", plain).loads)


def test_a_shape_that_does_not_fit_fits_on_more_devices():
    shape = ProblemShape(name="made", rows=10**8, cols=10**8, entries=10**10)
    needed = []
    for count in (1, 8, 64):
        plan = plan_shape(shape, PlanOptions(device=PROFILES["a100"], count=count))
        needed.append(plan.memory.total)
        assert plan.fits == (plan.memory.total <= 0.9 * 80e9)
        assert not plan.exact
    assert needed == sorted(needed, reverse=True)
    assert plan.fits
    assert not plan_shape(shape, PlanOptions(device=PROFILES["a100"])).fits


def test_a_shape_takes_stages_where_the_whole_halo_does_not_fit():
    shape = ProblemShape(name="made", rows=10**8, cols=10**8, entries=10**10)
    tight = PlanOptions(device=PROFILES["a100"], count=16, exchange=ExchangeOptions(name="routed"))
    roomy = dataclasses.replace(tight, device=dataclasses.replace(PROFILES["a100"], memory_bytes=1e12))
    one, several = plan_shape(shape, roomy), plan_shape(shape, tight)
    assert one.loads[0].num_stages == 1 < several.loads[0].num_stages
    assert several.fits and several.total_bytes > one.total_bytes
    assert several.memory.total < one.memory.total


def test_without_locality_a_shape_bounds_the_bytes_of_a_matrix():
    matrix = matrix_with_neighbours(4000, 3500)
    exact = plan_matrix(matrix, "made", options(8, ExchangeOptions(name="routed")))
    shape = ProblemShape(name="made", rows=4000, cols=3500, entries=matrix.num_entries)
    modelled = plan_shape(shape, options(8, ExchangeOptions(name="routed")))
    assert exact.total_bytes < modelled.total_bytes
    assert plan_shape(dataclasses.replace(shape, remote_share=0.0), options(8, ExchangeOptions())).total_bytes > 0


def test_distinct_columns_of_random_entries():
    rng = np.random.default_rng(0)
    for entries in (100, 5000, 100_000):
        drawn = np.mean([len(np.unique(rng.integers(0, 5000, entries))) for _ in range(5)])
        assert distinct(5000, entries) == pytest.approx(drawn, rel=0.03)


def test_words_for_what_cannot_be_planned():
    base = PlanOptions(device=PROFILES["h200"])
    shape = ProblemShape(name="made", rows=10, cols=10, entries=10)
    with pytest.raises(ValueError, match="exchange 'partial' is not modelled for a shape; give auto, table or routed"):
        plan_shape(shape, dataclasses.replace(base, exchange=ExchangeOptions(name="partial")))
    with pytest.raises(ValueError, match="to a tolerance takes an unknown number of steps"):
        plan_shape(
            shape, dataclasses.replace(base, solver=SolverOptions(linear_solver="matrix_free_cg", tolerance=1e-3))
        )
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        PlanOptions(device=PROFILES["h200"], count=0)
    with pytest.raises(ValueError, match="a plan needs a linear solver's name"):
        PlanOptions(device=PROFILES["h200"], solver=SolverOptions())
    with pytest.raises(ValueError, match="platform of device 'h200' must be one of cpu, gpu, tpu, got 'fpga'"):
        dataclasses.replace(PROFILES["h200"], platform="fpga")
    with pytest.raises(ValueError, match="remote_share of 'made' must be in"):
        ProblemShape(name="made", rows=1, cols=1, entries=1, remote_share=2.0)
