"""What a half-step asks of an exchange."""

from typing import ClassVar, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float, Int

from alx_solver.csr import CsrMatrix
from alx_solver.ownership import RowRanges


@runtime_checkable
class Exchange(Protocol):
    """A way to bring the embeddings of a half-step's columns to the devices that solve its rows; hashable."""

    name: ClassVar[str]

    def __hash__(self) -> int: ...

    def entry_positions(
        self, matrix: CsrMatrix, row_ranges: RowRanges, col_ranges: RowRanges
    ) -> Int[np.ndarray, " entries"]:
        """On the host: for each entry of `matrix`, the row of `collect`'s result that holds its embedding."""
        ...

    def padding_position(self, col_ranges: RowRanges) -> int:
        """On the host: a row of `collect`'s result, the same on every device, that is always zero."""
        ...

    def collect(self, col_shard: Float[jax.Array, "capacity dim"]) -> Float[jax.Array, "collected dim"]:
        """On the device, inside `shard_map` over `mesh.AXIS`: the embeddings to gather from."""
        ...
