"""What is known after one epoch: seconds, the loss with its parts, and metrics where they were computed."""

import dataclasses
from typing import Any

_LOSS_FIELDS = ("loss", "loss_observed", "loss_unobserved", "loss_regularizer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One line of `metrics.jsonl`.

    Attributes:
      epoch: number of epochs done, from 1.
      seconds: wall time of the epoch's two half-steps; a process's first includes compilation.
      loss: the objective of `alx_solver.objective` after the epoch; the sum of the three next.
      loss_observed: its term over observed entries.
      loss_unobserved: its term over all pairs.
      loss_regularizer: its regularisation term.
      metrics: metric name to mean over test rows; empty if this epoch was not evaluated.
    """

    epoch: int
    seconds: float
    loss: float
    loss_observed: float
    loss_unobserved: float
    loss_regularizer: float
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A flat dictionary: the fields, then the metrics by name."""
        fields = dataclasses.asdict(self)
        metrics = fields.pop("metrics")
        return fields | metrics

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "EpochRecord":
        """The inverse of `to_json`."""
        fields = {key: line[key] for key in ("epoch", "seconds", *_LOSS_FIELDS)}
        return cls(**fields, metrics={key: value for key, value in line.items() if "@" in key})
