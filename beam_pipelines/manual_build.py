"""The build behind `tfds build` from archives: the six published variants, in this process or in one of its own.

`python -m beam_pipelines.manual_build` reads what to build as one line of JSON from its standard input. It ends when
that pipe is closed, so that it does not outlive the process that waits for it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from rich.console import Console

from beam_pipelines.build_graph import build
from beam_pipelines.options import BuildOptions, OutputOptions
from webgraph.stop_signals import end_as_child, held

_FAILED = 1
_STDIN = 0
_CHUNK_BYTES = 1 << 16


def build_all_variants(archives: Sequence[str], folder: str, beam_args: Sequence[str]) -> None:
    """Builds the six published variants in `folder`, in place of what is there."""
    options = BuildOptions(output=OutputOptions(overwrite=True))
    build(list(archives), folder, options=options, beam_args=list(beam_args), console=Console(stderr=True))


def build_in_interpreter(archives: Sequence[str], folder: str, beam_args: Sequence[str]) -> None:
    """The same in a fresh interpreter, for a process that may not have children of `multiprocessing`.

    Raises:
      RuntimeError: the build failed; the message is that of the build.
    """
    asked = json.dumps({"archives": list(archives), "folder": folder, "beam_args": list(beam_args)})
    paths = os.pathsep.join(path for path in sys.path if path)
    with held():  # a signal to the group waits until that process can end without words
        started = subprocess.Popen(
            [sys.executable, "-m", "beam_pipelines.manual_build"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
    with started as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(asked.encode() + b"\n")
        process.stdin.flush()  # and left open: its end is this process's end
        said = process.stdout.read().decode(errors="replace").strip()
        process.stdin.close()
    if process.returncode:
        reason = said or f"its process ended with code {process.returncode}"
        raise RuntimeError(f"The graphs cannot be built from the archives: {reason}")


def main() -> int:
    """Builds what standard input says; the reason of a failure goes to standard output. Signals end it in silence."""
    end_as_child()
    asked = json.loads(_first_line())
    threading.Thread(target=_end_with_the_pipe, daemon=True).start()
    try:
        build_all_variants(asked["archives"], asked["folder"], asked["beam_args"])
    except (ValueError, OSError, RuntimeError) as error:
        sys.stdout.write(f"{error}\n")
        return _FAILED
    return 0


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (data := os.read(_STDIN, _CHUNK_BYTES)):
        line += data
    return line


def _end_with_the_pipe() -> None:
    """Reads the descriptor itself: a thread in `sys.stdin` holds its lock, and forked workers, which close it, hang."""
    while os.read(_STDIN, _CHUNK_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
