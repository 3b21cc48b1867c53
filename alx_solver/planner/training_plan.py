"""The plan of a training run: loads, memory, bytes, seconds, and whether it fits."""

import dataclasses
from typing import Any

import jax.numpy as jnp

from alx_solver.csr import CsrMatrix
from alx_solver.exchange import make_exchange
from alx_solver.linear_solvers import LinearSolver, make_linear_solver
from alx_solver.linear_solvers.row_kernels import kernel_of, with_kernel
from alx_solver.options import BatchOptions, ExchangeOptions, Precision, SolverOptions
from alx_solver.ownership import balanced_ranges
from alx_solver.planner.costs import HalfStepCosts, half_step_seconds, peak_costs, roofline_seconds
from alx_solver.planner.device_profile import DeviceProfile
from alx_solver.planner.load import HalfStepLoad
from alx_solver.planner.matrix_load import matrix_load
from alx_solver.planner.memory import DeviceMemory, NumberFormat, device_memory
from alx_solver.planner.shape_load import ProblemShape, shape_loads
from alx_solver.side import TILE_NUMBERS, plan_side
from webgraph.option_values import make_plain

Loads = tuple[HalfStepLoad, HalfStepLoad]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What is to be trained, and on what.

    Attributes:
        device: of which there are `count`.
        count: M.
        dim: width of an embedding.
        solver: how rows are solved; a fixed number of steps.
        precision: number formats.
        exchange: how embeddings move.
        batches: tile shapes; None takes tiles of the device's `tile_bytes`.
        costs: measured ones; None takes them from the device's peaks.

    Raises:
        ValueError: a number below 1, or a linear solver that is not named.
    """

    device: DeviceProfile
    count: int = 1
    dim: int = 128
    solver: SolverOptions = dataclasses.field(default_factory=lambda: SolverOptions(linear_solver="matrix_free_cg"))
    precision: Precision = dataclasses.field(default_factory=Precision)
    exchange: ExchangeOptions = dataclasses.field(default_factory=lambda: ExchangeOptions(name="auto"))
    batches: BatchOptions | None = None
    costs: HalfStepCosts | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("count", "dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.solver.linear_solver == "auto":  # it goes by row lengths, which a shape does not have
            raise ValueError("a plan needs a linear solver's name instead of 'auto': matrix_free_cg, cholesky, ...")

    @property
    def itemsize(self) -> int:
        return jnp.dtype(self.precision.table).itemsize

    @property
    def tile_entries(self) -> int:
        return max(1, self.device.tile_bytes // (4 * self.dim))

    @property
    def numbers(self) -> NumberFormat:
        tile = self.tile_entries if self.batches is None else self.batches.tile_entries or TILE_NUMBERS // self.dim
        return NumberFormat(
            dim=self.dim,
            itemsize=self.itemsize,
            copied=self.device.platform == "cpu" and self.itemsize < 4,
            tile_bytes=4 * self.dim * tile,
        )

    @property
    def linear_solver(self) -> LinearSolver:
        """With the kernel that it has on the device."""
        solver = make_linear_solver(
            self.solver.linear_solver,
            steps=self.solver.cg_steps,
            tolerance=self.solver.tolerance,
            max_steps=self.solver.max_cg_steps,
            subspace_block=self.solver.subspace_block,
        )
        return with_kernel(solver, self.solver.kernel, self.device.platform)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What a run will need.

    Attributes:
        name: of the matrix.
        shape: rows, columns, entries.
        options: what it was planned for.
        loads: of the two half-steps, rows first.
        memory: a device's.
        moved_bytes: that a device sends an epoch, by part, gramians included.
        seconds: of an epoch, by part.
        roofline: seconds of an epoch that no program beats, by limit.
    """

    name: str
    shape: tuple[int, int, int]
    options: PlanOptions
    loads: Loads
    memory: DeviceMemory
    moved_bytes: dict[str, float]
    seconds: dict[str, float]
    roofline: dict[str, float]

    @property
    def exact(self) -> bool:
        """Whether counts and bytes are those of the trainer's plan."""
        return all(load.exact for load in self.loads)

    @property
    def fits(self) -> bool:
        """Whether the memory of a device suffices."""
        return self.memory.total <= self.options.device.usable_bytes

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def total_bytes(self) -> float:
        return sum(self.moved_bytes.values())

    @property
    def roofline_total(self) -> float:
        """The slowest of the limits."""
        return max(self.roofline.values())

    def to_json(self) -> dict[str, Any]:
        """All figures; bytes and seconds."""
        return {
            "name": self.name,
            "rows": self.shape[0],
            "cols": self.shape[1],
            "entries": self.shape[2],
            "device": dataclasses.asdict(self.options.device),
            "count": self.options.count,
            "dim": self.options.dim,
            "table_dtype": self.options.precision.table,
            "solver": self.options.solver.linear_solver,
            "cg_steps": self.options.solver.cg_steps,
            "kernel": kernel_of(self.options.linear_solver),
            "exchange": [next(iter(load.moved_bytes)) for load in self.loads],
            "stages": [load.num_stages for load in self.loads],
            "exact": self.exact,
            "memory_bytes": dataclasses.asdict(self.memory)
            | {"total": self.memory.total, "without_batches": self.memory.without_batches},
            "fits": self.fits,
            "moved_bytes": self.moved_bytes | {"total": self.total_bytes},
            "seconds": self.seconds | {"total": self.total_seconds},
            "roofline_seconds": self.roofline | {"slowest": self.roofline_total},
        }


def plan_matrix(matrix: CsrMatrix, name: str, options: PlanOptions) -> TrainingPlan:
    """Plans for a real matrix, by the trainer's own layout: bytes are exact.

    Args:
        matrix: [rows, cols].
        name: of it.
        options: what it is planned for.

    Raises:
        ValueError: no entries, or no plan within the exchange's memory limit.
    """
    if not matrix.num_entries:
        raise ValueError(f"{name} has no entries: there is nothing to train on")
    transposed, size = matrix.transpose(), options.count
    ranges = balanced_ranges(matrix.row_lengths, size), balanced_ranges(transposed.row_lengths, size)
    dtype, batches = (
        jnp.dtype(options.precision.table),
        options.batches or BatchOptions(tile_entries=options.tile_entries),
    )
    loads = []
    for side, (rows, cols) in ((matrix, ranges), (transposed, ranges[::-1])):
        planned = plan_side(
            side,
            rows,
            cols,
            exchange=make_exchange(options.exchange.name),
            exchange_options=options.exchange,
            table_dtypes=(dtype, dtype),
            solver=options.linear_solver,
            batches=batches,
            dim=options.dim,
        )
        loads.append(matrix_load(planned, side, rows, cols, options.linear_solver, options.dim))
    return _plan(name, (*matrix.shape, matrix.num_entries), options, (loads[0], loads[1]))


def plan_shape(shape: ProblemShape, options: PlanOptions) -> TrainingPlan:
    """Plans for a shape, by a model of what is not known; of the ways of exchange, what fits and moves least.

    Args:
        shape: rows, columns, entries.
        options: what it is planned for.
    """
    pairs = []
    for side in (shape, shape.transposed):
        loads = shape_loads(
            side,
            options.count,
            embedding_bytes=options.dim * options.itemsize,
            tile_entries=options.tile_entries,
            exchange=options.exchange.name,
            solver=options.linear_solver,
            dim=options.dim,
        )
        fraction = options.exchange.memory_fraction
        within = [load for load in loads if fraction is None or load.received_rows <= fraction * side.cols]
        if not within:
            raise ValueError(f"memory_fraction {fraction} is too small for the exchange of {shape.name}: raise it")
        pairs.append(sorted(within, key=lambda load: load.total_bytes))
    name, counts = shape.name, (shape.rows, shape.cols, shape.entries)
    plans = [
        _plan(name, counts, options, (rows, cols))
        for rows in pairs[0]
        for cols in pairs[1]
        if (rows.num_stages, list(rows.moved_bytes)) == (cols.num_stages, list(cols.moved_bytes))
    ]
    fitting = [plan for plan in plans if plan.fits]
    return min(fitting, key=lambda p: p.total_bytes) if fitting else min(plans, key=lambda p: p.memory.total)


def _plan(name: str, shape: tuple[int, int, int], options: PlanOptions, loads: Loads) -> TrainingPlan:
    solver, size = options.linear_solver, options.count
    costs = options.costs or peak_costs(options.device, solver, options.dim, options.itemsize, size)
    seconds: dict[str, float] = {}
    roofline: dict[str, float] = {}
    moved = {"gramians": 2 * 2 * (size - 1) / size * 4 * options.dim**2}
    for load in loads:
        limits = roofline_seconds(load, options.device, solver, options.dim, options.itemsize, size)
        for total, parts in (
            (seconds, half_step_seconds(load, costs, options.dim, options.itemsize)),
            (roofline, limits),
            (moved, load.moved_bytes),
        ):
            for part, value in parts.items():
                total[part] = total.get(part, 0.0) + value
    return TrainingPlan(
        name=name,
        shape=shape,
        options=options,
        loads=loads,
        memory=device_memory(loads, options.numbers),
        moved_bytes=moved,
        seconds=seconds,
        roofline=roofline,
    )
