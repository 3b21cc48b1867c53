"""Steps: what is done with one key of a shuffle, whoever runs it: Beam (`run_step`) or this machine (`local_engine`).

A step takes a key and what stands under it, by input name, and gives out byte strings under new keys, by output name.
Steps hold nothing but their options, so that they can be sent to workers and called again after a failure.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

Groups = Mapping[str, Iterable[bytes]]
"""The values of a key, by name of the input; each may be read more than once, in the same order."""
INPUT = "input"
"""The name of the input of steps that have only one."""


class Output(NamedTuple):
    """One value that a step gives out: the name of the output, the key for the next shuffle, the value."""

    name: str
    key: int
    value: bytes


class Step(Protocol):
    """What an engine runs, called with a key, its groups, and what else it needs to know of all keys, if anything.

    Attributes:
      outputs: the names of its outputs.
    """

    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def __call__(self) -> Callable[..., Iterator[Output]]: ...


def only_value(groups: Groups, name: str = INPUT) -> bytes:
    """The value of an input that has exactly one for each key."""
    (value,) = groups[name]
    return value
