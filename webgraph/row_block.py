"""Rows of a split as columns: the in-memory form of `row_tag`, `col_tag`, `gt_tag`.

row_tag      int64[rows]      node ids, ascending
col_offsets  int64[rows + 1]  row i's destinations are col_tag[col_offsets[i]:col_offsets[i + 1]]
col_tag      int64[edges]     ascending inside a row
gt_offsets   int64[rows + 1]  the same for the ground truth; all zero outside the test split
gt_tag       int64[ground truth]
"""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RowBlock:
    """Consecutive rows of one split."""

    row_tag: np.ndarray
    col_offsets: np.ndarray
    col_tag: np.ndarray
    gt_offsets: np.ndarray
    gt_tag: np.ndarray

    def __post_init__(self) -> None:
        rows = len(self.row_tag)
        for name, values in (("col", self.col_tag), ("gt", self.gt_tag)):
            offsets = getattr(self, f"{name}_offsets")
            if len(offsets) != rows + 1 or offsets[0] != 0 or offsets[-1] != len(values):
                raise ValueError(
                    f"{name}_offsets must run from 0 to {len(values)} in {rows + 1} steps, got "
                    f"{len(offsets)} values from {offsets[:1]} to {offsets[-1:]}."
                )

    @classmethod
    def without_ground_truth(cls, row_tag: np.ndarray, col_offsets: np.ndarray, col_tag: np.ndarray) -> Self:
        """Rows of `train` or `train_t`."""
        return cls(
            row_tag=row_tag,
            col_offsets=col_offsets,
            col_tag=col_tag,
            gt_offsets=np.zeros(len(row_tag) + 1, dtype=np.int64),
            gt_tag=np.empty(0, dtype=np.int64),
        )

    @classmethod
    def concatenate(cls, blocks: Sequence[Self]) -> Self:
        """Joins blocks in the order given."""
        if not blocks:
            empty = np.empty(0, dtype=np.int64)
            return cls.without_ground_truth(empty, np.zeros(1, dtype=np.int64), empty)
        return cls(
            row_tag=np.concatenate([block.row_tag for block in blocks]),
            col_offsets=_join_offsets([block.col_offsets for block in blocks]),
            col_tag=np.concatenate([block.col_tag for block in blocks]),
            gt_offsets=_join_offsets([block.gt_offsets for block in blocks]),
            gt_tag=np.concatenate([block.gt_tag for block in blocks]),
        )

    @property
    def num_rows(self) -> int:
        return len(self.row_tag)

    @property
    def num_edges(self) -> int:
        """History and ground truth together."""
        return len(self.col_tag) + len(self.gt_tag)


def slice_rows(block: RowBlock, start: int, stop: int) -> RowBlock:
    """Rows [start, stop) of a block, by position."""
    col_offsets, gt_offsets = block.col_offsets[start : stop + 1], block.gt_offsets[start : stop + 1]
    return RowBlock(
        row_tag=block.row_tag[start:stop],
        col_offsets=col_offsets - col_offsets[0],
        col_tag=block.col_tag[col_offsets[0] : col_offsets[-1]],
        gt_offsets=gt_offsets - gt_offsets[0],
        gt_tag=block.gt_tag[gt_offsets[0] : gt_offsets[-1]],
    )


def _join_offsets(offsets: Sequence[np.ndarray]) -> np.ndarray:
    lengths = np.concatenate([np.diff(part) for part in offsets])
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
