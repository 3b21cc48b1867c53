"""What `alx tune` may be told. Imports neither JAX nor NumPy."""

import dataclasses
import math

from webgraph.option_values import make_plain

SAMPLERS = ("grid", "random", "optuna")
METRICS = ("recall@20", "recall@50", "ndcg@100")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """Which pairs of lambda and alpha are tried, and how long.

    Attributes:
        regularizations: lambdas of the grid; other samplers draw between the least and the greatest, on a log scale.
        unobserved_weights: alphas, likewise.
        sampler: "grid" (all pairs), "random", or "optuna" (its TPE sampler).
        trials: how many pairs "random" and "optuna" draw.
        epochs: of a trial at most.
        patience: a trial stops when so many epochs brought no better metric.
        median_after: from this epoch on, a trial stops whose best metric so far is below the median of what finished
            trials had at the same epoch (from three of them on); 0 never.
        metric: of the validation rows, one of `METRICS`.

    Raises:
        ValueError: an unknown name, or a number outside its range.
    """

    regularizations: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    unobserved_weights: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    sampler: str = "grid"
    trials: int = 20
    epochs: int = 16
    patience: int = 3
    median_after: int = 4
    metric: str = "recall@20"

    def __post_init__(self) -> None:
        make_plain(self)
        for what, value, valid in (("sampler", self.sampler, SAMPLERS), ("metric", self.metric, METRICS)):
            if value not in valid:
                raise ValueError(f"unknown {what} {value!r}; valid: {', '.join(valid)}")
        for name, least in (("trials", 1), ("epochs", 1), ("patience", 1), ("median_after", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("regularizations", "unobserved_weights"):
            values = getattr(self, name)
            if not values or not all(math.isfinite(value) and value > 0 for value in values):
                raise ValueError(f"{name} must be positive numbers, at least one, got {values}")
