"""The load of a half-step of which only rows, columns and entries are known: a model, and where it is one it says so.

Assumed: rows and columns are spread evenly over the devices; tiles are padded by `PADDING`; and of a device's entries
the share `remote_share` lies in columns of other devices, at random. Of N columns, n entries at random touch

    N (1 - exp(-n / N))

distinct ones. Real graphs touch fewer: popular columns are shared, and with ids in order of URLs most entries are
local (`remote_share` well under (M - 1) / M, which is the default). So bytes are an upper bound where the share is.
"""

import dataclasses
import math

from alx_solver.linear_solvers import LinearSolver
from alx_solver.linear_solvers.row_kernels import kernel_bytes, kernel_of, reads_padding
from alx_solver.planner.load import HalfStepLoad
from alx_solver.planner.reuse import uniform_footprints
from webgraph.option_values import make_plain

PADDING = 1.1
"""Entries of all tiles by those of the matrix: what `widths.py` reaches on graphs with rows of up to 1024 entries. A
kernel that goes by the rows' lengths does not read the padding, but has it in memory."""

SLOTS = 1.02
SCHEDULE = 1.02
"""Rows solved by rows, and rows moved by rows needed."""

_STAGES = (1, 2, 4, 8, 16, 32, 64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProblemShape:
    """A matrix of which only this is known.

    Attributes:
        name: of it.
        rows: with entries.
        cols: with entries.
        entries: observed.
        remote_share: of a device's entries, those in columns of other devices; None means (M - 1) / M, no locality.

    Raises:
        ValueError: a number below 1, or a share outside [0, 1].
    """

    name: str
    rows: int
    cols: int
    entries: int
    remote_share: float | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("rows", "cols", "entries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of {self.name!r} must be at least 1, got {getattr(self, name)}")
        if self.remote_share is not None and not 0 <= self.remote_share <= 1:
            raise ValueError(f"remote_share of {self.name!r} must be in [0, 1], got {self.remote_share}")

    @property
    def transposed(self) -> "ProblemShape":
        return dataclasses.replace(self, rows=self.cols, cols=self.rows)


def distinct(columns: float, entries: float) -> float:
    """Distinct columns that so many entries at random touch."""
    return columns * -math.expm1(-entries / columns) if columns else 0.0


def shape_loads(
    shape: ProblemShape,
    num_devices: int,
    *,
    embedding_bytes: int,
    tile_entries: int,
    exchange: str,
    solver: LinearSolver,
    dim: int,
) -> list[HalfStepLoad]:
    """The loads of the half-step that solves the rows, one for each way of exchange that `exchange` may take.

    Args:
        shape: of the matrix.
        num_devices: M.
        embedding_bytes: of one embedding as it is stored.
        tile_entries: entries of a tile.
        exchange: "table", "routed" (whole or in stages), or "auto" (either).
        solver: of the linear systems, with its kernel; all rows are taken to fit it.
        dim: width of an embedding.

    Raises:
        ValueError: another exchange: its bytes follow from the rows, which a shape has not.
    """
    if exchange not in ("auto", "table", "routed"):
        raise ValueError(f"exchange {exchange!r} is not modelled for a shape; give auto, table or routed, or a matrix")
    if num_devices == 1:
        return [_load(shape, 1, embedding_bytes, tile_entries, (solver, dim), 0.0, None)]
    stages = [] if exchange == "table" else list(_STAGES)
    loads = []
    if exchange != "routed":
        loads.append(_load(shape, num_devices, embedding_bytes, tile_entries, (solver, dim), 0.0, None))
    for number in stages:
        remote = _remote(shape, num_devices, number)
        loads.append(_load(shape, num_devices, embedding_bytes, tile_entries, (solver, dim), remote, number))
    return loads


def _remote(shape: ProblemShape, num_devices: int, num_stages: int) -> float:
    """Distinct remote columns of a stage on a device."""
    share = (num_devices - 1) / num_devices if shape.remote_share is None else shape.remote_share
    others = shape.cols * (num_devices - 1) / num_devices
    return distinct(others, shape.entries / num_devices / num_stages * share)


def _load(
    shape: ProblemShape,
    size: int,
    embedding_bytes: int,
    tile_entries: int,
    solved_by: tuple[LinearSolver, int],
    remote: float,
    num_stages: int | None,
) -> HalfStepLoad:
    """Of the table (`num_stages` None), or of `remote` columns in each of so many stages."""
    shard, col_shard = -(-shape.rows // size) + 1, -(-shape.cols // size) + 1
    solver, dim = solved_by
    stored, slots = int(PADDING * shape.entries / size), int(SLOTS * shape.rows / size)
    entries = stored if reads_padding(solver) else -(-shape.entries // size)
    if num_stages is None:
        received = moved = (size - 1) * col_shard
        touched = min(float(shape.cols), distinct(shape.cols, shape.entries / size))
    else:
        received = int(SCHEDULE * remote) * (1 if num_stages == 1 else 2)
        moved = int(SCHEDULE * remote) * (1 if num_stages == 1 else num_stages + 1)
        touched = remote + distinct(col_shard, shape.entries / size / num_stages)
    return HalfStepLoad(
        exact=False,
        matrix_entries=shape.entries,
        shard_rows=shard,
        col_shard_rows=col_shard,
        entries=entries,
        plain_entries=0,
        cut_entries=0,
        summed_entries=0,
        slots=slots,
        several_widths=True,
        tiles=-(-stored // tile_entries) if kernel_of(solver) == "xla" else 0,
        by_xla=kernel_of(solver) == "xla",
        kernel_bytes=kernel_bytes(solver, shape.cols, dim),
        stored_slots=slots,
        batch_bytes=4 * stored + 8 * slots + 4 * shard,
        exchange_array_bytes=0 if num_stages is None else 4 * moved,
        collected_rows=0 if size == 1 else col_shard + received,
        received_rows=received,
        num_stages=num_stages or 1,
        moved_bytes={"table" if num_stages is None else "routed": float(moved * embedding_bytes)},
        footprints=uniform_footprints(entries, touched),
    )
