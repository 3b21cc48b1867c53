"""Environment that must be set before JAX and NumPy are imported. Imports neither."""

import os
import sys

_FLAG = "--xla_force_host_platform_device_count"


def num_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_host_devices(devices: int | None) -> int | None:
    """Makes CPU devices for JAX: one a core, or as many as asked for; accelerators are not affected.

    Twice as many are made as will be used, because XLA:CPU has as many threads as devices: where every thread holds a
    device's program, a LAPACK call in them (Cholesky, LU, QR) waits for ever for a thread of its own (seen with JAX
    0.10 on 2 cores).

    Args:
      devices: number of devices asked for, or None for one a core.

    Returns:
      How many CPU devices to use; None (all) if JAX is imported already or the user's XLA_FLAGS name a number.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "jax" in sys.modules or _FLAG in flags:
        return devices
    used = max(1, devices or num_cores())
    os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}={2 * used}".strip()
    return used


def use_single_threaded_blas() -> None:
    """One BLAS thread, as `implicit` asks for (its own threads call BLAS). Without effect if NumPy is imported."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
