"""What this machine has, and how much of it a build may take."""

import dataclasses
import os
import re
from pathlib import Path

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Limits of a build on this machine.

    Attributes:
      num_workers: processes; None for one a core.
      max_memory: bytes that all processes of the build may take together; None for half of the machine's.
    """

    num_workers: int | None = None
    max_memory: int | None = None

    def __post_init__(self) -> None:
        for name in ("num_workers", "max_memory"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}.")

    @property
    def workers(self) -> int:
        return self.num_workers or len(os.sched_getaffinity(0))

    @property
    def memory(self) -> int:
        return self.max_memory or machine_memory() // 2


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container that this process runs in."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUP_LIMITS:
        try:
            total = min(total, int(Path(path).read_text()))
        except (OSError, ValueError):  # no such controller, or "max"
            continue
    return total


def parse_size(text: str) -> int:
    """Reads a number of bytes: `4GB`, `512MiB`, `4000000000`.

    Raises:
      ValueError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", text.lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is no size; write bytes, or for example 4GB or 512MiB.")
    return int(float(match[1]) * _UNITS[match[2]])
