"""Chunks: tiles of one class that travel and are solved together. NumPy only, no Python loop over rows.

All chunks of a class have one shape, so that they share a program; how many tiles of it each device has to solve, and
where its solutions go, are numbers beside it. The order of tiles on a device is that of the unstreamed half-step:

    class of T tiles, K a chunk     device 0   [0 .. K-1] [K .. 2K-1] [2K .. T0-1 | -]
                                    device 1   [0 .. K-1] [K .. T1-1 | -] [-]              (- = not solved)

A chunk of cut rows holds whole groups, since the rows of a group are solved together from all its tiles.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32

from alx_solver.dense_batching import CutTiles, DenseBatches, WholeTiles


class Chunk(NamedTuple):
    """Tiles as they are in their class, with `first_tile` or `first_group` counting from the chunk's start.

    Attributes:
        tiles: those of the chunk; leading axis of devices.
        base: of each device, the tile (of cut rows: group) of the class with which the chunk begins.
        tile_base: of each device, the tile with which it begins.
    """

    tiles: WholeTiles | CutTiles
    base: Int32[Any, " devices"]
    tile_base: Int32[Any, " devices"]


@dataclasses.dataclass(frozen=True)
class ChunkPlace:
    """Which chunk it is.

    Attributes:
        stage: of the exchange.
        index: class; the number of whole classes for cut rows.
    """

    stage: int
    index: int


def chunks_of(batches: DenseBatches, chunk_bytes: int) -> Iterator[tuple[ChunkPlace, Chunk]]:
    """The chunks of a half-step, in the order in which they are solved; summed rows are in none.

    Args:
        batches: on the host.
        chunk_bytes: of a chunk on a device, at most.

    Raises:
        ValueError: a tile, or a group of cut rows, is larger.
    """
    stages = _num_stages(batches)
    for stage in range(stages):
        for index, tiles in enumerate(batches.whole):
            for chunk in _whole_chunks(tiles, stage, whole_tiles_of(tiles, chunk_bytes)):
                yield ChunkPlace(stage, index), chunk
        if batches.cut is not None:
            for chunk in _cut_chunks(batches.cut, stage, *cut_groups_of(batches.cut, chunk_bytes)):
                yield ChunkPlace(stage, len(batches.whole)), chunk


def _num_stages(batches: DenseBatches) -> int:
    firsts = [tiles.first_tile for tiles in batches.whole] + ([batches.cut.first_group] if batches.cut else [])
    return firsts[0].shape[1] - 1 if firsts else 1


def whole_tiles_of(tiles: WholeTiles, chunk_bytes: int) -> int:
    """Tiles of a chunk of a class of whole rows."""
    each = _bytes_of(tiles.ids, tiles.weights, tiles.rows, tiles.lengths)
    most = int(np.diff(tiles.first_tile, axis=1).max())
    return max(1, min(_fitting(each, chunk_bytes, "a tile"), most))


def cut_groups_of(cut: CutTiles, chunk_bytes: int) -> tuple[int, int]:
    """Groups of a chunk of cut rows, and tiles that have room for any chunk's: the most groups that fit."""
    tile = _bytes_of(cut.ids, cut.weights, cut.segment_ids)
    group = _bytes_of(cut.rows, cut.lengths)
    groups = max(1, int(np.diff(cut.first_group, axis=1).max()))
    while True:
        tiles = max((int(_tiles_of_groups(cut, *span).max()) for span in _group_spans(cut, groups)), default=1)
        needed = max(1, tiles) * tile + groups * group
        if needed <= chunk_bytes:
            return groups, max(1, tiles)
        if groups == 1:
            _fitting(needed, chunk_bytes, "a group of long rows")
        groups = -(-groups // 2)


def _fitting(each: int, chunk_bytes: int, what: str) -> int:
    if each > chunk_bytes:
        raise ValueError(
            f"batch_memory is too small: {what} has {each:,} bytes, and a chunk may have {chunk_bytes:,}; "
            f"give at least {each * 3:,} bytes, or smaller tiles"
        )
    return chunk_bytes // each


def _bytes_of(*arrays: np.ndarray | None) -> int:
    """Bytes of one tile or group on one device."""
    return sum(array[0, 0].nbytes for array in arrays if array is not None)


def _whole_chunks(tiles: WholeTiles, stage: int, count: int) -> Iterator[Chunk]:
    start, stop = tiles.first_tile[:, stage].astype(np.int64), tiles.first_tile[:, stage + 1]
    while (start < stop).any():
        present = np.clip(stop - start, 0, count)
        ids, rows, lengths = (_take(array, start, present, count) for array in (tiles.ids, tiles.rows, tiles.lengths))
        weights = None if tiles.weights is None else _take(tiles.weights, start, present, count)
        first = np.stack([np.zeros_like(present), present], axis=1).astype(np.int32)
        base = start.astype(np.int32)
        yield Chunk(WholeTiles(ids, weights, rows, lengths, first), base, base)
        start = start + count


def _group_spans(cut: CutTiles, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """First group of each device, and how many are present, of the chunks of every stage."""
    for stage in range(cut.first_group.shape[1] - 1):
        yield from _stage_spans(cut, stage, count)


def _stage_spans(cut: CutTiles, stage: int, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    start, stop = cut.first_group[:, stage].astype(np.int64), cut.first_group[:, stage + 1]
    while (start < stop).any():
        yield start, np.clip(stop - start, 0, count)
        start = start + count


def _tiles_of_groups(cut: CutTiles, start: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Tiles of each device's groups `start .. start + present - 1`."""
    most = cut.first_tile.shape[1] - 1
    devices = np.arange(len(start))
    first, last = np.minimum(start, most), np.minimum(start + present, most)
    return cut.first_tile[devices, last] - cut.first_tile[devices, first]


def _cut_chunks(cut: CutTiles, stage: int, groups: int, num_tiles: int) -> Iterator[Chunk]:
    most = cut.first_tile.shape[1] - 1
    for start, present in _stage_spans(cut, stage, groups):
        devices = np.arange(len(start))[:, None]
        bounds = np.minimum(start[:, None] + np.minimum(np.arange(groups + 1), present[:, None]), most)
        first_tile = cut.first_tile[devices, bounds].astype(np.int64)
        tile_start, tiles = first_tile[:, 0], first_tile[:, -1] - first_tile[:, 0]
        ids, segments = (_take(array, tile_start, tiles, num_tiles) for array in (cut.ids, cut.segment_ids))
        weights = None if cut.weights is None else _take(cut.weights, tile_start, tiles, num_tiles)
        rows, lengths = (_take(array, start, present, groups) for array in (cut.rows, cut.lengths))
        first_group = np.stack([np.zeros_like(present), present], axis=1).astype(np.int32)
        relative = (first_tile - tile_start[:, None]).astype(np.int32)
        cut_tiles = CutTiles(ids, weights, segments, relative, rows, lengths, first_group)
        yield Chunk(cut_tiles, start.astype(np.int32), tile_start.astype(np.int32))


def _take(array: np.ndarray, start: np.ndarray, present: np.ndarray, count: int) -> np.ndarray:
    """`array[m, start[m] : start[m] + present[m]]` of every device, followed by zeros up to `count`."""
    taken = np.zeros((len(array), count, *array.shape[2:]), array.dtype)
    for device, (first, number) in enumerate(zip(start.tolist(), present.tolist(), strict=True)):
        taken[device, :number] = array[device, first : first + number]
    return taken
