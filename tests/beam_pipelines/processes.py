"""What tests ask about processes that they have not started themselves."""

import contextlib

import psutil


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it does more than wait for its parent to take note of its end."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
