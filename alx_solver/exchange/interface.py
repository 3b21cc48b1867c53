"""What a half-step asks of an exchange: a plan made once on the host, and a device part that follows it.

Host: `plan(request) -> ExchangePlan` says where each entry's embedding will stand, on the device that solves the row,
in an array called `collected`. Device, inside `shard_map` over `mesh.AXIS`:

    collected = device.collect(col_shard, arrays)                    own shard first, then what others sent
    for stage in range(num_stages):                                  one stage, unless memory is limited
        incoming = device.fetch(col_shard, arrays, stage + 1)        does not depend on this stage's solves
        ... solve the rows of this stage from `collected` ...
        collected = device.store(collected, incoming)

Rows in `summed_rows` take no part in it: the owners of their columns compute, see `alx_solver.summed_rows`.
"""

import dataclasses
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Float, Int32, Int64

from alx_solver.csr import CsrMatrix
from alx_solver.options import ExchangeOptions
from alx_solver.ownership import RowRanges
from alx_solver.summed_bytes import SummedRowCost


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ExchangeRequest:
    """One half-step, as far as an exchange is concerned.

    Attributes:
        matrix: whose rows are solved.
        row_ranges: owners of its rows.
        col_ranges: owners of its columns.
        embedding_bytes: bytes of one embedding of a column as it is stored.
        summed_row_cost: what a row costs whose partial sums travel.
        options: of the exchange.
    """

    matrix: CsrMatrix
    row_ranges: RowRanges
    col_ranges: RowRanges
    embedding_bytes: int
    summed_row_cost: SummedRowCost
    options: ExchangeOptions

    @property
    def num_devices(self) -> int:
        return self.row_ranges.num_devices


@runtime_checkable
class DeviceExchange(Protocol):
    """The device's part; hashable, so that equal ones share a compiled program."""

    @property
    def num_stages(self) -> int: ...

    def __hash__(self) -> int: ...

    def collect(self, col_shard: Float[jax.Array, "capacity dim"], arrays: Any) -> Float[jax.Array, "collected dim"]:
        """What the rows of the first stage need; `arrays` are this device's, without the axis of devices."""
        ...

    def fetch(
        self, col_shard: Float[jax.Array, "capacity dim"], arrays: Any, stage: Int32[Array, ""]
    ) -> Float[jax.Array, "incoming dim"]:
        """What the rows of another stage need besides; called with 1 .. num_stages if there are several."""
        ...

    def store(
        self, collected: Float[jax.Array, "collected dim"], incoming: Float[jax.Array, "incoming dim"]
    ) -> Float[jax.Array, "collected dim"]:
        """`collected` with what was fetched."""
        ...


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ExchangePlan:
    """A half-step's exchange.

    Attributes:
        name: of the exchange that made it.
        device: the device's part.
        arrays: what it needs on the devices: a pytree of arrays with a leading axis of devices.
        entry_positions: for each entry of the matrix, its embedding's place in `collected`; anything for summed rows.
        padding_position: a place in `collected` that is always zero, on every device.
        summed_rows: ascending ids of the rows of which partial sums travel.
        row_stage: the stage in which each row is solved.
        moved_bytes: bytes a device sends in a half-step, by part; exactly those of the compiled program, gramian apart.
        held_rows: embeddings of other devices' columns that a device holds at once, those on their way included.
    """

    name: str
    device: DeviceExchange
    arrays: Any
    entry_positions: Int32[np.ndarray, " entries"]
    padding_position: int
    summed_rows: Int64[np.ndarray, " summed"]
    row_stage: Int32[np.ndarray, " rows"]
    moved_bytes: dict[str, float]
    held_rows: int

    @property
    def total_bytes(self) -> float:
        return sum(self.moved_bytes.values())


@runtime_checkable
class Exchange(Protocol):
    """A way to bring the embeddings of a half-step's columns to the devices that solve its rows."""

    name: ClassVar[str]

    def plan(self, request: ExchangeRequest) -> ExchangePlan:
        """Plans a half-step, on the host; the same plan in every process."""
        ...
