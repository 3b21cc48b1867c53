"""The epoch loop: train, check the loss, evaluate, tell the listeners, save.

Order within an epoch: half-steps, objective (a loss that is not finite stops the run before anything is saved),
metrics, listeners, checkpoint. An interruption anywhere leaves the last checkpoint usable; a line that was written
after it is dropped when the run is resumed, and written again with the same numbers.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import jax

from alx_solver.als import AlsState, AlsTrainer
from alx_solver.checkpoint import restore_checkpoint, save_checkpoint
from alx_solver.datasets import LinkDataset
from alx_solver.epoch_record import EpochRecord
from alx_solver.evaluate import evaluate_model
from alx_solver.mesh import is_writer, wait_for_all
from alx_solver.not_finite import likely_causes
from alx_solver.options import ExchangeOptions, MemoryOptions
from alx_solver.recall import RankingMetrics
from alx_solver.run_directory import RunDirectory, RunOptions
from webgraph.option_values import make_plain

Listener = Callable[[EpochRecord], None]


class TrainingError(RuntimeError):
    """Training cannot go on. The message says what happened and what to change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How long to train and when to evaluate.

    Attributes:
      epochs: epochs in all, those before a resumption included.
      evaluate_every: metrics after every so many epochs, and after the last; 0 leaves them out until the end.
    """

    epochs: int = 16
    evaluate_every: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {self.epochs}.")
        if self.evaluate_every < 0:
            raise ValueError(f"evaluate_every must be at least 0, got {self.evaluate_every}.")

    def is_due(self, epoch: int) -> bool:
        """Whether metrics are computed after this epoch."""
        return epoch >= self.epochs or (self.evaluate_every > 0 and epoch % self.evaluate_every == 0)


def make_trainer(
    options: RunOptions,
    dataset: LinkDataset,
    devices: Sequence[jax.Device] | None,
    exchange: ExchangeOptions | None = None,
    memory: MemoryOptions | None = None,
) -> AlsTrainer:
    """The trainer of a run; `exchange` goes before the run's if it is given, `memory` says where batches lie."""
    return AlsTrainer(
        dataset.train,
        options.hyperparameters,
        solver=options.solver,
        precision=options.precision,
        batches=options.batches,
        devices=devices,
        exchange=exchange or options.exchange,
        memory=memory,
    )


def open_run(
    run: RunDirectory, options: RunOptions, dataset: LinkDataset, trainer: AlsTrainer, *, resume: bool
) -> tuple[AlsState, list[EpochRecord]]:
    """Starts a run, or finds where it stopped.

    Returns:
      The state to go on from, and the records of the epochs that it has behind it.

    Raises:
      RunDirectoryError: the folder holds a run and `resume` is false, or it holds another run.
    """
    if not (resume and run.run_file.exists()):
        wait_for_all("no run")
        if is_writer():
            run.start(options, dataset)
        wait_for_all("run started")
        return trainer.init(), []
    run.check_same(options, dataset)
    state = restore_checkpoint(run.checkpoint, trainer)
    epoch = 0 if state is None else int(state.epoch)
    wait_for_all("run found")
    kept = run.rewind(epoch) if is_writer() else []
    return trainer.init() if state is None else state, kept


def train(
    trainer: AlsTrainer,
    state: AlsState,
    dataset: LinkDataset,
    options: TrainOptions,
    *,
    run: RunDirectory,
    listeners: Sequence[Listener] = (),
) -> tuple[AlsState, RankingMetrics]:
    """Trains up to `options.epochs` epochs.

    Args:
      trainer: of the dataset's train matrix.
      state: where to start; from `open_run`.
      dataset: whose test rows are evaluated.
      options: how long, and when to evaluate.
      run: where lines and checkpoints go.
      listeners: called with every epoch's record.

    Returns:
      The last state and its metrics.

    Raises:
      TrainingError: the loss is not finite.
    """
    metrics = None
    while int(state.epoch) < options.epochs:
        state, record = timed_epoch(trainer, state)
        if options.is_due(record.epoch):
            metrics = evaluate_model(trainer, state, dataset)
            record = dataclasses.replace(record, metrics=metrics.means)
        if is_writer():
            run.append(record)
            for listener in listeners:
                listener(record)
        save_checkpoint(run.checkpoint, trainer, state)
    return state, metrics if metrics is not None else evaluate_model(trainer, state, dataset)


def timed_epoch(trainer: AlsTrainer, state: AlsState) -> tuple[AlsState, EpochRecord]:
    """One epoch, timed, and its loss; the given state must not be used again.

    Raises:
      NotFiniteError: a table holds NaN or Inf; the message names the epoch, the table and likely causes.
      TrainingError: the tables are finite and the loss is not.
    """
    started = time.perf_counter()
    state = trainer.epoch(state)
    jax.block_until_ready((state.row_table, state.col_table))
    return state, _record_loss(trainer, state, time.perf_counter() - started)


def _record_loss(trainer: AlsTrainer, state: AlsState, seconds: float) -> EpochRecord:
    objective = trainer.objective(state)
    epoch = int(state.epoch)
    if not math.isfinite(float(objective.total)):
        causes = likely_causes(trainer.matrix, trainer.hyperparameters, trainer.precision, trainer.linear_solver.name)
        raise TrainingError(
            f"epoch {epoch}: both tables are finite, but the loss is {float(objective.total)} (observed "
            f"{float(objective.observed):g}, unobserved {float(objective.unobserved):g}, regularizer "
            f"{float(objective.regularizer):g}): embeddings or confidences are too large to be squared in float32. "
            f"Likely causes: {causes}. The checkpoint of the epoch before is untouched."
        )
    return EpochRecord(
        epoch=epoch,
        seconds=seconds,
        loss=float(objective.total),
        loss_observed=float(objective.observed),
        loss_unobserved=float(objective.unobserved),
        loss_regularizer=float(objective.regularizer),
    )
