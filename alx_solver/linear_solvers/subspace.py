"""Subspace (block coordinate) solver, started warm: iALS++, Rendle, Krichene, Zhang, Koren (arXiv 2110.14044).

A sweep goes over blocks B of dimensions. With all other dimensions of x held, the block's best change is that of a
small system,

    (E_B' C E_B + (alpha H'H)_BB + lambda_r I) delta = (b - A x)_B,    x_B += delta

so that a sweep costs about n dim size + dim size^2 / 3 flops a row instead of the n dim^2 + dim^3 / 3 of an exact
solve, and never raises the objective. The errors 1 - E x of whole rows are kept from block to block; for rows that
are cut they are computed again. The last block begins earlier where `size` does not divide dim, and overlaps the one
before.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from alx_solver.linear_solvers.cg_iteration import relative_residual_reached
from alx_solver.linear_solvers.cholesky import solve_positive_definite
from alx_solver.linear_solvers.row_by_row import solve_rows
from alx_solver.normal_operator import NormalOperator

Errors = Float32[Array, "rows width"] | None


@dataclasses.dataclass(frozen=True)
class Subspace:
    """`steps` sweeps, or sweeps to a tolerance (`max_steps` at most); `size` dimensions a block."""

    steps: int
    tolerance: float | None
    max_steps: int
    size: int
    name: ClassVar[str] = "subspace"
    forms_matrix: ClassVar[bool] = False

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        if self.tolerance is None:
            return jax.lax.fori_loop(0, self.steps, lambda _, x: self.sweep(operator, x), start)
        reached = relative_residual_reached(operator, self.tolerance)
        State = tuple[Int32[Array, ""], Float32[Array, "rows dim"]]

        def unfinished(state: State) -> Array:
            return (state[0] < self.max_steps) & ~jnp.all(reached(operator.residual(state[1])))

        def advance(state: State) -> State:
            return state[0] + 1, self.sweep(operator, state[1])

        return jax.lax.while_loop(unfinished, advance, (jnp.int32(0), start))[1]

    def sweep(self, operator: NormalOperator, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        """All blocks once."""
        dim = x.shape[-1]
        size = min(self.size, dim)

        def update(
            index: Int32[Array, ""], state: tuple[Float32[Array, "rows dim"], Errors]
        ) -> tuple[Float32[Array, "rows dim"], Errors]:
            x, errors = state
            first = jnp.minimum(index * size, dim - size)
            gradient, matrix = operator.block_system(x, errors, first, size)
            delta = solve_rows(solve_positive_definite, matrix, gradient)
            block = jax.lax.dynamic_slice_in_dim(x, first, size, axis=1) + delta
            x = jax.lax.dynamic_update_slice_in_dim(x, block, first, axis=1)
            return x, operator.observed.errors_after(errors, delta, first)

        blocks = -(-dim // size)
        return jax.lax.fori_loop(0, blocks, update, (x, operator.observed.errors(x)))[0]
