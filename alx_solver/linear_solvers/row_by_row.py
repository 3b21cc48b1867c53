"""Factorisations row by row on CPUs, all rows at once elsewhere.

XLA:CPU shares a batched LAPACK call out to its thread pool and waits for it. Where every thread of the pool already
runs a device's program (as many devices as cores), the call waits for ever: seen with JAX 0.10.2, 2 devices on 2
cores. A call for a single matrix runs in its own thread, so on CPUs the rows of a tile are factorised one by one.
"""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float32

SolveOne = Callable[[Float32[Array, "*batch dim dim"], Float32[Array, "*batch dim"]], Float32[Array, "*batch dim"]]


def solve_rows(
    solve: SolveOne, matrices: Float32[Array, "rows dim dim"], vectors: Float32[Array, "rows dim"]
) -> Float32[Array, "rows dim"]:
    """`solve(matrices, vectors)`, mapped over rows where the program is lowered for a CPU."""

    def one_by_one(matrices: Array, vectors: Array) -> Array:
        return jax.lax.map(lambda system: solve(*system), (matrices, vectors))

    return jax.lax.platform_dependent(matrices, vectors, cpu=one_by_one, default=solve)
