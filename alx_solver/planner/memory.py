"""Bytes that training takes on a device: what stays, and what a half-step needs while it runs.

A half-step's workspace is the largest of three moments (`half_step.py`): the columns' embeddings have come and are put
together; tiles are solved from them; all solutions are put in one array and the table is written by one gather from it.
The place for solutions is there from the start. Where a kernel solves all rows there is no tile of embeddings; what the
kernel allocates itself is in no account of the compiler, and bounded. On CPUs the gramian is of a float32 copy of a
bfloat16 shard, and what XLA gathers from of a copy of its bits.
The tests and `benchmarks/plan_check.py` compare it with the compiler's own account.
"""

import dataclasses

from alx_solver.planner.load import HalfStepLoad

# Of a tile: its embeddings, and the vectors and products that are live beside them (1.3 to 1.6 MB by XLA:CPU's account
# of tiles of 1 MiB).
_TILE_SHARE = 1.4


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceMemory:
    """Bytes on one device.

    Attributes:
        tables: the two shards.
        batches: tiles of both half-steps, with what the exchange needs to know.
        others: lambda of each row, for the objective.
        workspace: of the half-step that needs most, what a kernel allocates included.
    """

    tables: int
    batches: int
    others: int
    workspace: int

    @property
    def total(self) -> int:
        return self.tables + self.batches + self.others + self.workspace

    @property
    def without_batches(self) -> int:
        """What is left where batches are streamed, besides the memory that is given to their chunks."""
        return self.total - self.batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberFormat:
    """How embeddings are stored, and what the backend makes of it.

    Attributes:
        dim: width d of an embedding.
        itemsize: bytes of a number of the tables.
        copied: whether XLA copies bfloat16 shards that it reads, as on CPUs.
        tile_bytes: float32 embeddings of a tile.
    """

    dim: int
    itemsize: int
    copied: bool
    tile_bytes: int


def workspace(load: HalfStepLoad, numbers: NumberFormat) -> int:
    """Bytes of a half-step beyond its arguments, on a device, by the compiler's account.

    The result takes the place of the table that is solved; what a kernel allocates itself is not among them.
    """
    row = numbers.dim * numbers.itemsize
    collected, received = load.collected_rows * row, load.received_rows * row
    solutions, tile = load.stored_slots * row, int(_TILE_SHARE * numbers.tile_bytes) if load.by_xla else 0
    coming = collected + solutions + (received if "table" not in load.moved_bytes else 0)
    copies = 2 if load.num_stages > 1 else 1  # the loop over stages keeps the next stage's beside this one's
    solving = copies * collected + solutions + tile
    if load.kernel_bytes or not load.by_xla:  # a kernel takes lambda of all slots at once
        coming, solving = coming + 4 * load.stored_slots, solving + 4 * load.stored_slots
    if not numbers.copied:
        return max(coming, solving, 2 * solutions)
    gramian, columns = 4 * numbers.dim * load.col_shard_rows, load.col_shard_rows * row
    rows = load.shard_rows * row if load.by_xla else 0
    summing = columns if load.summed_entries else 0
    fetching = columns if load.num_stages > 1 or load.summed_entries else 0
    return max(coming + gramian + summing, solving + rows + fetching, 2 * solutions + gramian + rows)


def arguments(load: HalfStepLoad, numbers: NumberFormat) -> int:
    """Bytes of a half-step's arguments on a device: both tables, its tiles, what its exchange needs to know."""
    tables = (load.shard_rows + load.col_shard_rows) * numbers.dim * numbers.itemsize
    return tables + load.batch_bytes + load.exchange_array_bytes


def device_memory(loads: tuple[HalfStepLoad, HalfStepLoad], numbers: NumberFormat) -> DeviceMemory:
    """Of training.

    Args:
        loads: of the two half-steps, rows first.
        numbers: how embeddings are stored.
    """
    shards = loads[0].shard_rows + loads[0].col_shard_rows
    return DeviceMemory(
        tables=shards * numbers.dim * numbers.itemsize,
        batches=sum(load.batch_bytes + load.exchange_array_bytes for load in loads),
        others=4 * shards,
        workspace=max(workspace(load, numbers) + load.kernel_bytes for load in loads),
    )
