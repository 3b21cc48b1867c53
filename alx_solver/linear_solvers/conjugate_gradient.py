"""Conjugate gradients on the explicit matrix: dim^2 flops a step, after n dim^2 for the matrix."""

import dataclasses
from typing import ClassVar

from jaxtyping import Array, Float32

from alx_solver.linear_solvers.cg_iteration import conjugate_gradient
from alx_solver.normal_operator import MatrixSystem, NormalOperator


@dataclasses.dataclass(frozen=True)
class ConjugateGradient:
    """For rows of many more entries than dim times the number of steps, or many steps; starts warm."""

    steps: int
    tolerance: float | None
    max_steps: int
    name: ClassVar[str] = "conjugate_gradient"
    forms_matrix: ClassVar[bool] = True

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        system = MatrixSystem(operator.matrix(), operator.right_hand_side(), operator.precision)
        return conjugate_gradient(system, start, steps=self.steps, tolerance=self.tolerance, max_steps=self.max_steps)
