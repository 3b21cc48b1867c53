"""Bytes that collectives send a device and epoch, for every exchange, graph and number of devices.

    python benchmarks/exchange_bytes.py GRAPH... [--compile] [--every-m] [--output FILE]

By default bytes are the host planner's. `--compile` also compiles both half-steps for 8 CPU devices, counts their
collectives, to compare the two; XLA compiles with its least effort, which changes no collective.
`--every-m` plans for all M from 2 to 256. d = 128, bfloat16 tables, matrix-free CG with 3 steps, gramians included.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from alx_solver.als import AlsTrainer
from alx_solver.collective_bytes import collective_bytes
from alx_solver.csr import CsrMatrix
from alx_solver.exchange import ExchangePlan, ExchangeRequest, make_exchange
from alx_solver.exchange.cost_model import row_class_costs
from alx_solver.exchange.halo import demand_matrix, find_halo
from alx_solver.exchange.rounds import fewest_rows, schedule_transfers
from alx_solver.linear_solvers import make_linear_solver
from alx_solver.options import BatchOptions, ExchangeOptions, Hyperparameters, Precision, SolverOptions
from alx_solver.ownership import balanced_ranges
from alx_solver.summed_bytes import SummedRowCost
from benchmarks.environment import environment
from benchmarks.graph_argument import read_graph

DIM, EMBEDDING = 128, 256
QUARTER = ExchangeOptions(memory_fraction=0.25)
CASES = {
    "table": ("table", ExchangeOptions()),
    "routed": ("routed", ExchangeOptions()),
    "partial, rows of 512 and more": ("partial", ExchangeOptions(summed_min_length=512)),
    "partial, all rows": ("partial", ExchangeOptions()),
    "auto": ("auto", ExchangeOptions()),
    "auto, a quarter of the table": ("auto", QUARTER),
    "original": ("original", ExchangeOptions()),
}


def gramians(size: int) -> float:
    """Bytes of both all-reduces of an epoch."""
    return 2 * 2 * (size - 1) / size * DIM * DIM * 4


def requests(matrix: CsrMatrix, size: int, options: ExchangeOptions) -> list[ExchangeRequest]:
    """Both half-steps."""
    solver = make_linear_solver("matrix_free_cg", steps=3, tolerance=None, max_steps=1)
    cost = SummedRowCost.of(solver, DIM, 2, BatchOptions().cut_slots)
    transposed = matrix.transpose()
    ranges = balanced_ranges(matrix.row_lengths, size), balanced_ranges(transposed.row_lengths, size)
    sides = (matrix, *ranges), (transposed, *ranges[::-1])
    return [
        ExchangeRequest(
            matrix=side,
            row_ranges=rows,
            col_ranges=cols,
            embedding_bytes=EMBEDDING,
            summed_row_cost=cost,
            options=options,
        )
        for side, rows, cols in sides
    ]


def plans(matrix: CsrMatrix, size: int, name: str, options: ExchangeOptions) -> list[ExchangePlan] | None:
    try:
        return [make_exchange(name).plan(request) for request in requests(matrix, size, options)]
    except ValueError:
        return None  # the limit is too low for this many devices


def predicted(matrix: CsrMatrix, size: int, name: str, options: ExchangeOptions) -> dict[str, Any] | None:
    """Bytes by the planner."""
    began = time.process_time()
    found = plans(matrix, size, name, options)
    if found is None:
        return None
    return {
        "bytes": sum(plan.total_bytes for plan in found) + gramians(size),
        "parts": [plan.moved_bytes for plan in found],
        "held_rows": [plan.held_rows for plan in found],
        "summed_rows": [len(plan.summed_rows) for plan in found],
        "stages": [plan.device.num_stages for plan in found],
        "rounds": [len(getattr(plan.device, "rounds", ())) for plan in found],
        "plan_cpu_seconds": time.process_time() - began,
    }


def counted(matrix: CsrMatrix, size: int, name: str, options: ExchangeOptions) -> float:
    """Bytes of the compiled half-steps; few widths, since collectives do not depend on them."""
    trainer = AlsTrainer(
        matrix,
        Hyperparameters(dim=DIM, regularization=1e-3, unobserved_weight=1e-3, seed=0),
        SolverOptions(),
        Precision(table="bfloat16"),
        BatchOptions(widths=(1024,)),
        jax.devices()[:size],
        dataclasses.replace(options, name=name),
    )
    tables = [
        jax.ShapeDtypeStruct((ranges.padded_rows, DIM), jnp.bfloat16, sharding=side.batches.positions.sharding)
        for ranges, side in ((trainer.row_ranges, trainer.row_side), (trainer.col_ranges, trainer.col_side))
    ]
    total = 0.0
    for side, shapes in ((trainer.row_side, tables), (trainer.col_side, tables[::-1])):
        program = side.half_step.lower(*shapes, side.batches, side.exchange_arrays, side.rule).compile().as_text()
        total += sum(collective_bytes(program, num_devices=size).values())
    return total


def lower_bound(matrix: CsrMatrix, size: int) -> dict[str, float]:
    """Distinct remote rows of an epoch in bytes.

    Of the mean device, of the device that needs most, and of the one that sends or receives most; and by ring shifts.
    """
    mean, needed, busiest, ring = 0.0, 0.0, 0.0, 0.0
    devices = np.arange(size)
    for request in requests(matrix, size, ExchangeOptions()):
        halo = find_halo(request.matrix, request.row_ranges, request.col_ranges)
        demand = demand_matrix(halo.owner, halo.device, size)
        mean += demand.sum() / size * EMBEDDING
        needed += float(demand.sum(axis=0).max()) * EMBEDDING
        busiest += fewest_rows(demand) * EMBEDDING
        ring += sum(demand[devices, (devices + s) % size].max() for s in range(1, size)) * EMBEDDING
    return {"mean": mean, "needed": needed, "busiest": busiest, "ring": float(ring)}


def shuffled(matrix: CsrMatrix) -> CsrMatrix:
    """The same graph under other ids: what is left without locality."""
    rng = np.random.default_rng(0)
    rows, cols = rng.permutation(matrix.num_rows), rng.permutation(matrix.num_cols)
    return CsrMatrix.from_scipy(matrix.to_scipy()[rows][:, cols])


def where_it_comes_from(matrix: CsrMatrix, size: int = 8) -> dict[str, Any]:
    """Bytes without any of the ideas, and with one after the other; gramians apart."""
    mixed, bound = lower_bound(shuffled(matrix), size), lower_bound(matrix, size)
    entries = 0.0
    for request in requests(matrix, size, ExchangeOptions()):
        owner = request.row_ranges.owners(np.repeat(np.arange(request.matrix.num_rows), request.matrix.row_lengths))
        remote = request.col_ranges.owners(request.matrix.indices) != owner
        demand = demand_matrix(request.col_ranges.owners(request.matrix.indices)[remote], owner[remote], size)
        entries += schedule_transfers(demand).rows * EMBEDDING
    auto = predicted(matrix, size, "auto", ExchangeOptions())
    routed = predicted(matrix, size, "routed", ExchangeOptions())
    table = predicted(matrix, size, "table", ExchangeOptions())
    assert auto and routed and table
    return {
        "every entry to whom it concerns": entries,
        "table": table["bytes"] - gramians(size),
        "distinct, ids shuffled, busiest device": mixed["busiest"],
        "distinct, ids as they are, busiest device": bound["busiest"],
        "ring shifts": bound["ring"],
        "routed": routed["bytes"] - gramians(size),
        "auto": auto["bytes"] - gramians(size),
        "auto_summed_rows": auto["summed_rows"],
    }


def classes(matrix: CsrMatrix, size: int) -> list[list[dict[str, Any]]]:
    """What rows of at least a length cost routed and summed."""
    return [
        [vars(cost) for cost in row_class_costs(each, find_halo(each.matrix, each.row_ranges, each.col_ranges))]
        for each in requests(matrix, size, ExchangeOptions())
    ]


def every_m(matrix: CsrMatrix, step: int) -> dict[int, dict[str, float]]:
    """Planner's figures for M = 2 to 256."""
    found = {}
    for size in sorted({*range(2, 257, step), 2, 4, 8, 16, 32, 64, 128, 256}):
        bound = lower_bound(matrix, size)
        routed = predicted(matrix, size, "routed", ExchangeOptions())
        auto = predicted(matrix, size, "auto", ExchangeOptions())
        assert routed and auto
        found[size] = bound | {"routed": routed["bytes"], "auto": auto["bytes"]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("graphs", nargs="+")
    parser.add_argument("--compile", action="store_true", help="count the compiled programs too")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--every-m", type=int, metavar="STEP", help="M = 2, 2 + STEP ... 256, by the planner")
    parser.add_argument("--output", default="benchmarks/results/exchange_bytes.json")
    arguments = parser.parse_args()
    console = Console()
    output = Path(arguments.output)
    result = json.loads(output.read_text()) if output.exists() else {"graphs": {}}
    result["environment"] = environment()
    for path in arguments.graphs:
        name, matrix = read_graph(path)
        graph = result["graphs"].setdefault(name, {"entries": matrix.num_entries, "rows": matrix.num_rows, "cases": {}})
        for size in arguments.devices:
            graph.setdefault("lower_bounds", {})[str(size)] = lower_bound(matrix, size)
            for case in arguments.cases:
                figures = predicted(matrix, size, *CASES[case])
                if figures and arguments.compile:
                    figures["counted_bytes"] = counted(matrix, size, *CASES[case])
                graph["cases"].setdefault(case, {})[str(size)] = figures
                console.print(name, size, case, figures)
                output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        if 8 in arguments.devices and not arguments.compile:
            graph["where_it_comes_from"] = where_it_comes_from(matrix)
            graph["row_classes"] = {str(size): classes(matrix, size) for size in (2, 8)}
            console.print(graph["where_it_comes_from"])
        if arguments.every_m:
            graph["every_m"] = every_m(matrix, arguments.every_m)
        output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
