"""Blocks as bytes: everything comes back, in views, and small blocks stay small."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.block import Block, decode_block, encode_block

_DTYPES = (np.uint8, np.uint32, np.uint64, np.int64, np.float32)
_NUMBERS = st.tuples(st.sampled_from(_DTYPES), st.lists(st.integers(0, 200), max_size=9)).map(
    lambda found: np.array(found[1], dtype=found[0])
)
_URLS = st.lists(st.binary(max_size=9), max_size=5).map(lambda values: pa.array(values, type=pa.large_binary()))


def _equal(one: Block, other: Block) -> bool:
    def same(a: object, b: object) -> bool:
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return a.dtype == b.dtype and a.tolist() == b.tolist()
        return isinstance(a, pa.LargeBinaryArray) and a.equals(b)

    return list(one) == list(other) and all(same(one[name], other[name]) for name in one)


@given(st.lists(st.one_of(_NUMBERS, _URLS), max_size=6))
def test_every_column_comes_back(columns: list) -> None:
    block = {f"column_{number}": column for number, column in enumerate(columns)}
    encoded = encode_block(block)
    assert _equal(decode_block(encoded), block)
    assert encode_block(decode_block(encoded)) == encoded


def test_slices_are_written_as_what_they_show() -> None:
    urls = pa.array([b"http://a/", b"", b"http://b/x", b"http://c/"], type=pa.large_binary())
    numbers = np.arange(10, dtype=np.uint32)
    block = {"url": urls.slice(1, 2), "every_other": numbers[1::2], "none": urls.slice(4)}
    decoded = decode_block(encode_block(block))
    assert decoded["url"].to_pylist() == [b"", b"http://b/x"]
    assert decoded["every_other"].tolist() == [1, 3, 5, 7, 9]
    assert decoded["none"].to_pylist() == []
    assert len(encode_block({"url": urls.slice(1, 1)})) < 64


def test_columns_are_views_of_the_bytes() -> None:
    data = encode_block({"check": np.arange(3, dtype=np.uint32), "key": np.arange(1000, dtype=np.uint64)})
    key = decode_block(data)["key"]
    assert not key.flags.owndata and not key.flags.writeable
    assert np.shares_memory(key, np.frombuffer(data, dtype=np.uint8))
    assert key.flags.aligned


def test_a_block_of_one_row_costs_little_more_than_its_values() -> None:
    names = ("source", "target", "mask", "target_key", "target_check", "partition")
    assert len(encode_block({name: np.zeros(1, dtype=np.uint64) for name in names})) < 48 + 160


def test_nulls_are_refused() -> None:
    with pytest.raises(ValueError, match="no nulls, found 1"):
        encode_block({"url": pa.array([b"a", None], type=pa.large_binary())})
