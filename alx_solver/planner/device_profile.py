"""What a device can do, as its maker publishes it; and what share of that a program is taken to reach.

Peak figures are the makers' (NVIDIA's H200 and A100 SXM data sheets; Google Cloud's TPU pages; for TPU v3 Jouppi et
al., "A domain-specific supercomputer for training deep neural networks", CACM 2020). Float32 matrix products on TPUs
are six bfloat16 passes (`precision=HIGHEST`). `efficiency` and `tile_seconds` are assumptions, not measurements:
replace them in a JSON file, or measure (`measured_costs.py`).
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from webgraph.option_values import make_plain

_GIB = 2.0**30

PLATFORMS = ("cpu", "gpu", "tpu")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceProfile:
    """One device: a GPU, a TPU core (v3) or chip, or a CPU core.

    Attributes:
        name: of the device.
        memory_bytes: in all; None where it is not limited here.
        memory_bandwidth: bytes a second.
        flops: float32 operations a second, of matrix products with `precision=HIGHEST`.
        link_bandwidth: bytes a second that a device sends, all its links together.
        torus_axes: 0 where devices meet in a switch; 2 or 3 for a torus, in which what goes far takes several links.
        efficiency: share of the peaks that a program is taken to reach.
        tile_seconds: what starting the kernels of a tile costs.
        tile_bytes: float32 embeddings of a tile.
        usable: share of the memory that a program may take.
        platform: one of `PLATFORMS`; which kernel solves rows follows from it (`linear_solvers/row_kernels.py`).

    Raises:
        ValueError: a number that is not positive, or an unknown platform.
    """

    name: str
    memory_bytes: float | None
    memory_bandwidth: float
    flops: float
    link_bandwidth: float
    torus_axes: int = 0
    efficiency: float = 0.5
    tile_seconds: float = 0.0
    tile_bytes: int = 1 << 20
    usable: float = 0.9
    platform: str = "gpu"

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("memory_bandwidth", "flops", "link_bandwidth", "efficiency", "tile_bytes", "usable"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} of device {self.name!r} must be positive, got {value}")
        if self.memory_bytes is not None and not self.memory_bytes > 0:
            raise ValueError(f"memory_bytes of device {self.name!r} must be positive, got {self.memory_bytes}")
        if self.platform not in PLATFORMS:
            raise ValueError(
                f"platform of device {self.name!r} must be one of {', '.join(PLATFORMS)}, got {self.platform!r}"
            )
        if self.torus_axes not in (0, 2, 3):
            raise ValueError(f"torus_axes of device {self.name!r} must be 0, 2 or 3, got {self.torus_axes}")

    @property
    def usable_bytes(self) -> float:
        """Bytes that a program may take."""
        return math.inf if self.memory_bytes is None else self.usable * self.memory_bytes

    def exchange_bandwidth(self, num_devices: int) -> float:
        """Bytes a second that each device sends while every device sends to all others alike.

        In a torus of side k a message takes k / 4 links an axis on average, so that the links carry it so many times.
        """
        if not self.torus_axes or num_devices == 1:
            return self.link_bandwidth
        side = num_devices ** (1 / self.torus_axes)
        return self.link_bandwidth / max(1.0, self.torus_axes * side / 4)


_GPU: dict[str, Any] = {"tile_seconds": 240e-6, "tile_bytes": 32 << 20}
_TPU: dict[str, Any] = {"tile_seconds": 60e-6, "tile_bytes": 4 << 20, "platform": "tpu"}

PROFILES: dict[str, DeviceProfile] = {
    profile.name: profile
    for profile in (
        DeviceProfile(
            name="h200", memory_bytes=141e9, memory_bandwidth=4.8e12, flops=67e12, link_bandwidth=450e9, **_GPU
        ),
        DeviceProfile(
            name="a100", memory_bytes=80e9, memory_bandwidth=2.039e12, flops=19.5e12, link_bandwidth=300e9, **_GPU
        ),
        DeviceProfile(  # half a chip: 900 GB/s, 123 TFLOPS bfloat16, 4 links of 656 Gbit/s for two cores
            name="tpu-v3",
            memory_bytes=16 * _GIB,
            memory_bandwidth=450e9,
            flops=61.5e12 / 6,
            link_bandwidth=164e9,
            torus_axes=2,
            **_TPU,
        ),
        DeviceProfile(
            name="tpu-v4",
            memory_bytes=32 * _GIB,
            memory_bandwidth=1.228e12,
            flops=275e12 / 6,
            link_bandwidth=300e9,
            torus_axes=3,
            **_TPU,
        ),
        DeviceProfile(
            name="tpu-v5e",
            memory_bytes=16 * _GIB,
            memory_bandwidth=819e9,
            flops=197e12 / 6,
            link_bandwidth=200e9,
            torus_axes=2,
            **_TPU,
        ),
        DeviceProfile(
            name="tpu-v5p",
            memory_bytes=95 * _GIB,
            memory_bandwidth=2.765e12,
            flops=459e12 / 6,
            link_bandwidth=600e9,
            torus_axes=3,
            **_TPU,
        ),
    )
}


def read_profile(path: str | Path) -> DeviceProfile:
    """A profile from a JSON object with the fields of `DeviceProfile`.

    Raises:
        ValueError: no such file, no JSON object, an unknown or missing field, or a number outside its range.
    """
    try:
        fields: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: not a readable device profile ({error}); valid names: {', '.join(PROFILES)}, cpu"
        ) from None
    known = [field.name for field in dataclasses.fields(DeviceProfile)]
    if not isinstance(fields, dict) or set(fields) - set(known):
        wrong = sorted(set(fields) - set(known)) if isinstance(fields, dict) else type(fields).__name__
        raise ValueError(f"{path}: {wrong} in a device profile; give an object with {', '.join(known)}")
    try:
        named: dict[str, Any] = {"name": Path(path).stem} | fields
        return DeviceProfile(**named)
    except TypeError as error:
        raise ValueError(f"{path}: {error}; give {', '.join(known)}") from None
