"""What each way of exchange costs, in bytes a device sends in a half-step: what `auto` decides by, in a form to print.

A row may be routed (its remote columns come once, for all rows of the device) or summed (its partial sums travel). What
routing a class of long rows costs is what only they need, since the rest comes anyway: so the classes are nested, all
rows of at least so many entries, and a candidate is counted exactly, with its schedule and padding.
"""

import dataclasses
import logging

import numpy as np
from jaxtyping import Int64

from alx_solver.exchange.halo import Halo, demand_matrix
from alx_solver.exchange.interface import ExchangeRequest
from alx_solver.exchange.rounds import fewest_rows

_log = logging.getLogger(__name__)
_SHORTEST_SUMMED = 16
_NUM_LENGTHS = 24


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to do a half-step's exchange.

    Attributes:
        name: "table" or "routed".
        summed_min_length: rows of at least so many entries are summed; None for no row.
        summed_rows: how many these are.
        moved_bytes: bytes a device sends, by part.
        held_rows: remote embeddings that a device holds at once.
    """

    name: str
    summed_min_length: int | None
    summed_rows: int
    moved_bytes: dict[str, float]
    held_rows: int

    @property
    def total_bytes(self) -> float:
        return sum(self.moved_bytes.values())

    def describe(self) -> str:
        """One line."""
        parts = ", ".join(f"{part} {size / 1e6:.3f}" for part, size in self.moved_bytes.items())
        line = f"{self.name}: {self.total_bytes / 1e6:.3f} MB a device and half-step ({parts})"
        if not self.summed_rows:
            return line
        return f"{line}, {self.summed_rows} rows of {self.summed_min_length} entries and more summed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowClassCost:
    """Rows of at least `min_length` entries: what they cost routed and summed, in bytes a device.

    Attributes:
        min_length: of the class.
        rows: how many there are.
        remote_columns: distinct remote columns of the busiest device that only these rows need.
        routed_bytes: to bring these.
        summed_bytes: to move the rows' partial sums.
    """

    min_length: int
    rows: int
    remote_columns: int
    routed_bytes: float
    summed_bytes: float


def candidate_lengths(lengths: Int64[np.ndarray, " rows"]) -> list[int]:
    """Row lengths from which on rows may be summed, ascending."""
    longest = int(lengths.max(initial=0))
    if longest < _SHORTEST_SUMMED:
        return []
    return [int(length) for length in np.unique(np.geomspace(_SHORTEST_SUMMED, longest, _NUM_LENGTHS).astype(np.int64))]


def row_class_costs(request: ExchangeRequest, halo: Halo) -> list[RowClassCost]:
    """The nested classes, from the shortest length on."""
    lengths, size = request.matrix.row_lengths, request.num_devices
    busiest = _busiest(halo, np.ones(len(halo.column), bool), size)
    costs = []
    for length in candidate_lengths(lengths):
        rows = int((lengths >= length).sum())
        only_these = busiest - _busiest(halo, halo.shortest < length, size)
        costs.append(
            RowClassCost(
                min_length=length,
                rows=rows,
                remote_columns=only_these,
                routed_bytes=float(only_these * request.embedding_bytes),
                summed_bytes=request.summed_row_cost.bytes(rows, size),
            )
        )
    return costs


def _busiest(halo: Halo, needed: np.ndarray, num_devices: int) -> int:
    """Rows that the device sends or receives that sends or receives most: no schedule moves fewer."""
    return fewest_rows(demand_matrix(halo.owner[needed], halo.device[needed], num_devices))


def fewest_bytes(request: ExchangeRequest, halo: Halo, length: int | None) -> float:
    """A lower bound of the bytes with rows of at least `length` entries summed: no schedule moves less."""
    needed = np.ones(len(halo.column), bool) if length is None else halo.shortest < length
    summed = 0 if length is None else int((request.matrix.row_lengths >= length).sum())
    moved = _busiest(halo, needed, request.num_devices) * request.embedding_bytes
    return moved + request.summed_row_cost.bytes(summed, request.num_devices)


def log_candidates(chosen: Candidate, candidates: list[Candidate]) -> None:
    """Says what was considered (debug) and taken (info)."""
    for candidate in candidates:
        _log.debug("considered %s", candidate.describe())
    _log.info("exchange %s", chosen.describe())
