"""`linear_solver="auto"`: the solver by backend, width of an embedding and entries a row, as measured.

An epoch of few-step CG lowers the objective less than an exact one, and costs less where embeddings are wide or rows
are short. So the exact solver is taken where it costs no more. `benchmarks/solver_choice.py` measures that on the
devices that are there; docs/als.md has its figures on CPUs. On accelerators nothing was measured, and few-step CG is
taken, whose operations grow with d n instead of d^2 n.
"""

import dataclasses
import logging

import numpy as np
from jaxtyping import Int64

from alx_solver.linear_solvers.cholesky import Cholesky
from alx_solver.linear_solvers.matrix_free_cg import MatrixFreeCg
from alx_solver.options import SolverOptions

EXACT_MOST_DIM, EXACT_LEAST_ENTRIES = 16, 512
"""On CPUs the exact solver is no slower up to this width from so many entries a row on."""

_log = logging.getLogger(__name__)


def choose_linear_solver(platform: str, dim: int, entries_a_row: float) -> str:
    """The name of the solver.

    Args:
        platform: "cpu", "gpu" or "tpu".
        dim: width d of an embedding.
        entries_a_row: mean over rows and columns that have any.
    """
    is_exact_cheap = platform == "cpu" and dim <= EXACT_MOST_DIM and entries_a_row >= EXACT_LEAST_ENTRIES
    return Cholesky.name if is_exact_cheap else MatrixFreeCg.name


def mean_entries_a_row(*row_lengths: Int64[np.ndarray, " rows"]) -> float:
    """Mean number of entries of the rows that have any, over the given sides of a matrix."""
    lengths = np.concatenate(row_lengths)
    return float(lengths.sum() / max(1, np.count_nonzero(lengths)))


def resolved(options: SolverOptions, platform: str, dim: int, entries_a_row: float) -> SolverOptions:
    """The options with a solver's name instead of "auto"; what is taken is logged (info)."""
    if options.linear_solver != "auto":
        return options
    asks_for_cg = options.kernel not in ("auto", "xla") or options.tolerance is not None
    name = MatrixFreeCg.name if asks_for_cg else choose_linear_solver(platform, dim, entries_a_row)
    _log.info("linear solver %s: %s, dim %d, %.1f entries a row", name, platform, dim, entries_a_row)
    return dataclasses.replace(options, linear_solver=name)
