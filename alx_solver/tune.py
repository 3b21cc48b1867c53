"""Finds lambda and alpha on validation rows, which are hashed out of the train rows; test rows take no part.

tune.json      what is tuned on what: dataset digest, fixed options, epochs, rules of stopping; written first
trials.jsonl   one `Trial` a line, appended when it is finished; a resumed tuning does not run them again
best.json      hyperparameters and epochs of the best trial, for `alx train --hyperparameters best.json`
"""

import dataclasses
import json
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from alx_solver.als import NotFiniteError
from alx_solver.datasets import LinkDataset
from alx_solver.evaluate import evaluate_model
from alx_solver.run_directory import RunOptions, describe_dataset
from alx_solver.train import TrainingError, make_trainer, timed_epoch
from alx_solver.tune_options import TuneOptions
from alx_solver.tune_samplers import Pair, next_pair

_MEDIAN_OF = 3


class TuningError(ValueError):
    """A folder holds another tuning; the message names the first difference."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One line of `trials.jsonl`.

    Attributes:
        regularization: lambda.
        unobserved_weight: alpha.
        values: the metric after every epoch.
        losses: the objective after every epoch.
        seconds: of all epochs, without evaluation.
        stopped: "epochs" (all were trained), "patience", "median", or "not finite".
    """

    regularization: float
    unobserved_weight: float
    values: tuple[float, ...]
    losses: tuple[float, ...]
    seconds: float
    stopped: str

    @property
    def best(self) -> float | None:
        """The greatest value of the metric; None if training broke off, or before an epoch was done."""
        return max(self.values, default=None) if self.stopped != "not finite" else None

    @property
    def best_epoch(self) -> int:
        """The first epoch with that value, from 1."""
        return self.values.index(max(self.values)) + 1 if self.values else 0


class TuningFolder:
    """Files of one tuning."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.trials_file = self.path / "trials.jsonl"
        self.best_file = self.path / "best.json"

    def open(self, identity: dict[str, Any], *, resume: bool) -> list[Trial]:
        """Starts a tuning, or returns the finished trials of the one in the folder.

        Raises:
            TuningError: the folder holds a tuning and `resume` is false, or it holds another one.
        """
        file = self.path / "tune.json"
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            _write_whole(file, json.dumps(identity, indent=2) + "\n")
            self.trials_file.write_text("")
            return []
        if not resume:
            raise TuningError(f"{self.path}: holds a tuning already; add --resume, or give another --output.")
        theirs = json.loads(file.read_text())
        for name, value in json.loads(json.dumps(identity)).items():
            if theirs.get(name) != value:
                raise TuningError(f"{self.path}: tunes with {name} = {theirs.get(name)}, not {value}.")
        lines = self.trials_file.read_text().split("\n")[:-1]  # a line that an interruption cut has no end
        _write_whole(self.trials_file, "".join(line + "\n" for line in lines))
        return [Trial(**_tuples(json.loads(line))) for line in lines]

    def append(self, trial: Trial) -> None:
        """Adds a finished trial."""
        with self.trials_file.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(trial)) + "\n")

    def write_best(self, best: Trial, options: RunOptions, metric: str) -> None:
        """Writes `best.json`."""
        found = dataclasses.asdict(with_pair(options, (best.regularization, best.unobserved_weight)).hyperparameters)
        contents = {"hyperparameters": found, "epochs": best.best_epoch, "metric": metric, "value": best.best}
        _write_whole(self.best_file, json.dumps(contents, indent=2) + "\n")


def tune(
    dataset: LinkDataset,
    fixed: RunOptions,
    options: TuneOptions,
    folder: TuningFolder,
    *,
    devices: Sequence[jax.Device] | None,
    resume: bool = False,
    listener: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:
    """Runs all trials that are not finished yet.

    Args:
        dataset: a `validation_split`, whose `test_rows` are validation rows.
        fixed: all options but lambda and alpha, which are replaced.
        options: what is tried.
        folder: where trials go.
        devices: None means all.
        resume: go on with the tuning in the folder, if any.
        listener: called with every finished trial, those of before included.

    Returns:
        All trials, in the order they were run.

    Raises:
        TuningError: see `TuningFolder.open`.
        ValueError: the dataset has no validation rows.
    """
    if not dataset.num_test_rows:
        raise ValueError(f"{dataset.name}: no validation rows; give a larger --validation-fraction")
    trials = folder.open(_identity(dataset, fixed, options), resume=resume)
    for trial in trials:
        listener(trial)
    seed = fixed.hyperparameters.seed
    while (pair := next_pair(options, seed, [(pair_of(trial), trial.best) for trial in trials])) is not None:
        trial = run_trial(dataset, with_pair(fixed, pair), options, trials, devices)
        trials.append(trial)
        folder.append(trial)
        listener(trial)
    best = best_trial(trials)
    if best is not None:
        folder.write_best(best, fixed, options.metric)
    return trials


def run_trial(
    dataset: LinkDataset,
    run: RunOptions,
    options: TuneOptions,
    finished: Sequence[Trial],
    devices: Sequence[jax.Device] | None,
) -> Trial:
    """Trains one pair until a rule stops it; numbers that are not finite end the trial, not the tuning."""
    trainer = make_trainer(run, dataset, devices)
    state = trainer.init()
    values: list[float] = []
    losses: list[float] = []
    seconds, stopped = 0.0, None
    while stopped is None:
        try:
            state, record = timed_epoch(trainer, state)
        except (NotFiniteError, TrainingError):
            stopped = "not finite"
            break
        values.append(evaluate_model(trainer, state, dataset).means[options.metric])
        losses.append(record.loss)
        seconds += record.seconds
        stopped = reason_to_stop(values, options, finished)
    return Trial(
        regularization=run.hyperparameters.regularization,
        unobserved_weight=run.hyperparameters.unobserved_weight,
        values=tuple(values),
        losses=tuple(losses),
        seconds=seconds,
        stopped=stopped,
    )


def reason_to_stop(values: Sequence[float], options: TuneOptions, finished: Sequence[Trial]) -> str | None:
    """ "epochs", "patience" or "median" (see `TuneOptions`), or None where a trial goes on.

    Args:
        values: the metric after every epoch so far, at least one.
        options: the rules.
        finished: trials to compare with; of one that was shorter its best value counts.
    """
    epoch = len(values)
    if epoch >= options.epochs:
        return "epochs"
    if epoch - (values.index(max(values)) + 1) >= options.patience:
        return "patience"
    others = [max(trial.values[:epoch]) for trial in finished if trial.best is not None]
    enough = options.median_after and epoch >= options.median_after and len(others) >= _MEDIAN_OF
    return "median" if enough and max(values) < statistics.median(others) else None


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The trial of the greatest metric, the first of equals; None if all broke off."""
    whole = [trial for trial in trials if trial.best is not None]
    return max(whole, key=lambda trial: trial.best or 0.0, default=None)


def pair_of(trial: Trial) -> Pair:
    """Its lambda and alpha."""
    return trial.regularization, trial.unobserved_weight


def with_pair(options: RunOptions, pair: Pair) -> RunOptions:
    """The same options with another lambda and alpha."""
    changed = dataclasses.replace(options.hyperparameters, regularization=pair[0], unobserved_weight=pair[1])
    return dataclasses.replace(options, hyperparameters=changed)


def _identity(dataset: LinkDataset, fixed: RunOptions, options: TuneOptions) -> dict[str, Any]:
    """What finished trials depend on. Which pairs, which sampler and how many may change."""
    rules = {name: getattr(options, name) for name in ("epochs", "patience", "median_after", "metric")}
    return {"dataset": describe_dataset(dataset), "options": with_pair(fixed, (0.0, 0.0)).to_json(), **rules}


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {name: tuple(fields[name]) for name in ("values", "losses")}


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
