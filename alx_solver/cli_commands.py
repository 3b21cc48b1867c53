"""The commands behind `alx`: each takes parsed arguments, prints through a Console and returns nothing."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import jax
from rich.console import Console

from alx_solver.backend import ready_devices
from alx_solver.checkpoint import restore_checkpoint
from alx_solver.datasets import LinkDataset, load_dataset, validation_split
from alx_solver.evaluate import beside_baselines, evaluate_model
from alx_solver.mesh import is_writer
from alx_solver.options import ExchangeOptions, Hyperparameters, MemoryOptions, Precision, SolverOptions
from alx_solver.report import EpochReport, print_dataset, print_files, print_recall_table
from alx_solver.run_directory import RunDirectory, RunDirectoryError, RunOptions
from alx_solver.tensorboard_log import TensorBoardLog
from alx_solver.train import TrainOptions, make_trainer, open_run, train
from webgraph.split import SplitOptions


def run_train(arguments: argparse.Namespace, console: Console) -> None:
    """`alx train`: trains, and ends with the recall table and where the files are."""
    options, train_options = run_options(arguments), _train_options(arguments)
    devices = choose_devices(arguments)
    dataset = open_dataset(arguments)
    run = RunDirectory(arguments.output)
    print_dataset(console, dataset)
    with ExitStack() as stack:
        listeners = [stack.enter_context(TensorBoardLog(arguments.tensorboard))] if arguments.tensorboard else []
        plans = arguments.plan_cache or str(run.path / "exchange-plans")
        exchange = dataclasses.replace(options.exchange, plan_cache=plans)
        trainer = make_trainer(options, dataset, devices, exchange, memory_options(arguments, run))
        console.print(f"solver       {trainer.describe_solver()}", soft_wrap=True, highlight=False, markup=False)
        if trainer.placement.where != "device":
            console.print(trainer.placement.describe(), soft_wrap=True, highlight=False, markup=False)
        state, records = open_run(run, options, dataset, trainer, resume=arguments.resume)
        report = EpochReport(console, epochs=train_options.epochs, done=len(records))
        with report:
            for record in records:
                report(record)
            state, metrics = train(trainer, state, dataset, train_options, run=run, listeners=[report, *listeners])
    if not is_writer():
        return
    table = beside_baselines(metrics, dataset)
    run.write_summary({"dataset": dataset.name, "epochs": int(state.epoch)} | table.to_json())
    print_recall_table(console, table, f"{dataset.name}, {len(metrics.rows):,} test rows, epoch {int(state.epoch)}")
    files = {"metrics": run.metrics_file, "summary": run.summary_file, "checkpoint": run.checkpoint}
    print_files(console, files | ({"tensorboard": arguments.tensorboard} if arguments.tensorboard else {}))


def run_evaluate(arguments: argparse.Namespace, console: Console) -> None:
    """`alx evaluate`: the recall table of a trained run."""
    run = RunDirectory(arguments.run)
    options = run.options()
    dataset = open_dataset(arguments)
    run.check_data(dataset)
    trainer = make_trainer(options, dataset, choose_devices(arguments))
    state = restore_checkpoint(run.checkpoint, trainer)
    if state is None:
        raise RunDirectoryError(f"{run.checkpoint}: no checkpoint in it; run `alx train --resume` for an epoch first.")
    print_dataset(console, dataset)
    metrics = evaluate_model(trainer, state, dataset)
    table = beside_baselines(metrics, dataset)
    print_recall_table(console, table, f"{dataset.name}, {len(metrics.rows):,} test rows, epoch {int(state.epoch)}")
    if arguments.json:
        _write_json(arguments.json, {"dataset": dataset.name, "epochs": int(state.epoch)} | table.to_json())
        print_files(console, {"summary": arguments.json})


def open_dataset(arguments: argparse.Namespace) -> LinkDataset:
    """The dataset that the arguments name, with its validation rows as test rows if asked for."""
    split = SplitOptions(seed=arguments.split_seed, test_fraction=arguments.test_fraction)
    dataset = load_dataset(arguments.data, split)
    if getattr(arguments, "evaluate_on", "test") == "validation":
        dataset = validation_split(dataset, seed=arguments.split_seed)
    if getattr(arguments, "max_test_rows", None) is not None:
        dataset = dataset.head(arguments.max_test_rows)
    return dataset


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """The options that decide a run's numbers, from flags."""
    return RunOptions(
        hyperparameters=Hyperparameters(
            dim=arguments.dim,
            regularization=arguments.regularization,
            unobserved_weight=arguments.unobserved_weight,
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
        exchange=ExchangeOptions(name=arguments.exchange, memory_fraction=arguments.exchange_memory),
    )


def memory_options(arguments: argparse.Namespace, run: RunDirectory) -> MemoryOptions:
    """Where batches lie, from flags in GB of a thousand million bytes."""

    def size(gigabytes: float | None) -> int | None:
        return None if gigabytes is None else int(gigabytes * 1e9)

    limits = size(arguments.batch_memory), size(arguments.host_memory)
    return MemoryOptions(batch_memory=limits[0], host_memory=limits[1], directory=str(run.path / "batches"))


def choose_devices(arguments: argparse.Namespace) -> Sequence[jax.Device]:
    """The first `--devices` devices of every process; without it all, or one a core on a CPU.

    Raises:
      ValueError: there are not so many, or none of the platforms that JAX_PLATFORMS names.
    """
    devices = ready_devices()
    on_cpu = devices[0].platform == "cpu"
    count = arguments.cpu_devices if on_cpu else arguments.devices
    if count is not None and not 1 <= count <= len(devices):
        raise ValueError(
            f"--devices {count}: JAX has {len(devices)} of {devices[0].platform}; give 1 to {len(devices)}, and on a "
            "CPU leave XLA_FLAGS unset."
        )
    if jax.process_count() == 1:
        return devices[:count]
    every = [[d for d in jax.devices() if d.process_index == process] for process in range(jax.process_count())]
    return [device for own in every for device in own[:count]]


def _train_options(arguments: argparse.Namespace) -> TrainOptions:
    return TrainOptions(epochs=arguments.epochs, evaluate_every=arguments.evaluate_every)


def _write_json(path: str, contents: dict) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(contents, indent=2) + "\n")
