"""Checkpoints: round trip over device counts, atomicity, and refusals in words."""

import shutil

import numpy as np
import pytest

from alx_solver import checkpoint as module
from alx_solver.checkpoint import CheckpointError, restore_checkpoint, save_checkpoint
from alx_solver.options import Precision
from alx_solver.table_files import read_table, write_table
from tests.alx_solver.problems import make_trainer, power_law, relative_error


def tables(trainer, state):
    return trainer.row_embeddings(state), trainer.col_embeddings(state)


@pytest.mark.parametrize("table", ["float32", "bfloat16"])
def test_saved_on_eight_devices_restores_on_one_and_goes_on_alike(tmp_path, table):
    eight = make_trainer(power_law(), num_devices=8, precision=Precision(table=table))
    state = eight.epoch(eight.init())
    save_checkpoint(tmp_path, eight, state)
    one = make_trainer(power_law(), num_devices=1, precision=Precision(table=table))
    restored = restore_checkpoint(tmp_path, one)
    assert restored is not None and restored.epoch == 1
    for saved, read in zip(tables(eight, state), tables(one, restored), strict=True):
        np.testing.assert_array_equal(read, saved)
    unbroken, resumed = eight.epoch(state), one.epoch(restored)
    error = relative_error(one.row_embeddings(resumed), eight.row_embeddings(unbroken))
    assert error < (1e-5 if table == "float32" else 1e-2)


def test_none_where_there_is_none(tmp_path):
    trainer = make_trainer(power_law())
    assert restore_checkpoint(tmp_path, trainer) is None
    assert restore_checkpoint(tmp_path / "absent", trainer) is None


def test_a_writer_that_dies_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    trainer = make_trainer(power_law())
    state = trainer.epoch(trainer.init())
    save_checkpoint(tmp_path, trainer, state)
    before = trainer.row_embeddings(state)
    later = trainer.epoch(state)

    def die(*arguments, **options):
        raise KeyboardInterrupt

    for name in ("_write_table", "_sync_directory"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, name, die)
            save_checkpoint(tmp_path, trainer, later)
        restored = restore_checkpoint(tmp_path, trainer)
        assert restored is not None and restored.epoch == 1
        np.testing.assert_array_equal(trainer.row_embeddings(restored), before)
    save_checkpoint(tmp_path, trainer, later)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-00000001", "epoch-00000002"]


def test_the_two_newest_are_kept(tmp_path):
    trainer = make_trainer(power_law())
    state = trainer.init()
    for _ in range(4):
        state = trainer.epoch(state)
        save_checkpoint(tmp_path, trainer, state)
    save_checkpoint(tmp_path, trainer, state)  # the same epoch again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-00000003", "epoch-00000004"]


def test_another_model_or_matrix_is_refused(tmp_path):
    trainer = make_trainer(power_law())
    save_checkpoint(tmp_path, trainer, trainer.init())
    with pytest.raises(CheckpointError, match=r"made with regularization=0.01, not 0.5; give the options"):
        restore_checkpoint(tmp_path, make_trainer(power_law(), lam=0.5))
    with pytest.raises(CheckpointError, match="made with matrix"):
        restore_checkpoint(tmp_path, make_trainer(power_law(seed=8)))
    with pytest.raises(CheckpointError, match="made with table_dtype float32, not bfloat16"):
        restore_checkpoint(tmp_path, make_trainer(power_law(), precision=Precision(table="bfloat16")))


def test_damage_is_an_error_in_words(tmp_path):
    trainer = make_trainer(power_law())
    folder = save_checkpoint(tmp_path, trainer, trainer.init())
    table = read_table(folder / "col_table").copy()
    table[3, 3] += 1
    shutil.rmtree(folder / "col_table")
    write_table(folder / "col_table", table)
    with pytest.raises(CheckpointError, match=r"col_table: damaged, its digest differs"):
        restore_checkpoint(tmp_path, trainer)
    save_checkpoint(tmp_path, trainer, trainer.init())
    files = [path for path in (folder / "row_table").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"row_table: (unreadable|damaged).* remove its folder to go on"):
        restore_checkpoint(tmp_path, trainer)
    shutil.rmtree(folder / "row_table")
    with pytest.raises(CheckpointError, match=r"row_table: unreadable .* remove its folder to go on"):
        restore_checkpoint(tmp_path, trainer)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="unreadable manifest"):
        restore_checkpoint(tmp_path, trainer)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"format": 2}',
        b'{"format": 1}',
        b'{"format": 2, "epoch": 1, "matrix": {}}',
        b'{"format": 2, "epoch": 1, "matrix": {"shape": [1, 2]}, "table_dtype": "float32", "matrix_sha256": "", '
        b'"hyperparameters": {}, "sha256": {"row_table": ""}}',
        b'{"format": 2, "epoch": "1", "matrix": {"shape": [1, 2]}, "table_dtype": "float32", "matrix_sha256": "", '
        b'"hyperparameters": {}, "sha256": {"row_table": "", "col_table": ""}}',
    ],
)
def test_a_manifest_that_lacks_something_is_an_error_in_words(tmp_path, content):
    trainer = make_trainer(power_law())
    folder = save_checkpoint(tmp_path, trainer, trainer.init())
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"epoch-00000000: .*; remove its folder to go on from an older one"):
        restore_checkpoint(tmp_path, trainer)
