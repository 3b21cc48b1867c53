"""Exact solvers with as many devices as cores: a batched LAPACK call there waits for ever (XLA:CPU, JAX 0.10.2)."""

import os
import subprocess
import sys

PROGRAM = """
import jax, numpy as np, scipy.sparse
from alx_solver.als import AlsTrainer
from alx_solver.csr import CsrMatrix
from alx_solver.options import BatchOptions, Hyperparameters, SolverOptions

matrix = CsrMatrix.from_scipy(scipy.sparse.random_array((400, 400), density=0.1, rng=np.random.default_rng(0)))
model = Hyperparameters(dim=96, regularization=1e-2, unobserved_weight=1e-2, seed=0)
solver, batches = SolverOptions(linear_solver="cholesky"), BatchOptions(widths=(80,))
trainer = AlsTrainer(matrix, model, solver=solver, batches=batches)
state = trainer.epoch(trainer.init())
assert trainer.mesh.size == {cores}
assert np.isfinite(trainer.fold_in(state, matrix)).all()
"""


def test_a_device_on_every_core_does_not_hang():
    """Cholesky for all: LU and QR go through the same `solve_rows`."""
    cores = os.cpu_count() or 1
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={cores}"}
    program = PROGRAM.format(cores=cores)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
