"""Recall of ALX beside PyPI `implicit` on one graph: same split, same protocol, same number of trials each.

    python benchmarks/recall_beside_implicit.py GRAPH [--trials 8] [--epochs 8] [--output FILE]

Tuning: a shared seeded list of (unobserved weight a, mean regularisation L). `implicit` gets alpha = (1 + a) / a and
regularization = L (1 + a) / a, which is our problem with exponent 0 (`docs/als.md`); ours also draws the exponent nu
for each trial, with lambda = L / mean of (n_r + a N)^nu, so that the mean lambda_r is L for both. Recall@20 is
measured after every epoch on validation rows: a hashed 10 % of the train rows, never test rows. The best (trial,
epoch) of each side is trained on all train rows from three seeds and measured on the test rows.

Both sides fold rows in exactly, each with its own regulariser (`implicit`: its `recalculate_user`; ours: CG to a
relative residual of 1e-5), and are ranked and scored by the same code. Both train with 3 CG steps, from starts of
the same size.
"""

import argparse
import dataclasses
import json
import subprocess
import time
from pathlib import Path

from alx_solver.host_devices import num_cores, use_host_devices, use_single_threaded_blas

CPU_DEVICES = use_host_devices(None)
use_single_threaded_blas()

import jax  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402
from implicit.cpu.als import AlternatingLeastSquares  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec  # noqa: E402
from rich.console import Console  # noqa: E402

from alx_solver.als import AlsTrainer  # noqa: E402
from alx_solver.bench.machine import describe_machine  # noqa: E402
from alx_solver.csr import CsrMatrix  # noqa: E402
from alx_solver.datasets import LinkDataset, load_dataset, validation_split  # noqa: E402
from alx_solver.evaluate import evaluate_baselines, evaluate_model  # noqa: E402
from alx_solver.options import Hyperparameters, SolverOptions  # noqa: E402
from alx_solver.recall import NUM_RANKED, RankingMetrics, bootstrap_interval, ranking_metrics  # noqa: E402
from alx_solver.top_k import top_k_columns  # noqa: E402

TUNED = "recall@20"
RECALL_SHARE = 0.99
EXPONENTS = (0.0, 0.5, 1.0)
"""Of ours; `implicit` knows only 0."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One point of the shared list.

    Attributes:
      unobserved_weight: a.
      mean_regularization: L, the mean of lambda_r over rows.
      exponent: nu of ours; `implicit` knows only 0.
    """

    unobserved_weight: float
    mean_regularization: float
    exponent: float


def make_trials(count: int, seed: int) -> list[Trial]:
    """Log-uniform a in [1e-4, 3e-2] and L in [1e-2, 3]; the exponents take turns."""
    random = np.random.default_rng(seed)
    return [
        Trial(
            unobserved_weight=float(10 ** random.uniform(-4, np.log10(3e-2))),
            mean_regularization=float(10 ** random.uniform(-2, np.log10(3))),
            exponent=EXPONENTS[number % len(EXPONENTS)],
        )
        for number in range(count)
    ]


class Ours:
    """ALX, matrix-free CG of 3 steps, float32 tables, one device a core."""

    name = "ALX"

    def __init__(self, train: CsrMatrix, trial: Trial, *, dim: int, seed: int) -> None:
        scale = train.row_lengths[train.row_lengths > 0] + trial.unobserved_weight * train.num_cols
        hyperparameters = Hyperparameters(
            dim=dim,
            regularization=trial.mean_regularization / float((scale**trial.exponent).mean()),
            unobserved_weight=trial.unobserved_weight,
            regularization_exponent=trial.exponent,
            seed=seed,
        )
        solver = SolverOptions(cg_steps=3, fold_in_solver="matrix_free_cg")
        self._trainer = AlsTrainer(train, hyperparameters, solver=solver, devices=_devices())
        self._state = self._trainer.init()

    def epoch(self) -> None:
        self._state = self._trainer.epoch(self._state)
        jax.block_until_ready(self._state.col_table)

    def metrics(self, dataset: LinkDataset) -> RankingMetrics:
        return evaluate_model(self._trainer, self._state, dataset)


class Implicit:
    """PyPI implicit, CG of 3 steps, all cores."""

    name = "implicit"

    def __init__(self, train: CsrMatrix, trial: Trial, *, dim: int, seed: int) -> None:
        scale = (1 + trial.unobserved_weight) / trial.unobserved_weight
        self._matrix = scipy.sparse.csr_matrix(train.to_scipy().astype(np.float32))
        self._model = AlternatingLeastSquares(
            factors=dim,
            regularization=trial.mean_regularization * scale,
            alpha=scale,
            use_cg=True,
            iterations=1,
            num_threads=num_cores(),
            random_state=seed,
        )

    def epoch(self) -> None:
        # A further call goes on from the factors it has, and drops its cached gramians.
        self._model.fit(self._matrix, show_progress=False)

    def metrics(self, dataset: LinkDataset) -> RankingMetrics:
        history = scipy.sparse.csr_matrix(dataset.history.to_scipy().astype(np.float32))
        queries = self._model.recalculate_user(np.arange(dataset.num_test_rows), history)
        table, ids = _sharded(np.asarray(self._model.item_factors))
        ranked, _ = top_k_columns(queries, table, ids, dataset.history, NUM_RANKED)
        return ranking_metrics(ranked, dataset.ground_truth)


SYSTEMS = (Ours, Implicit)


def _devices() -> list[jax.Device]:
    """All devices, or one a core of a CPU."""
    devices = jax.devices()
    return devices[:CPU_DEVICES] if devices[0].platform == "cpu" else devices


def _sharded(factors: np.ndarray) -> tuple[jax.Array, np.ndarray]:
    """The factors over as many devices as ours, padded, and the ids at their positions."""
    devices = _devices()
    padding = -len(factors) % len(devices)
    ids = np.concatenate([np.arange(len(factors)), np.full(padding, -1)])
    table = np.pad(factors, ((0, padding), (0, 0)))
    return jax.device_put(table, NamedSharding(Mesh(np.array(devices), ("rows",)), PartitionSpec("rows"))), ids


def tune(system: type, dataset: LinkDataset, trials: list[Trial], *, dim: int, epochs: int, console: Console) -> dict:
    """Runs every trial and returns the best one, its best epoch, and all curves."""
    curves, seconds = [], []
    for number, trial in enumerate(trials):
        model = system(dataset.train, trial, dim=dim, seed=0)
        curve = []
        for _ in range(epochs):
            started = time.perf_counter()
            model.epoch()
            seconds.append(time.perf_counter() - started)
            curve.append(model.metrics(dataset).means[TUNED])
        curves.append(curve)
        console.print(f"{system.name} trial {number}: {trial} best {max(curve):.4f} at epoch {np.argmax(curve) + 1}")
    best = int(np.argmax([max(curve) for curve in curves]))
    return {
        "trial": dataclasses.asdict(trials[best]),
        "epochs": int(np.argmax(curves[best])) + 1,
        "validation": max(curves[best]),
        "curves": curves,
        "median_epoch_seconds": float(np.median(seconds)),
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """A training of a tuned model: seconds of each epoch, and test metrics after it."""

    seconds: list[float]
    metrics: list[RankingMetrics]

    @property
    def recall(self) -> list[float]:
        return [metrics.means[TUNED] for metrics in self.metrics]


def train(system: type, dataset: LinkDataset, tuned: dict, *, dim: int, seed: int, epochs: int) -> Training:
    """Trains the tuned model from a seed."""
    model = system(dataset.train, Trial(**tuned["trial"]), dim=dim, seed=seed)
    training = Training(seconds=[], metrics=[])
    for _ in range(epochs):
        started = time.perf_counter()
        model.epoch()
        training.seconds.append(time.perf_counter() - started)
        training.metrics.append(model.metrics(dataset))
    return training


def final(
    dataset: LinkDataset, tuned: dict[str, dict], *, dim: int, seeds: int, epochs: int
) -> tuple[dict[str, list[Training]], dict[str, float]]:
    """Trainings of both sides from each seed, in turns; and the seconds of a first epoch, compilation in."""
    first = {
        system.name: train(system, dataset, tuned[system.name], dim=dim, seed=0, epochs=1).seconds[0]
        for system in SYSTEMS
    }
    trainings: dict[str, list[Training]] = {system.name: [] for system in SYSTEMS}
    for seed in range(1, seeds + 1):
        for system in SYSTEMS:
            training = train(system, dataset, tuned[system.name], dim=dim, seed=seed, epochs=epochs)
            trainings[system.name].append(training)
    return trainings, first


def time_to_recall(trainings: dict[str, list[Training]], first: dict[str, float]) -> dict:
    """Seconds and epochs to 99 % of the best mean recall of either side, by the means over seeds."""
    curves = {name: np.mean([one.recall for one in several], axis=0) for name, several in trainings.items()}
    seconds = {name: np.median([one.seconds for one in several], axis=0) for name, several in trainings.items()}
    target = RECALL_SHARE * max(float(curve.max()) for curve in curves.values())
    reached = {
        name: int(np.argmax(curve >= target)) + 1 if curve.max() >= target else None for name, curve in curves.items()
    }
    needed = {name: None if count is None else float(seconds[name][:count].sum()) for name, count in reached.items()}
    ours, theirs = needed[Ours.name], needed[Implicit.name]
    return {
        "target": target,
        "epochs": reached,
        "seconds": needed,
        "ratio": None if ours is None or theirs is None else ours / theirs,
        "first_epoch_seconds": first,
        "recall_by_epoch": {name: curve.tolist() for name, curve in curves.items()},
        "epoch_seconds": {name: values.tolist() for name, values in seconds.items()},
    }


def compare(ours: list[RankingMetrics], theirs: list[RankingMetrics]) -> dict[str, dict[str, float]]:
    """Ours minus theirs, each row's mean over seeds, with the 95 % bootstrap interval over rows."""
    comparison = {}
    for metric in ours[0].values:
        difference = np.mean([m.values[metric] for m in ours], axis=0) - np.mean(
            [m.values[metric] for m in theirs], axis=0
        )
        low, high = bootstrap_interval(difference, seed=0)
        comparison[metric] = {"mean": float(difference.mean()), "low": low, "high": high}
    return comparison


def run(arguments: argparse.Namespace, console: Console) -> dict:
    """The whole comparison as one JSON object."""
    dataset = load_dataset(arguments.graph)
    validation = validation_split(dataset, seed=0).head(arguments.validation_rows)
    trials = make_trials(arguments.trials, arguments.seed)
    tuned = {
        system.name: tune(system, validation, trials, dim=arguments.dim, epochs=arguments.epochs, console=console)
        for system in SYSTEMS
    }
    trainings, first = final(dataset, tuned, dim=arguments.dim, seeds=arguments.seeds, epochs=arguments.epochs)
    tests = {name: [one.metrics[tuned[name]["epochs"] - 1] for one in several] for name, several in trainings.items()}
    reached = time_to_recall(trainings, first)
    console.print(f"time to {reached['target']:.4f}: {reached['seconds']} s, {reached['epochs']} epochs")
    baselines = evaluate_baselines(dataset, seed=0)
    return {
        "dataset": dataset.name,
        "test_rows": dataset.num_test_rows,
        "validation_rows": validation.num_test_rows,
        "dim": arguments.dim,
        "trials": [dataclasses.asdict(trial) for trial in trials],
        "tuned": tuned,
        "time_to_recall": reached,
        "test": {name: [metrics.means for metrics in results] for name, results in tests.items()},
        "baselines": baselines.to_json()["means"],
        "absent": baselines.absent,
        "alx_minus_implicit": compare(tests[Ours.name], tests[Implicit.name]),
        "machine": describe_machine(_devices()),
        "commit": _commit(),
    }


def _commit() -> str:
    result = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall of ALX beside PyPI implicit.")
    parser.add_argument("graph", help="anything that `alx train` reads")
    parser.add_argument("--trials", type=int, default=8, help="for each side (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of a trial (default: %(default)s)")
    parser.add_argument("--dim", type=int, default=128, help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=3, help="final trainings (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the list of trials (default: %(default)s)")
    parser.add_argument("--validation-rows", type=int, default=2000, help="at most (default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results" / "recall_beside_implicit.json"
    )
    arguments = parser.parse_args()
    console = Console(soft_wrap=True, highlight=False)
    result = run(arguments, console)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    for metric, difference in result["alx_minus_implicit"].items():
        interval = f"{difference['low']:+.4f} to {difference['high']:+.4f}"
        console.print(f"{metric}: ALX minus implicit {difference['mean']:+.4f} ({interval})")
    console.print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
