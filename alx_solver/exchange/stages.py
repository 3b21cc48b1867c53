"""The loop over the stages of an exchange, inside `shard_map`: one stage's columns travel while another is solved."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from alx_solver.exchange.interface import DeviceExchange
from alx_solver.exchange.moves import as_bits, from_bits

StageWork = Callable[[Int32[Array, ""], Float[Array, "collected dim"], Any], Any]


def over_stages(
    exchange: DeviceExchange, col_shard: Float[Array, "capacity dim"], arrays: Any, work: StageWork, results: Any
) -> Any:
    """Runs `results = work(stage, collected, results)` for every stage.

    What is fetched for the next stage does not depend on `work`, nor `work` on it, so that a compiler with asynchronous
    collectives can run them together.
    """
    bits = as_bits(col_shard)
    collected = exchange.collect(bits, arrays)
    if exchange.num_stages == 1:
        return work(jnp.int32(0), from_bits(collected, col_shard.dtype), results)

    def step(stage: Int32[Array, ""], state: tuple[Float[Array, "collected dim"], Any]) -> tuple[Array, Any]:
        collected, results = state
        incoming = exchange.fetch(bits, arrays, stage + 1)
        results = work(stage, from_bits(collected, col_shard.dtype), results)
        return exchange.store(collected, incoming), results

    return jax.lax.fori_loop(0, exchange.num_stages, step, (collected, results))[1]
