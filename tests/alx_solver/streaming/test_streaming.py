"""Streamed training gives the bytes of unstreamed training; what is wrong is said."""

import dataclasses
import logging

import numpy as np
import pytest

from alx_solver.dense_batching import CutTiles
from alx_solver.options import BatchOptions, ExchangeOptions, MemoryOptions, Precision
from alx_solver.streaming import StreamedSide
from alx_solver.streaming.chunk_reader import read_ahead
from alx_solver.streaming.chunk_store import DiskStore, HostStore
from alx_solver.streaming.chunks import chunks_of
from tests.alx_solver.problems import SMALL_TILES, make_trainer, power_law
from tests.alx_solver.test_exchange import matrix_with_neighbours

TINY_TILES = BatchOptions(widths=(6,), tile_entries=12, cut_width=4, cut_slots=2)
LIMIT = MemoryOptions(batch_memory=6000)
PARTIAL = ExchangeOptions(name="partial", summed_min_length=20)
STAGED = ExchangeOptions(name="routed", memory_fraction=0.6)


def run(trainer, epochs: int = 2):
    state, losses = trainer.init(), []
    for _ in range(epochs):
        state = trainer.epoch(state)
        losses.append(trainer.objective(state))
    return losses, trainer.row_embeddings(state), trainer.col_embeddings(state)


@pytest.mark.parametrize(
    ("num_devices", "exchange", "table"),
    [
        (1, ExchangeOptions(), "float32"),
        (8, PARTIAL, "bfloat16"),
        pytest.param(8, STAGED, "float32", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_streamed_from_disk_the_loss_and_the_tables_are_the_same(tmp_path, num_devices, exchange, table):
    matrix = power_law(weighted=True)
    others = {
        "num_devices": num_devices,
        "exchange": exchange,
        "precision": Precision(table=table),
        "batches": TINY_TILES,
    }
    whole = make_trainer(matrix, binary=False, **others)
    limit = int(0.35 * whole.placement.device_bytes)
    memory = MemoryOptions(batch_memory=limit, host_memory=100, directory=str(tmp_path / "batches"))
    streamed = make_trainer(matrix, binary=False, memory=memory, **others)
    assert whole.placement.where == "device" and streamed.placement.where == "disk"
    assert isinstance(streamed.row_side, StreamedSide)
    sides = (streamed.row_side, streamed.col_side)
    assert sum(len(side.store.places) for side in sides) > sum(len(side.classes) for side in sides)
    expected, found = run(whole), run(streamed)
    assert found[0] == expected[0]
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_streamed_from_host_memory_the_tables_are_the_same():
    whole = make_trainer(power_law(weighted=True), batches=TINY_TILES, binary=False)
    memory = MemoryOptions(batch_memory=int(0.5 * whole.placement.device_bytes))
    streamed = make_trainer(power_law(weighted=True), batches=TINY_TILES, binary=False, memory=memory)
    assert streamed.placement.where == "host"
    np.testing.assert_array_equal(run(streamed)[1], run(whole)[1])


def batches_of_a_graph():
    """Cut groups of several tiles, many tiles of whole rows, weights; on four devices."""
    matrix = matrix_with_neighbours().to_scipy().astype(np.float32)
    trainer = make_trainer(matrix, num_devices=4, batches=SMALL_TILES)
    return trainer._plan(trainer.matrix, trainer.row_ranges, trainer.col_ranges).batches


def test_chunks_hold_every_tile_once_and_in_order():
    batches, limit = batches_of_a_graph(), 4000
    several = [*batches.whole, batches.cut]
    seen = [[[] for _ in range(4)] for _ in several]
    for place, chunk in chunks_of(batches, limit):
        tiles = chunk.tiles
        assert sum(array[0].nbytes for array in (tiles.ids, tiles.rows, tiles.lengths)) <= limit
        for device in range(4):
            last = tiles.first_group[device, 1] if isinstance(tiles, CutTiles) else None
            count = tiles.first_tile[device, 1] if last is None else tiles.first_tile[device, last]
            for index in range(count):
                seen[place.index][device].append(
                    (int(chunk.tile_base[device]) + index, tiles.ids[device, index].tobytes())
                )
    for tiles, of_class in zip(several, seen, strict=True):
        for device, found in enumerate(of_class):
            count = int(tiles.first_tile[device, -1])
            assert [index for index, _ in found] == list(range(count))
            assert [ids for _, ids in found] == [tiles.ids[device, index].tobytes() for index in range(count)]


def test_what_is_read_from_disk_is_what_was_written(tmp_path):
    chunks = list(chunks_of(batches_of_a_graph(), 4000))
    (tmp_path / "chunk-00000099.npy").write_bytes(b"of an earlier run")
    host, disk = HostStore(chunks), DiskStore(tmp_path, chunks)
    assert host.places == disk.places and len(list(tmp_path.iterdir())) == len(chunks)
    for index in range(len(chunks)):
        for ours, theirs in zip(disk.read(index).tiles, host.read(index).tiles, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.save(tmp_path / "chunk-00000000.npy", np.zeros((4, 3), np.int32))
    with pytest.raises(ValueError, match=r"chunk-00000000.npy: not the chunk that this run wrote"):
        disk.read(0)
    disk.close()
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_reader_is_raised_and_its_thread_ends(tmp_path):
    trainer = make_trainer(
        power_law(), num_devices=2, memory=dataclasses.replace(LIMIT, host_memory=1, directory=str(tmp_path))
    )
    state = trainer.init()
    for path in tmp_path.rglob("chunk-00000002.npy"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="chunk-00000002"):
        trainer.epoch(state)
    reader = read_ahead(trainer.mesh, trainer.row_side.store)
    next(reader)
    reader.close()  # joins the thread, or this test never ends


def test_words_for_limits_that_are_too_small():
    with pytest.raises(
        ValueError, match=r"batch_memory is too small: a .* give at least [\d,]+ bytes, or smaller tiles"
    ):
        make_trainer(power_law(), memory=MemoryOptions(batch_memory=300))
    with pytest.raises(ValueError, match=r"exceed host_memory 0.0 MB: raise it, or give a directory"):
        make_trainer(power_law(), memory=dataclasses.replace(LIMIT, host_memory=100))
    with pytest.raises(ValueError, match="batch_memory must be at least 1 byte, got 0"):
        MemoryOptions(batch_memory=0)


def test_where_batches_lie_is_logged(caplog):
    with caplog.at_level(logging.INFO, "alx_solver.streaming"):
        make_trainer(power_law(), memory=LIMIT)
    assert "in host memory, in chunks of" in caplog.text
