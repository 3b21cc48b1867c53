"""Matrix-free conjugate gradients, started warm: the default, since it never forms a dim x dim matrix.

A step costs about 4 n dim + 2 dim^2 flops instead of the n dim^2 of the explicit matrix, and reads each embedding from
cache.
"""

import dataclasses
from typing import ClassVar

from jaxtyping import Array, Float32

from alx_solver.linear_solvers.cg_iteration import conjugate_gradient
from alx_solver.normal_operator import NormalOperator


@dataclasses.dataclass(frozen=True)
class MatrixFreeCg:
    """From the previous embedding, a few steps an epoch are enough: the epochs together do the rest.

    `kernel` says what solves whole rows: "xla", or a kernel of `row_kernels.py`.
    """

    steps: int
    tolerance: float | None
    max_steps: int
    kernel: str = "xla"
    name: ClassVar[str] = "matrix_free_cg"
    forms_matrix: ClassVar[bool] = False

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return conjugate_gradient(operator, start, steps=self.steps, tolerance=self.tolerance, max_steps=self.max_steps)
