"""Where NumPy is kept from its sorts of AVX-512, and that this works."""

import os
import subprocess
import sys

import pytest

from webgraph.numpy_sort import is_zen_4

_ZEN_4 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
flags\t\t: fpu avx2 avx512f avx512dq

processor\t: 1
vendor_id\t: GenuineIntel
"""


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        ("", "", True),
        ("AuthenticAMD", "GenuineIntel", False),
        ("family\t: 25", "family\t: 26", False),
        ("avx512f ", "", False),
        (_ZEN_4, "", False),
        (_ZEN_4, "nonsense\n\n", False),
    ],
)
def test_zen_4_is_told_by_vendor_family_and_flags(was: str, becomes: str, expected: bool) -> None:
    assert is_zen_4(_ZEN_4.replace(was, becomes)) is expected


def test_numpy_takes_the_names_and_sorts_alike() -> None:
    code = (
        "import os, webgraph.numpy_sort as n; n.is_zen_4 = lambda text: True; n.avoid_slow_sorts();"
        "import numpy as np; x = np.random.default_rng(0).integers(0, 99, 10_000); y = np.sort(x);"
        "assert (np.diff(y) >= 0).all() and (np.bincount(x) == np.bincount(y)).all();"
        "print(os.environ['NPY_DISABLE_CPU_FEATURES'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert "X86_V4" in done.stdout
