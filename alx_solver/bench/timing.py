"""One clock for everyone who is timed."""

import time
from collections.abc import Callable


def timed(action: Callable[[], object]) -> float:
    """Wall seconds of an action that ends when its result is there."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
