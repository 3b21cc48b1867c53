"""What the parts of a half-step cost on the devices that are here: small problems run, each a few times.

Rows of 16 and of 64 entries of a table that stays in cache give the cost of an entry and of a row; rows cut into
dense rows, that of a cut entry; tiles of a sixteenth of the entries, what starting a tile costs; rows of
many lengths in one half-step, how far widths are solved side by side. Gathers at random
from tables of several sizes give what a gather costs by the bytes touched since the last time: at random these are
uniform from 0 to the table, so that between two sizes A < B with mean costs a and b it is (B b - A a) / (B - A). All
devices work at once, so that what they share is shared.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int32

from alx_solver.csr import CsrMatrix
from alx_solver.dense_batching import WholeTiles
from alx_solver.exchange import make_exchange
from alx_solver.exchange.moves import gather_table
from alx_solver.gramian import sharded_gramian
from alx_solver.half_step import gather_rows
from alx_solver.initialization import initial_table
from alx_solver.linear_solvers import LinearSolver
from alx_solver.linear_solvers.row_kernels import kernel_of, tile_solver, with_kernel
from alx_solver.mesh import REPLICATED, SHARDED, make_mesh, put_sharded
from alx_solver.options import BatchOptions, ExchangeOptions, Hyperparameters
from alx_solver.ownership import RowRanges
from alx_solver.planner.costs import HalfStepCosts
from alx_solver.planner.device_profile import DeviceProfile
from alx_solver.planner.training_plan import PlanOptions
from alx_solver.regularization import RegularizationRule
from alx_solver.side import TILE_NUMBERS, make_side

_ENTRIES = 1 << 18
_COLUMNS = 1024
_LENGTHS = tuple(range(16, 112, 4))  # as many widths as training picks: XLA runs few of them one after the other
_REPEATS = 7
_TABLE_BYTES = (1 << 20, 1 << 23, 1 << 25, 1 << 26, 1 << 27)
_MODEL = {"regularization": 1e-2, "unobserved_weight": 1e-2, "seed": 0}


def measure_costs(
    devices: Sequence[jax.Device],
    solver: LinearSolver,
    dim: int,
    dtype: jnp.dtype,
    precision: jax.lax.Precision = jax.lax.Precision.HIGHEST,
    memory_bytes: float | None = None,
) -> tuple[HalfStepCosts, DeviceProfile]:
    """Runs for some seconds.

    Returns:
        The costs, and a profile for the roofline: its bandwidth is that of copying a table larger than caches (read and
        written bytes together), its operations a second those of gramians.

    Args:
        devices: that work at once.
        solver: of the linear systems, with the kernel that training will have.
        dim: width of an embedding.
        dtype: of the tables.
        precision: of matrix products.
        memory_bytes: of a device, if known.
    """
    mesh = make_mesh(devices)

    full = max(64, TILE_NUMBERS // dim)

    def seconds(
        lengths: tuple[int, ...], widths: tuple[int, ...], tile_entries: int = full, solver: LinearSolver = solver
    ) -> float:
        batches = BatchOptions(widths=widths, tile_entries=tile_entries)
        return _half_step_seconds(mesh, solver, dim, dtype, precision, lengths, batches)

    long, short, cut = seconds((64,), (64,)), seconds((16,), (16,)), seconds((256,), (16,))
    small, several = seconds((64,), (64,), max(64, full // 16)), seconds(_LENGTHS, _LENGTHS)
    tile = max(0.0, (small - long) / (1 / max(64, full // 16) - 1 / full)) if full > 64 else 0.0
    long, short, cut = (max(0.0, mean - tile / full) for mean in (long, short, cut))
    row = max(0.0, (short - long) / (1 / 16 - 1 / 64))
    entry, cut_entry = max(0.0, long - row / 64), max(0.0, cut - row / 256)
    alone = entry + tile / full + statistics.mean(row / length for length in _LENGTHS)
    plain_entry, summed_entry = entry, cut_entry
    if kernel_of(solver) != "xla":  # what a kernel leaves to XLA
        plain = with_kernel(solver, "xla", devices[0].platform)
        plain_entry, summed_entry = seconds((64,), (64,), solver=plain), seconds((256,), (16,), solver=plain)
    costs = HalfStepCosts(
        entry=entry,
        plain_entry=plain_entry,
        cut_entry=cut_entry,
        summed_entry=summed_entry,
        gather=_gather_costs(mesh, solver, dim, dtype),
        row=row,
        gramian_row=_gramian_seconds(mesh, dim, dtype, precision),
        tile=tile,
        exchange_bandwidth=_move_bandwidth(mesh, dim, dtype),
        side_by_side=min(1.0, several / alone) if alone > 0 else 1.0,
    )
    profile = DeviceProfile(
        name=f"{devices[0].device_kind} (measured)",
        memory_bytes=memory_bytes,
        memory_bandwidth=_copy_bandwidth(mesh, dim),
        flops=2 * dim**2 / costs.gramian_row,
        link_bandwidth=min(costs.exchange_bandwidth, 1e15),
        efficiency=1.0,
        platform=devices[0].platform,
    )
    return costs, profile


def measured_here(
    options: PlanOptions,
    devices: Sequence[jax.Device],
    memory_bytes: float | None = None,
) -> PlanOptions:
    """The options with costs and profile of the devices that are here, and the tiles that training takes."""
    here = dataclasses.replace(
        options,
        device=dataclasses.replace(options.device, platform=devices[0].platform),
        batches=options.batches or BatchOptions(),
    )
    dtype = jnp.dtype(options.precision.table)
    costs, profile = measure_costs(devices, here.linear_solver, options.dim, dtype, memory_bytes=memory_bytes)
    return dataclasses.replace(here, device=profile, costs=costs)


def _half_step_seconds(
    mesh: Mesh,
    solver: LinearSolver,
    dim: int,
    dtype: jnp.dtype,
    precision: jax.lax.Precision,
    lengths: tuple[int, ...],
    batches: BatchOptions,
) -> float:
    """Seconds an entry of a device, in a half-step of as many entries in rows of each length; nothing has to travel."""
    size = mesh.size
    matrix = _local_rows(size, lengths)
    rows = matrix.num_rows // size
    row_ranges = RowRanges(np.arange(size + 1) * rows, rows + 1)
    col_ranges = RowRanges(np.arange(size + 1) * _COLUMNS, _COLUMNS + 1)
    model = Hyperparameters(dim=dim, **_MODEL)  # type: ignore[arg-type]
    side = make_side(
        mesh,
        matrix,
        row_ranges,
        col_ranges,
        exchange=make_exchange("routed"),
        exchange_options=ExchangeOptions(name="routed"),
        table_dtypes=(dtype, dtype),
        solver=solver,
        rule=RegularizationRule.of(model, matrix.num_cols),
        batches=batches,
        dim=dim,
        precision=precision,
    )
    state = initial_table(mesh, row_ranges, model, table="row", dtype=dtype)
    table = initial_table(mesh, col_ranges, model, table="col", dtype=dtype)

    def run() -> Any:
        nonlocal state
        state = side.solve(state, table)
        return state

    return _median_seconds(run) / (matrix.num_entries / size)


def _local_rows(size: int, lengths: tuple[int, ...]) -> CsrMatrix:
    """Rows of about `_ENTRIES` entries for each of `size` devices, of `_COLUMNS` columns of its own."""
    rng = np.random.default_rng(0)
    columns, rows = [], []
    for device in range(size):
        for length in lengths:
            count, step = _ENTRIES // len(lengths) // length, _COLUMNS // length
            picked = np.arange(length) * step + rng.integers(0, step, (count, length))
            columns.append((picked + device * _COLUMNS).reshape(-1))
            rows.append(np.full(count, length))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(rows))])
    return CsrMatrix(indptr, np.concatenate(columns).astype(np.int32), None, size * _COLUMNS)


def _gather_costs(mesh: Mesh, solver: LinearSolver, dim: int, dtype: jnp.dtype) -> tuple[tuple[float, float], ...]:
    """What a gather costs more than from the smallest table, by bytes touched.

    A kernel's gathers are timed in whole solves, because the processor computes meanwhile.
    """
    width = 64
    tile = max(width, TILE_NUMBERS // dim) // width * width
    solve_tiles = tile_solver(solver, width, dim)
    rng = np.random.default_rng(0)

    def gather(table: Float[Array, "rows dim"], ids: Int32[Array, "tiles entries"]) -> Array:
        if solve_tiles is None:
            return jax.lax.map(lambda each: gather_rows(table, each).max(), ids)
        rows = jnp.zeros((len(ids), tile // width), jnp.int32)
        bounds = jnp.array([0, len(ids)], jnp.int32)
        tiles = WholeTiles(ids.reshape(*rows.shape, width), None, rows, rows + width, bounds)
        solved, zero = jnp.zeros((*rows.shape, dim), table.dtype), jnp.zeros((1, dim), table.dtype)
        background, ridge = jnp.eye(dim), jnp.ones(rows.shape)
        return solve_tiles(solver, tiles, bounds, zero, table, background, ridge, solved)

    run = jax.jit(jax.shard_map(gather, mesh=mesh, in_specs=(SHARDED, SHARDED), out_specs=SHARDED, check_vma=False))
    costs: list[tuple[float, float]] = []
    size, total = 0, 0.0
    for table_bytes in _TABLE_BYTES:
        rows = table_bytes // (dim * dtype.itemsize)
        ids = rng.integers(0, rows, (mesh.size * (_ENTRIES // tile), tile), dtype=np.int32)
        table, places = put_sharded(mesh, jnp.ones((mesh.size * rows, dim), dtype)), put_sharded(mesh, ids)
        mean = _median_seconds(lambda table=table, places=places: run(table, places)) / _ENTRIES  # type: ignore[misc]
        costs.append((float(size), (table_bytes * mean - total) / (table_bytes - size)))
        size, total = table_bytes, table_bytes * mean
    nearest = costs[0][1]
    return tuple((least, max(0.0, seconds - nearest)) for least, seconds in costs[1:])


def _copy_bandwidth(mesh: Mesh, dim: int) -> float:
    rows = (1 << 27) // (4 * dim)
    run = jax.jit(
        jax.shard_map(lambda shard: shard + 1, mesh=mesh, in_specs=SHARDED, out_specs=SHARDED, check_vma=False),
        donate_argnums=0,
    )
    state = put_sharded(mesh, jnp.ones((mesh.size * rows, dim), jnp.float32))

    def copy() -> Any:
        nonlocal state
        state = run(state)
        return state

    return 2 * 4 * rows * dim / _median_seconds(copy)


def _gramian_seconds(mesh: Mesh, dim: int, dtype: jnp.dtype, precision: jax.lax.Precision) -> float:
    rows = (1 << 24) // dim
    run = jax.jit(
        jax.shard_map(
            lambda shard: sharded_gramian(shard, precision), mesh=mesh, in_specs=SHARDED, out_specs=REPLICATED
        )
    )
    table = put_sharded(mesh, jnp.ones((mesh.size * rows, dim), dtype))
    return _median_seconds(lambda: run(table)) / rows


def _move_bandwidth(mesh: Mesh, dim: int, dtype: jnp.dtype) -> float:
    if mesh.size == 1:
        return float("inf")
    rows = (1 << 24) // (dim * dtype.itemsize)
    run = jax.jit(jax.shard_map(gather_table, mesh=mesh, in_specs=SHARDED, out_specs=SHARDED, check_vma=False))
    table = put_sharded(mesh, jnp.ones((mesh.size * rows, dim), dtype))
    return (mesh.size - 1) * rows * dim * dtype.itemsize / _median_seconds(lambda: run(table))


def _median_seconds(run: Callable[[], Any]) -> float:
    jax.block_until_ready(run())
    jax.block_until_ready(run())
    taken = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        jax.block_until_ready(run())
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
