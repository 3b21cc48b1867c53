"""Small matrices on which the solver is tested, and a trainer for them."""

import functools

import jax
import numpy as np
import scipy.sparse

from alx_solver.als import AlsTrainer
from alx_solver.csr import CsrMatrix
from alx_solver.options import BatchOptions, Hyperparameters, SolverOptions

DIM = 8
SMALL_TILES = BatchOptions(widths=(12,), tile_entries=64, cut_width=8, cut_slots=4)
"""Small enough that the test matrices have many tiles, several cut rows, and rows longer than a tile."""


@functools.cache
def power_law(weighted: bool = False, seed: int = 7) -> scipy.sparse.csr_array:
    """90 x 70: lengths from 0 to 70 by a power law, empty rows and columns, one full row of 70 > a tile of 64."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((90, 70), np.float32)
    for row in range(90):
        n = min(60, int(rng.pareto(1.1) * 4))
        dense[row, rng.permutation(66)[:n]] = 1
    dense[3] = 0
    dense[11] = 1
    dense[11, 68:] = 0  # columns 68 and 69 stay empty
    dense[12:16] = 0
    if weighted:
        dense *= rng.uniform(0.25, 4, dense.shape).astype(np.float32)
    return scipy.sparse.csr_array(dense)


@functools.cache
def well_filled() -> scipy.sparse.csr_array:
    """90 x 70 with 12 to 68 entries a row, as the kept nodes of a graph variant have at least 10."""
    rng = np.random.default_rng(5)
    dense = np.zeros((90, 70), np.float32)
    for row in range(90):
        dense[row, rng.permutation(70)[: 12 + int(rng.beta(1, 4) * 57)]] = 1
    return scipy.sparse.csr_array(dense)


def make_trainer(
    matrix: scipy.sparse.csr_array,
    *,
    num_devices: int = 1,
    solver: SolverOptions | None = None,
    lam: float = 1e-2,
    alpha: float = 1e-2,
    batches: BatchOptions = SMALL_TILES,
    binary: bool = True,
    **others,
) -> AlsTrainer:
    return AlsTrainer(
        CsrMatrix.from_scipy(matrix, binary=binary),
        Hyperparameters(dim=DIM, regularization=lam, unobserved_weight=alpha, init_stddev=DIM**-0.5, seed=3),
        solver=solver,
        batches=batches,
        devices=jax.devices()[:num_devices],
        **others,
    )


def relative_error(ours, theirs) -> float:
    """|ours - theirs| / |theirs| in the Frobenius norm."""
    return float(np.linalg.norm(np.asarray(ours, np.float64) - theirs) / np.linalg.norm(theirs))
