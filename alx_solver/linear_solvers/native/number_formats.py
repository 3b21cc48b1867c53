"""Embeddings from a table to the kernel's float32, and back."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from alx_solver.linear_solvers.native.compiled import compiled


def load_and_store(dtype: str) -> tuple[Any, Callable, Callable]:
    """The type of a table's numbers in memory, and functions that copy an embedding from and to it.

    Their loops are not of constant length: LLVM unrolls a copy of up to 64 numbers into moves of one number each, and
    an epoch at d = 64 then takes up to 1.9 times as long.
    """
    if dtype == "float32":

        @compiled
        def copy(source: Any, target: Any) -> None:
            for j in range(len(target)):
                target[j] = source[j]

        return numba.float32, copy, copy
    if dtype != "bfloat16":
        raise ValueError(f"The native kernel has tables of float32 or bfloat16, not {dtype}: take kernel 'xla'.")

    @compiled
    def widen(source: Any, target: Any) -> None:
        bits = target.view(np.uint32)
        for j in range(len(target)):
            bits[j] = np.uint32(source[j]) << np.uint32(16)

    @compiled
    def narrow(source: Any, target: Any) -> None:
        bits = source.view(np.uint32)
        for j in range(len(source)):  # to nearest, ties to even
            rounded = bits[j] + np.uint32(0x7FFF) + ((bits[j] >> np.uint32(16)) & np.uint32(1))
            target[j] = np.uint16(0x7FC0) if source[j] != source[j] else np.uint16(rounded >> np.uint32(16))

    return numba.uint16, widen, narrow
