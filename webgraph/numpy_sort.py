"""Which of NumPy's sorts are used: those of AVX2 where those of AVX-512 are slow.

AMD's Zen 4 (family 25) has AVX-512, but runs the compressing stores that NumPy's sorts are made of in microcode: there
`np.sort` of 64-bit integers takes five times as long as with AVX2 (7 million: 0.44 s and 0.08 s). NumPy decides when
it is imported, by an environment variable; processes that are started inherit it.
"""

import importlib.metadata
import os
import sys
from pathlib import Path

_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
_AVX512 = "X86_V4 AVX512_ICL AVX512_SPR"
_NAMED_SINCE = (2, 4)
"""NumPy's version since which its features have these names; it refuses names that it does not know."""
_CPUINFO = Path("/proc/cpuinfo")


def avoid_slow_sorts() -> None:
    """Keeps NumPy from AVX-512 where it is slow. Does nothing once NumPy is imported, or where the user has chosen."""
    if "numpy" in sys.modules or _VARIABLE in os.environ:
        return
    version = tuple(map(int, importlib.metadata.version("numpy").split(".")[:2]))
    if version >= _NAMED_SINCE and _CPUINFO.exists() and is_zen_4(_CPUINFO.read_text()):
        os.environ[_VARIABLE] = _AVX512


def is_zen_4(cpuinfo: str) -> bool:
    """Whether the first processor of /proc/cpuinfo is of AMD's family 25 and has AVX-512, which Zen 3 has not."""
    first = cpuinfo.partition("\n\n")[0]
    fields = dict(line.split("\t", 1) for line in first.splitlines() if "\t" in line)
    values = {name.strip(): value.strip().removeprefix(":").strip() for name, value in fields.items()}
    return (
        values.get("vendor_id") == "AuthenticAMD"
        and values.get("cpu family") == "25"
        and "avx512f" in values.get("flags", "").split()
    )
