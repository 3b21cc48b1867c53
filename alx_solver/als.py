"""Alternating least squares on a mesh of devices: the trainer.

An epoch solves the rows given the columns, then the columns given the rows, with the objective and the notation of
`docs/als.md` (Hu, Koren, Volinsky 2008; ALX, arXiv 2112.02194, section 3).
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from alx_solver.backend import check_not_forked
from alx_solver.csr import CsrMatrix
from alx_solver.exchange import make_exchange
from alx_solver.fold_in import FoldIn
from alx_solver.initialization import TableName, initial_table
from alx_solver.linear_solvers import LinearSolver, MatrixFreeCg, make_linear_solver
from alx_solver.linear_solvers.automatic import mean_entries_a_row, resolved
from alx_solver.linear_solvers.row_kernels import with_kernel
from alx_solver.mesh import make_mesh, put_sharded, to_host
from alx_solver.not_finite import likely_causes
from alx_solver.objective import ErrorsAndGramians, Objective, make_errors_and_gramians, make_objective
from alx_solver.options import (
    BatchOptions,
    ExchangeOptions,
    Hyperparameters,
    MemoryOptions,
    Precision,
    SolverOptions,
)
from alx_solver.ownership import RowRanges, balanced_ranges
from alx_solver.regularization import RegularizationRule
from alx_solver.side import PlannedSide, Side, plan_side, put_side
from alx_solver.streaming import StreamedSide, choose_placement, stream_side


class NotFiniteError(FloatingPointError):
    """A table holds NaN or Inf; the message names epoch, table and likely causes."""


@dataclasses.dataclass(frozen=True)
class AlsState:
    """What training changes.

    Attributes:
        row_table: sharded, [padded rows, dim]; `AlsTrainer.row_embeddings` gives it without padding.
        col_table: the same of the columns.
        epoch: epochs done.
    """

    row_table: jax.Array
    col_table: jax.Array
    epoch: int


@jax.jit
def _all_finite(table: Float[jax.Array, "padded dim"]) -> Bool[jax.Array, ""]:
    return jnp.isfinite(table).all()


class AlsTrainer:
    """Trains a matrix factorisation.

    Example::

        trainer = AlsTrainer(matrix, Hyperparameters(regularization=1e-3, unobserved_weight=1e-3, seed=0))
        state = trainer.init()
        for _ in range(16):
            state = trainer.epoch(state)
        loss = trainer.objective(state).total
    """

    def __init__(
        self,
        matrix: CsrMatrix,
        hyperparameters: Hyperparameters,
        solver: SolverOptions | None = None,
        precision: Precision | None = None,
        batches: BatchOptions | None = None,
        devices: Sequence[jax.Device] | None = None,
        exchange: ExchangeOptions | None = None,
        memory: MemoryOptions | None = None,
    ) -> None:
        """Lays the matrix out on the devices; both half-steps compile at their first use.

        Args:
            matrix: observed entries, [num_rows, num_cols]. Rows without entries are allowed and solve to zero.
            hyperparameters: the model.
            solver: how rows are solved; None means the defaults.
            precision: number formats; None means float32 tables.
            batches: tile shapes; None means the defaults.
            devices: None means all of the default backend.
            exchange: how embeddings move between devices; None means the defaults.
            memory: where batches lie; None keeps them on the devices.

        Raises:
            ValueError: a matrix without entries, or a limit of memory that is too small.
        """
        if not matrix.num_entries:
            raise ValueError(f"the matrix {matrix.shape} has no entries: there is nothing to train on")
        self.matrix = matrix
        self.hyperparameters = hyperparameters
        self.solver = solver or SolverOptions()
        self.precision = precision or Precision()
        self.batches = batches or BatchOptions()
        self.exchange = exchange or ExchangeOptions()
        self.memory = memory or MemoryOptions()
        self.mesh = make_mesh(devices)
        self.table_dtype = jnp.dtype(self.precision.table)
        self._solve_precision = jax.lax.Precision[self.precision.solve.upper()]
        transposed = matrix.transpose()
        self._entries_a_row = mean_entries_a_row(matrix.row_lengths, transposed.row_lengths)
        self.row_ranges = balanced_ranges(matrix.row_lengths, self.mesh.size)
        self.col_ranges = balanced_ranges(transposed.row_lengths, self.mesh.size)
        planned = (
            self._plan(matrix, self.row_ranges, self.col_ranges),
            self._plan(transposed, self.col_ranges, self.row_ranges),
        )
        self.placement = choose_placement((planned[0].batches, planned[1].batches), self.mesh.size, self.memory)
        self.row_side = self._side("rows", planned[0], self.row_ranges, matrix.num_cols)
        self.col_side = self._side("columns", planned[1], self.col_ranges, matrix.num_rows)
        self._objective = make_objective(
            self._errors_and_gramians(),
            unobserved_weight=hyperparameters.unobserved_weight,
            row_ridge=self._ridge(matrix, self.row_ranges),
            col_ridge=self._ridge(transposed, self.col_ranges),
        )
        self._fold_in: FoldIn | None = None

    @property
    def platform(self) -> str:
        """ "cpu", "gpu" or "tpu"."""
        return self.mesh.devices.flat[0].platform

    @functools.cached_property
    def linear_solver(self) -> LinearSolver:
        """Of the rows' systems."""
        options = resolved(self.solver, self.platform, self.hyperparameters.dim, self._entries_a_row)
        solver = make_linear_solver(
            options.linear_solver,
            steps=options.cg_steps,
            tolerance=options.tolerance,
            max_steps=options.max_cg_steps,
            subspace_block=options.subspace_block,
        )
        return with_kernel(solver, options.kernel, self.platform)

    def describe_solver(self) -> str:
        """Which solver and kernel were taken, and for what."""
        solver = self.linear_solver
        kernel = f", kernel {solver.kernel}" if isinstance(solver, MatrixFreeCg) else ""
        return f"{solver.name}{kernel} ({self.platform}, dim {self.hyperparameters.dim})"

    def _plan(self, matrix: CsrMatrix, row_ranges: RowRanges, col_ranges: RowRanges) -> PlannedSide:
        return plan_side(
            matrix,
            row_ranges,
            col_ranges,
            exchange=make_exchange(self.exchange.name),
            exchange_options=self.exchange,
            table_dtypes=(self.table_dtype, self.table_dtype),
            solver=self.linear_solver,
            batches=self.batches,
            dim=self.hyperparameters.dim,
        )

    def _side(self, name: str, planned: PlannedSide, ranges: RowRanges, num_cols: int) -> Side | StreamedSide:
        rule = RegularizationRule.of(self.hyperparameters, num_cols)
        if self.placement.where == "device":
            return put_side(self.mesh, planned, ranges, self.linear_solver, rule, self._solve_precision)
        return stream_side(
            self.mesh,
            planned,
            ranges,
            name=name,
            placement=self.placement,
            memory=self.memory,
            solver=self.linear_solver,
            rule=rule,
            precision=self._solve_precision,
        )

    def _errors_and_gramians(self) -> ErrorsAndGramians:
        side = self.row_side
        if isinstance(side, StreamedSide):
            return side.errors_and_gramians
        found = make_errors_and_gramians(self.mesh, side.plan.device, self._solve_precision, side.plan.padding_position)
        return lambda row_table, col_table: found(row_table, col_table, side.batches, side.exchange_arrays)

    def _ridge(self, matrix: CsrMatrix, ranges: RowRanges) -> jax.Array:
        rule = RegularizationRule.of(self.hyperparameters, matrix.num_cols)
        ridge = ranges.pad(rule(matrix.row_lengths.astype(np.float64)))
        with np.errstate(over="ignore"):  # what overflows makes the first epoch fail, with its causes in words
            return put_sharded(self.mesh, ridge.astype(np.float32))

    def init(self) -> AlsState:
        """The state before the first epoch: the same numbers on any number of devices."""
        return AlsState(
            row_table=self._initial("row", self.row_ranges), col_table=self._initial("col", self.col_ranges), epoch=0
        )

    def _initial(self, table: TableName, ranges: RowRanges) -> jax.Array:
        return initial_table(self.mesh, ranges, self.hyperparameters, table=table, dtype=self.table_dtype)

    def epoch(self, state: AlsState) -> AlsState:
        """Solves the rows, then the columns. The given state's tables are taken and must not be used again.

        Raises:
            NotFiniteError: a solution is NaN or Inf.
        """
        check_not_forked()
        row_table = self.row_side.solve(state.row_table, state.col_table)
        col_table = self.col_side.solve(state.col_table, row_table)
        advanced = AlsState(row_table, col_table, state.epoch + 1)
        self._check_finite(advanced)
        return advanced

    def _check_finite(self, state: AlsState) -> None:
        finite = [("row", _all_finite(state.row_table)), ("col", _all_finite(state.col_table))]
        for name, flag in finite:
            if not bool(flag):
                causes = likely_causes(self.matrix, self.hyperparameters, self.precision, self.linear_solver.name)
                raise NotFiniteError(f"epoch {state.epoch}: the {name} table holds NaN or Inf. Likely causes: {causes}")

    def objective(self, state: AlsState) -> Objective:
        """Value of the objective at a state, with its parts."""
        check_not_forked()
        return self._objective(state.row_table, state.col_table)

    def row_embeddings(self, state: AlsState) -> Float32[np.ndarray, "num_rows dim"]:
        """The row table on the host, without padding."""
        return self.row_ranges.unpad(to_host(state.row_table)).astype(np.float32)

    def col_embeddings(self, state: AlsState) -> Float32[np.ndarray, "num_cols dim"]:
        """The column table on the host, without padding."""
        return self.col_ranges.unpad(to_host(state.col_table)).astype(np.float32)

    def state_from_tables(
        self, row_table: Shaped[np.ndarray, "num_rows dim"], col_table: Shaped[np.ndarray, "num_cols dim"], epoch: int
    ) -> AlsState:
        """A state from tables on the host, without padding: a restored one, or another start.

        Raises:
            ValueError: tables of another shape than this trainer's.
        """
        shapes = ((self.matrix.num_rows, self.hyperparameters.dim), (self.matrix.num_cols, self.hyperparameters.dim))
        if (row_table.shape, col_table.shape) != shapes:
            raise ValueError(f"tables have shapes {row_table.shape} and {col_table.shape}, expected {shapes}")
        return AlsState(
            row_table=put_sharded(self.mesh, self.row_ranges.pad(row_table.astype(self.table_dtype))),
            col_table=put_sharded(self.mesh, self.col_ranges.pad(col_table.astype(self.table_dtype))),
            epoch=epoch,
        )

    def fold_in(self, state: AlsState, history: CsrMatrix) -> Float32[np.ndarray, "queries dim"]:
        """Embeddings of new rows from their entries; the plan of the last history is kept for the next call.

        Args:
            state: whose columns are used.
            history: [queries, num_cols].

        Raises:
            ValueError: the history has another number of columns than the matrix.
        """
        check_not_forked()
        if self._fold_in is None or self._fold_in.history is not history:
            self._fold_in = FoldIn(
                history,
                mesh=self.mesh,
                col_ranges=self.col_ranges,
                hyperparameters=self.hyperparameters,
                solver=self.solver,
                batches=self.batches,
                exchange=self.exchange,
                table_dtype=self.table_dtype,
                precision=self._solve_precision,
            )
        return self._fold_in(state.col_table)
