"""The load of a half-step of a real matrix: the trainer's own host plan, counted."""

import jax
import numpy as np
from jaxtyping import Int32

from alx_solver.csr import CsrMatrix
from alx_solver.dense_batching import CutTiles, DenseBatches, WholeTiles
from alx_solver.linear_solvers import LinearSolver
from alx_solver.linear_solvers.row_kernels import (
    group_solver,
    kernel_bytes,
    kernel_of,
    reads_padding,
    tile_solver,
)
from alx_solver.ownership import RowRanges
from alx_solver.planner.load import MANY_WIDTHS, HalfStepLoad
from alx_solver.planner.reuse import reuse_footprints
from alx_solver.side import PlannedSide


def matrix_load(
    planned: PlannedSide,
    matrix: CsrMatrix,
    row_ranges: RowRanges,
    col_ranges: RowRanges,
    solver: LinearSolver,
    dim: int,
) -> HalfStepLoad:
    """Counts of the device that reads most entries; bytes are those of every device.

    Args:
        planned: the half-step that solves the rows of `matrix`.
        matrix: [rows, cols].
        row_ranges: owners of its rows.
        col_ranges: owners of its columns.
        solver: of the linear systems, with its kernel.
        dim: width of an embedding.
    """
    batches, plan, size = planned.batches, planned.plan, row_ranges.num_devices
    whole, cut = list(batches.whole), [] if batches.cut is None else [batches.cut]
    summed = [] if batches.summed is None else [batches.summed]
    every: list[WholeTiles | CutTiles] = [*whole, *cut, *summed]
    padding = None if reads_padding(solver) else plan.padding_position

    def positions(tiles: WholeTiles | CutTiles, device: int) -> Int32[np.ndarray, " accesses"]:
        """In the order in which they are gathered; summed rows gather from the shard that lies first."""
        read = tiles.ids[device, : _tiles_of(tiles)[device]].reshape(-1)
        return read if padding is None or tiles is batches.summed else read[read != padding]

    counts = [[len(positions(tiles, device)) for device in range(size)] for tiles in every]  # [tiles][device]
    busiest = int(np.sum(counts, axis=0).argmax()) if counts else 0
    read = dict(zip(map(id, every), (count[busiest] for count in counts), strict=True))
    plain = [tiles for tiles in whole if tile_solver(solver, tiles.ids.shape[-1], dim) is None]
    at_once = [] if kernel_of(solver) != "pallas" else [tiles for tiles in whole if id(tiles) not in map(id, plain)]
    unsummed = np.setdiff1d(np.arange(matrix.num_rows), plan.summed_rows)
    collected = 0 if size == 1 else col_ranges.capacity + _received_rows(planned)
    table_rows = row_ranges.capacity + (collected or col_ranges.capacity)
    return HalfStepLoad(
        exact=True,
        matrix_entries=matrix.num_entries,
        shard_rows=row_ranges.capacity,
        col_shard_rows=col_ranges.capacity,
        entries=sum(read[id(tiles)] for tiles in whole),
        plain_entries=sum(read[id(tiles)] for tiles in plain) if kernel_of(solver) != "xla" else 0,
        cut_entries=sum(read[id(tiles)] for tiles in cut),
        summed_entries=sum(read[id(tiles)] for tiles in summed),
        slots=_slots(batches, busiest),
        several_widths=len(every) >= MANY_WIDTHS,
        tiles=sum(_tiles_of(tiles)[busiest] for tiles in every) - sum(_tiles_of(tiles)[busiest] for tiles in at_once),
        by_xla=bool(plain or summed or (cut and group_solver(solver) is None)),
        kernel_bytes=kernel_bytes(solver, int(matrix.row_lengths[unsummed].max(initial=0)), dim),
        stored_slots=sum(tiles.rows[0].size for tiles in every) + 1,
        batch_bytes=sum(array.nbytes for array in jax.tree.leaves(batches)) // size,
        exchange_array_bytes=sum(array.nbytes for array in jax.tree.leaves(plan.arrays)) // size,
        collected_rows=collected,
        received_rows=_received_rows(planned),
        num_stages=plan.device.num_stages,
        moved_bytes=plan.moved_bytes,
        footprints=reuse_footprints(
            np.concatenate([np.zeros(0, np.int32), *(positions(tiles, busiest) for tiles in every)]), table_rows
        ),
    )


def _received_rows(planned: PlannedSide) -> int:
    """Embeddings that the exchange adds to the own shard, twice what a stage needs where there are several."""
    return planned.plan.held_rows


def _tiles_of(tiles: WholeTiles | CutTiles) -> list[int]:
    """Tiles of each device."""
    return [int(number) for number in tiles.first_tile[:, -1]]


def _slots(batches: DenseBatches, device: int) -> int:
    whole = sum(_tiles_of(tiles)[device] * tiles.rows.shape[2] for tiles in batches.whole)
    cut = 0 if batches.cut is None else int(batches.cut.first_group[device, -1]) * batches.cut.rows.shape[2]
    return whole + cut + (0 if batches.summed is None else batches.summed.rows[0].size)
