"""Whether JAX can compute in this process, said in one sentence before it is asked to.

Two things go wrong otherwise. A platform that is not there (`JAX_PLATFORMS=cuda` without a GPU) ends in an assertion
within JAX. And a process that was forked from one in which JAX has its devices gets a copy of them without their
threads: the first computation waits for ever.
"""

import os
import sys

import jax


class BackendError(ValueError):
    """JAX has no device of the platforms that were asked for; the message names them and the remedy."""


class ForkedProcessError(RuntimeError):
    """This process is a fork of one that had used JAX, and cannot compute."""


def ready_devices() -> list[jax.Device]:
    """The devices of this process; JAX is initialised if it is not yet.

    Raises:
        BackendError: there are none of the platforms that were asked for.
        ForkedProcessError: see `check_not_forked`.
    """
    check_not_forked()
    try:
        return jax.local_devices()
    except Exception as error:  # JAX raises RuntimeError or AssertionError, and plugins what they like
        raise BackendError(_no_device(error)) from error


def check_not_forked() -> None:
    """Refuses to compute where that would wait for ever.

    Raises:
        ForkedProcessError: this process was forked after JAX had its devices.
    """
    if _state["forked"]:
        raise ForkedProcessError(
            "this process was forked from one that had used JAX, whose threads are not here, so that it would wait for "
            "ever: start it by multiprocessing.get_context('spawn'), and load or unpickle the model in it"
        )


def _no_device(error: Exception) -> str:
    asked = getattr(jax.config, "jax_platforms", None)
    reason = str(error).partition(" (set JAX_PLATFORMS=")[0].strip() or "JAX knows no such device here"
    reason = " ".join(reason.split()).rstrip(".")
    if not asked:
        return f"JAX cannot use the devices of this machine: {reason}"
    return (
        f"JAX_PLATFORMS={asked} cannot be used: {reason}; unset JAX_PLATFORMS to take what is here, or install JAX for "
        "that device"
    )


def _has_devices() -> bool:
    # Private to JAX, which has no public question for it that does not create the devices. No lock is taken: another
    # thread may have held it at the fork.
    return bool(getattr(sys.modules.get("jax._src.xla_bridge"), "_backends", None))


def _after_fork() -> None:
    _state["forked"] = _state["forked"] or _has_devices()


_state = {"forked": False}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
