"""Loss and recall after each epoch of a training, and the seconds that only the epochs took."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax

from alx_solver.als import AlsTrainer
from alx_solver.datasets import LinkDataset
from alx_solver.evaluate import evaluate_model
from alx_solver.options import Hyperparameters, Precision, SolverOptions

METRIC = "recall@20"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """A training.

    Attributes:
      seconds: [epochs], of the epochs up to each, without compilation and evaluation.
      loss: [epochs], the objective after each.
      recall: [epochs], Recall@20 after each; empty where it was not asked for.
    """

    seconds: list[float]
    loss: list[float]
    recall: list[float]


def train_curve(
    dataset: LinkDataset,
    hyperparameters: Hyperparameters,
    solver: SolverOptions,
    precision: Precision,
    *,
    epochs: int,
    devices: Sequence[jax.Device] | None = None,
    with_recall: bool = True,
) -> Curve:
    """Trains once to compile, and again from the start to measure."""
    trainer = AlsTrainer(dataset.train, hyperparameters, solver=solver, precision=precision, devices=devices)
    trainer.objective(trainer.epoch(trainer.init()))
    state, elapsed = trainer.init(), 0.0
    jax.block_until_ready((state.row_table, state.col_table))
    curve = Curve(seconds=[], loss=[], recall=[])
    for _ in range(epochs):
        started = time.perf_counter()
        state = trainer.epoch(state)
        jax.block_until_ready((state.row_table, state.col_table))
        elapsed += time.perf_counter() - started
        curve.seconds.append(elapsed)
        curve.loss.append(float(trainer.objective(state).total))
        if with_recall and dataset.num_test_rows:
            curve.recall.append(evaluate_model(trainer, state, dataset).means[METRIC])
    return curve


def first_at(values: Sequence[float], limit: float, *, rising: bool) -> int | None:
    """The first position whose value has reached the limit, from below if `rising`; None if none has."""
    return next((at for at, value in enumerate(values) if (value >= limit if rising else value <= limit)), None)


def seconds_to(curves: dict[str, Curve], what: str, limit: float) -> dict[str, Any]:
    """By curve: the seconds and epochs to a loss or a recall, or None where it is not reached."""
    found: dict[str, Any] = {}
    for name, curve in curves.items():
        at = first_at(getattr(curve, what), limit, rising=what == "recall")
        found[name] = None if at is None else {"seconds": curve.seconds[at], "epochs": at + 1}
    return found
