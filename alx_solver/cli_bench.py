"""The command behind `alx bench`: runs one benchmark, writes its files, and prints where they are."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from alx_solver.bench.files import Draw, write_figures
from alx_solver.bench.peers import PeerOptions, bench_peers, draw_peers
from alx_solver.bench.precision import bench_precision, draw_precision
from alx_solver.bench.recall import bench_recall, draw_recall
from alx_solver.bench.scaling import ScalingOptions, bench_scaling, draw_scaling
from alx_solver.bench.solvers import bench_solvers, draw_solvers
from alx_solver.cli_commands import choose_devices
from alx_solver.datasets import LinkDataset, load_dataset
from alx_solver.options import Hyperparameters, Precision, SolverOptions
from alx_solver.planner import PROFILES, PlanOptions
from alx_solver.planner.measured_costs import measured_here
from alx_solver.report import print_dataset, print_files, print_rows, print_seconds_table
from webgraph.split import SplitOptions

Figures = dict[str, Any]


def run_bench(arguments: argparse.Namespace, console: Console) -> None:
    """`alx bench KIND DATA`.

    Raises:
      ValueError: several graphs for a benchmark of one.
    """
    run, draw = _KINDS[arguments.kind]
    if len(arguments.data) > 1 and arguments.kind != "recall":
        raise ValueError(f"alx bench {arguments.kind} takes one DATA, got {len(arguments.data)}")
    split = SplitOptions(seed=arguments.split_seed, test_fraction=arguments.test_fraction)
    datasets = [load_dataset(path, split) for path in arguments.data]
    for dataset in datasets:
        print_dataset(console, dataset)
    figures = run(datasets, arguments, console)
    print_files(console, write_figures(Path(arguments.output), arguments.kind, figures, draw))


def _peers(datasets: list[LinkDataset], arguments: argparse.Namespace, console: Console) -> Figures:
    options = PeerOptions(
        linear_solvers=tuple(arguments.linear_solvers),
        peers=tuple(arguments.peers),
        repeats=arguments.repeats,
        dim=arguments.dim,
        table_dtype=arguments.table_dtype,
    )
    figures = bench_peers(datasets[0].train, datasets[0].name, options, choose_devices(arguments))
    print_seconds_table(console, figures["seconds"], f"{datasets[0].name}: seconds an epoch, d = {options.dim}")
    for peer, reason in figures["absent"].items():
        console.print(f"- {peer}: {reason}", soft_wrap=True, highlight=False, markup=False)
    return figures


def _solvers(datasets: list[LinkDataset], arguments: argparse.Namespace, console: Console) -> Figures:
    solvers = {
        name: SolverOptions(linear_solver=name, cg_steps=arguments.cg_steps) for name in arguments.linear_solvers
    }
    figures = bench_solvers(
        datasets[0], _model(arguments), solvers, epochs=arguments.epochs, devices=choose_devices(arguments)
    )
    rows = [
        (name, _number(curve["loss"][-1]), _seconds(figures["to_loss"][name]), _seconds(figures["to_recall"][name]))
        for name, curve in figures["curves"].items()
    ]
    headings = (
        "solver",
        "last loss",
        f"to loss {figures['to_loss']['loss']:.5g}",
        f"to Recall@20 {figures['to_recall']['recall']:.4f}",
    )
    print_rows(console, headings, rows, f"{datasets[0].name}: solvers, d = {arguments.dim}")
    return figures


def _precision(datasets: list[LinkDataset], arguments: argparse.Namespace, console: Console) -> Figures:
    solver = SolverOptions(cg_steps=arguments.cg_steps)
    figures = bench_precision(
        datasets[0], _model(arguments), solver, epochs=arguments.epochs, devices=choose_devices(arguments)
    )
    rows = [(name, *map(_number, row.values())) for name, row in figures["final"].items()]
    print_rows(
        console,
        ("format", "loss", "Recall@20", "seconds"),
        rows,
        f"{datasets[0].name}: after {arguments.epochs} epochs",
    )
    return figures


def _scaling(datasets: list[LinkDataset], arguments: argparse.Namespace, console: Console) -> Figures:
    devices, model = choose_devices(arguments), _model(arguments)
    solver = SolverOptions(linear_solver="matrix_free_cg", cg_steps=arguments.cg_steps)
    precision = Precision(table=arguments.table_dtype)
    planned = measured_here(
        PlanOptions(device=PROFILES["h200"], dim=model.dim, solver=solver, precision=precision), devices
    )
    options = ScalingOptions(
        counts=tuple(arguments.counts), exchanges=tuple(arguments.exchanges), repeats=arguments.repeats
    )
    figures = bench_scaling(datasets[0].train, datasets[0].name, model, planned, options, devices)
    for kind in ("strong", "weak"):
        rows = [
            (
                count,
                "-" if entry["measured_seconds"] is None else _number(entry["measured_seconds"]["median"]),
                _number(entry["modelled_seconds"]),
                *(f"{entry['bytes'][exchange] / 1e6:.2f}" for exchange in options.exchanges),
            )
            for count, entry in figures[kind].items()
        ]
        headings = ("devices", "measured s", "modelled s", *(f"{name}, MB" for name in options.exchanges))
        print_rows(console, headings, rows, f"{datasets[0].name}: {kind} scaling, an epoch, d = {model.dim}")
    return figures


def _recall(datasets: list[LinkDataset], arguments: argparse.Namespace, console: Console) -> Figures:
    figures = bench_recall(
        datasets,
        _model(arguments),
        SolverOptions(cg_steps=arguments.cg_steps),
        Precision(table=arguments.table_dtype),
        epochs=arguments.epochs,
        devices=choose_devices(arguments),
        told=lambda name: console.print(f"{name}: done", highlight=False, markup=False),
    )
    rows = [
        (f"{dataset}: {name}", *(_number(means.get(metric)) for metric in ("recall@20", "recall@50", "ndcg@100")))
        for dataset, table in figures["tables"].items()
        for name, means in table["means"].items()
    ]
    print_rows(console, ("graph and model", "Recall@20", "Recall@50", "NDCG@100"), rows, f"d = {arguments.dim}")
    return figures


def _model(arguments: argparse.Namespace) -> Hyperparameters:
    return Hyperparameters(
        dim=arguments.dim,
        regularization=arguments.regularization,
        unobserved_weight=arguments.unobserved_weight,
        seed=arguments.seed,
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _seconds(found: Mapping[str, Any] | None) -> str:
    return "not reached" if found is None else f"{found['seconds']:.3f} s, {found['epochs']} epochs"


_KINDS: dict[str, tuple[Callable[[list[LinkDataset], argparse.Namespace, Console], Figures], Draw]] = {
    "peers": (_peers, draw_peers),
    "solvers": (_solvers, draw_solvers),
    "precision": (_precision, draw_precision),
    "scaling": (_scaling, draw_scaling),
    "recall": (_recall, draw_recall),
}
