"""Is the plan right? Memory, bytes and seconds that `alx plan` predicts, beside what is measured.

    python benchmarks/plan_check.py GRAPH... [--devices M] [--dims 64 128] [--output FILE]

One process has one number of devices; run it once for each, results are merged. Memory and bytes are those of the
compiled half-steps: the compiler's own account (arguments, workspace) and the collectives in their text. Seconds are
measured on as many devices as there are cores at most, on a machine that does nothing else: the median epoch, and the
costs that predictions rest on, measured in turns with the epochs, the median of each. Float32 tables; bfloat16 with
`--table-dtype`.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

_GIVEN = sys.argv[sys.argv.index("--devices") + 1] if "--devices" in sys.argv else "1"
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={2 * int(_GIVEN)}"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax  # noqa: E402
from rich.console import Console  # noqa: E402

from alx_solver.als import AlsTrainer  # noqa: E402
from alx_solver.collective_bytes import collective_bytes  # noqa: E402
from alx_solver.csr import CsrMatrix  # noqa: E402
from alx_solver.options import BatchOptions, ExchangeOptions, Hyperparameters, Precision  # noqa: E402
from alx_solver.planner import PROFILES, PlanOptions, TrainingPlan, plan_matrix, plan_shape  # noqa: E402
from alx_solver.planner.costs import HalfStepCosts  # noqa: E402
from alx_solver.planner.measured_costs import measured_here  # noqa: E402
from alx_solver.planner.memory import arguments as predicted_arguments  # noqa: E402
from alx_solver.planner.memory import workspace as predicted_workspace  # noqa: E402
from alx_solver.planner.shape_load import ProblemShape  # noqa: E402
from benchmarks.environment import environment  # noqa: E402
from benchmarks.graph_argument import read_graph  # noqa: E402

ROUNDS = 3
EPOCHS = 5  # in a round, after one that is not counted
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DEVICES = int(_GIVEN)


def compiled_half_steps(trainer: AlsTrainer) -> list[Any]:
    """Both, rows first."""
    dim, dtype = trainer.hyperparameters.dim, trainer.table_dtype
    sharding = trainer.row_side.batches.positions.sharding
    tables = [
        jax.ShapeDtypeStruct((ranges.padded_rows, dim), dtype, sharding=sharding)
        for ranges in (trainer.row_ranges, trainer.col_ranges)
    ]
    return [
        side.half_step.lower(*shapes, side.batches, side.exchange_arrays, side.rule).compile()
        for side, shapes in ((trainer.row_side, tables), (trainer.col_side, tables[::-1]))
    ]


def check_memory(plan: TrainingPlan, programs: list[Any]) -> list[dict[str, float]]:
    """Arguments and workspace of each half-step, predicted and by the compiler's account."""
    found = []
    for load, program in zip(plan.loads, programs, strict=True):
        analysis = program.memory_analysis()
        # The compiler does not count what a program does not read: segment ids, of the native kernel.
        predicted = predicted_arguments(load, plan.options.numbers) + predicted_workspace(load, plan.options.numbers)
        measured = analysis.argument_size_in_bytes + analysis.temp_size_in_bytes
        found.append(
            {
                "predicted_arguments": predicted_arguments(load, plan.options.numbers),
                "arguments": analysis.argument_size_in_bytes,
                "predicted_workspace": predicted_workspace(load, plan.options.numbers),
                "workspace": analysis.temp_size_in_bytes,
                "ratio": predicted / measured,
            }
        )
    return found


def epoch_seconds(trainer: AlsTrainer, programs: list[Any]) -> list[float]:
    """Of the compiled half-steps: nothing is compiled twice."""
    state = trainer.init()
    row_table, col_table = state.row_table, state.col_table
    taken = []
    for _ in range(EPOCHS + 1):
        started = time.perf_counter()
        for index, side in enumerate((trainer.row_side, trainer.col_side)):
            arguments = (side.batches, side.exchange_arrays, side.rule)
            if index == 0:
                row_table = programs[0](row_table, col_table, *arguments)
            else:
                col_table = programs[1](col_table, row_table, *arguments)
        jax.block_until_ready(col_table)
        taken.append(time.perf_counter() - started)
    return taken[1:]


def check_seconds(
    matrix: CsrMatrix, name: str, base: PlanOptions, trainer: AlsTrainer, programs: list[Any]
) -> dict[str, Any]:
    """Predicted from the medians of costs that are measured in turns with the epochs; beside the median epoch."""
    measured, taken = [], []
    for _ in range(ROUNDS):
        measured.append(measured_here(base, jax.devices()[:DEVICES]))
        taken += epoch_seconds(trainer, programs)
    costs = median_costs([each.costs for each in measured if each.costs])
    plan = plan_matrix(matrix, name, dataclasses.replace(measured[0], costs=costs))
    return {
        "predicted": plan.total_seconds,
        "parts": plan.seconds,
        "least": min(taken),
        "median": statistics.median(taken),
        "all": taken,
        "ratio": plan.total_seconds / statistics.median(taken),
        "ratio_to_least": plan.total_seconds / min(taken),
        "roofline": plan.roofline,
        "roofline_fraction": plan.roofline_total / statistics.median(taken),
        "costs": dataclasses.asdict(costs),
    }


def median_costs(measured: list[HalfStepCosts]) -> HalfStepCosts:
    """The median of each."""
    names = [field.name for field in dataclasses.fields(HalfStepCosts) if field.name != "gather"]
    medians = {name: statistics.median(getattr(costs, name) for costs in measured) for name in names}
    steps = zip(*(costs.gather for costs in measured), strict=True)
    gather = tuple((step[0][0], statistics.median(seconds for _, seconds in step)) for step in steps)
    return HalfStepCosts(**medians, gather=gather)


def check(matrix: CsrMatrix, name: str, dim: int, table: str) -> dict[str, Any]:
    """One graph at one width of embeddings."""
    base = PlanOptions(
        device=dataclasses.replace(PROFILES["h200"], platform="cpu"),
        count=DEVICES,
        dim=dim,
        precision=Precision(table=table),
        batches=BatchOptions(),
    )
    began = time.perf_counter()
    plan = plan_matrix(matrix, name, base)
    planning = time.perf_counter() - began
    trainer = AlsTrainer(
        matrix,
        Hyperparameters(dim=dim, regularization=1e-3, unobserved_weight=1e-3, seed=0),
        precision=base.precision,
        devices=jax.devices()[:DEVICES],
        exchange=ExchangeOptions(name="auto"),
    )
    programs = compiled_half_steps(trainer)
    counted = sum(sum(collective_bytes(program.as_text(), num_devices=DEVICES).values()) for program in programs)
    result: dict[str, Any] = {
        "graph": name,
        "entries": matrix.num_entries,
        "dim": dim,
        "table": table,
        "devices": DEVICES,
        "planning_seconds": planning,
        "memory": check_memory(plan, programs),
        "bytes": {"predicted": plan.total_bytes, "counted": counted},
        "plan": plan.to_json(),
    }
    if DEVICES > 1:
        shape = ProblemShape(name=name, rows=matrix.num_rows, cols=matrix.num_cols, entries=matrix.num_entries)
        result["bytes"]["by_shape_alone"] = plan_shape(shape, base).total_bytes
    if DEVICES <= CORES:
        result["seconds"] = check_seconds(matrix, name, base, trainer, programs)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--table-dtype", default="float32")
    parser.add_argument("--output", default="benchmarks/results/plan_check.json")
    arguments = parser.parse_args()
    console, output = Console(), Path(arguments.output)
    document = json.loads(output.read_text()) if output.exists() else {"results": {}}
    document["environment"] = environment()
    for path in arguments.graphs:
        name, matrix = read_graph(path)
        for dim in arguments.dims:
            found = check(matrix, name, dim, arguments.table_dtype)
            key = f"{name}, d = {dim}, {arguments.table_dtype}, {DEVICES} devices"
            document["results"][key] = found
            output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            console.print(
                key, [round(each["ratio"], 3) for each in found["memory"]], found["bytes"], found.get("seconds")
            )


if __name__ == "__main__":
    main()
