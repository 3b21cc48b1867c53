"""The `best.json` of `alx tune`, and the flag of `alx train` that reads it. Imports no JAX."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alx_solver.options import Hyperparameters


def read_hyperparameters(path: str | os.PathLike[str]) -> tuple[Hyperparameters, int]:
    """The hyperparameters in a file, and the number of epochs that was best.

    Raises:
        ValueError: no such file, or another content.
    """
    try:
        fields = json.loads(Path(path).read_text())
        return Hyperparameters(**fields["hyperparameters"]), int(fields["epochs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not the best.json of `alx tune` ({error}); give that file") from error


class HyperparametersFile(argparse.Action):
    """Sets the flags of the model, and --epochs, from a file, so that later flags count more."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            hyperparameters, epochs = read_hyperparameters(str(values))
        except ValueError as error:
            parser.error(str(error))
        for name, value in vars(hyperparameters).items():
            setattr(namespace, name, value)
        namespace.epochs = epochs
        setattr(namespace, self.dest, values)
