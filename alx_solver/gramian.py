"""Gramian of a sharded table: sum over its rows of h h', [dim, dim], in float32."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

from alx_solver.mesh import AXIS


def local_gramian(
    table: Float[Array, "rows dim"], precision: jax.lax.Precision = jax.lax.Precision.HIGHEST
) -> Float32[Array, "dim dim"]:
    """`table.T @ table`; padding rows are zero and add nothing."""
    wide = table.astype(jnp.float32)
    return jnp.einsum("rd,re->de", wide, wide, precision=precision)


def sharded_gramian(
    shard: Float[Array, "capacity dim"], precision: jax.lax.Precision = jax.lax.Precision.HIGHEST
) -> Float32[Array, "dim dim"]:
    """Inside `shard_map`: the gramian of the whole table, on every device, from each device's shard."""
    return jax.lax.psum(local_gramian(shard, precision), AXIS)
