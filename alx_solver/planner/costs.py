"""What the parts of a half-step cost on a device, in seconds; from a device's peaks here, measured in
`measured_costs.py`.

The plain program gathers a tile's embeddings, writes them as float32, and reads them once for each pass of the
solver. From peaks, all of that is taken to go through the device's memory, at its `efficiency`. A kernel reads each
embedding and its id once, and a row's start, and writes its solution; what it reads again, alpha H'H above all, is
taken to come from a cache, for nothing. The roofline is what no program beats: every entry's embedding read once a
half-step.
"""

import dataclasses

from alx_solver.linear_solvers import LU, QR, ConjugateGradient, LinearSolver, MatrixFreeCg, Subspace
from alx_solver.linear_solvers.row_kernels import group_solver, kernel_of
from alx_solver.planner.device_profile import DeviceProfile
from alx_solver.planner.load import NUM_BINS, HalfStepLoad


@dataclasses.dataclass(frozen=True, kw_only=True)
class SolverWork:
    """Operations of a solver, at embeddings of width d.

    Attributes:
        entry_reads: times that a tile's embedding is read.
        entry_flops: operations an entry.
        row_flops: operations a row.
        gathers: times that the entries of a cut row are gathered.
    """

    entry_reads: int
    entry_flops: float
    row_flops: float
    gathers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class HalfStepCosts:
    """Seconds.

    Attributes:
        entry: of an entry of a whole row whose embedding is in a cache, or as near as the device has it.
        plain_entry: likewise, where the row is too wide for the kernel.
        cut_entry: of an entry of a cut row, likewise.
        summed_entry: of an entry of a summed row, likewise.
        gather: (bytes, seconds): what a gather costs more if so many bytes or more were touched since the last time;
            ascending.
        row: of a row that is solved.
        gramian_row: of a row of a shard in the gramian.
        tile: of starting a tile.
        exchange_bandwidth: bytes a second that a device sends.
        side_by_side: seconds of rows of many widths, of the sum of what each width takes alone: less than 1 where
            the device has several cores and solves widths at the same time.
    """

    entry: float
    plain_entry: float
    cut_entry: float
    summed_entry: float
    gather: tuple[tuple[float, float], ...]
    row: float
    gramian_row: float
    tile: float
    exchange_bandwidth: float
    side_by_side: float = 1.0

    def gather_seconds(self, load: HalfStepLoad, embedding_bytes: int) -> float:
        """What all gathers of a half-step cost more than from a cache."""
        total = 0.0
        for index in range(NUM_BINS):
            footprint = 0.75 * 2.0**index * embedding_bytes  # middle of the bin
            extra = [seconds for least, seconds in self.gather if footprint >= least]
            total += float(load.footprints[index]) * (extra[-1] if extra else 0.0)
        return total


def solver_work(solver: LinearSolver, dim: int) -> SolverWork:
    """Operations of a solver that takes a fixed number of steps.

    Raises:
        ValueError: it runs to a tolerance, so that its steps are not known.
    """
    if isinstance(solver, MatrixFreeCg | ConjugateGradient | Subspace) and solver.tolerance is not None:
        raise ValueError(f"{solver.name} to a tolerance takes an unknown number of steps: give --cg-steps instead")
    if isinstance(solver, MatrixFreeCg):
        products = solver.steps + 1
        return SolverWork(
            entry_reads=2 * solver.steps + 1,
            entry_flops=(4 * solver.steps + 2) * dim,
            row_flops=2 * products * dim**2 + 20 * products * dim,
            gathers=products,
        )
    if isinstance(solver, Subspace):
        blocks = -(-dim // solver.size)
        return SolverWork(
            entry_reads=3 * solver.steps + 1,
            entry_flops=solver.steps * (6 + 2 * solver.size) * dim,
            row_flops=solver.steps * (2 * dim**2 + blocks * solver.size**3 / 3),
            gathers=solver.steps * blocks,
        )
    thirds = {LU.name: 2, QR.name: 4}.get(solver.name, 1)
    own = 2 * (solver.steps + 1) * dim**2 if isinstance(solver, ConjugateGradient) else thirds * dim**3 / 3
    return SolverWork(entry_reads=2, entry_flops=2 * dim**2 + 2 * dim, row_flops=own, gathers=2)


def peak_costs(
    profile: DeviceProfile, solver: LinearSolver, dim: int, itemsize: int, num_devices: int
) -> HalfStepCosts:
    """Costs from a device's published peaks and the share of them that it is taken to reach."""
    work, share = solver_work(solver, dim), profile.efficiency
    bandwidth, flops = share * profile.memory_bandwidth, share * profile.flops
    gathered, in_kernel = dim * (itemsize + 4), kernel_of(solver) != "xla"
    least = max((dim * itemsize + 4) / bandwidth, work.entry_flops / flops)
    plain = max((gathered + 4 * dim * work.entry_reads) / bandwidth, work.entry_flops / flops)
    plain_cut = max(work.gathers * (gathered + 8 * dim) / bandwidth, work.entry_flops / flops)
    vectors = 0 if in_kernel else 20  # of CG, each written to memory or read from it
    return HalfStepCosts(
        entry=least if in_kernel else plain,
        plain_entry=plain,
        cut_entry=least if group_solver(solver) else plain_cut,
        summed_entry=plain_cut,
        gather=(),
        row=work.row_flops / flops + dim * (vectors * 4 + 4 * itemsize) / bandwidth,
        gramian_row=max(2 * dim**2 / flops, dim * itemsize / bandwidth),
        tile=profile.tile_seconds,
        exchange_bandwidth=share * profile.exchange_bandwidth(num_devices),
    )


def half_step_seconds(load: HalfStepLoad, costs: HalfStepCosts, dim: int, itemsize: int) -> dict[str, float]:
    """Seconds of a half-step by part, on the device that has most to do."""
    entries = (
        (load.entries - load.plain_entries) * costs.entry
        + load.plain_entries * costs.plain_entry
        + load.cut_entries * costs.cut_entry
        + load.summed_entries * costs.summed_entry
    )
    share = costs.side_by_side if load.several_widths else 1.0
    return {
        "entries": share * entries,
        "gathers beyond caches": share * costs.gather_seconds(load, dim * itemsize),
        "rows": share * load.slots * costs.row,
        "gramian": load.col_shard_rows * costs.gramian_row,
        "starting tiles": share * load.tiles * costs.tile,
        "exchange": load.total_bytes / costs.exchange_bandwidth,
    }


def roofline_seconds(
    load: HalfStepLoad, profile: DeviceProfile, solver: LinearSolver, dim: int, itemsize: int, num_devices: int
) -> dict[str, float]:
    """Seconds that no program beats: each at the device's full peak, all at the same time."""
    entries = load.matrix_entries / num_devices
    flops = entries * solver_work(solver, dim).entry_flops + load.col_shard_rows * 2 * dim**2
    return {
        "memory": entries * dim * itemsize / profile.memory_bandwidth,
        "flops": flops / profile.flops,
        "interconnect": load.total_bytes / profile.exchange_bandwidth(num_devices),
    }
