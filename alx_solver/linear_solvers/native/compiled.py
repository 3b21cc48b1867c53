"""How Numba compiles the kernel, and the vector operations that it is made of."""

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
compiled = numba.njit(fastmath={"reassoc", "contract", "nsz", "arcp"}, error_model="numpy")


@compiled
def dot(x: Any, y: Any) -> Any:
    total = np.float32(0)
    for j in range(len(x)):
        total += x[j] * y[j]
    return total


@compiled
def add_scaled(scale: Any, x: Any, y: Any) -> None:
    """y += scale x."""
    for j in range(len(x)):
        y[j] += scale * x[j]


@compiled
def quotient(numerator: Any, denominator: Any) -> Any:
    return numerator / denominator if denominator > 0 else np.float32(0)
