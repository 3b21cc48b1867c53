"""Exchange `partial`, equivalent substitution: the owners of the columns compute, and only sums of d numbers travel.

After DES (Rong et al., "Distributed Equivalent Substitution Training for Large-Scale Recommender Systems", 2019): not
the operands of an operator move but its partial results. The bytes of a row do not depend on its number of entries,
so it pays for rows with many entries on columns that nobody else needs; `summed_rows.py` is the computation. By default
all rows are summed; with `summed_min_length` the shorter ones are routed.
"""

import dataclasses
from typing import ClassVar

from alx_solver.exchange.halo import find_halo
from alx_solver.exchange.interface import ExchangePlan, ExchangeRequest
from alx_solver.exchange.routed import plan_routed


@dataclasses.dataclass(frozen=True)
class PartialExchange:
    """Partial sums of all rows, or of the long ones."""

    name: ClassVar[str] = "partial"

    def plan(self, request: ExchangeRequest) -> ExchangePlan:
        halo = find_halo(request.matrix, request.row_ranges, request.col_ranges)
        plan = plan_routed(request, halo, request.options.summed_min_length or 1)
        return dataclasses.replace(plan, name=self.name)
