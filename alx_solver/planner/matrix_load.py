"""The load of a half-step of a real matrix: the trainer's own host plan, counted."""

import jax
import numpy as np
from jaxtyping import Int32

from alx_solver.csr import CsrMatrix
from alx_solver.dense_batching import CutTiles, DenseBatches, WholeTiles
from alx_solver.ownership import RowRanges
from alx_solver.planner.load import HalfStepLoad
from alx_solver.planner.reuse import reuse_footprints
from alx_solver.side import PlannedSide


def matrix_load(planned: PlannedSide, matrix: CsrMatrix, row_ranges: RowRanges, col_ranges: RowRanges) -> HalfStepLoad:
    """Counts of the device that reads most entries; bytes are those of every device.

    Args:
        planned: the half-step that solves the rows of `matrix`.
        matrix: [rows, cols].
        row_ranges: owners of its rows.
        col_ranges: owners of its columns.
    """
    batches, plan, size = planned.batches, planned.plan, row_ranges.num_devices
    cut = _cut(batches)
    every: list[WholeTiles | CutTiles] = [*batches.whole, *cut]
    read = [np.array(_tiles_of(tiles), np.int64) * tiles.ids[0, 0].size for tiles in every]
    busiest = int(np.sum(read, axis=0).argmax()) if read else 0
    cut_entries = sum(_tiles_of(tiles)[busiest] * tiles.ids[0, 0].size for tiles in cut)
    entries = sum(_tiles_of(tiles)[busiest] * tiles.ids[0, 0].size for tiles in batches.whole)
    collected = 0 if size == 1 else col_ranges.capacity + _received_rows(planned)
    table_rows = row_ranges.capacity + (collected or col_ranges.capacity)
    return HalfStepLoad(
        exact=True,
        matrix_entries=matrix.num_entries,
        shard_rows=row_ranges.capacity,
        col_shard_rows=col_ranges.capacity,
        entries=int(entries),
        cut_entries=int(cut_entries),
        slots=_slots(batches, busiest),
        tiles=sum(_tiles_of(tiles)[busiest] for tiles in every),
        stored_slots=sum(tiles.rows[0].size for tiles in every) + 1,
        batch_bytes=sum(array.nbytes for array in jax.tree.leaves(batches)) // size,
        exchange_array_bytes=sum(array.nbytes for array in jax.tree.leaves(plan.arrays)) // size,
        collected_rows=collected,
        received_rows=_received_rows(planned),
        num_stages=plan.device.num_stages,
        moved_bytes=plan.moved_bytes,
        footprints=reuse_footprints(_accesses(batches, busiest), table_rows),
    )


def _received_rows(planned: PlannedSide) -> int:
    """Embeddings that the exchange adds to the own shard, twice what a stage needs where there are several."""
    return planned.plan.held_rows


def _tiles_of(tiles: WholeTiles | CutTiles) -> list[int]:
    """Tiles of each device."""
    return [int(number) for number in tiles.first_tile[:, -1]]


def _cut(batches: DenseBatches) -> list[CutTiles]:
    return [tiles for tiles in (batches.cut, batches.summed) if tiles is not None]


def _slots(batches: DenseBatches, device: int) -> int:
    whole = sum(_tiles_of(tiles)[device] * tiles.rows.shape[2] for tiles in batches.whole)
    cut = 0 if batches.cut is None else int(batches.cut.first_group[device, -1]) * batches.cut.rows.shape[2]
    return whole + cut + (0 if batches.summed is None else batches.summed.rows[0].size)


def _accesses(batches: DenseBatches, device: int) -> Int32[np.ndarray, " accesses"]:
    """Positions in the order in which a device gathers them; summed rows gather from the shard that lies first."""
    several: list[WholeTiles | CutTiles] = [*batches.whole, *_cut(batches)]
    read = [tiles.ids[device, : _tiles_of(tiles)[device]].reshape(-1) for tiles in several]
    return np.concatenate([np.zeros(0, np.int32), *read])
