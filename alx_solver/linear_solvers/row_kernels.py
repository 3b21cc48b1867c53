"""Which program solves whole rows with few-step CG: XLA's own, or a kernel that gathers and solves at once.

| name | what | where |
|---|---|---|
| `xla` | the plain program: gather a tile, then `MatrixFreeCg.solve`; the oracle of the others | everywhere |
| `native` | `native/native_cg.py`: machine code by Numba, called by XLA | CPUs, where Numba is installed |
| `pallas` | `fused_cg.py`: Pallas, Triton backend | GPUs; interpreted on CPUs, for tests |

`auto` is `native` on CPUs, `pallas` on GPUs, `xla` elsewhere. Of the kernels only `native` takes rows that are cut.
Summed rows, and CG to a tolerance, stay with XLA.
"""

import dataclasses
import importlib
import importlib.util
import logging
from collections.abc import Callable
from types import ModuleType

from jaxtyping import Array, Float

from alx_solver.linear_solvers.fused_cg import INTERPRETED, fits
from alx_solver.linear_solvers.fused_cg import solve_tiles as solve_tiles_by_pallas
from alx_solver.linear_solvers.interface import LinearSolver
from alx_solver.linear_solvers.matrix_free_cg import MatrixFreeCg

TileSolver = Callable[..., Float[Array, "tiles rows dim"]]
"""As `fused_cg.solve_tiles`."""

_PLATFORM_OF = {"native": "cpu", "pallas": "gpu"}

_log = logging.getLogger(__name__)


def numba_fault() -> str | None:
    """Why Numba cannot compile the native kernel here, as the rest of a sentence about Numba; None where it can."""
    if importlib.util.find_spec("numba") is None:
        return "is not installed"
    try:
        disabled = importlib.import_module("numba").config.DISABLE_JIT
    except ImportError as error:  # of a NumPy that this Numba does not know, for instance
        return f"cannot be imported ({' '.join(str(error).split())})"
    return "is told by NUMBA_DISABLE_JIT not to compile" if disabled else None


def with_kernel(solver: LinearSolver, name: str, platform: str) -> LinearSolver:
    """The solver as it is to run on devices of a platform.

    Args:
        solver: any; only matrix-free CG with a fixed number of steps has kernels.
        name: one of `options.KERNELS`.
        platform: "cpu", "gpu" or "tpu".

    Raises:
        ValueError: a kernel that this platform, or this installation, does not have.
    """
    if not isinstance(solver, MatrixFreeCg) or solver.tolerance is not None:
        return solver
    if name == "auto":
        name = next((kernel for kernel, where in _PLATFORM_OF.items() if where == platform), "xla")
        if name == "native" and (fault := numba_fault()):
            _log.info("Numba %s: kernel 'xla' solves all rows, which takes about 1.5 times as long", fault)
            name = "xla"
    elif name == "pallas" and platform == "cpu":
        _log.warning("kernel 'pallas' on a CPU is interpreted: the same numbers, slowly; it is meant for tests")
        name = INTERPRETED
    elif name != "xla" and _PLATFORM_OF[name] != platform:
        raise ValueError(
            f"kernel {name!r} is written for a {_PLATFORM_OF[name]}, and these devices are {platform}: "
            "take 'auto' or 'xla'"
        )
    elif name == "native" and (fault := numba_fault()):
        raise ValueError(f"kernel 'native' needs Numba, which {fault}: mend that, or take 'auto' or 'xla'")
    return dataclasses.replace(solver, kernel=name)


def tile_solver(solver: LinearSolver, width: int, dim: int) -> TileSolver | None:
    """The kernel's function for tiles of whole rows of this width, or None where XLA solves them."""
    if not isinstance(solver, MatrixFreeCg) or solver.kernel == "xla":
        return None
    if solver.kernel == "native":
        return _native().solve_tiles
    return solve_tiles_by_pallas if fits(width, dim) else None


def group_solver(solver: LinearSolver) -> TileSolver | None:
    """The kernel's function for groups of cut rows, or None where XLA solves them."""
    return _native().solve_groups if isinstance(solver, MatrixFreeCg) and solver.kernel == "native" else None


def kernel_of(solver: LinearSolver) -> str:
    """ "xla" for solvers without kernels."""
    return solver.kernel if isinstance(solver, MatrixFreeCg) and solver.tolerance is None else "xla"


def reads_padding(solver: LinearSolver) -> bool:
    """Whether padding is gathered and multiplied; `native` reads rows by their lengths."""
    return kernel_of(solver) != "native"


def kernel_bytes(solver: LinearSolver, longest_row: int, dim: int) -> int:
    """What a kernel allocates itself, bounded, for rows of up to so many entries; in no account of the compiler."""
    return _native().buffer_bytes(solver, longest_row, dim) if kernel_of(solver) == "native" else 0


def _native() -> ModuleType:
    return importlib.import_module("alx_solver.linear_solvers.native.native_cg")  # needs Numba, which not everybody has
