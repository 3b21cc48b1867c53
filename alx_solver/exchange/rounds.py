"""When who sends to whom: transfers between all pairs of devices as few permutations that waste little.

A permutation (`ppermute`) moves the same number of rows for every device, so a round costs its largest transfer. Over
all rounds that is at least the largest total that one device sends or receives. Three schedules are tried:

    ring       round s: m to m + s; a round costs the largest of these M - 1 demands
    first fit  demands, largest first, each whole in the first round in which both ends are free: equals meet equals
    matching   round by round, a matching whose least demand is greatest takes just that much from every pair, as in
               Birkhoff's decomposition of doubly stochastic matrices (idle devices filled up so that all sums are
               equal); after M rounds, first fit does the rest

and the cheapest is taken. Python loops are over rounds and pairs of devices, never over rows.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

_MATCHING_DEVICES = 64
"""Matchings are tried up to so many devices; beyond, first fit is near the bound and much quicker."""


class Round(NamedTuple):
    """One permutation: every pair (from, to) moves up to `capacity` rows."""

    capacity: int
    pairs: tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Schedule:
    """Rounds, and which rows of each pair go in which.

    Attributes:
        rounds: in order.
        amounts: [rounds, devices]: rows that each device may send in each round, 0 if it is idle.
        targets: [rounds, devices]: to whom, -1 if it is idle.
    """

    rounds: tuple[Round, ...]
    amounts: Int64[np.ndarray, "rounds devices"]
    targets: Int64[np.ndarray, "rounds devices"]

    @property
    def rows(self) -> int:
        """Rows that a device sends (and receives) in all rounds, padding included."""
        return sum(step.capacity for step in self.rounds)


def fewest_rows(demand: Int64[np.ndarray, "devices devices"]) -> int:
    """Rows that the busiest device sends or receives: no schedule of these transfers has fewer."""
    off_diagonal = demand - np.diag(np.diag(demand))
    return int(max(off_diagonal.sum(axis=0).max(), off_diagonal.sum(axis=1).max()))


def schedule_transfers(demand: Int64[np.ndarray, "devices devices"]) -> Schedule:
    """The cheapest of the three schedules.

    Args:
        demand: [from, to], rows to be moved; the diagonal is ignored.
    """
    demand = demand.copy()
    np.fill_diagonal(demand, 0)
    candidates = [_ring(demand), _first_fit(demand)]
    if 2 < len(demand) <= _MATCHING_DEVICES:
        candidates.append(_matchings(demand, max_rounds=len(demand)))
    schedules = [_schedule(steps, len(demand)) for steps in candidates]
    return min(schedules, key=lambda schedule: (schedule.rows, len(schedule.rounds)))


def _schedule(steps: list[tuple[Int64[np.ndarray, " devices"], Int64[np.ndarray, " devices"]]], size: int) -> Schedule:
    steps = [(targets, amounts) for targets, amounts in steps if amounts.any()]
    if not steps:
        return Schedule((), np.zeros((0, size), np.int64), np.zeros((0, size), np.int64))
    targets = np.array([np.where(amounts > 0, targets, -1) for targets, amounts in steps])
    amounts = np.array([amounts for _, amounts in steps])
    rounds = []
    for to, amount in zip(targets, amounts, strict=True):
        busy = np.flatnonzero(amount)
        rounds.append(Round(int(amount.max()), tuple(zip(busy.tolist(), to[busy].tolist(), strict=True))))
    return Schedule(tuple(rounds), amounts, targets)


def _ring(demand: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    devices = np.arange(len(demand))
    shifts = [(devices + shift) % len(demand) for shift in range(1, len(demand))]
    return [(targets, demand[devices, targets]) for targets in shifts]


def _first_fit(demand: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    size = len(demand)
    senders, receivers = np.nonzero(demand)
    order = np.argsort(-demand[senders, receivers], kind="stable")
    free = (1 << (2 * size)) - 1  # a bit for each round; fewer than 2 M are ever needed
    sending, receiving = [free] * size, [free] * size
    steps: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for sender, receiver in zip(senders[order].tolist(), receivers[order].tolist(), strict=True):
        both = sending[sender] & receiving[receiver]
        first = both & -both
        sending[sender] ^= first
        receiving[receiver] ^= first
        if first not in steps:
            steps[first] = (np.full(size, -1, np.int64), np.zeros(size, np.int64))
        steps[first][0][sender] = receiver
        steps[first][1][sender] = demand[sender, receiver]
    return [steps[first] for first in sorted(steps)]


def _matchings(demand: np.ndarray, max_rounds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    left, devices = demand.copy(), np.arange(len(demand))
    steps: list[tuple[np.ndarray, np.ndarray]] = []
    while left.any() and len(steps) < max_rounds:
        found = _best_matching(left)
        if found is None:
            break
        targets, least = found
        amounts = np.minimum(left[devices, targets], least)
        left[devices, targets] -= amounts
        steps.append((targets, amounts))
    return steps + _first_fit(left)


def _best_matching(left: np.ndarray) -> tuple[np.ndarray, int] | None:
    """A perfect matching whose least demand, idle time counted as demand, is greatest, and that least demand."""
    sent, received = left.sum(axis=1), left.sum(axis=0)
    total = max(sent.max(), received.max())
    idle = np.outer(total - sent, total - received) / max(1, (total - sent).sum())
    filled = left + idle
    values = np.unique(filled[filled > 0])
    low, high, best = 0, len(values) - 1, None
    while low <= high:
        middle = (low + high) // 2
        allowed = csr_array((filled >= values[middle]).astype(np.int8))
        targets = maximum_bipartite_matching(allowed, perm_type="column")
        if (targets >= 0).all():
            best, low = (targets.astype(np.int64), max(1, int(np.ceil(values[middle])))), middle + 1
        else:
            high = middle - 1
    return best
