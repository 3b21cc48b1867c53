"""`routed` under a memory limit: the rows of a half-step are solved in stages, and each stage brings its own columns.

    collected  [ own shard | resident columns | columns of this stage ]        incoming: columns of the next stage

Rows of a device are split into stages of equal work in order of id, so that with ids in URL order the rows of a stage
share columns. The columns that most stages need are *resident*: brought once, before the first stage. The rest is
brought for each stage that needs it, while the stage before is being solved. All stages share one schedule, for the
largest demand of each pair of devices, since the loop over stages is one program; what pads it is not kept.

How many stages, how many resident columns, and from which length on rows are summed: the cheapest of a grid, by bytes
counted exactly. The memory held is the resident columns and twice a stage's.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, Int64

from alx_solver.exchange.halo import Halo, demand_matrix, place_items, rank_within, send_table
from alx_solver.exchange.interface import ExchangePlan, ExchangeRequest
from alx_solver.exchange.moves import permute_rows_into
from alx_solver.exchange.rounds import Round, Schedule, fewest_rows, schedule_transfers

_MOST_STAGES = 64
_RESIDENT_SHARES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_SUMMED_QUANTILES = (0.8, 0.9, 0.96, 0.98, 0.99, 0.997)
_ROW_WORK = 24  # as in `ownership`: a row costs its solve whatever its length


class StagedArrays(NamedTuple):
    """What a device needs to know."""

    send: Int32[Any, "devices resident"]  # local row to send at each place of the resident columns' rounds
    place: Int32[Any, "devices resident"]  # and where what arrives there is kept
    stage_send: Int32[Any, "devices stages_and_1 places"]  # the same of each stage's rounds; the last sends nothing
    stage_place: Int32[Any, "devices stages_and_1 places"]


@dataclasses.dataclass(frozen=True)
class StagedOnDevice:
    """The permutations of the resident columns, and those of every stage.

    Attributes:
        resident: rounds that bring the resident columns.
        rounds: those of every stage.
        num_stages: at least 2.
        resident_rows: of the device that has most.
        stage_rows: of the device and stage that need most.
    """

    resident: tuple[Round, ...]
    rounds: tuple[Round, ...]
    num_stages: int
    resident_rows: int
    stage_rows: int

    def collect(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: StagedArrays
    ) -> Float[jax.Array, "collected dim"]:
        """The own shard, the resident columns and those of the first stage."""
        resident = jnp.zeros((self.resident_rows, col_shard.shape[1]), col_shard.dtype)
        resident = permute_rows_into(resident, col_shard, arrays.send, arrays.place, self.resident)
        return jnp.concatenate([col_shard, resident, self.fetch(col_shard, arrays, jnp.int32(0))])

    def fetch(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: StagedArrays, stage: Int32[Array, ""]
    ) -> Float[jax.Array, "incoming dim"]:
        """The columns of a stage."""
        incoming = jnp.zeros((self.stage_rows, col_shard.shape[1]), col_shard.dtype)
        send, place = arrays.stage_send[stage], arrays.stage_place[stage]
        return permute_rows_into(incoming, col_shard, send, place, self.rounds)

    def store(
        self, collected: Float[jax.Array, "collected dim"], incoming: Float[jax.Array, "incoming dim"]
    ) -> Float[jax.Array, "collected dim"]:
        """The columns of the next stage in place of those of the last."""
        return jax.lax.dynamic_update_slice(collected, incoming, (collected.shape[0] - incoming.shape[0], 0))


@dataclasses.dataclass(frozen=True, eq=False)
class _Needs:
    """Which items each of `num_stages` stages needs: distinct (item, stage) pairs, sorted by item and stage."""

    num_stages: int
    item: Int64[np.ndarray, " pairs"]
    stage: Int64[np.ndarray, " pairs"]
    shortest: Int64[np.ndarray, " pairs"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Choice:
    """One point of the grid: what is resident, and what travels between each two devices."""

    needs: _Needs
    summed_min_length: int
    kept: Bool[np.ndarray, " pairs"]  # pairs that a row needs which is not summed
    resident: Bool[np.ndarray, " pairs"]
    resident_demand: Int64[np.ndarray, "devices devices"]
    stage_demand: Int64[np.ndarray, "devices devices"]  # the greatest of all stages
    resident_rows: int  # of the device that has most
    stage_rows: int  # of the device and stage that need most

    @property
    def held_rows(self) -> int:
        return self.resident_rows + 2 * self.stage_rows

    @functools.cached_property
    def schedules(self) -> tuple[Schedule, Schedule]:
        """Of the resident columns, and of every stage."""
        return schedule_transfers(self.resident_demand), schedule_transfers(self.stage_demand)

    @property
    def fewest(self) -> tuple[int, int]:
        """Rows of the two schedules, at least."""
        return fewest_rows(self.resident_demand), fewest_rows(self.stage_demand)

    @property
    def rows(self) -> tuple[int, int]:
        """Rows of the two schedules."""
        return self.schedules[0].rows, self.schedules[1].rows

    def moved_bytes(self, request: ExchangeRequest, rows: tuple[int, int]) -> dict[str, float]:
        moved = rows[0] + (self.needs.num_stages + 1) * rows[1]
        summed = request.summed_row_cost.bytes(len(self.summed_rows(request)), request.num_devices)
        return {"routed": float(moved * request.embedding_bytes)} | ({"summed": summed} if summed else {})

    def summed_rows(self, request: ExchangeRequest) -> Int64[np.ndarray, " summed"]:
        return np.flatnonzero(request.matrix.row_lengths >= self.summed_min_length)


def best_staged_plan(
    request: ExchangeRequest,
    halo: Halo,
    limit: int,
    lengths: tuple[int, ...] | None = None,
    below: float | None = None,
) -> ExchangePlan | None:
    """The plan that moves least and holds at most `limit` remote rows.

    Args:
        request: the half-step.
        halo: of all its rows.
        limit: remote rows that a device may hold.
        lengths: from which on rows may be summed; None tries several.
        below: bytes that another plan within the limit moves, if there is one.

    Returns:
        The plan; None if none of the grid moves less than `below`.

    Raises:
        ValueError: no plan of the grid holds so little, and there is no other.
    """
    lengths = lengths or _summed_lengths(request.matrix.row_lengths)
    best: _Choice | None = None
    least = np.iinfo(np.int64).max
    needs = _finest_needs(request, halo, _row_stages(request, _MOST_STAGES))
    while needs.num_stages > 1:
        for length in lengths:
            for share in _RESIDENT_SHARES:
                choice = _choose(request, halo, needs, length, int(share * limit))
                least = min(least, choice.held_rows)
                bound = sum(choice.moved_bytes(request, choice.fewest).values())
                if choice.held_rows > limit or (below is not None and bound >= below):
                    continue
                cost = sum(choice.moved_bytes(request, choice.rows).values())
                if below is None or cost < below:
                    below, best = cost, choice
        needs = _halved(needs)
    if best is None and below is None:
        raise ValueError(
            f"memory_fraction {request.options.memory_fraction:g} is too small for the exchange: it allows "
            f"{limit} remote rows a device, and the least that a plan holds is {least} "
            f"({least / request.col_ranges.num_rows:.3f} of the table); raise it, or set summed_min_length lower"
        )
    return None if best is None else _plan(request, halo, best)


def _summed_lengths(row_lengths: Int64[np.ndarray, " rows"]) -> tuple[int, ...]:
    """Lengths from which on rows may be summed; beyond the last, none is."""
    quantiles = np.unique(np.quantile(row_lengths, _SUMMED_QUANTILES).astype(np.int64))
    return (*(int(length) for length in quantiles if length > 0), int(row_lengths.max()) + 1)


def _row_stages(request: ExchangeRequest, num_stages: int) -> Int64[np.ndarray, " rows"]:
    """The stage of each row: equal work in order of id, on each device."""
    work = np.concatenate([[0], np.cumsum(request.matrix.row_lengths + _ROW_WORK)])
    rows = request.row_ranges
    owner = rows.owners_of_all()
    first, last = work[rows.starts[:-1]], work[rows.starts[1:]]
    return np.minimum((work[:-1] - first[owner]) * num_stages // np.maximum(1, last - first)[owner], num_stages - 1)


def _finest_needs(request: ExchangeRequest, halo: Halo, row_stage: Int64[np.ndarray, " rows"]) -> _Needs:
    lengths = request.matrix.row_lengths
    stage = np.repeat(row_stage, lengths)[halo.remote]
    found, pair = np.unique(halo.item * _MOST_STAGES + stage, return_inverse=True)
    shortest = np.full(len(found), np.iinfo(np.int64).max)
    np.minimum.at(shortest, pair, np.repeat(lengths, lengths)[halo.remote])
    return _Needs(_MOST_STAGES, found // _MOST_STAGES, found % _MOST_STAGES, shortest)


def _halved(needs: _Needs) -> _Needs:
    """Two stages made one."""
    half = needs.num_stages // 2
    found, first = np.unique(needs.item * half + needs.stage // 2, return_index=True)
    shortest = np.minimum.reduceat(needs.shortest, first) if len(first) else needs.shortest
    return _Needs(half, found // half, found % half, shortest)


def _choose(request: ExchangeRequest, halo: Halo, needs: _Needs, length: int, most_resident: int) -> _Choice:
    size = request.num_devices
    kept = needs.shortest < length
    count = np.bincount(needs.item[kept], minlength=len(halo.column))
    by_count = np.lexsort((halo.column, -count, halo.device))
    first_of_device = np.searchsorted(halo.device, np.arange(size))
    rank = np.empty(len(count), np.int64)
    rank[by_count] = np.arange(len(count)) - first_of_device[halo.device]
    item_resident = (rank < most_resident) & (count > 1)
    resident = item_resident[needs.item] & kept
    passing = kept & ~resident
    key = needs.stage[passing] * size**2 + halo.owner[needs.item[passing]] * size + halo.device[needs.item[passing]]
    demand = np.bincount(key, minlength=needs.num_stages * size**2).reshape(needs.num_stages, size, size)
    return _Choice(
        needs,
        length,
        kept,
        resident,
        demand_matrix(halo.owner[item_resident], halo.device[item_resident], size),
        demand.max(axis=0),
        int(np.bincount(halo.device[item_resident], minlength=1).max()),
        int(demand.sum(axis=1).max()),
    )


def _plan(request: ExchangeRequest, halo: Halo, choice: _Choice) -> ExchangePlan:
    size, cols, needs = request.num_devices, request.col_ranges, choice.needs
    resident_schedule, stage_schedule = choice.schedules
    num_stages, width = needs.num_stages, stage_schedule.rows

    resident = np.unique(needs.item[choice.resident])
    owner, device = halo.owner[resident], halo.device[resident]
    moved_at = place_items(resident_schedule, owner, device, size)
    kept_at = rank_within(device)
    send = send_table(moved_at, owner, halo.column[resident], cols, resident_schedule.rows)
    place = np.full(send.shape, choice.resident_rows, np.int32)
    place[device, moved_at] = kept_at
    resident_place = np.zeros(len(halo.column), np.int64)
    resident_place[resident] = kept_at

    passing = choice.kept & ~choice.resident
    item, stage = needs.item[passing], needs.stage[passing]
    owner, device = halo.owner[item], halo.device[item]
    moved_at = place_items(stage_schedule, owner, device, size, stage)
    kept_at = rank_within(stage * size + device)
    stage_send = np.full((size, num_stages + 1, width), cols.zero_row, np.int32)
    stage_send[owner, stage, moved_at] = halo.column[item] - cols.starts[owner]
    stage_place = np.full(stage_send.shape, choice.stage_rows, np.int32)
    stage_place[device, stage, moved_at] = kept_at

    pair_place = cols.capacity + resident_place[needs.item]
    pair_place[passing] = cols.capacity + choice.resident_rows + kept_at
    row_stage = _row_stages(request, _MOST_STAGES) * num_stages // _MOST_STAGES
    entry_stage = np.repeat(row_stage, request.matrix.row_lengths)[halo.remote]
    pair = np.searchsorted(needs.item * num_stages + needs.stage, halo.item * num_stages + entry_stage)
    positions = (request.matrix.indices - cols.starts[cols.owners_of_all()[request.matrix.indices]]).astype(np.int32)
    positions[halo.remote] = pair_place[pair]
    return ExchangePlan(
        name="routed",
        device=StagedOnDevice(
            resident_schedule.rounds, stage_schedule.rounds, num_stages, choice.resident_rows, choice.stage_rows
        ),
        arrays=StagedArrays(send, place, stage_send, stage_place),
        entry_positions=positions,
        padding_position=cols.zero_row,
        summed_rows=choice.summed_rows(request),
        row_stage=row_stage.astype(np.int32),
        moved_bytes=choice.moved_bytes(request, choice.rows),
        held_rows=choice.held_rows,
    )
