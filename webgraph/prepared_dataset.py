"""Whether a dataset that TFDS prepared is whole: all rows that its metadata promise, and all bytes of its files.

TFDS reuses what it finds by name and version alone. `--max_examples_per_split` leaves a small dataset under the name
of the whole one, and a copy that was stopped lacks files. A TFRecord file frames each record with 16 bytes, so the
sizes of the files of a split follow from what `dataset_info.json` says.
"""

import os
from typing import Any

from webgraph.graph_layout import SPLITS

_FRAME_BYTES = 16
"""8 of the length, and 4 of a checksum before and after the record."""


def prepared_problem(info: Any, max_examples: int | None = None) -> str:
    """Says what a prepared dataset lacks, or "" if it is whole.

    Args:
      info: the `tfds.core.DatasetInfo` of the dataset.
      max_examples: how many rows of a split are enough; None for all.
    """
    metadata = info.metadata or {}
    for split in SPLITS:
        promised = metadata.get(f"{split}_rows")
        if promised is None or (split not in info.splits and not int(promised)):
            continue
        found = info.splits[split].num_examples if split in info.splits else 0
        if found != int(promised) and (max_examples is None or found != min(max_examples, int(promised))):
            return f"its split {split} has {found:,} of the {int(promised):,} rows that its graph has"
    return next(filter(None, (_file_problem(split) for split in info.splits.values())), "")


def _file_problem(split: Any) -> str:
    """What is wrong with the files of one split, or ""."""
    if not split.num_examples:
        return ""
    sizes = []
    for path in split.filepaths:
        try:
            sizes.append(os.stat(path).st_size)
        except OSError:
            return f"its file {path} is missing"
    is_tfrecord = getattr(split.filename_template, "filetype_suffix", "") == "tfrecord"
    expected = split.num_bytes + _FRAME_BYTES * split.num_examples
    if is_tfrecord and sum(sizes) != expected:
        return f"the files of its split {split.name} have {sum(sizes):,} bytes, not {expected:,}"
    return ""
