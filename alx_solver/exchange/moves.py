"""Moving embeddings, between devices inside `shard_map` and in a device's memory; what is only moved is its bits.

On CPUs XLA promotes collectives, gathers and concatenations of bfloat16 to float32, and so holds whole tables of it;
bitcast to uint16 they stay of two bytes.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, Shaped

from alx_solver.exchange.rounds import Round
from alx_solver.mesh import AXIS


def as_bits(embeddings: Float[Array, "rows dim"]) -> Shaped[Array, "rows dim"]:
    """bfloat16 as uint16; float32 as it is."""
    return jax.lax.bitcast_convert_type(embeddings, jnp.uint16) if embeddings.dtype == jnp.bfloat16 else embeddings


def from_bits(bits: Shaped[Array, "rows dim"], dtype: jnp.dtype) -> Float[Array, "rows dim"]:
    """The inverse of `as_bits`."""
    return jax.lax.bitcast_convert_type(bits, jnp.bfloat16) if dtype == jnp.bfloat16 else bits


def pick_rows(table: Float[Array, "table dim"], positions: Int32[Array, "..."]) -> Float[Array, "... dim"]:
    """Rows of a table; positions are planned on the host and not checked again.

    The factor is 1, but only at run time: a plain copy of up to 64 numbers LLVM unrolls into moves of one number each,
    so that few rows are on their way from memory at a time (129 ns an entry at dim 64 from 25 MB of float32; with the
    factor, which keeps the loop one of vectors, 36).
    """
    rows = as_bits(table).at[positions].get(mode="promise_in_bounds", wrap_negative_indices=False)
    if positions.size:
        rows *= (positions.reshape(-1)[0] >= 0).astype(rows.dtype)
    return from_bits(rows, table.dtype)


def stack_rows(tables: Sequence[Float[Array, "_ dim"]]) -> Float[Array, "rows dim"]:
    """Tables of one type, one below the other."""
    return from_bits(jnp.concatenate([as_bits(table) for table in tables]), tables[0].dtype)


def gather_table(shard: Float[Array, "capacity dim"]) -> Float[Array, "padded dim"]:
    """The whole stored table."""
    if jax.lax.axis_size(AXIS) == 1:
        return shard
    return from_bits(jax.lax.all_gather(as_bits(shard), AXIS, tiled=True), shard.dtype)


def permute_rows(
    shard: Float[Array, "capacity dim"], send: Int32[Array, " places"], rounds: tuple[Round, ...]
) -> list[Float[Array, "received dim"]]:
    """What this device receives in each round.

    Args:
        shard: of the table, on this device.
        send: local row that this device puts at each place, of all rounds one after the other.
        rounds: who sends to whom.
    """
    received, first = [], 0
    for capacity, pairs in rounds:
        rows = shard.at[send[first : first + capacity]].get(mode="promise_in_bounds")
        moved = jax.lax.ppermute(as_bits(rows), AXIS, pairs)
        received.append(from_bits(moved, shard.dtype))
        first += capacity
    return received


def permute_rows_into(
    buffer: Float[Array, "held dim"],
    shard: Float[Array, "capacity dim"],
    send: Int32[Array, " places"],
    places: Int32[Array, " places"],
    rounds: tuple[Round, ...],
) -> Float[Array, "held dim"]:
    """`buffer` with what this device receives, without the rounds' padding.

    Args:
        buffer: on this device.
        shard: of the table, on this device.
        send: local row that this device sends at each place of all rounds.
        places: row of the buffer for what arrives at each place; beyond its end for padding.
        rounds: who sends to whom.
    """
    first = 0
    for rows in permute_rows(shard, send, rounds):
        buffer = buffer.at[places[first : first + len(rows)]].set(rows, mode="drop", unique_indices=True)
        first += len(rows)
    return buffer


def sum_of_single(embeddings: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
    """Sum over devices of which all but one hold zeros, exact and in the embeddings' own bytes."""
    return from_bits(jax.lax.psum(as_bits(embeddings), AXIS), embeddings.dtype)
