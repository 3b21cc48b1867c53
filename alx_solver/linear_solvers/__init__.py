"""Linear solvers, one a file, behind the interface `LinearSolver`; `make_linear_solver` is the registry."""

from collections.abc import Callable

from alx_solver.linear_solvers.cholesky import Cholesky as Cholesky
from alx_solver.linear_solvers.conjugate_gradient import ConjugateGradient as ConjugateGradient
from alx_solver.linear_solvers.interface import LinearSolver as LinearSolver
from alx_solver.linear_solvers.lu import LU as LU
from alx_solver.linear_solvers.matrix_free_cg import MatrixFreeCg as MatrixFreeCg
from alx_solver.linear_solvers.qr import QR as QR
from alx_solver.linear_solvers.subspace import Subspace as Subspace

SUBSPACE_BLOCK = 16
"""Dimensions of a block where nothing else is said."""

_FACTORIES: dict[str, Callable[[int, float | None, int, int], LinearSolver]] = {
    Cholesky.name: lambda steps, tolerance, max_steps, block: Cholesky(),
    LU.name: lambda steps, tolerance, max_steps, block: LU(),
    QR.name: lambda steps, tolerance, max_steps, block: QR(),
    ConjugateGradient.name: lambda steps, tolerance, max_steps, block: ConjugateGradient(steps, tolerance, max_steps),
    MatrixFreeCg.name: lambda steps, tolerance, max_steps, block: MatrixFreeCg(steps, tolerance, max_steps),
    Subspace.name: Subspace,
}


def make_linear_solver(
    name: str, *, steps: int, tolerance: float | None, max_steps: int, subspace_block: int = SUBSPACE_BLOCK
) -> LinearSolver:
    """The solver of that name.

    Args:
        name: one of `options.LINEAR_SOLVERS`.
        steps: of a CG solver without tolerance, or sweeps of `subspace`; exact solvers need none of the four.
        tolerance: relative residual to which an iterative solver runs, or None.
        max_steps: bound on its steps.
        subspace_block: dimensions of a block of `subspace`.

    Raises:
        ValueError: an unknown name; the message lists the valid ones.
    """
    if name not in _FACTORIES:
        raise ValueError(f"unknown linear solver {name!r}; valid: {', '.join(_FACTORIES)}")
    return _FACTORIES[name](steps, tolerance, max_steps, subspace_block)
