"""Where a benchmark's numbers come from: versions, machine, load, code. No host names and no paths."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "implicit", "ml-dtypes", "apache-beam", "pyarrow")


def environment() -> dict[str, Any]:
    """What to put beside results, as JSON-ready values.

    Returns:
        Versions of the packages that are installed, Python, operating system, processor, cores that this process may
        use, memory in GiB, the load average of the last minute, and the commit of the code (with "+changes" if files
        that git tracks differ from it). JAX's devices are added if JAX is imported already.
    """
    return {
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average_1min": round(os.getloadavg()[0], 2),
        "commit": _commit(),
        **_jax_devices(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str | None:
    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except OSError:
        return None
    return f"{commit}+changes" if commit and changed else commit


def _jax_devices() -> dict[str, Any]:
    import sys

    if "jax" not in sys.modules:
        return {}
    import jax

    return {"jax_backend": jax.default_backend(), "jax_devices": [str(device.device_kind) for device in jax.devices()]}
