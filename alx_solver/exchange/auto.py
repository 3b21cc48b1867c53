"""Exchange `auto`: of table, routed, and routed with long rows summed, the one that moves least; never more than table.

The length from which on rows are summed is searched over a geometric grid; every candidate is counted exactly, with its
schedule (`cost_model.py`), unless a lower bound shows already that it moves more than the best so far. Under a memory
limit only plans within it are considered.
"""

import dataclasses
from typing import ClassVar

from alx_solver.exchange.cost_model import Candidate, candidate_lengths, fewest_bytes, log_candidates
from alx_solver.exchange.halo import Halo, find_halo
from alx_solver.exchange.interface import ExchangePlan, ExchangeRequest
from alx_solver.exchange.rounds import Schedule
from alx_solver.exchange.routed import is_needed, memory_limit, plan_routed, routed_schedule, summed_rows
from alx_solver.exchange.staged import best_staged_plan
from alx_solver.exchange.table import TableExchange


@dataclasses.dataclass(frozen=True)
class AutoExchange:
    """The cheapest."""

    name: ClassVar[str] = "auto"

    def plan(self, request: ExchangeRequest) -> ExchangePlan:
        halo = find_halo(request.matrix, request.row_ranges, request.col_ranges)
        considered = candidates(request, halo)
        limit = memory_limit(request)
        within = [pair for pair in considered if limit is None or pair[0].held_rows <= limit]
        staged = None
        if limit is not None and len(within) < len(considered):
            length = request.options.summed_min_length
            most = min((candidate.total_bytes for candidate, _ in within), default=None)
            staged = best_staged_plan(request, halo, limit, (length,) if length else None, most)
        if staged is not None:
            return staged
        chosen, schedule = min(within, key=lambda pair: pair[0].total_bytes)
        log_candidates(chosen, [candidate for candidate, _ in considered])
        if chosen.name == "table":
            return TableExchange().plan(request)
        return plan_routed(request, halo, chosen.summed_min_length, schedule)


def candidates(request: ExchangeRequest, halo: Halo) -> list[tuple[Candidate, Schedule | None]]:
    """What may be the cheapest, with its schedule; the first is the table."""
    cols = request.col_ranges
    others = (cols.num_devices - 1) * cols.capacity
    table = Candidate(
        name="table",
        summed_min_length=None,
        summed_rows=0,
        moved_bytes={"table": float(others * request.embedding_bytes)},
        held_rows=others,
    )
    found: list[tuple[Candidate, Schedule | None]] = [(table, None)]
    fixed = request.options.summed_min_length
    lengths: list[int | None] = [fixed] if fixed else [None, *candidate_lengths(request.matrix.row_lengths)]
    limited = request.options.memory_fraction is not None
    by_bound = sorted(lengths, key=lambda length: fewest_bytes(request, halo, length))
    best = table.total_bytes
    for length in by_bound:
        if fewest_bytes(request, halo, length) < best or limited:
            candidate, schedule = _routed(request, halo, length)
            found.append((candidate, schedule))
            best = min(best, candidate.total_bytes)
    return found


def _routed(request: ExchangeRequest, halo: Halo, length: int | None) -> tuple[Candidate, Schedule]:
    schedule = routed_schedule(halo, is_needed(halo, length), request.num_devices)
    summed = len(summed_rows(request, length))
    moved = {"routed": float(schedule.rows * request.embedding_bytes)}
    if summed:
        moved["summed"] = request.summed_row_cost.bytes(summed, request.num_devices)
    candidate = Candidate(
        name="routed",
        summed_min_length=length if summed else None,
        summed_rows=summed,
        moved_bytes=moved,
        held_rows=schedule.rows,
    )
    return candidate, schedule
