"""The Python API: `ALS(...).fit(matrix)`, then `recommend`, `similar`, `fold_in`, `save`, `load`.

A thin wrapper over `AlsTrainer` (training) and `TrainedModel` (use), for one process. Rows are what gets
recommendations (pages, users), columns what is recommended (linked pages, items), as in implicit's `user_items`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32, Int64

from alx_solver.als import AlsTrainer
from alx_solver.backend import check_not_forked
from alx_solver.csr import CsrMatrix
from alx_solver.datasets.link_dataset import take_rows
from alx_solver.epoch_record import EpochRecord
from alx_solver.matrix_input import as_csr_matrix, check_columns, check_ids, listed
from alx_solver.mesh import check_devices, find_devices, name_devices
from alx_solver.model_files import load_model, save_model
from alx_solver.options import Hyperparameters, Precision, SolverOptions
from alx_solver.run_directory import RunOptions
from alx_solver.train import timed_epoch
from alx_solver.trained_model import Axis, TrainedModel
from webgraph.option_values import plain_integer

Found = tuple[Int64[np.ndarray, "*queries k"], Float32[np.ndarray, "*queries k"]]

_MAX_K = 2**31 - 1


class ALS:
    """Implicit-feedback matrix factorisation.

    Example::

        model = ALS(dim=64, regularization=1e-3, unobserved_weight=1e-2).fit(matrix)   # SciPy sparse, rows x columns
        ids, scores = model.recommend([0, 1, 2], k=10)
        ids, cosines = model.similar(7)
        model.save("model")
        ALS.load("model").recommend(new_rows)                                          # rows that were not trained

    A model can be pickled, to be sent to another process: it comes back on the devices of the same names, or on all
    where these are not there. What is kept on disk is better saved: only the version that wrote a pickle reads it.

    Attributes:
        options: everything that decides the numbers, besides the data.
        epochs: how many epochs `fit` trains.
        records: of the epochs trained: seconds, loss and its parts.
        matrix: what was fitted; None where a model was loaded from a run that `alx train` made.
    """

    def __init__(
        self,
        *,
        dim: int = 128,
        regularization: float = 1e-3,
        unobserved_weight: float = 1e-3,
        epochs: int = 16,
        regularization_exponent: float = 1.0,
        init_stddev: float = 3e-3,
        seed: int = 0,
        solver: SolverOptions | None = None,
        precision: Precision | None = None,
        devices: Sequence[jax.Device] | None = None,
    ) -> None:
        """Says how to train; nothing is computed yet.

        Args:
            dim, regularization, unobserved_weight, regularization_exponent, init_stddev, seed: of `Hyperparameters`.
            epochs: at least 1.
            solver: how rows are solved; None means the defaults.
            precision: number formats; None means float32 tables.
            devices: None means all of the default backend.

        Raises:
            ValueError: a value outside its range.
        """
        epochs = plain_integer("epochs", epochs)
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {epochs}")
        hyperparameters = Hyperparameters(
            dim=dim,
            regularization=regularization,
            unobserved_weight=unobserved_weight,
            regularization_exponent=regularization_exponent,
            init_stddev=init_stddev,
            seed=seed,
        )
        self.options = RunOptions(
            hyperparameters=hyperparameters,
            solver=SolverOptions() if solver is None else solver,
            precision=Precision() if precision is None else precision,
        )
        self.epochs = epochs
        self.records: list[EpochRecord] = []
        self.matrix: CsrMatrix | None = None
        self._devices = None if devices is None else check_devices(devices)
        self._model: TrainedModel | None = None

    def fit(self, data: Any, *, callback: Callable[[EpochRecord], None] | None = None) -> "ALS":
        """Trains from the start, whatever was trained before.

        Args:
            data: a SciPy sparse matrix, a `CsrMatrix`, a `LinkDataset`, or the path of a graph directory or of a file
                that `alx train` reads; of the last two the train rows. See `as_csr_matrix`.
            callback: called after every epoch with its record.

        Returns:
            The model itself.

        Raises:
            TypeError, ValueError: `data` is no matrix of confidences with at least one entry; `callback` is no
                function.
            NotFiniteError: NaN or Inf; the message names the epoch, the table and likely causes.
        """
        check_not_forked()
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a function of an EpochRecord, got {type(callback).__name__}")
        matrix = as_csr_matrix(data)
        trainer = AlsTrainer(
            matrix,
            self.options.hyperparameters,
            solver=self.options.solver,
            precision=self.options.precision,
            batches=self.options.batches,
            exchange=self.options.exchange,
            devices=self._devices,
        )
        state, records = trainer.init(), []
        for _ in range(self.epochs):
            state, record = timed_epoch(trainer, state)
            records.append(record)
            if callback is not None:
                callback(record)
        self.matrix, self.records, self._model = matrix, records, TrainedModel.of_trainer(trainer, state)
        return self

    @property
    def row_embeddings(self) -> Float32[np.ndarray, "rows dim"]:
        """Embeddings of the rows, on the host; zero for rows without entries."""
        return self._fitted().tables["row"].all()

    @property
    def col_embeddings(self) -> Float32[np.ndarray, "cols dim"]:
        """Embeddings of the columns, on the host; zero for columns without entries."""
        return self._fitted().tables["col"].all()

    def fold_in(self, rows: Any) -> Float32[np.ndarray, "queries dim"]:
        """Embeddings of new rows from their entries, by the training's own regulariser. An empty row's is zero.

        Args:
            rows: [queries, columns of the model], as `fit` takes it.

        Raises:
            ValueError: another number of columns, or numbers that are no confidences.
        """
        model, matrix = self._fitted(), as_csr_matrix(rows)
        check_columns(matrix, model.num_cols)
        return model.fold_in(matrix)

    def recommend(self, rows: Any, k: int = 10, *, exclude_seen: bool = True, allow_empty: bool = False) -> Found:
        """The best columns of each row.

        Args:
            rows: ids of trained rows (one integer or several), or new rows as a sparse matrix, which are folded in.
            k: how many columns.
            exclude_seen: leave out a row's own entries.
            allow_empty: give rows without entries no recommendations (-1) and do not raise.

        Returns:
            Column ids, best first, and scores, [queries, k] or, for one integer, [k]; -1 and -inf where there are no
            more columns.

        Raises:
            ValueError: an id out of range, another number of columns, or rows without entries.
        """
        model = self._fitted()
        k = _checked_k(k)
        if hasattr(rows, "indptr") or hasattr(rows, "tocsr"):
            seen = as_csr_matrix(rows)
            check_columns(seen, model.num_cols)
            queries, names = model.fold_in(seen), np.arange(seen.num_rows)
        else:
            names = check_ids(rows, model.num_rows, "row")
            queries, seen = model.tables["row"].take(names), self._seen(names, exclude_seen)
        empty = ~queries.any(axis=1)
        if empty.any() and not allow_empty:
            raise ValueError(
                f"no entries in rows {listed(names[empty])}, so nothing to go by: leave them out, fold in rows that "
                "have entries, or give allow_empty=True"
            )
        nothing = CsrMatrix(np.zeros(len(names) + 1, np.int64), np.empty(0, np.int64), None, model.num_cols)
        ids, scores = model.rank_columns(queries, seen if exclude_seen else nothing, k)
        ids[empty], scores[empty] = -1, -np.inf
        return (ids[0], scores[0]) if _is_one(rows) else (ids, scores)

    def similar(self, ids: Any, k: int = 10, *, axis: Axis = "col") -> Found:
        """The nearest columns (or rows) by cosine of embeddings, each itself left out.

        Args:
            ids: one integer or several.
            k: how many.
            axis: "col" (columns that the same rows hold) or "row" (rows that hold the same columns).

        Returns:
            Ids, nearest first, and cosines, as `recommend`.

        Raises:
            ValueError: an id out of range or without entries, or an unknown axis.
        """
        model = self._fitted()
        k = _checked_k(k)
        if axis not in ("row", "col"):
            raise ValueError(f"unknown axis {axis!r}; valid: row, col")
        word, size = ("row", model.num_rows) if axis == "row" else ("column", model.num_cols)
        names = check_ids(ids, size, word)
        found, cosines = model.similar(names, k, axis)
        return (found[0], cosines[0]) if _is_one(ids) else (found, cosines)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes a folder that `load` and the `alx` commands read: options, tables, matrix. No pickle.

        Raises:
            FileExistsError: something is there, and `overwrite` is false.
        """
        model = self._fitted()
        save_model(path, model, self.matrix, self.records, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, devices: Sequence[jax.Device] | None = None) -> "ALS":
        """Reads what `save` or `alx train` wrote, on any number of devices.

        Raises:
            ValueError: no such folder, or a damaged one.
        """
        model, matrix, records = load_model(path, devices)
        fields = model.options.hyperparameters
        loaded = cls(
            dim=fields.dim,
            regularization=fields.regularization,
            unobserved_weight=fields.unobserved_weight,
            epochs=max(1, model.epoch),
            seed=fields.seed,
            devices=devices,
        )
        loaded.options, loaded.records, loaded.matrix, loaded._model = model.options, records, matrix, model
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled; devices, which cannot be, by their names."""
        return vars(self) | {"_devices": None if self._devices is None else name_devices(self._devices)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        names = state["_devices"]
        vars(self).update(state | {"_devices": None if names is None else find_devices(names)})

    def _seen(self, ids: np.ndarray, needed: bool) -> CsrMatrix:
        if self.matrix is not None:
            return take_rows(self.matrix, ids)
        if needed:
            raise ValueError(
                "this model came without its matrix, so what its rows hold is unknown: give them as a sparse matrix, "
                "or exclude_seen=False"
            )
        return CsrMatrix(np.zeros(len(ids) + 1, np.int64), np.empty(0, np.int64), None, self._fitted().num_cols)

    def _fitted(self) -> TrainedModel:
        if self._model is None:
            raise ValueError("the model is not trained: call fit, or ALS.load")
        check_not_forked()
        return self._model


def _checked_k(k: int) -> int:
    k = plain_integer("k", k)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if k > _MAX_K:
        raise ValueError(f"k must be at most {_MAX_K}, got {k}")
    return k


def _is_one(ids: Any) -> bool:
    return isinstance(ids, int | np.integer)
