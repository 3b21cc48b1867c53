"""Seconds of the epochs of several trainers, in turns, so that other load on the machine meets all alike."""

import statistics
import time
from typing import Any

import jax

from alx_solver.als import AlsTrainer


def epochs_in_turn(trainers: dict[str, AlsTrainer], repeats: int) -> dict[str, dict[str, Any]]:
    """Of each trainer the seconds of its first epoch, which compiles, and of `repeats` more; all None where 0."""
    states = {name: trainer.init() for name, trainer in trainers.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in trainers}
    for _ in range(repeats + 1 if repeats else 0):
        for name, trainer in trainers.items():
            began, processor = time.perf_counter(), time.process_time()
            states[name] = trainer.epoch(states[name])
            jax.block_until_ready(states[name].col_table)
            taken[name].append((time.perf_counter() - began, time.process_time() - processor))
    return {name: _summary(seconds) for name, seconds in taken.items()}


def _summary(seconds: list[tuple[float, float]]) -> dict[str, Any]:
    if not seconds:
        return dict.fromkeys(("first_epoch_seconds", "wall_median", "processor_median", "wall", "processor"))
    (first, _), *rest = seconds
    wall, processor = [each for each, _ in rest], [each for _, each in rest]
    return {
        "first_epoch_seconds": first,
        "wall_median": statistics.median(wall),
        "processor_median": statistics.median(processor),
        "wall": wall,
        "processor": processor,
    }
