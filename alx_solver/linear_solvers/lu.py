"""LU factorisation with partial pivoting of the explicit matrix: twice Cholesky's work, needs no definiteness."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float32

from alx_solver.linear_solvers.row_by_row import solve_rows
from alx_solver.normal_operator import NormalOperator


@dataclasses.dataclass(frozen=True)
class LU:
    """A = P L U. SciPy: `lu_solve(lu_factor(A), b)`."""

    name: ClassVar[str] = "lu"
    forms_matrix: ClassVar[bool] = True

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        del start
        return solve_rows(_solve, operator.matrix(), operator.right_hand_side())


def _solve(
    matrices: Float32[Array, "*batch dim dim"], vectors: Float32[Array, "*batch dim"]
) -> Float32[Array, "*batch dim"]:
    return jnp.linalg.solve(matrices, vectors[..., None])[..., 0]
