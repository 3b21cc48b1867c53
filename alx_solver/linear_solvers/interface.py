"""What every linear solver does."""

from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Array, Float32

from alx_solver.normal_operator import NormalOperator


@runtime_checkable
class LinearSolver(Protocol):
    """Solves the systems of all rows of a tile.

    Law: where it solves exactly (or to a tolerance), `solve(A, start)` does not depend on `start`. A row whose matrix
    and right-hand side are zero (padding) may give anything, NaN included: its slot is never read.
    """

    name: ClassVar[str]
    forms_matrix: ClassVar[bool]
    """Whether [rows, dim, dim] is formed, so that tiles must hold few rows."""

    def solve(self, operator: NormalOperator, start: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        """The solutions w, [rows, dim]; `start` are the previous embeddings, for solvers that start warm."""
        ...
