"""QR factorisation of the explicit matrix: the most work (4 dim^3 / 3 a row) and the most stable of the exact ones."""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32

from alx_solver.linear_solvers.row_by_row import solve_rows
from alx_solver.normal_operator import NormalOperator


@dataclasses.dataclass(frozen=True)
class QR:
    """A = Q R, then R x = Q' b."""

    name: ClassVar[str] = "qr"
    forms_matrix: ClassVar[bool] = True

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        del start
        return solve_rows(
            functools.partial(_solve, precision=operator.precision), operator.matrix(), operator.right_hand_side()
        )


def _solve(
    matrices: Float32[Array, "*batch dim dim"], vectors: Float32[Array, "*batch dim"], *, precision: jax.lax.Precision
) -> Float32[Array, "*batch dim"]:
    q, r = jnp.linalg.qr(matrices)
    rotated = jnp.einsum("...de,...d->...e", q, vectors, precision=precision)
    return jax.lax.linalg.triangular_solve(r, rotated[..., None], left_side=True, lower=False)[..., 0]
