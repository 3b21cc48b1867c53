"""What figures were measured on."""

import platform
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from alx_solver.csr import CsrMatrix
from alx_solver.host_devices import num_cores


def describe_machine(devices: Sequence[jax.Device] | None = None) -> dict[str, Any]:
    """Cores, devices and versions."""
    devices = devices or jax.devices()
    return {
        "cores": num_cores(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
    }


def describe_matrix(matrix: CsrMatrix) -> dict[str, int]:
    """Its sizes."""
    return {"rows": matrix.num_rows, "cols": matrix.num_cols, "entries": matrix.num_entries}
