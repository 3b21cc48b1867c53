"""One axis of devices, and how tables and batches lie on it."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from alx_solver.backend import check_not_forked, ready_devices

AXIS = "shard"
"""Name of the mesh axis over which the rows of every table are split."""

SHARDED = PartitionSpec(AXIS)
REPLICATED = PartitionSpec()


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A one-axis mesh.

    Args:
        devices: None means all devices of the default backend.

    Raises:
        ValueError: no device given, or none of the platforms that were asked for is here.
        ForkedProcessError: this process was forked after JAX had its devices.
    """
    ready_devices()
    chosen = jax.devices() if devices is None else check_devices(devices)
    return Mesh(np.array(chosen), (AXIS,))


def check_devices(devices: Any) -> list[jax.Device]:
    """Devices that a caller names, as a list.

    Raises:
        ValueError: no sequence of JAX's devices, or an empty one.
    """
    chosen = list(devices) if isinstance(devices, Iterable) else None
    if chosen is None or not all(isinstance(each, jax.Device) for each in chosen):
        raise ValueError(f"devices must be a sequence of JAX's devices, such as jax.devices()[:2], got {devices!r}")
    if not chosen:
        raise ValueError("devices is empty: give at least one device, or None for all")
    return chosen


def name_devices(devices: Sequence[jax.Device]) -> list[tuple[str, int]]:
    """(platform, id) of devices: what can be written of them."""
    return [(device.platform, device.id) for device in devices]


def find_devices(names: Sequence[tuple[str, int]]) -> list[jax.Device] | None:
    """The devices of these names; None, which means all, where one of them is not here."""
    here = {(device.platform, device.id): device for device in ready_devices()}
    return [here[name] for name in names] if all(name in here for name in names) else None


def row_sharding(mesh: Mesh) -> NamedSharding:
    """Split by leading axis over the devices."""
    return NamedSharding(mesh, SHARDED)


def put_sharded(mesh: Mesh, tree: Any) -> Any:
    """Every array of a pytree on the mesh, split by its leading axis; `None` leaves stay.

    With several processes each gives the same whole arrays, and puts the parts of its own devices there.
    """
    sharding = row_sharding(mesh)
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def put(array: Any) -> jax.Array:
        host = np.asarray(array)
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(put, tree)


def to_host(array: jax.Array) -> np.ndarray:
    """A whole array in every process; all processes must ask for it."""
    check_not_forked()
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def is_writer() -> bool:
    """Whether this process writes the files that several processes share."""
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Returns when all processes have come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
