"""What people see: epoch lines, the recall table, the bench table. All through one rich Console."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from alx_solver.datasets import LinkDataset
from alx_solver.epoch_record import EpochRecord
from alx_solver.evaluate import RecallTable

_METRICS = ("recall@20", "recall@50", "ndcg@100")
_LOSSES = ("loss", "loss_observed", "loss_unobserved", "loss_regularizer")
_HEADINGS = ("epoch", "seconds", "loss", "observed", "unobserved", "regularizer", "R@20", "R@50", "NDCG@100")
_WIDTHS = (5, 8, 11, 11, 11, 11, 6, 6, 8)


class EpochReport:
    """Prints one line an epoch and, on a terminal only, a progress bar below. A context manager and a listener."""

    def __init__(self, console: Console, *, epochs: int, done: int) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("epochs", total=epochs, completed=done)

    def __enter__(self) -> "EpochReport":
        self._print(_HEADINGS)
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, record: EpochRecord) -> None:
        """Prints the record's line."""
        losses = [f"{getattr(record, name):.5g}" for name in _LOSSES]
        metrics = [_metric(record.metrics.get(name)) for name in _METRICS]
        self._print([str(record.epoch), f"{record.seconds:.2f}", *losses, *metrics])
        self._progress.update(self._task, completed=record.epoch)

    def _print(self, cells: Sequence[str]) -> None:
        line = " ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)


def print_dataset(console: Console, dataset: LinkDataset) -> None:
    """One line of counts."""
    train = dataset.train
    console.print(
        f"{dataset.name}: {train.num_rows:,} rows x {train.num_cols:,} columns, {train.num_entries:,} train entries, "
        f"{dataset.num_test_rows:,} test rows ({dataset.history.num_entries:,} entries of history, "
        f"{dataset.ground_truth.num_entries:,} of ground truth)",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def print_recall_table(console: Console, table: RecallTable, title: str) -> None:
    """The model beside the baselines, and one sentence on its gain over the best of them."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("model")
    for name in _METRICS:
        shown.add_column(name.replace("recall", "Recall").replace("ndcg", "NDCG"), justify="right")
    for name, metrics in table.metrics.items():
        shown.add_row(name, *(_metric(metrics.means.get(metric)) for metric in _METRICS))
    for name in table.absent:
        shown.add_row(name, *("-" for _ in _METRICS))
    console.print(shown)
    for name, reason in table.absent.items():
        console.print(f"- {name}: {reason}", soft_wrap=True, highlight=False, markup=False)
    gain = table.gain("recall@20")
    if gain is not None:
        console.print(
            f"Recall@20 minus that of the best baseline ({gain['baseline']}): {gain['mean']:+.4f} "
            f"(95 % bootstrap interval {gain['low']:+.4f} to {gain['high']:+.4f})",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


def print_files(console: Console, files: Mapping[str, Any]) -> None:
    """Where the files of a run are."""
    for what, path in files.items():
        console.print(f"{what:<12} {path}", soft_wrap=True, highlight=False, markup=False)


def print_seconds_table(console: Console, seconds: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Seconds an epoch by solver: median, least and greatest."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("solver")
    for heading in ("median", "least", "greatest"):
        shown.add_column(f"{heading} s", justify="right")
    for name, row in seconds.items():
        shown.add_row(name, *(f"{row[key]:.3f}" for key in ("median", "least", "greatest")))
    console.print(shown)


def print_rows(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    """A table whose first column is names."""
    shown = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if number else "left")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


def _metric(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
