"""What it costs to move partial sums instead of embeddings, a row and a half-step.

Every sum over devices is an all-reduce of float32: 2 (M - 1) / M times its size is sent by each device. With
matrix-free CG of s steps a row needs its start on all devices (in the table's type), one residual and s - 1 products of
d numbers, and the energy of the last step. Every other solver needs its d x d matrix and right-hand side, once.
"""

import dataclasses

from alx_solver.dense_batching import group_shape
from alx_solver.linear_solvers import ConjugateGradient, LinearSolver, MatrixFreeCg, Subspace


def sums_products(solver: LinearSolver) -> bool:
    """Whether the solver takes a known number of matrix-vector products, so that these travel and not the matrix."""
    return isinstance(solver, MatrixFreeCg) and solver.tolerance is None


def starts_warm(solver: LinearSolver) -> bool:
    """Whether the solver reads its start."""
    return isinstance(solver, MatrixFreeCg | ConjugateGradient | Subspace)


@dataclasses.dataclass(frozen=True)
class SummedRowCost:
    """Bytes of the sums of one row, before the factor of the all-reduce."""

    start: int
    sums: int
    group_slots: int

    @classmethod
    def of(cls, solver: LinearSolver, dim: int, row_itemsize: int, group_slots: int) -> "SummedRowCost":
        """Of a solver.

        Args:
            solver: of the rows.
            dim: width of an embedding.
            row_itemsize: bytes of a number of the table that is solved.
            group_slots: rows that are summed together, at most.
        """
        start = dim * row_itemsize if starts_warm(solver) else 0
        if sums_products(solver):
            assert isinstance(solver, MatrixFreeCg)
            return cls(start, 4 * (dim * solver.steps + 1), group_slots)
        return cls(start, 4 * (dim * dim + dim), group_slots)

    def bytes(self, rows: int, num_devices: int) -> float:
        """Bytes a device sends for so many rows, padding slots of their groups included."""
        groups, slots = group_shape(rows, self.group_slots)
        return 2 * (num_devices - 1) / num_devices * groups * slots * (self.start + self.sums)
