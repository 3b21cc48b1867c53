"""Initial embeddings: each depends on (seed, table, global row id) only, so any number of devices starts alike."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int32

from alx_solver.mesh import put_sharded, row_sharding
from alx_solver.options import Hyperparameters
from alx_solver.ownership import RowRanges

TableName = Literal["row", "col"]
_TABLE_NUMBER: dict[TableName, int] = {"row": 0, "col": 1}


def initial_table(
    mesh: Mesh, ranges: RowRanges, hyperparameters: Hyperparameters, *, table: TableName, dtype: jnp.dtype
) -> jax.Array:
    """A sharded table of normal embeddings, [padded_rows, dim]; padding is zero.

    Args:
        mesh: the devices.
        ranges: owners of the rows.
        hyperparameters: dim, init_stddev and seed are read.
        table: which table; the two start independently.
        dtype: of the result; the numbers are drawn as float32 and rounded.
    """
    ids = put_sharded(mesh, ranges.global_ids().astype(np.int32))
    key = jax.random.fold_in(jax.random.key(hyperparameters.seed), _TABLE_NUMBER[table])

    def draw(ids: Int32[Array, " padded"]) -> Float[Array, "padded dim"]:
        keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(jnp.maximum(ids, 0))
        normal = jax.vmap(lambda row_key: jax.random.normal(row_key, (hyperparameters.dim,), jnp.float32))(keys)
        scaled = jnp.float32(hyperparameters.init_stddev) * normal
        return jnp.where((ids >= 0)[:, None], scaled, 0.0).astype(dtype)

    return jax.jit(draw, out_shardings=row_sharding(mesh))(ids)
