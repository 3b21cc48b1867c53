"""Writes epoch records as TensorBoard scalars. tensorboardX is imported only when this is asked for."""

import os

from alx_solver.epoch_record import EpochRecord
from webgraph.missing_extra import missing_extra


class TensorBoardError(ValueError):
    """TensorBoard output was asked for and cannot be written."""


class TensorBoardLog:
    """A listener of `alx_solver.train` that writes event files; a context manager, so that they are closed."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise TensorBoardError(missing_extra(f"--tensorboard {directory}", "tensorboard", error)) from error
        self._writer = SummaryWriter(os.fspath(directory))

    def __call__(self, record: EpochRecord) -> None:
        """Writes every number of the record under its name, at its epoch."""
        for name, value in record.to_json().items():
            if name != "epoch":
                # TensorBoard's tags know no "@"; "/" makes groups.
                self._writer.add_scalar(name.replace("@", "_at_").replace("loss_", "loss/"), value, record.epoch)
        self._writer.flush()

    def __enter__(self) -> "TensorBoardLog":
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()
