"""A trained model without the matrix it was trained on: fold-in, ranking, similar rows. Tables stay sharded.

Made from a trainer's state, read from a checkpoint, or unpickled, on whatever devices there are.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float32, Int64, Shaped

from alx_solver.als import AlsState, AlsTrainer
from alx_solver.backend import check_not_forked
from alx_solver.checkpoint import CheckpointError, StoredTables, read_checkpoint
from alx_solver.csr import CsrMatrix
from alx_solver.fold_in import FoldIn
from alx_solver.matrix_input import listed
from alx_solver.mesh import find_devices, make_mesh, name_devices, put_sharded, to_host
from alx_solver.options import ExchangeOptions
from alx_solver.ownership import RowRanges, balanced_ranges
from alx_solver.run_directory import RunOptions
from alx_solver.similar import similar_rows
from alx_solver.top_k import top_k_columns

Axis = Literal["row", "col"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Embeddings of one axis on the devices.

    Attributes:
        ranges: owners of the rows.
        stored: [padded rows, dim], sharded; zero at padding.
    """

    ranges: RowRanges
    stored: jax.Array

    def take(self, ids: Int64[np.ndarray, " ids"]) -> Float32[np.ndarray, "ids dim"]:
        """The embeddings of some ids, on the host."""
        check_not_forked()
        return to_host(self.stored[self.ranges.positions(ids)]).astype(np.float32)

    def all(self) -> Float32[np.ndarray, "rows dim"]:
        """All of them, on the host."""
        return self.on_host().astype(np.float32)

    def on_host(self) -> Shaped[np.ndarray, "rows dim"]:
        """All of them, on the host, in the table's own number format."""
        return self.ranges.unpad(to_host(self.stored))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """What training made.

    Attributes:
        options: of the run.
        mesh: the devices.
        tables: by axis, "row" and "col"; one that was not asked for is absent.
        epoch: epochs done.
    """

    options: RunOptions
    mesh: Mesh
    tables: dict[Axis, Table]
    epoch: int

    @classmethod
    def of_trainer(cls, trainer: AlsTrainer, state: AlsState) -> "TrainedModel":
        """The model of a state; shares its tables, so that the state must not be trained further."""
        options = RunOptions(
            hyperparameters=trainer.hyperparameters,
            solver=trainer.solver,
            precision=trainer.precision,
            batches=trainer.batches,
            exchange=trainer.exchange,
        )
        row = Table(ranges=trainer.row_ranges, stored=state.row_table)
        col = Table(ranges=trainer.col_ranges, stored=state.col_table)
        return cls(options=options, mesh=trainer.mesh, tables={"row": row, "col": col}, epoch=state.epoch)

    @classmethod
    def of_checkpoint(
        cls,
        directory: str | os.PathLike[str],
        options: RunOptions,
        *,
        axes: Sequence[Axis] = ("row", "col"),
        devices: Sequence[jax.Device] | None = None,
    ) -> "TrainedModel":
        """Reads the newest checkpoint.

        Args:
            directory: of the checkpoints.
            options: of the run.
            axes: which tables to read.
            devices: None means all of the default backend.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        stored = read_checkpoint(directory)
        if stored is None:
            raise CheckpointError(f"{directory}: no checkpoint in it; train for an epoch first")
        mesh = make_mesh(devices)
        tables = {axis: _stored_table(mesh, stored, axis) for axis in axes}
        return cls(options=options, mesh=mesh, tables=tables, epoch=stored.epoch)

    def host_tables(self) -> dict[Axis, Shaped[np.ndarray, "rows dim"]]:
        """The tables by axis, on the host, in their own number format."""
        return {axis: table.on_host() for axis, table in self.tables.items()}

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: tables as arrays of NumPy, and the names of the devices, which cannot be pickled."""
        return {
            "options": self.options,
            "epoch": self.epoch,
            "tables": self.host_tables(),
            "devices": name_devices(list(self.mesh.devices.flat)),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """On the devices of the same names where all are here, else on all of the default backend."""
        mesh = make_mesh(find_devices(state["devices"]))
        tables = {axis: _put_table(mesh, table) for axis, table in state["tables"].items()}
        for name, value in {
            "options": state["options"],
            "epoch": state["epoch"],
            "mesh": mesh,
            "tables": tables,
        }.items():
            object.__setattr__(self, name, value)

    @property
    def num_rows(self) -> int:
        return self.tables["row"].ranges.num_rows

    @property
    def num_cols(self) -> int:
        return self.tables["col"].ranges.num_rows

    def fold_in(self, history: CsrMatrix) -> Float32[np.ndarray, "queries dim"]:
        """Embeddings of new rows from their entries; an empty row's is zero.

        Args:
            history: [queries, num_cols].

        Raises:
            ValueError: another number of columns.
        """
        check_not_forked()
        if not history.num_rows:
            return np.empty((0, self.options.hyperparameters.dim), np.float32)
        columns = self.tables["col"]
        fold_in = FoldIn(
            history,
            mesh=self.mesh,
            col_ranges=columns.ranges,
            hyperparameters=self.options.hyperparameters,
            solver=self.options.solver,
            batches=self.options.batches,
            exchange=ExchangeOptions(),
            table_dtype=columns.stored.dtype,
            precision=jax.lax.Precision[self.options.precision.solve.upper()],
        )
        return fold_in(columns.stored)

    def rank_columns(
        self, queries: Float32[np.ndarray, "queries dim"], seen: CsrMatrix, k: int
    ) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
        """The k best columns of each query outside what it has seen; see `top_k_columns`."""
        check_not_forked()
        columns = self.tables["col"]
        return top_k_columns(queries, columns.stored, columns.ranges.global_ids(), seen, k)

    def similar(
        self, ids: Int64[np.ndarray, " ids"], k: int, axis: Axis
    ) -> tuple[Int64[np.ndarray, "ids k"], Float32[np.ndarray, "ids k"]]:
        """The k nearest rows (or columns) by cosine of embeddings; see `similar_rows`.

        Raises:
            ValueError: an id without entries in training, whose embedding is zero.
        """
        table = self.tables[axis]
        embeddings = table.take(ids)
        empty = ids[~embeddings.any(axis=1)]
        if len(empty):
            word = {"row": "rows", "col": "columns"}[axis]
            raise ValueError(f"no entries in {word} {listed(empty)} in training, so nothing is similar to them")
        return similar_rows(table.stored, table.ranges.global_ids(), ids, embeddings, k)


def _stored_table(mesh: Mesh, stored: StoredTables, axis: Axis) -> Table:
    return _put_table(mesh, np.asarray(stored.table(f"{axis}_table"), jnp.dtype(stored.manifest["table_dtype"])))


def _put_table(mesh: Mesh, table: Shaped[np.ndarray, "rows dim"]) -> Table:
    ranges = balanced_ranges(np.zeros(len(table), np.int64), mesh.size)
    return Table(ranges=ranges, stored=put_sharded(mesh, ranges.pad(table)))
