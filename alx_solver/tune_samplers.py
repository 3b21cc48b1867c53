"""Which pair (lambda, alpha) is tried next: a function of the options, the seed and the finished trials alone.

So a tuning that is interrupted and resumed tries the same pairs as one that is not.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from alx_solver.tune_options import TuneOptions
from webgraph.missing_extra import missing_extra

Pair = tuple[float, float]


def next_pair(options: TuneOptions, seed: int, finished: Sequence[tuple[Pair, float | None]]) -> Pair | None:
    """The next pair of lambda and alpha, or None when all are tried.

    Args:
        options: sampler and ranges.
        seed: of "random" and "optuna".
        finished: pairs tried, in their order, with the value of the metric; None where training broke off.

    Raises:
        ValueError: Optuna is asked for and not installed.
    """
    if options.sampler == "grid":
        tried = {pair for pair, _ in finished}
        pairs = itertools.product(options.regularizations, options.unobserved_weights)
        return next((pair for pair in pairs if pair not in tried), None)
    if len(finished) >= options.trials:
        return None
    if options.sampler == "random":
        drawn = np.random.default_rng([seed, len(finished)]).random(2)
        limits = ((min(values), max(values)) for values in (options.regularizations, options.unobserved_weights))
        first, second = (float(low * (high / low) ** u) for (low, high), u in zip(limits, drawn, strict=True))
        return first, second
    return _optuna_pair(options, seed, finished)


def _optuna_pair(options: TuneOptions, seed: int, finished: Sequence[tuple[Pair, float | None]]) -> Pair:
    try:
        import optuna
    except ImportError as error:
        needed = missing_extra("the sampler optuna", "tune", error)
        raise ValueError(f"{needed}; or take --sampler grid or random") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ranges: dict[str, optuna.distributions.BaseDistribution] = {}
    limits = {"lambda": options.regularizations, "alpha": options.unobserved_weights}
    for name, values in limits.items():
        ranges[name] = optuna.distributions.FloatDistribution(min(values), max(values), log=True)
    sampler = optuna.samplers.TPESampler(seed=(seed + len(finished)) % 2**32)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for (regularization, weight), value in finished:
        params = {"lambda": regularization, "alpha": weight}
        if all(min(limits[name]) <= params[name] <= max(limits[name]) for name in limits):
            # A trial that broke off counts as the worst there is: the metrics are all at least 0.
            study.add_trial(optuna.trial.create_trial(params=params, distributions=ranges, value=value or 0.0))
    trial = study.ask(ranges)
    return trial.params["lambda"], trial.params["alpha"]
