"""Where the batches lie: on the devices, in host memory or on disk, by the limits that are given."""

import dataclasses
import logging
from typing import Literal

import jax

from alx_solver.dense_batching import DenseBatches
from alx_solver.options import MemoryOptions

_log = logging.getLogger(__name__)

CHUNKS_AT_ONCE = 3
"""Chunks on a device at once: one that is solved, one that is there, one that is coming."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Where batches lie.

    Attributes:
        where: of them.
        device_bytes: of all tiles of both half-steps on a device, if they lay there.
        chunk_bytes: of a chunk on a device, at most; 0 where nothing is streamed.
    """

    where: Literal["device", "host", "disk"]
    device_bytes: int
    chunk_bytes: int

    def describe(self) -> str:
        """One line."""
        total = f"{self.device_bytes / 1e6:,.1f} MB a device"
        if self.where == "device":
            return f"batches: {total}, on the devices"
        place = "host memory" if self.where == "host" else "disk"
        return f"batches: {total}, in {place}, in chunks of {self.chunk_bytes / 1e6:,.1f} MB at most"


def batch_bytes(batches: DenseBatches) -> int:
    """Bytes of the tiles on all devices."""
    return sum(array.nbytes for array in jax.tree.leaves(batches))


def choose_placement(batches: tuple[DenseBatches, DenseBatches], num_devices: int, memory: MemoryOptions) -> Placement:
    """Says and logs where the batches of both half-steps lie.

    Args:
        batches: of the two half-steps, on the host.
        num_devices: over which they are spread.
        memory: the limits.

    Raises:
        ValueError: host memory is limited and does not suffice, and no folder is given.
    """
    total = sum(batch_bytes(each) for each in batches)
    on_device = total // num_devices
    placement = Placement(where="device", device_bytes=on_device, chunk_bytes=0)
    if memory.batch_memory is not None and on_device > memory.batch_memory:
        chunk = memory.batch_memory // CHUNKS_AT_ONCE
        fits = memory.host_memory is None or total <= memory.host_memory
        if not fits and memory.directory is None:
            raise ValueError(
                f"batches of {total / 1e6:,.1f} MB exceed host_memory {memory.host_memory / 1e6:,.1f} MB: "  # type: ignore[operator]
                "raise it, or give a directory"
            )
        placement = Placement(where="host" if fits else "disk", device_bytes=on_device, chunk_bytes=chunk)
    _log.info("%s", placement.describe())
    return placement
