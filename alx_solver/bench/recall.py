"""The recall table: the model beside the baselines on each graph, as the paper's table has it for the six variants."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax

from alx_solver.als import AlsTrainer
from alx_solver.bench.machine import describe_machine, describe_matrix
from alx_solver.datasets import LinkDataset
from alx_solver.evaluate import MODEL, beside_baselines, evaluate_model
from alx_solver.options import Hyperparameters, Precision, SolverOptions
from alx_solver.recall import bootstrap_interval

METRICS = ("recall@20", "recall@50", "ndcg@100")


def bench_recall(
    datasets: Iterable[LinkDataset],
    hyperparameters: Hyperparameters,
    solver: SolverOptions,
    precision: Precision,
    *,
    epochs: int,
    devices: Sequence[jax.Device] | None = None,
    told: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Trains on each dataset and evaluates on its test rows; `told` hears the name of each that is done."""
    tables: dict[str, Any] = {}
    for dataset in datasets:
        trainer = AlsTrainer(dataset.train, hyperparameters, solver=solver, precision=precision, devices=devices)
        state = trainer.init()
        for _ in range(epochs):
            state = trainer.epoch(state)
        metrics = evaluate_model(trainer, state, dataset)
        tables[dataset.name] = beside_baselines(metrics, dataset).to_json() | {
            "matrix": describe_matrix(dataset.train),
            "test_rows": len(metrics.rows),
            "intervals": {
                name: bootstrap_interval(metrics.values[name], seed=0) for name in METRICS if len(metrics.rows)
            },
        }
        told(dataset.name)
    return {
        "hyperparameters": dataclasses.asdict(hyperparameters),
        "solver": dataclasses.asdict(solver),
        "precision": dataclasses.asdict(precision),
        "epochs": epochs,
        "machine": describe_machine(devices),
        "tables": tables,
    }


def draw_recall(figure: Any, result: Mapping[str, Any]) -> None:
    """Bars by graph: the model with its 95 % interval, and the baselines."""
    panels = figure.subplots(1, 2, sharey=True)
    tables = result["tables"]
    models = list(dict.fromkeys(name for table in tables.values() for name in table["means"]))
    for panel, metric in zip(panels, METRICS, strict=False):
        for number, model in enumerate(models):
            places = [at + 0.8 * number / len(models) for at in range(len(tables))]
            heights = [table["means"].get(model, {}).get(metric, 0.0) for table in tables.values()]
            panel.bar(places, heights, 0.8 / len(models), label=model)
            if model == MODEL:
                limits = [
                    table["intervals"].get(metric, (height, height))
                    for table, height in zip(tables.values(), heights, strict=True)
                ]
                below = [height - low for height, (low, _) in zip(heights, limits, strict=True)]
                above = [high - height for height, (_, high) in zip(heights, limits, strict=True)]
                panel.errorbar(places, heights, [below, above], fmt="none", color="black", capsize=2)
        panel.set_xticks([at + 0.4 * (1 - 1 / len(models)) for at in range(len(tables))], list(tables), rotation=20)
        panel.set(title=metric.replace("recall", "Recall"))
        panel.grid(True, axis="y", alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(models), frameon=False, fontsize="small")
    figure.suptitle(f"d = {result['hyperparameters']['dim']}, {result['epochs']} epochs")
