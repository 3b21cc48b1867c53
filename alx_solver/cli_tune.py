"""The command behind `alx tune`."""

import argparse

from rich.console import Console

from alx_solver.cli_commands import choose_devices
from alx_solver.datasets import load_dataset, validation_split
from alx_solver.options import Hyperparameters, Precision, SolverOptions
from alx_solver.report import print_dataset, print_files
from alx_solver.run_directory import RunOptions
from alx_solver.tune import TuningFolder, tune
from alx_solver.tune_options import TuneOptions
from alx_solver.tune_report import draw_heat_map, print_trial, print_trials
from webgraph.split import SplitOptions


def run_tune(arguments: argparse.Namespace, console: Console) -> None:
    """`alx tune`: runs the trials, and ends with their table, the heat map and where the files are."""
    options, fixed = tune_options(arguments), _fixed_options(arguments)
    devices = choose_devices(arguments)
    split = SplitOptions(seed=arguments.split_seed, test_fraction=arguments.test_fraction)
    dataset = validation_split(
        load_dataset(arguments.data, split), seed=arguments.split_seed, fraction=arguments.validation_fraction
    )
    if arguments.max_validation_rows is not None:
        dataset = dataset.head(arguments.max_validation_rows)
    print_dataset(console, dataset)
    folder = TuningFolder(arguments.output)
    trials = tune(
        dataset,
        fixed,
        options,
        folder,
        devices=devices,
        resume=arguments.resume,
        listener=lambda trial: print_trial(console, trial, options.metric),
    )
    print_trials(console, trials, options.metric)
    files = {"trials": folder.trials_file} | ({"best": folder.best_file} if folder.best_file.exists() else {})
    try:
        draw_heat_map(trials, options.metric, folder.path / "heat_map.png")
        files["heat map"] = folder.path / "heat_map.png"
    except ValueError as error:
        console.print(str(error), soft_wrap=True, highlight=False, markup=False)
    print_files(console, files)


def tune_options(arguments: argparse.Namespace) -> TuneOptions:
    """What is tried, from flags."""
    return TuneOptions(
        regularizations=tuple(arguments.regularizations),
        unobserved_weights=tuple(arguments.unobserved_weights),
        sampler=arguments.sampler,
        trials=arguments.trials,
        epochs=arguments.epochs,
        patience=arguments.patience,
        median_after=arguments.median_after,
        metric=arguments.metric,
    )


def _fixed_options(arguments: argparse.Namespace) -> RunOptions:
    """Everything but lambda and alpha, which the trials set."""
    return RunOptions(
        hyperparameters=Hyperparameters(
            dim=arguments.dim,
            regularization=0.0,
            unobserved_weight=0.0,
            regularization_exponent=arguments.regularization_exponent,
            init_stddev=arguments.init_stddev,
            seed=arguments.seed,
        ),
        solver=SolverOptions(
            linear_solver=arguments.linear_solver,
            cg_steps=arguments.cg_steps,
            tolerance=arguments.tolerance,
            kernel=arguments.kernel,
            fold_in_solver=arguments.fold_in_solver,
            fold_in_regularization=arguments.fold_in_regularization,
        ),
        precision=Precision(table=arguments.table_dtype),
    )
