"""Number formats: loss and recall after each epoch with tables of float32 and bfloat16, and solves of less precision.

The paper's finding (ALX, section 4.4): tables may be bfloat16 where solves are float32; solves may not. On CPUs matrix
products are float32 whatever is asked for, so there the formats of tables alone differ, and a solve of bfloat16
products is not shown.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from alx_solver.bench.curves import train_curve
from alx_solver.bench.machine import describe_machine, describe_matrix
from alx_solver.datasets import LinkDataset
from alx_solver.options import TABLE_DTYPES, Hyperparameters, Precision, SolverOptions


def bench_precision(
    dataset: LinkDataset,
    hyperparameters: Hyperparameters,
    solver: SolverOptions,
    *,
    epochs: int,
    devices: Sequence[jax.Device] | None = None,
) -> dict[str, Any]:
    """Trains with each format of tables, and off the CPU with each precision of solves."""
    platform = (devices or jax.devices())[0].platform
    solves = ("highest",) if platform == "cpu" else ("highest", "default")
    formats = {
        f"tables {table}, solves {solve}": Precision(table=table, solve=solve)
        for table in TABLE_DTYPES
        for solve in solves
    }
    curves = {
        name: train_curve(dataset, hyperparameters, solver, precision, epochs=epochs, devices=devices)
        for name, precision in formats.items()
    }
    return {
        "dataset": dataset.name,
        "matrix": describe_matrix(dataset.train),
        "hyperparameters": dataclasses.asdict(hyperparameters),
        "solver": dataclasses.asdict(solver),
        "machine": describe_machine(devices),
        "curves": {name: dataclasses.asdict(curve) for name, curve in curves.items()},
        "final": {
            name: {
                "loss": curve.loss[-1],
                "recall": curve.recall[-1] if curve.recall else None,
                "seconds": curve.seconds[-1],
            }
            for name, curve in curves.items()
        },
    }


def draw_precision(figure: Any, result: Mapping[str, Any]) -> None:
    """Two panels: loss and recall by epoch."""
    loss, recall = figure.subplots(1, 2)
    for name, curve in result["curves"].items():
        epochs = range(1, len(curve["loss"]) + 1)
        loss.plot(epochs, curve["loss"], marker="o", label=name)
        if curve["recall"]:
            recall.plot(epochs, curve["recall"], marker="o", label=name)
    loss.set(xlabel="epoch", ylabel="loss", title="Loss", yscale="log")
    recall.set(xlabel="epoch", ylabel="Recall@20", title="Recall")
    for panel in (loss, recall):
        panel.grid(True, alpha=0.3)
        panel.legend(frameon=False, fontsize="small")
    figure.suptitle(f"{result['dataset']}, d = {result['hyperparameters']['dim']}, {result['machine']['devices']}")
