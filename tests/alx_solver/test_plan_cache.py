"""Kept plans are the plans that were made; other data, devices or options have other files; damage is said."""

import dataclasses

import jax
import numpy as np
import pytest

from alx_solver.exchange import make_exchange
from alx_solver.exchange.plan_cache import PlanCacheError, cached_plan, plan_key
from alx_solver.options import ExchangeOptions
from tests.alx_solver.test_exchange import CASES, matrix_with_neighbours, request_for


def assert_same(ours, theirs):
    assert jax.tree.structure(ours.arrays) == jax.tree.structure(theirs.arrays)
    for a, b in zip(jax.tree.leaves(ours.arrays), jax.tree.leaves(theirs.arrays), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    for field in dataclasses.fields(ours):
        if field.name != "arrays":
            np.testing.assert_equal(getattr(ours, field.name), getattr(theirs, field.name))
    assert hash(ours.device) == hash(theirs.device)  # so that they share a compiled program


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_what_is_read_is_what_was_planned(tmp_path, name, options):
    exchange = make_exchange(name)
    request = request_for(matrix_with_neighbours(), 4, dataclasses.replace(options, plan_cache=str(tmp_path)))
    made = cached_plan(exchange, request)
    assert len(list(tmp_path.iterdir())) == 1
    assert_same(cached_plan(exchange, request), made)
    assert_same(exchange.plan(request), made)


def test_everything_that_matters_is_in_the_key():
    matrix = matrix_with_neighbours()
    keys = {
        plan_key(make_exchange(name), request_for(each, size, options))
        for name in ("auto", "routed")
        for each in (matrix, matrix.transpose())
        for size in (2, 4)
        for options in (ExchangeOptions(), ExchangeOptions(summed_min_length=9), ExchangeOptions(memory_fraction=0.5))
    }
    assert len(keys) == 24
    kept = request_for(matrix, 2, ExchangeOptions(plan_cache="anywhere"))
    assert plan_key(make_exchange("auto"), kept) in keys


def test_a_damaged_file_is_an_error_in_words(tmp_path):
    request = request_for(matrix_with_neighbours(), 2, ExchangeOptions(plan_cache=str(tmp_path)))
    cached_plan(make_exchange("routed"), request)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PlanCacheError, match=r"npz: not a readable exchange plan .* remove it to plan again"):
        cached_plan(make_exchange("routed"), request)


def _flip_a_byte(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


def test_no_cut_and_no_flipped_byte_is_another_plan(tmp_path):
    request = request_for(matrix_with_neighbours(), 2, ExchangeOptions(plan_cache=str(tmp_path)))
    made = cached_plan(make_exchange("routed"), request)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), len(whole) // 20)] + [whole[:-1]]
    flipped = [_flip_a_byte(whole, place) for place in range(0, len(whole), len(whole) // 150)]
    for content in (*cut, *flipped, b"PK\x03\x04", b"[]", np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        try:
            kept = cached_plan(make_exchange("routed"), request)
        except PlanCacheError as error:
            assert "remove it to plan again" in str(error)  # a flip in a name that is not read is none
        else:
            assert_same(kept, made)
            assert content in flipped


def test_the_plan_of_other_data_under_the_name_is_an_error_in_words(tmp_path):
    options = ExchangeOptions(plan_cache=str(tmp_path))
    requests = [
        request_for(matrix, 2, options) for matrix in (matrix_with_neighbours(), matrix_with_neighbours().transpose())
    ]
    paths = []
    for request in requests:
        cached_plan(make_exchange("routed"), request)
        paths.append(tmp_path / f"exchange-{plan_key(make_exchange('routed'), request)}.npz")
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(PlanCacheError, match=r"made from other data or options\); remove it to plan again"):
        cached_plan(make_exchange("routed"), requests[0])
