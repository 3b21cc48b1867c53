"""The command behind `alx plan`."""

import argparse
import dataclasses
import json
import os
from pathlib import Path

import jax
from rich.console import Console

from alx_solver.backend import ready_devices
from alx_solver.datasets import load_dataset
from alx_solver.options import ExchangeOptions, Precision, SolverOptions
from alx_solver.planner import PROFILES, PlanOptions, TrainingPlan, plan_matrix, plan_shape
from alx_solver.planner.device_profile import read_profile
from alx_solver.planner.measured_costs import measured_here
from alx_solver.planner.plan_report import print_plan
from alx_solver.planner.published_shapes import published_shape
from alx_solver.planner.shape_load import ProblemShape
from alx_solver.report import print_files
from webgraph.split import SplitOptions

_HERE = ("cpu", "here")
_OVERRIDES = {
    "memory": "memory_bytes",
    "memory_bandwidth": "memory_bandwidth",
    "flops": "flops",
    "link_bandwidth": "link_bandwidth",
    "efficiency": "efficiency",
}


class DoesNotFitError(RuntimeError):
    """The memory of a device does not suffice; the message says how much is needed."""


def run_plan(arguments: argparse.Namespace, console: Console) -> None:
    """`alx plan`: prints the plan.

    Raises:
        DoesNotFitError: it does not fit.
    """
    plan = make_plan(arguments)
    print_plan(console, plan)
    if arguments.json:
        path = Path(arguments.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan.to_json(), indent=1) + "\n", encoding="utf-8")
        print_files(console, {"figures": path})
    if not plan.fits:
        device = plan.options.device
        raise DoesNotFitError(
            f"{plan.name} does not fit on {plan.options.count} x {device.name}: {plan.memory.total / 1e9:.1f} GB a "
            f"device are needed ({plan.memory.without_batches / 1e9:.1f} and chunks where batches are streamed), "
            f"{device.usable_bytes / 1e9:.1f} may be used; give more devices or a smaller --dim, or stream batches"
        )


def make_plan(arguments: argparse.Namespace) -> TrainingPlan:
    """The plan that the arguments ask for.

    Raises:
        ValueError: not exactly one of data, variant and shape; an unknown variant or device; numbers out of range.
    """
    shape_flags = [getattr(arguments, name) for name in ("rows", "cols", "entries")]
    given = [arguments.data is not None, arguments.variant is not None, any(flag is not None for flag in shape_flags)]
    if sum(given) != 1 or (given[2] and None in shape_flags):
        raise ValueError("give DATA, or --variant, or all of --rows, --cols and --entries")
    if given[0] and arguments.remote_share is not None:
        raise ValueError("--remote-share is of a shape; the plan of DATA is exact without it")
    if given[0]:
        split = SplitOptions(seed=arguments.split_seed, test_fraction=arguments.test_fraction)
        dataset = load_dataset(arguments.data, split)
        return plan_matrix(dataset.train, dataset.name, plan_options(arguments))
    if given[1]:
        shape = dataclasses.replace(published_shape(arguments.variant), remote_share=arguments.remote_share)
    else:
        rows, cols, entries = (int(flag) for flag in shape_flags)
        shape = ProblemShape(
            name=f"{rows:,} x {cols:,}", rows=rows, cols=cols, entries=entries, remote_share=arguments.remote_share
        )
    return plan_shape(shape, plan_options(arguments))


def plan_options(arguments: argparse.Namespace) -> PlanOptions:
    """What is planned for, from flags; measures the devices that are here if asked for."""
    options = PlanOptions(
        device=PROFILES["h200"],
        count=arguments.count,
        dim=arguments.dim,
        solver=SolverOptions(linear_solver=arguments.linear_solver, cg_steps=arguments.cg_steps),
        precision=Precision(table=arguments.table_dtype),
        exchange=ExchangeOptions(name=arguments.exchange, memory_fraction=arguments.exchange_memory),
    )
    if arguments.device in _HERE:
        options = _measured(options)
    else:
        named = PROFILES.get(arguments.device)
        options = dataclasses.replace(options, device=named or read_profile(arguments.device))
    given = {field: getattr(arguments, flag) for flag, field in _OVERRIDES.items()}
    given = {field: value for field, value in given.items() if value is not None}
    if given and options.costs is not None and set(given) - {"memory_bytes"}:
        raise ValueError("the devices that are here are measured: give --memory alone, or a named --device")
    return dataclasses.replace(options, device=dataclasses.replace(options.device, **given))


def _measured(options: PlanOptions) -> PlanOptions:
    """Costs of the devices that are here: as many of them at once as are asked for and there are."""
    devices = ready_devices()
    on_cpu = devices[0].platform == "cpu"
    most = max(1, len(devices) // 2) if on_cpu else len(devices)  # `use_host_devices` makes twice as many as cores
    used = devices[: min(options.count, most)]
    return measured_here(options, used, memory_bytes=_memory(used))


def _memory(devices: list[jax.Device]) -> float:
    """Bytes of a device; CPU devices share the machine's."""
    statistics = devices[0].memory_stats() or {}
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return float(statistics.get("bytes_limit", machine / len(devices)))
