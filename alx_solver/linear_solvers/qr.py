"""QR factorisation of the explicit matrix: the most work (4 dim^3 / 3 a row) and the most stable of the exact ones."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32

from alx_solver.normal_operator import NormalOperator


@dataclasses.dataclass(frozen=True)
class QR:
    """A = Q R, then R x = Q' b."""

    name: ClassVar[str] = "qr"
    forms_matrix: ClassVar[bool] = True

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        del start
        q, r = jnp.linalg.qr(operator.matrix())
        vector = jnp.einsum("rde,rd->re", q, operator.right_hand_side(), precision=operator.precision)
        return jax.lax.linalg.triangular_solve(r, vector[..., None], left_side=True, lower=False)[..., 0]
