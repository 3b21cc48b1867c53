"""Blockwise top-k against a full sort in float64 (`tests/oracles/recall.py`), on one and on eight devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from alx_solver.csr import CsrMatrix
from alx_solver.top_k import TopKOptions, grouped_top_k, top_k_columns
from tests.oracles.recall import slow_top_k

DIM = 8


def sharded(table: np.ndarray, devices: int) -> jax.Array:
    mesh = Mesh(np.array(jax.devices()[:devices]), ("rows",))
    return jax.device_put(table, NamedSharding(mesh, PartitionSpec("rows", None)))


def problem(num_cols: int, queries: int, seed: int, *, integers: bool = False):
    """Integer embeddings give exact scores with many ties."""
    random = np.random.default_rng(seed)

    def make(shape):
        return random.integers(-1, 2, shape) if integers else random.normal(size=shape)

    table, wanted = make((num_cols, DIM)).astype(np.float32), make((queries, DIM)).astype(np.float32)
    seen = [
        np.sort(random.choice(num_cols, random.integers(0, min(20, num_cols)), replace=False)) for _ in range(queries)
    ]
    history = CsrMatrix(
        indptr=np.cumsum([0, *map(len, seen)]).astype(np.int64),
        indices=np.concatenate(seen).astype(np.int32),
        values=None,
        num_cols=num_cols,
    )
    return table, wanted, history, [set(row.tolist()) for row in seen]


@pytest.mark.parametrize("integers", [False, True], ids=["floats", "ties"])
@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize(("queries_per_block", "columns_per_block"), [(4, 7), (64, 1000), (5, 64)])
def test_equals_a_full_sort(devices, integers, queries_per_block, columns_per_block):
    table, queries, history, seen = problem(203, 13, seed=devices, integers=integers)
    # Padding rows hold huge values: they would win if they were not masked.
    padded = np.full((208, DIM), 1e6, dtype=np.float32)
    padded[:203] = table
    ids = np.concatenate([np.arange(203), np.full(5, -1)])
    options = TopKOptions(queries_per_block=queries_per_block, columns_per_block=columns_per_block)
    found, scores = top_k_columns(queries, sharded(padded, devices), ids, history, 20, options)
    for row in range(13):
        assert found[row].tolist() == slow_top_k(queries[row], table, seen[row], 20)
        np.testing.assert_allclose(scores[row], table[found[row]] @ queries[row], rtol=1e-5, atol=1e-5)


def test_padding_inside_the_table_and_other_layouts():
    table, queries, history, seen = problem(10, 4, seed=3)
    ids = np.array([0, 1, -1, 2, 3, 4, -1, -1, 5, 6, 7, 8, 9, -1, -1, -1])
    padded = np.where((ids >= 0)[:, None], table[ids], 1e6).astype(np.float32)
    found, _ = top_k_columns(queries, sharded(padded, 8), ids, history, 3)
    for row in range(4):
        expected = slow_top_k(queries[row], table, seen[row], 3)
        assert found[row].tolist() == expected + [-1] * (3 - len(expected))


@pytest.mark.parametrize("devices", [1, 8])
def test_too_few_columns_left_is_said_with_minus_one(devices):
    table, queries, _, _ = problem(8, 2, seed=0)
    history = CsrMatrix(indptr=np.array([0, 7, 7]), indices=np.arange(7, dtype=np.int32), values=None, num_cols=8)
    found, scores = top_k_columns(queries, sharded(table, devices), np.arange(8), history, 10)
    assert found[0].tolist() == [7] + [-1] * 9
    assert np.isneginf(scores[0, 1:]).all()
    assert sorted(found[1, :8].tolist()) == list(range(8))
    assert found[1, 8:].tolist() == [-1, -1]


def test_bfloat16_tables_are_scored_in_float32():
    table, queries, history, seen = problem(100, 5, seed=4)
    rounded = jnp.asarray(table, jnp.bfloat16)
    found, _ = top_k_columns(queries, rounded, np.arange(100), history, 10)
    for row in range(5):
        assert found[row].tolist() == slow_top_k(queries[row], np.asarray(rounded, np.float32), seen[row], 10)


def test_no_queries():
    history = CsrMatrix(indptr=np.zeros(1, np.int64), indices=np.empty(0, np.int32), values=None, num_cols=8)
    found, _ = top_k_columns(np.empty((0, DIM), np.float32), jnp.ones((8, DIM)), np.arange(8), history, 3)
    assert found.shape == (0, 3)


@pytest.mark.parametrize("width", [5, 32, 1000, 1024])
def test_grouped_top_k_is_top_k_ties_included(width):
    scores = jnp.asarray(np.random.default_rng(width).integers(0, 6, (7, width)), jnp.float32)
    scores = scores.at[:, ::3].set(-jnp.inf)
    ours, theirs = grouped_top_k(scores, 4), jax.lax.top_k(scores, 4)
    np.testing.assert_array_equal(ours[0], theirs[0])
    finite = np.isfinite(ours[0])
    np.testing.assert_array_equal(np.asarray(ours[1])[finite], np.asarray(theirs[1])[finite])


def test_wrong_lengths_are_said_in_words():
    table, _, history, _ = problem(8, 2, seed=0)
    with pytest.raises(ValueError, match="3 queries with 2 histories"):
        top_k_columns(np.ones((3, DIM), np.float32), jnp.asarray(table), np.arange(8), history, 3)
    with pytest.raises(ValueError, match="columns_per_block must be at least 1, got 0"):
        TopKOptions(columns_per_block=0)
