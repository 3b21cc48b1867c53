"""LU factorisation with partial pivoting of the explicit matrix: twice Cholesky's work, needs no definiteness."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float32

from alx_solver.normal_operator import NormalOperator


@dataclasses.dataclass(frozen=True)
class LU:
    """A = P L U. SciPy: `lu_solve(lu_factor(A), b)`."""

    name: ClassVar[str] = "lu"
    forms_matrix: ClassVar[bool] = True

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        del start
        return jnp.linalg.solve(operator.matrix(), operator.right_hand_side()[..., None])[..., 0]
