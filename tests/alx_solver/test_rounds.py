"""Schedules of transfers: everything is moved once, by permutations, in no more rows than the ring's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alx_solver.exchange.halo import place_items
from alx_solver.exchange.rounds import schedule_transfers

DEMANDS = st.integers(1, 7).flatmap(lambda m: arrays(np.int64, (m, m), elements=st.integers(0, 40)))


def bound(demand: np.ndarray) -> int:
    """Rows that the busiest device sends or receives."""
    demand = demand - np.diag(np.diag(demand))
    return int(max(demand.sum(axis=0).max(), demand.sum(axis=1).max()))


@given(DEMANDS)
def test_rounds_are_permutations_that_hold_every_transfer(demand):
    schedule = schedule_transfers(demand)
    moved = np.zeros_like(demand)
    for (capacity, pairs), amounts, targets in zip(schedule.rounds, schedule.amounts, schedule.targets, strict=True):
        senders, receivers = zip(*pairs, strict=True)
        assert len(set(senders)) == len(senders) and len(set(receivers)) == len(receivers)
        assert capacity == amounts.max()
        for sender, receiver in pairs:
            assert targets[sender] == receiver != sender
            moved[sender, receiver] += amounts[sender]
    np.testing.assert_array_equal(moved, demand - np.diag(np.diag(demand)))
    assert schedule.rows >= bound(demand)
    devices = np.arange(len(demand))
    ring = sum(demand[devices, (devices + shift) % len(demand)].max() for shift in range(1, len(demand)))
    assert schedule.rows <= ring


@given(DEMANDS, st.integers(1, 3))
def test_items_have_places_of_their_own(demand, num_stages):
    np.fill_diagonal(demand, 0)
    size = len(demand)
    pair = np.repeat(np.arange(size * size), demand.reshape(-1))
    pair, stage = np.tile(pair, num_stages), np.repeat(np.arange(num_stages), len(pair))
    schedule = schedule_transfers(demand)
    place = place_items(schedule, pair // size, pair % size, size, stage)
    offset = np.concatenate([[0], np.cumsum([each.capacity for each in schedule.rounds])]).astype(int)
    step = np.searchsorted(offset, place, side="right") - 1
    for key, p, s in zip(pair, place, step, strict=True):
        assert (key // size, key % size) in schedule.rounds[s].pairs  # it comes in a round of its pair
        assert offset[s] <= p < offset[s + 1]
    received = list(zip(stage, pair % size, place, strict=True))
    assert len(set(received)) == len(received)


@pytest.mark.parametrize("seed", range(3))
def test_uneven_demands_come_near_the_bound(seed):
    """Neighbours want much, others little: the ring's rounds waste, the schedule hardly."""
    rng = np.random.default_rng(seed)
    distance = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    demand = (rng.pareto(1.5, (8, 8)) * 3000 / (1 + distance**2)).astype(np.int64)
    assert schedule_transfers(demand).rows <= 1.05 * bound(demand)


def test_one_hub_costs_what_it_must():
    demand = np.zeros((6, 6), np.int64)
    demand[0, 1:] = [50, 40, 30, 20, 10]
    demand[1:, 0] = [5, 10, 20, 30, 45]
    assert schedule_transfers(demand).rows == bound(demand) == 150


def test_no_demand_takes_no_rounds():
    assert schedule_transfers(np.diag([3, 4])).rounds == ()
