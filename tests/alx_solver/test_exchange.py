"""The table exchange: every device sees the whole stored table, bfloat16 moves as two bytes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alx_solver.exchange import make_exchange
from alx_solver.mesh import SHARDED, make_mesh, put_sharded


def collect(num_devices: int, dtype):
    mesh = make_mesh(jax.devices()[:num_devices])
    table = put_sharded(mesh, jnp.arange(num_devices * 6, dtype=dtype).reshape(num_devices * 3, 2))
    exchange = make_exchange("table")
    every = jax.jit(jax.shard_map(exchange.collect, mesh=mesh, in_specs=SHARDED, out_specs=SHARDED, check_vma=False))
    return table, every


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("num_devices", [1, 8])
def test_every_device_gets_the_whole_table(num_devices, dtype):
    table, every = collect(num_devices, dtype)
    collected = np.asarray(every(table)).reshape(num_devices, num_devices * 3, 2)
    for device in range(num_devices):
        np.testing.assert_array_equal(collected[device], np.asarray(table))


def test_bfloat16_travels_as_two_bytes():
    table, every = collect(8, jnp.bfloat16)
    gathers = [line for line in every.lower(table).compile().as_text().splitlines() if "all-gather" in line]
    assert gathers and all("u16[" in line or "calls=" in line for line in gathers if "= " in line), gathers


def test_unknown_name_raises_with_the_valid_ones():
    with pytest.raises(ValueError, match="unknown exchange 'teleport'; valid: table"):
        make_exchange("teleport")


def test_no_devices_raises():
    with pytest.raises(ValueError, match="at least one device"):
        make_mesh([])
