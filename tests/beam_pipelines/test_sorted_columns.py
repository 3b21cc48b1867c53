"""Packed sorting against `sorted` on tuples."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from beam_pipelines.sorted_columns import sorted_columns

_NUMBERS = st.integers(0, 2**32 - 1) | st.integers(0, 3)


@given(st.lists(st.tuples(_NUMBERS, st.integers(0, 255), st.integers(0, 2**64 - 1) | st.integers(0, 9))))
@example([])
@example([(0, 0, 2**64 - 1), (0, 0, 2**63), (0, 0, 1)])
@example([(2**32 - 1, 255, 2**24 - 1), (1, 0, 0)])
@example([(2**32 - 1, 255, 2**24), (1, 0, 0)])
def test_rows_are_sorted_as_tuples(rows: list[tuple[int, int, int]]) -> None:
    types = (np.uint32, np.uint8, np.uint64)
    columns = [np.array([row[at] for row in rows], dtype=dtype) for at, dtype in enumerate(types)]
    found = sorted_columns(*columns)
    assert [column.dtype for column in found] == list(types)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == sorted(rows)
    assert [column.tolist() for column in columns] == [[row[at] for row in rows] for at in range(3)]  # not changed
