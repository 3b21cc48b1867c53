"""How Numba compiles the kernel, and the vector operations that it is made of."""

import functools
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
import numpy as np


def _take_whole_vectors() -> None:
    """Lets Numba use vectors of 512 bits, which LLVM avoids on Intel's server processors: an epoch took 15 % longer.

    The setting is of the whole process, and works only before Numba compiles anything. One of the user's is kept.
    """
    features = llvmlite.binding.get_host_cpu_features()
    config: Any = numba.config
    if features.get("avx512f") and not config.CPU_FEATURES:
        config.CPU_FEATURES = f"{features.flatten()},-prefer-256-bit"


_take_whole_vectors()

# Sums may be reordered, so that loops become vectors; NaN and Inf keep their meaning.
_OPTIONS: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz", "arcp"}, "error_model": "numpy"}

allocating = numba.njit(**_OPTIONS)
"""For functions that make arrays, and hold them while others work on them."""

compiled = numba.njit(**{**_OPTIONS, "_nrt": False})
"""For all others: views are not counted. A count is an atomic operation; they took half of the time of a short row."""


@functools.cache
def vector_operations(dim: int) -> tuple[Callable, Callable]:
    """Two functions of embeddings: x.y, and y += scale x. Loops of constant length have no tests for what is left."""

    @compiled
    def dot(x: Any, y: Any) -> Any:
        total = np.float32(0)
        for j in range(dim):
            total += x[j] * y[j]
        return total

    @compiled
    def add_scaled(scale: Any, x: Any, y: Any) -> None:
        for j in range(dim):
            y[j] += scale * x[j]

    return dot, add_scaled


@compiled
def quotient(numerator: Any, denominator: Any) -> Any:
    return numerator / denominator if denominator > 0 else np.float32(0)
