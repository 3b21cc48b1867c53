"""What people see of a tuning: a line a trial, a table, and a heat map of the metric over lambda and alpha."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from alx_solver.tune import Trial, best_trial
from webgraph.missing_extra import missing_extra


def print_trial(console: Console, trial: Trial, metric: str) -> None:
    """One line of a finished trial."""
    value = "-" if trial.best is None else f"{trial.best:.4f} at epoch {trial.best_epoch}"
    line = f"lambda {trial.regularization:.3g}, alpha {trial.unobserved_weight:.3g}: {metric} {value} ({trial.stopped})"
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def print_trials(console: Console, trials: Sequence[Trial], metric: str) -> None:
    """All trials, the best first; those that broke off last."""
    table = Table(title=f"{metric} of validation rows", title_justify="left")
    for heading in ("lambda", "alpha", metric, "best epoch", "epochs", "seconds", "stopped by"):
        table.add_column(heading, justify="left" if heading == "stopped by" else "right")
    for trial in sorted(trials, key=lambda trial: -1.0 if trial.best is None else trial.best, reverse=True):
        table.add_row(
            f"{trial.regularization:.3g}",
            f"{trial.unobserved_weight:.3g}",
            "-" if trial.best is None else f"{trial.best:.4f}",
            str(trial.best_epoch),
            str(len(trial.values)),
            f"{trial.seconds:.1f}",
            trial.stopped,
        )
    console.print(table)


def grid_of(trials: Sequence[Trial]) -> tuple[list[float], list[float], np.ndarray]:
    """Lambdas and alphas, ascending, and float64[lambdas, alphas] of the best values; NaN where there is none."""
    lambdas = sorted({trial.regularization for trial in trials})
    alphas = sorted({trial.unobserved_weight for trial in trials})
    values = np.full((len(lambdas), len(alphas)), np.nan)
    for trial in trials:
        if trial.best is not None:
            values[lambdas.index(trial.regularization), alphas.index(trial.unobserved_weight)] = trial.best
    return lambdas, alphas, values


def draw_heat_map(trials: Sequence[Trial], metric: str, path: Path) -> None:
    """Writes a PNG: a field a pair where all pairs of a grid were tried, else a dot a pair on logarithmic axes.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError(missing_extra("the heat map", "plots", error)) from error
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlabel="alpha (unobserved_weight)", ylabel="lambda (regularization)", title=metric)
    lambdas, alphas, values = grid_of(trials)
    if len(trials) == values.size:
        image = axes.imshow(values, origin="lower", aspect="auto")
        figure.colorbar(image, ax=axes)
        axes.set_xticks(range(len(alphas)), [f"{alpha:.3g}" for alpha in alphas])
        axes.set_yticks(range(len(lambdas)), [f"{lam:.3g}" for lam in lambdas])
        for (row, col), value in np.ndenumerate(values):
            label = "-" if np.isnan(value) else f"{value:.3f}"
            axes.text(col, row, label, ha="center", va="center", color="white", bbox={"alpha": 0.35, "color": "black"})
    else:
        whole = [trial for trial in trials if trial.best is not None]
        points = np.array([(trial.unobserved_weight, trial.regularization, trial.best) for trial in whole], float)
        points = points.reshape(-1, 3)
        dots = axes.scatter(points[:, 0], points[:, 1], c=points[:, 2], s=80, edgecolors="black")
        axes.set_xscale("log")
        axes.set_yscale("log")
        figure.colorbar(dots, ax=axes)
    best = best_trial(trials)
    if best is not None:
        axes.set_title(f"{metric}, best {best.best:.4f}")
    writing = path.with_name(path.name + ".tmp")
    figure.savefig(writing, format="png", dpi=120, metadata={"Software": None})
    os.replace(writing, path)
