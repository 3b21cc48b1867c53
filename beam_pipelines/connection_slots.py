"""At most N files read from elsewhere at a time, by all processes of a machine that share a folder.

A slot is a file lock, which the system gives back when its process dies, however it dies.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator

_POLL_SECONDS = 0.02


@contextlib.contextmanager
def connection_slot(folder: str, count: int) -> Iterator[None]:
    """Holds one of `count` slots, once there is one.

    Args:
      folder: local, made if need be; processes with the same folder share the slots.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    names = [os.path.join(folder, f"slot-{slot}") for slot in range(count)]
    descriptors = [os.open(name, os.O_RDWR | os.O_CREAT, 0o600) for name in names]
    try:
        while not any(_locked(descriptor) for descriptor in descriptors):
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def machine_folder() -> str:
    """A folder of this user on this machine, for a build that has no local folder of its own."""
    return os.path.join(tempfile.gettempdir(), f"alx-webgraph-connections-{os.getuid()}")
