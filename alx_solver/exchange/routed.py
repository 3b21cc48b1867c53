"""Exchange `routed`: every device gets the distinct remote columns that its rows need, each once, for the half-step.

`collected` is the own shard and then what came, in the order of the rounds of `rounds.py`:

    [ own shard, capacity rows | round 0 | round 1 | ... ]

A column that many entries of a device need travels once (deduplication), and nothing travels to a device that does not
need it (routing). Where a memory limit is given and does not hold all that, `staged.py` takes over.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, Int64

from alx_solver.exchange.halo import Halo, demand_matrix, find_halo, place_items, send_table
from alx_solver.exchange.interface import ExchangePlan, ExchangeRequest
from alx_solver.exchange.moves import permute_rows
from alx_solver.exchange.rounds import Round, Schedule, schedule_transfers
from alx_solver.exchange.staged import best_staged_plan


class RoutedArrays(NamedTuple):
    """What a device needs to know."""

    send: Int32[Any, "devices places"]  # local row to send at each place of all rounds


@dataclasses.dataclass(frozen=True)
class RoutedOnDevice:
    """A fixed sequence of permutations.

    Attributes:
        rounds: who sends to whom, and how much.
    """

    rounds: tuple[Round, ...]
    num_stages: int = 1

    def collect(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: RoutedArrays
    ) -> Float[jax.Array, "collected dim"]:
        """The own shard, then what every round brings."""
        return jnp.concatenate([col_shard, *permute_rows(col_shard, arrays.send, self.rounds)])

    def fetch(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: RoutedArrays, stage: Int32[Array, ""]
    ) -> Float[jax.Array, "incoming dim"]:
        """Nothing: there is one stage."""
        del arrays, stage
        return col_shard[:0]

    def store(
        self, collected: Float[jax.Array, "collected dim"], incoming: Float[jax.Array, "incoming dim"]
    ) -> Float[jax.Array, "collected dim"]:
        """What is there already."""
        del incoming
        return collected


@dataclasses.dataclass(frozen=True)
class RoutedExchange:
    """Plans the halo of the whole half-step, or of stages under a memory limit."""

    name: ClassVar[str] = "routed"

    def plan(self, request: ExchangeRequest) -> ExchangePlan:
        halo = find_halo(request.matrix, request.row_ranges, request.col_ranges)
        whole = plan_routed(request, halo, request.options.summed_min_length)
        limit = memory_limit(request)
        if limit is None or whole.held_rows <= limit:
            return whole
        lengths = (request.options.summed_min_length,) if request.options.summed_min_length else None
        staged = best_staged_plan(request, halo, limit, lengths)
        assert staged is not None  # there is a plan, or it raises
        return staged


def memory_limit(request: ExchangeRequest) -> int | None:
    """Remote rows that a device may hold, or None."""
    fraction = request.options.memory_fraction
    return None if fraction is None else int(fraction * request.col_ranges.num_rows)


def is_needed(halo: Halo, summed_min_length: int | None) -> Bool[np.ndarray, " items"]:
    """Which items are needed if rows of at least that length move partial sums."""
    return np.ones(len(halo.column), bool) if summed_min_length is None else halo.shortest < summed_min_length


def summed_rows(request: ExchangeRequest, min_length: int | None) -> Int64[np.ndarray, " rows"]:
    """The rows that move partial sums; with one device none does."""
    if min_length is None or request.num_devices == 1:
        return np.zeros(0, np.int64)
    return np.flatnonzero(request.matrix.row_lengths >= min_length)


def routed_schedule(halo: Halo, needed: Bool[np.ndarray, " items"], num_devices: int) -> Schedule:
    """The rounds that bring the needed items."""
    return schedule_transfers(demand_matrix(halo.owner[needed], halo.device[needed], num_devices))


def plan_routed(
    request: ExchangeRequest, halo: Halo, summed_min_length: int | None, schedule: Schedule | None = None
) -> ExchangePlan:
    """The whole half-step's halo, without what only summed rows need.

    Args:
        request: the half-step.
        halo: of all its rows.
        summed_min_length: rows of at least so many entries move partial sums; None for no row.
        schedule: of `routed_schedule`, if it is known already.
    """
    size, cols = request.num_devices, request.col_ranges
    summed = summed_rows(request, summed_min_length)
    needed = is_needed(halo, summed_min_length)
    schedule = schedule or routed_schedule(halo, needed, size)
    place = np.zeros(len(halo.column), np.int64)
    place[needed] = place_items(schedule, halo.owner[needed], halo.device[needed], size)
    owner, column = halo.owner[needed], halo.column[needed]
    positions = local_positions(request)
    positions[halo.remote] = cols.capacity + place[halo.item]
    moved = {"routed": float(schedule.rows * request.embedding_bytes)}
    if len(summed):
        moved["summed"] = request.summed_row_cost.bytes(len(summed), size)
    return ExchangePlan(
        name="routed",
        device=RoutedOnDevice(schedule.rounds),
        arrays=RoutedArrays(send_table(place[needed], owner, column, cols, schedule.rows)),
        entry_positions=positions,
        padding_position=cols.zero_row,
        summed_rows=summed,
        row_stage=np.zeros(request.matrix.num_rows, np.int32),
        moved_bytes=moved,
        held_rows=schedule.rows,
    )


def local_positions(request: ExchangeRequest) -> Int32[np.ndarray, " entries"]:
    """Local row of each entry's column at the column's owner."""
    cols = request.col_ranges
    every_col = np.arange(cols.num_rows) - np.repeat(cols.starts[:-1], np.diff(cols.starts))
    return every_col.astype(np.int32)[request.matrix.indices]
