"""Checks XLA_FLAGS before XLA reads them: it ends the process, with a dump of its stack, at a flag it does not know.

Only XLA can say which flags it knows, so that a process of its own is asked; it takes about half a second, and is
started only where the user has set flags other than the number of CPU devices. Imports neither JAX nor NumPy.
"""

import os
import re
import subprocess
import sys

_KNOWN = re.compile(r"--xla_force_host_platform_device_count=\d+")
_PROGRAM = "import jaxlib.xla_client as client; client.CompileOptions()"
_FATAL = re.compile(r"^F\d{4} .*\.cc:\d+\] (.*)$", re.MULTILINE)
_SECONDS = 60


def check_xla_flags() -> None:
    """Reads the environment variable XLA_FLAGS. Does nothing where JAX is imported already.

    Raises:
        ValueError: XLA would end the process.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    if "jax" in sys.modules or all(_KNOWN.fullmatch(flag) for flag in flags):
        return
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, errors="replace", timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # not known: XLA itself will say it
    fatal = _FATAL.search(asked.stderr)
    if asked.returncode and fatal:
        raise ValueError(f"XLA cannot read XLA_FLAGS ({fatal[1].strip()}); mend the variable, or unset it")
