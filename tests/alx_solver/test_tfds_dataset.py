"""A dataset prepared by TensorFlow Datasets reads back as the rows that were stored (oracle: those rows)."""

import sys
from pathlib import Path

import numpy as np
import pytest

from alx_solver.datasets import DatasetError, load_dataset
from alx_solver.datasets.tfds_dataset import read_tfds

TRAIN = {0: [1, 2], 3: [0, 4], 4: [5]}
TEST = {1: ([0, 5], [3]), 2: ([4], [1])}


def store(folder, metadata, file_format="tfrecord"):
    tfds = pytest.importorskip("tensorflow_datasets")
    tensorflow = pytest.importorskip("tensorflow")
    ids = tfds.features.Sequence(np.int64)
    features = tfds.features.FeaturesDict({"row_tag": np.int64, "col_tag": ids, "gt_tag": ids})

    def split(rows):
        signature = {
            "row_tag": tensorflow.TensorSpec((), tensorflow.int64),
            "col_tag": tensorflow.TensorSpec((None,), tensorflow.int64),
            "gt_tag": tensorflow.TensorSpec((None,), tensorflow.int64),
        }
        examples = [{"row_tag": row, "col_tag": cols, "gt_tag": truth} for row, (cols, truth) in rows.items()]
        return tensorflow.data.Dataset.from_generator(lambda: iter(examples), output_signature=signature)

    train = {row: (cols, []) for row, cols in TRAIN.items()}
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name="links",
        version="1.0.0",
        config="tiny",
        data_dir=folder,
        features=features,
        split_datasets={"train": split(train), "test": split(TEST)},
        file_format=file_format,
    )
    if metadata:
        tfds.core.MetadataDict(metadata).save_metadata(builder.data_dir)
    return builder.data_dir


@pytest.mark.parametrize(
    ("metadata", "num_nodes", "file_format"),
    [
        ({"num_nodes": 9}, 9, "tfrecord"),
        (None, 6, "tfrecord"),
        (None, 6, "array_record"),
        ({"num_nodes": 9}, 9, "riegeli"),
    ],
)
def test_round_trip(tmp_path, metadata, num_nodes, file_format):
    if file_format == "riegeli":
        pytest.importorskip("riegeli")
    dataset = load_dataset(store(tmp_path, metadata, file_format))
    assert dataset.name == "links/tiny"
    assert dataset.train.shape == (num_nodes, num_nodes)
    expected = np.zeros((num_nodes, num_nodes))
    for row, columns in TRAIN.items():
        expected[row, columns] = 1
    np.testing.assert_array_equal(dataset.train.to_scipy().toarray(), expected)
    assert dataset.test_rows.tolist() == [1, 2]
    assert dataset.history.indices.tolist() == [0, 5, 4]
    assert dataset.ground_truth.indices.tolist() == [3, 1]
    assert dataset.urls is None


def test_without_tfds_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        DatasetError, match=r"needs the package tensorflow_datasets.*pip install '.\[tfds\]' in a checkout"
    ):
        read_tfds(tmp_path)


def test_without_the_package_of_its_files_the_remedy_is_said(tmp_path, monkeypatch):
    folder = store(tmp_path, None, "array_record")

    def missing(*arguments, **options):
        raise ModuleNotFoundError("No module named 'array_record'", name="array_record")

    monkeypatch.setattr("tensorflow_datasets.core.DatasetBuilder.as_data_source", missing)
    with pytest.raises(DatasetError, match=r"reading files of array_record needs .*pip install '.\[tfds\]'"):
        read_tfds(folder)


def test_damaged_metadata_are_said_in_words(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{")
    with pytest.raises(DatasetError, match="damaged"):
        load_dataset(tmp_path)


def test_a_dataset_cut_short_is_refused_with_its_numbers(tmp_path):
    folder = store(tmp_path, {"num_nodes": 9, "train_rows": 228, "test_rows": 2})
    with pytest.raises(DatasetError, match=r"train has 3 of the 228 rows .*--overwrite"):
        load_dataset(folder)


def test_a_dataset_without_a_shard_is_refused(tmp_path):
    folder = store(tmp_path, {"num_nodes": 9, "train_rows": 3, "test_rows": 2})
    assert load_dataset(folder).test_rows.tolist() == [1, 2]
    next(Path(folder).glob("*-train.tfrecord*")).unlink()
    with pytest.raises(DatasetError, match="is missing"):
        load_dataset(folder)
