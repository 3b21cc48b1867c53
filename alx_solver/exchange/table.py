"""Exchange `table`: all-gather the whole column table once a half-step.

A device sends its shard to every other: (M - 1) / M of the table a device and half-step, whatever the entries are.
Right where the table fits in a device's memory and most of it is needed there.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from alx_solver.csr import CsrMatrix
from alx_solver.mesh import AXIS
from alx_solver.ownership import RowRanges


@dataclasses.dataclass(frozen=True)
class TableExchange:
    """The whole table on every device."""

    name: ClassVar[str] = "table"

    def entry_positions(
        self, matrix: CsrMatrix, row_ranges: RowRanges, col_ranges: RowRanges
    ) -> Int[np.ndarray, " entries"]:
        """Positions in the stored table, padding included, the same on every device."""
        del row_ranges
        every_col = col_ranges.positions(np.arange(col_ranges.num_rows)).astype(np.int32)
        return every_col[matrix.indices]

    def padding_position(self, col_ranges: RowRanges) -> int:
        """The last row of the first shard."""
        return col_ranges.zero_row

    def collect(self, col_shard: Float[jax.Array, "capacity dim"]) -> Float[jax.Array, "collected dim"]:
        """The stored table. bfloat16 travels as uint16, since a CPU build would promote it to float32."""
        if jax.lax.axis_size(AXIS) == 1:
            return col_shard
        if col_shard.dtype != jnp.bfloat16:
            return jax.lax.all_gather(col_shard, AXIS, tiled=True)
        bits = jax.lax.bitcast_convert_type(col_shard, jnp.uint16)
        return jax.lax.bitcast_convert_type(jax.lax.all_gather(bits, AXIS, tiled=True), jnp.bfloat16)
