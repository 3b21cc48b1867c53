"""The folder of one training run, and the options of the run that stand in it.

run.json       what was trained on what: dataset digest and all options; written first
metrics.jsonl  one `EpochRecord` a line, appended after every epoch
checkpoint/    the state after the last whole epoch (`alx_solver.checkpoint`)
summary.json   the final table: metrics of the model and of the baselines
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from alx_solver.datasets import LinkDataset
from alx_solver.epoch_record import EpochRecord
from alx_solver.options import BatchOptions, ExchangeOptions, Hyperparameters, Precision, SolverOptions
from webgraph.option_values import make_plain

_FORMAT_VERSION = 1


class RunDirectoryError(ValueError):
    """A run's folder cannot be used as asked. The message names it and the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything that decides a run's numbers, besides the data.

    Raises:
      ValueError: options of another kind than the field's.
    """

    hyperparameters: Hyperparameters
    solver: SolverOptions = dataclasses.field(default_factory=SolverOptions)
    precision: Precision = dataclasses.field(default_factory=Precision)
    batches: BatchOptions = dataclasses.field(default_factory=BatchOptions)
    exchange: ExchangeOptions = dataclasses.field(default_factory=ExchangeOptions)

    def __post_init__(self) -> None:
        make_plain(self)

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "RunOptions":
        batches = dict(fields["batches"])
        if batches.get("widths") is not None:
            batches["widths"] = tuple(batches["widths"])
        solver = {name: value for name, value in fields["solver"].items() if name != "fold_in_tolerance"}  # of old runs
        return cls(
            hyperparameters=Hyperparameters(**fields["hyperparameters"]),
            solver=SolverOptions(**solver),
            precision=Precision(**fields["precision"]),
            batches=BatchOptions(**batches),
            exchange=ExchangeOptions(**fields["exchange"]),
        )


def describe_dataset(dataset: LinkDataset) -> dict[str, Any]:
    """What `run.json` says of a dataset; equal descriptions mean equal train matrices."""
    return {
        "name": dataset.name,
        "rows": dataset.train.num_rows,
        "cols": dataset.train.num_cols,
        "train_entries": dataset.train.num_entries,
        "test_rows": dataset.num_test_rows,
        "train_digest": dataset.train.digest,
    }


class RunDirectory:
    """Paths and files of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.run_file = self.path / "run.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.summary_file = self.path / "summary.json"
        self.checkpoint = self.path / "checkpoint"

    def start(self, options: RunOptions, dataset: LinkDataset) -> None:
        """Makes the folder of a new run.

        Raises:
          RunDirectoryError: a run is in it already.
        """
        if self.run_file.exists():
            raise RunDirectoryError(f"{self.path}: holds a run already; add --resume, or give another --output.")
        self.path.mkdir(parents=True, exist_ok=True)
        description = {"format_version": _FORMAT_VERSION, "dataset": describe_dataset(dataset)}
        _write_whole(self.run_file, json.dumps(description | {"options": options.to_json()}, indent=2) + "\n")
        self.metrics_file.write_text("")

    def check_same(self, options: RunOptions, dataset: LinkDataset) -> None:
        """Checks that a run to be resumed is the one that stands in the folder.

        Raises:
          RunDirectoryError: names the first difference.
        """
        written = self.read()
        theirs, ours = _flat(written["options"]), _flat(options.to_json())
        for key in sorted(theirs.keys() | ours.keys()):
            if key.startswith("exchange."):  # changes rounding at most
                continue
            if theirs.get(key) != ours.get(key):
                raise RunDirectoryError(
                    f"{self.path}: was trained with {key} = {theirs.get(key)}, not {ours.get(key)}; give the same "
                    "value, or another --output."
                )
        self.check_data(dataset)

    def check_data(self, dataset: LinkDataset) -> None:
        """Checks that the run was trained on this train matrix.

        Raises:
          RunDirectoryError: it was not.
        """
        written = self.read()["dataset"]
        if written["train_digest"] != dataset.train.digest:
            raise RunDirectoryError(
                f"{self.path}: was trained on other data ({written['name']}, {written['train_entries']} entries) than "
                f"{dataset.name} ({dataset.train.num_entries} entries); give the same data and split seed."
            )

    def read(self) -> dict[str, Any]:
        """The contents of `run.json`.

        Raises:
          RunDirectoryError: there is none, or it cannot be read.
        """
        try:
            written = json.loads(self.run_file.read_text())
        except FileNotFoundError:
            raise RunDirectoryError(f"{self.path}: no run.json in it; give the --output of `alx train`.") from None
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.run_file}: cannot be read ({error}); train again.") from error
        if not isinstance(written, dict) or written.get("format_version") != _FORMAT_VERSION:
            raise RunDirectoryError(f"{self.run_file}: not a run of format {_FORMAT_VERSION}; train again.")
        return written

    def options(self) -> RunOptions:
        """The options of the run that stands in the folder.

        Raises:
          RunDirectoryError: there is no run, or its options cannot be used.
        """
        try:
            return RunOptions.from_json(self.read()["options"])
        except RunDirectoryError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = str(error) or type(error).__name__
            raise RunDirectoryError(f"{self.run_file}: its options cannot be used ({reason}); train again.") from error

    def append(self, record: EpochRecord) -> None:
        """Adds one epoch's line."""
        with self.metrics_file.open("a") as file:
            file.write(json.dumps(record.to_json()) + "\n")

    def records(self) -> list[EpochRecord]:
        """The whole lines of `metrics.jsonl`; a line that an interruption cut is left out.

        Raises:
          RunDirectoryError: another line is no record.
        """
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_bytes().split(b"\n")[:-1]
        return [self._record(number, line) for number, line in enumerate(lines, 1)]

    def _record(self, number: int, line: bytes) -> EpochRecord:
        try:
            return EpochRecord.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunDirectoryError(
                f"{self.metrics_file}: line {number} is no record of an epoch; remove that line to go on."
            ) from error

    def rewind(self, epoch: int) -> list[EpochRecord]:
        """Drops the lines after `epoch`, which a resumed run will write again. Returns those kept."""
        kept = [record for record in self.records() if record.epoch <= epoch]
        _write_whole(self.metrics_file, "".join(json.dumps(record.to_json()) + "\n" for record in kept))
        return kept

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes `summary.json`."""
        _write_whole(self.summary_file, json.dumps(summary, indent=2) + "\n")


def _write_whole(path: Path, text: str) -> None:
    """Writes under a temporary name and renames, so that no reader sees half a file."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    return {f"{group}.{key}": value for group, values in fields.items() for key, value in values.items()}
