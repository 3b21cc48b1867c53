"""Fold-in: embeddings of rows that were not trained, from their history, given the trained columns.

It is the half-step of training on other rows: the same system, the same lambda_r (or, as an option, the original's
plain lambda), solved exactly or to a tolerance, float32 throughout.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32

from alx_solver.csr import CsrMatrix
from alx_solver.exchange import make_exchange
from alx_solver.linear_solvers import make_linear_solver
from alx_solver.mesh import to_host
from alx_solver.options import BatchOptions, ExchangeOptions, Hyperparameters, SolverOptions
from alx_solver.ownership import RowRanges, balanced_ranges
from alx_solver.regularization import RegularizationRule
from alx_solver.side import make_side, zero_table

TOLERANCE = 1e-5
"""Relative residual to which an iterative solver folds in: a query starts from zero, not from a previous epoch."""


class FoldIn:
    """Histories laid out and compiled once, to be folded in after every epoch."""

    def __init__(
        self,
        history: CsrMatrix,
        *,
        mesh: Mesh,
        col_ranges: RowRanges,
        hyperparameters: Hyperparameters,
        solver: SolverOptions,
        batches: BatchOptions,
        exchange: ExchangeOptions,
        table_dtype: jnp.dtype,
        precision: jax.lax.Precision,
    ) -> None:
        """Plans the half-step.

        Args:
            history: [queries, num_cols]; a query without history gets a zero embedding.
            mesh: the devices.
            col_ranges: owners of the columns.
            hyperparameters: of the model.
            solver: `fold_in_*` are read.
            batches: tile shapes.
            exchange: how the columns' embeddings come.
            table_dtype: of the column table.
            precision: of matrix products.

        Raises:
            ValueError: the history has another number of columns than the model.
        """
        if history.num_cols != col_ranges.num_rows:
            raise ValueError(
                f"history has {history.num_cols} columns, but the model has {col_ranges.num_rows}: "
                "rows are queries, columns are the columns of the training matrix"
            )
        self.history = history
        self._mesh = mesh
        self._dim = hyperparameters.dim
        linear_solver = make_linear_solver(
            solver.fold_in_solver,
            steps=solver.cg_steps,
            tolerance=TOLERANCE,
            max_steps=solver.max_cg_steps,
            subspace_block=solver.subspace_block,
        )
        plain = solver.fold_in_regularization == "plain"
        self._side = make_side(
            mesh,
            history,
            balanced_ranges(history.row_lengths, mesh.size),
            col_ranges,
            exchange=make_exchange(exchange.name),
            exchange_options=dataclasses.replace(exchange, plan_cache=None),
            table_dtypes=(jnp.dtype(jnp.float32), table_dtype),
            solver=linear_solver,
            rule=RegularizationRule.of(hyperparameters, history.num_cols, plain=plain),
            batches=batches,
            dim=hyperparameters.dim,
            precision=precision,
        )

    def __call__(self, col_table: jax.Array) -> Float32[np.ndarray, "queries dim"]:
        """The embeddings of the queries, in their order."""
        start = zero_table(self._mesh, self._side.ranges, self._dim, jnp.dtype(jnp.float32))
        return self._side.ranges.unpad(to_host(self._side.solve(start, col_table)))
