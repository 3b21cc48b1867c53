"""`RunStep`: a step as a Beam transform."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from beam_pipelines.step import INPUT, Step

_Named = tuple[str, bytes]


class _Values:
    """The values of one input among those of a key. Reads them when asked and holds none: a key may have very many."""

    def __init__(self, named: Iterable[_Named], name: str) -> None:
        self._named = named
        self._name = name

    def __iter__(self) -> Iterator[bytes]:
        return (value for name, value in self._named if name == self._name)


class _StepFn(beam.DoFn):
    def __init__(self, step: Step, names: tuple[str, ...]) -> None:
        self._step = step
        self._names = names

    def process(self, element: tuple[int, Iterable[_Named]], *side: Any) -> Iterator[Any]:
        key, named = element
        groups = {name: _Values(named, name) for name in self._names}
        for output in self._step(key, groups, *side):
            yield beam.pvalue.TaggedOutput(output.name, (output.key, output.value))


class _Name(beam.DoFn):
    def __init__(self, name: str) -> None:
        self._name = name

    def process(self, element: tuple[int, bytes]) -> Iterator[tuple[int, _Named]]:
        key, value = element
        yield key, (self._name, value)


def as_key(number: int) -> tuple[int, bytes]:
    """A key without a value, for steps that read what they need from files."""
    return number, b""


def _alone(element: tuple[int, bytes]) -> tuple[int, list[_Named]]:
    key, value = element
    return key, [(INPUT, value)]


@dataclasses.dataclass
class RunStep(beam.PTransform):
    """A dictionary of collections of (key, value), joined by key, to the outputs of a step, a collection each.

    Attributes:
      step: what is done with each key.
      side: side inputs.
      is_grouped: False where each key has one value already, and a shuffle is not needed.
    """

    step: Step
    side: tuple[Any, ...] = ()
    is_grouped: bool = True

    def expand(self, inputs: Any) -> Any:
        if self.is_grouped:
            named = [values | f"Name-{name}" >> beam.ParDo(_Name(name)) for name, values in inputs.items()]
            groups = named | "Join" >> beam.Flatten() | "GroupByKey" >> beam.GroupByKey()
        else:
            groups = inputs[INPUT] | "Alone" >> beam.Map(_alone)
        run = beam.ParDo(_StepFn(self.step, tuple(inputs)), *self.side)
        return groups | "Run" >> run.with_outputs(*self.step.outputs)
