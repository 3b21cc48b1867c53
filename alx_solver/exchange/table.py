"""Exchange `table`: all-gather the whole column table once a half-step.

A device sends its shard to every other: (M - 1) / M of the table a device and half-step, whatever the entries are.
Right where the table fits in a device's memory and most of it is needed there.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Array, Float, Int32

from alx_solver.exchange.interface import ExchangePlan, ExchangeRequest
from alx_solver.exchange.moves import gather_table


@dataclasses.dataclass(frozen=True)
class TableOnDevice:
    """The whole table on every device."""

    num_stages: int = 1

    def collect(self, col_shard: Float[jax.Array, "capacity dim"], arrays: Any) -> Float[jax.Array, "collected dim"]:
        """The stored table."""
        del arrays
        return gather_table(col_shard)

    def fetch(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: Any, stage: Int32[Array, ""]
    ) -> Float[jax.Array, "incoming dim"]:
        """Nothing: there is one stage."""
        del arrays, stage
        return col_shard[:0]

    def store(
        self, collected: Float[jax.Array, "collected dim"], incoming: Float[jax.Array, "incoming dim"]
    ) -> Float[jax.Array, "collected dim"]:
        """The table as it is."""
        del incoming
        return collected


@dataclasses.dataclass(frozen=True)
class TableExchange:
    """Plans nothing but positions in the stored table, padding included, the same on every device."""

    name: ClassVar[str] = "table"

    def plan(self, request: ExchangeRequest) -> ExchangePlan:
        cols = request.col_ranges
        every_col = cols.positions(np.arange(cols.num_rows)).astype(np.int32)
        others = (cols.num_devices - 1) * cols.capacity
        return ExchangePlan(
            name=self.name,
            device=TableOnDevice(),
            arrays=(),
            entry_positions=every_col[request.matrix.indices],
            padding_position=cols.zero_row,
            summed_rows=np.zeros(0, np.int64),
            row_stage=np.zeros(request.matrix.num_rows, np.int32),
            moved_bytes={"table": float(others * request.embedding_bytes)},
            held_rows=others,
        )
