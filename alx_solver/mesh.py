"""One axis of devices, and how tables and batches lie on it."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "shard"
"""Name of the mesh axis over which the rows of every table are split."""

SHARDED = PartitionSpec(AXIS)
REPLICATED = PartitionSpec()


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A one-axis mesh.

    Args:
        devices: None means all devices of the default backend.

    Raises:
        ValueError: no device given.
    """
    chosen = list(jax.devices() if devices is None else devices)
    if not chosen:
        raise ValueError("devices is empty: give at least one device, or None for all")
    return Mesh(np.array(chosen), (AXIS,))


def row_sharding(mesh: Mesh) -> NamedSharding:
    """Split by leading axis over the devices."""
    return NamedSharding(mesh, SHARDED)


def put_sharded(mesh: Mesh, tree: Any) -> Any:
    """Every array of a pytree on the mesh, split by its leading axis; `None` leaves stay."""
    return jax.device_put(tree, row_sharding(mesh))
