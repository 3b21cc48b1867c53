"""Footprints of reuse: known answers, and accesses at random."""

import numpy as np
import pytest

from alx_solver.planner.reuse import reuse_footprints, uniform_footprints


def test_going_round_touches_all_others_in_between():
    bins = reuse_footprints(np.tile(np.arange(100), 50), first_footprint=1000)
    assert bins.sum() == 5000
    assert bins[10] == 100  # first accesses: 512 .. 1023
    assert bins[7] == 4900  # 99 others: 64 .. 127


def test_the_same_one_again_touches_nothing():
    bins = reuse_footprints(np.zeros(1000, np.int32), first_footprint=1)
    assert bins[0] == 999 and bins[1] == 1


def test_nothing_is_read():
    assert reuse_footprints(np.zeros(0, np.int32), first_footprint=1).sum() == 0


def test_random_accesses_have_uniform_footprints():
    ids = np.random.default_rng(0).integers(0, 4096, 400_000)
    found, expected = reuse_footprints(ids, first_footprint=4096), uniform_footprints(400_000, 4096)
    assert expected.sum() == pytest.approx(400_000)
    np.testing.assert_allclose(found[6:13], expected[6:13], rtol=0.1)
