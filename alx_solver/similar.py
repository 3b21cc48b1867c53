"""Nearest rows of a table by cosine:  cos(a, b) = a.b / (|a| |b|).

It is the blockwise top k of `top_k.py` over embeddings of length 1. A row without entries has a zero embedding and no
direction: it is never found, and similar rows of it cannot be asked for.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int64

from alx_solver.csr import CsrMatrix
from alx_solver.mesh import to_host
from alx_solver.top_k import top_k_columns


@jax.jit
def _of_length_one(
    table: Float[jax.Array, "padded dim"],
) -> tuple[Float32[jax.Array, "padded dim"], Float32[jax.Array, " padded"]]:
    """Every row over its length (zero stays zero), and the lengths."""
    lengths = jnp.linalg.norm(table.astype(jnp.float32), axis=-1)
    return table.astype(jnp.float32) / jnp.where(lengths > 0, lengths, 1)[:, None], lengths


def similar_rows(
    table: Float[jax.Array, "padded dim"],
    table_ids: Int64[np.ndarray, " padded"],
    ids: Int64[np.ndarray, " queries"],
    embeddings: Float32[np.ndarray, "queries dim"],
    k: int,
) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
    """The k rows of greatest cosine to each query, itself left out.

    Args:
        table: stored embeddings, on one device or sharded.
        table_ids: the id at every position, -1 at padding.
        ids: of the queries.
        embeddings: theirs; must not be zero.
        k: how many to find.

    Returns:
        Ids, nearest first, ties to the lower id, and cosines; -1 and -inf where there are no more rows.
    """
    directions, lengths = _of_length_one(table)
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    num_ids = int(table_ids.max()) + 1
    itself = CsrMatrix(np.arange(len(ids) + 1), ids, None, num_ids)
    found_ids = np.where(to_host(lengths) > 0, table_ids, -1)
    return top_k_columns(embeddings / norms, directions, found_ids, itself, k)
