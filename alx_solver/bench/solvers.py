"""Linear solvers: loss and recall against epochs and seconds, and the time to a given loss and recall.

`cholesky` is exact ALS: the others' gap to its loss after the same epoch is what their few steps cost. The given loss
is that of exact ALS after the last epoch, plus `LOSS_SLACK`; the given recall is `RECALL_SHARE` of the best that any
reaches.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from alx_solver.bench.curves import Curve, seconds_to, train_curve
from alx_solver.bench.machine import describe_machine, describe_matrix
from alx_solver.datasets import LinkDataset
from alx_solver.options import Hyperparameters, Precision, SolverOptions

EXACT = "cholesky"
LOSS_SLACK = 1e-3
RECALL_SHARE = 0.99


def bench_solvers(
    dataset: LinkDataset,
    hyperparameters: Hyperparameters,
    solvers: Mapping[str, SolverOptions],
    *,
    epochs: int,
    devices: Sequence[jax.Device] | None = None,
) -> dict[str, Any]:
    """Trains with each solver.

    Args:
      solvers: by the name that is shown.
    """
    curves = {
        name: train_curve(dataset, hyperparameters, solver, Precision(), epochs=epochs, devices=devices)
        for name, solver in ({EXACT: SolverOptions(linear_solver=EXACT)} | dict(solvers)).items()
    }
    exact = curves[EXACT].loss
    result: dict[str, Any] = {
        "dataset": dataset.name,
        "matrix": describe_matrix(dataset.train),
        "hyperparameters": dataclasses.asdict(hyperparameters),
        "solvers": {name: dataclasses.asdict(solver) for name, solver in solvers.items()},
        "machine": describe_machine(devices),
        "curves": {name: dataclasses.asdict(curve) for name, curve in curves.items()},
        "gap_to_exact": {name: _gap(curve, exact) for name, curve in curves.items()},
        "to_loss": {"loss": exact[-1] * (1 + LOSS_SLACK)},
    }
    result["to_loss"] |= seconds_to(curves, "loss", result["to_loss"]["loss"])
    best = max((max(curve.recall) for curve in curves.values() if curve.recall), default=0.0)
    result["to_recall"] = {"recall": RECALL_SHARE * best}
    result["to_recall"] |= seconds_to(curves, "recall", RECALL_SHARE * best)
    return result


def _gap(curve: Curve, exact: Sequence[float]) -> list[float]:
    return [loss / least - 1 for loss, least in zip(curve.loss, exact, strict=True)]


def draw_solvers(figure: Any, result: Mapping[str, Any]) -> None:
    """Three panels: the gap to exact ALS by epoch, the loss by seconds, the recall by seconds."""
    gap, loss, recall = figure.subplots(1, 3)
    for number, (name, curve) in enumerate(result["curves"].items()):
        style = {"marker": "o", "label": name, "color": f"C{number}"}  # the first panel leaves one out
        epochs = range(1, len(curve["loss"]) + 1)
        if name != EXACT:
            gap.plot(epochs, result["gap_to_exact"][name], **style)
        loss.plot(curve["seconds"], curve["loss"], **style)
        if curve["recall"]:
            recall.plot(curve["seconds"], curve["recall"], **style)
    gap.set(xlabel="epoch", ylabel="loss / loss of exact ALS - 1", title="Gap to exact ALS")
    gap.axhline(0, color="gray", linewidth=0.8)
    gap.set_yscale("symlog", linthresh=1e-4)
    loss.set(xlabel="seconds of training", ylabel="loss", title="Loss", xscale="log", yscale="log")
    recall.set(xlabel="seconds of training", ylabel="Recall@20", title="Recall", xscale="log")
    for panel in (gap, loss, recall):
        panel.grid(True, alpha=0.3)
        panel.legend(frameon=False, fontsize="small")
    figure.suptitle(f"{result['dataset']}, d = {result['hyperparameters']['dim']}, {result['machine']['devices']}")
