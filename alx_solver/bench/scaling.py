"""Strong and weak scaling: seconds and bytes an epoch by number of devices.

Bytes are those of the trainer's plan, which are exactly those of the compiled program (`docs/exchange.md`). Seconds are
measured up to the devices that are there, one a core on a CPU; beyond them they are modelled by the planner
(`alx_solver.planner`) from costs measured on one device, drawn dashed and named so. Weak scaling gives M devices the
leading M / max of rows and columns, so that each device has about as many rows whatever M is.
"""

import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from alx_solver.als import AlsTrainer
from alx_solver.bench.machine import describe_machine, describe_matrix
from alx_solver.csr import CsrMatrix
from alx_solver.options import ExchangeOptions, Hyperparameters
from alx_solver.planner import PlanOptions, plan_matrix
from webgraph.option_values import make_plain


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalingOptions:
    """What is measured.

    Attributes:
      counts: numbers of devices, ascending.
      exchanges: by name; seconds are measured with the first.
      repeats: counted epochs of each.

    Raises:
      ValueError: no or falling counts, no exchange, no repeat.
    """

    counts: tuple[int, ...] = (1, 2, 4, 8)
    exchanges: tuple[str, ...] = ("auto", "table", "original")
    repeats: int = 5

    def __post_init__(self) -> None:
        make_plain(self)
        if (
            not self.counts
            or self.counts[0] < 1
            or any(a >= b for a, b in zip(self.counts, self.counts[1:], strict=False))
        ):
            raise ValueError(f"counts must be positive and ascend, got {self.counts}.")
        if not self.exchanges or self.repeats < 1:
            raise ValueError(f"at least one exchange and one repeat are needed, got {self.exchanges}, {self.repeats}.")


def bench_scaling(
    matrix: CsrMatrix,
    name: str,
    hyperparameters: Hyperparameters,
    planned: PlanOptions,
    options: ScalingOptions,
    devices: Sequence[jax.Device],
) -> dict[str, Any]:
    """Measures and models both kinds.

    Args:
      planned: device and costs of the model; its count and exchange are not used.
      devices: that are there; seconds are measured on the first ones of them.
    """
    result: dict[str, Any] = {
        "dataset": name,
        "matrix": describe_matrix(matrix),
        "hyperparameters": dataclasses.asdict(hyperparameters),
        "options": dataclasses.asdict(options),
        "machine": describe_machine(devices),
        "model": dataclasses.asdict(planned.device),
    }
    for kind in ("strong", "weak"):
        result[kind] = {}
        for count in options.counts:
            share = matrix if kind == "strong" else leading_part(matrix, count / options.counts[-1])
            result[kind][str(count)] = _entry(share, name, hyperparameters, planned, options, devices, count)
    return result


def leading_part(matrix: CsrMatrix, share: float) -> CsrMatrix:
    """The first `share` of rows and of columns."""
    rows, cols = (max(1, round(share * number)) for number in matrix.shape)
    return CsrMatrix.from_scipy(matrix.to_scipy()[:rows, :cols])


def _entry(
    matrix: CsrMatrix,
    name: str,
    hyperparameters: Hyperparameters,
    planned: PlanOptions,
    options: ScalingOptions,
    devices: Sequence[jax.Device],
    count: int,
) -> dict[str, Any]:
    plans = {
        exchange: plan_matrix(
            matrix, name, dataclasses.replace(planned, count=count, exchange=ExchangeOptions(name=exchange))
        )
        for exchange in options.exchanges
    }
    first = options.exchanges[0]
    measured = None
    if count <= len(devices):
        measured = _epoch_seconds(matrix, hyperparameters, planned, first, options.repeats, devices[:count])
    return {
        "matrix": describe_matrix(matrix),
        "bytes": {exchange: plan.total_bytes for exchange, plan in plans.items()},
        "modelled_seconds": plans[first].total_seconds,
        "measured_seconds": measured,
    }


def _epoch_seconds(
    matrix: CsrMatrix,
    hyperparameters: Hyperparameters,
    planned: PlanOptions,
    exchange: str,
    repeats: int,
    devices: Sequence[jax.Device],
) -> dict[str, Any]:
    trainer = AlsTrainer(
        matrix,
        hyperparameters,
        solver=planned.solver,
        precision=planned.precision,
        devices=devices,
        exchange=ExchangeOptions(name=exchange),
    )
    state = trainer.epoch(trainer.init())
    seconds = []
    for _ in range(repeats):
        jax.block_until_ready((state.row_table, state.col_table))
        started = time.perf_counter()
        state = trainer.epoch(state)
        jax.block_until_ready((state.row_table, state.col_table))
        seconds.append(time.perf_counter() - started)
    return {"median": statistics.median(seconds), "all": seconds}


def draw_scaling(figure: Any, result: Mapping[str, Any]) -> None:
    """Three panels: seconds of strong and of weak scaling, and bytes a device by exchange."""
    panels = figure.subplots(1, 3)
    for panel, kind in zip(panels, ("strong", "weak"), strict=False):
        entries = {int(count): entry for count, entry in result[kind].items()}
        measured = {
            count: entry["measured_seconds"]["median"] for count, entry in entries.items() if entry["measured_seconds"]
        }
        panel.plot(list(measured), list(measured.values()), "o-", color="#1f5fa8", label="measured")
        modelled = [entry["modelled_seconds"] for entry in entries.values()]
        panel.plot(list(entries), modelled, "s--", color="#c0562f", label="modelled")
        if measured:
            start = measured[min(measured)]
            ideal = [start * (min(measured) / count if kind == "strong" else 1) for count in entries]
            panel.plot(list(entries), ideal, ":", color="gray", label="ideal")
        panel.set(xlabel="devices", ylabel="seconds an epoch", title=f"{kind.capitalize()} scaling")
        panel.set_yscale("log")
    for exchange in result["options"]["exchanges"]:
        counts = [int(count) for count in result["strong"]]
        megabytes = [entry["bytes"][exchange] / 1e6 for entry in result["strong"].values()]
        shown = [(count, value) for count, value in zip(counts, megabytes, strict=True) if value > 0]
        panels[2].plot(*np.array(shown).T if shown else ([], []), marker="o", label=exchange)
    panels[2].set(xlabel="devices", ylabel="MB a device an epoch", title="Bytes, strong scaling", yscale="log")
    for panel in panels:
        panel.set_xscale("log", base=2)
        panel.set_xticks([int(count) for count in result["strong"]], list(result["strong"]))
        panel.grid(True, alpha=0.3)
        panel.legend(frameon=False, fontsize="small")
    figure.suptitle(f"{result['dataset']}, d = {result['hyperparameters']['dim']}, {result['machine']['devices']}")
