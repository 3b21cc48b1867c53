"""Bytes that a device sends by collectives, counted from the text of a compiled program.

For a group of n devices and ring algorithms, with `size` the bytes of what the instruction gives:

    all-gather           size (n - 1) / n          all-to-all   size (n - 1) / n
    all-reduce           2 size (n - 1) / n        reduce-scatter  size (n - 1)   (n times its result went in)
    collective-permute   size                      collective-broadcast  size

times the trip counts of the loops around it. A device that is in no pair of a permute is counted as if it sent: the
program is one for all devices, and the slowest decides. The dearest branch of a conditional is counted. A loop with
collectives whose trip count the compiler does not state is an error, since any number would be a guess.
"""

import collections
import dataclasses
import re
from collections.abc import Iterator, Mapping

_BYTES = {"pred": 1, "s4": 0.5, "u4": 0.5, "bf16": 2, "c64": 8, "c128": 16, "token": 0}
_ARRAY = re.compile(r"\b(pred|token|bf16|c64|c128|[suf]\d+(?:e\d+m\d+\w*)?)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
_GROUPS = re.compile(r"replica_groups=\{\{([\d,]*)\}")
_IOTA_GROUPS = re.compile(r"replica_groups=\[(\d+),(\d+)\]")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CALLED = re.compile(r"(?:calls|to_apply|body|condition|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_OPERATIONS = (
    "all-gather",
    "all-reduce",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
    "ragged-all-to-all",
)


class UncountableProgram(ValueError):
    """The program's text does not tell how many bytes it moves; the message says which instruction."""


@dataclasses.dataclass(frozen=True)
class _Instruction:
    result: str
    operation: str
    rest: str


def collective_bytes(program: str, *, num_devices: int) -> dict[str, float]:
    """Bytes sent a device, by operation.

    Args:
        program: optimised HLO, as `jax.stages.Compiled.as_text` gives it.
        num_devices: devices of the program; the group of a collective that names none.

    Returns:
        Bytes by operation ("all-gather", ...); operations that do not occur are left out.

    Raises:
        UncountableProgram: a loop around a collective has no known trip count, or there is a collective that
            moves an amount only known when it runs.
    """
    computations, entry = _parse(program)
    return dict(_Counter(computations, num_devices).of(entry))


def _parse(program: str) -> tuple[dict[str, list[_Instruction]], str]:
    computations: dict[str, list[_Instruction]] = {}
    entry, current = "", []
    for line in program.splitlines():
        header = _COMPUTATION.match(line)
        if header:
            current = computations.setdefault(header[1], [])
            entry = header[1] if line.startswith("ENTRY") else entry
        elif instruction := _INSTRUCTION.match(line):
            current.append(_Instruction(*instruction.groups()))
    if not entry:
        raise UncountableProgram("there is no ENTRY computation: give the text of a compiled program")
    return computations, entry


class _Counter:
    def __init__(self, computations: Mapping[str, list[_Instruction]], num_devices: int) -> None:
        self._computations, self._num_devices = computations, num_devices
        self._known: dict[str, collections.Counter[str]] = {}

    def of(self, name: str) -> collections.Counter[str]:
        """Bytes of one run of a computation, by operation."""
        if name not in self._known:
            total: collections.Counter[str] = collections.Counter()
            for instruction in self._computations.get(name, []):
                total.update(self._of_instruction(instruction))
            self._known[name] = total
        return self._known[name]

    def _of_instruction(self, instruction: _Instruction) -> collections.Counter[str]:
        operation = instruction.operation.removesuffix("-start")
        if operation in _OPERATIONS:
            return collections.Counter({operation: self._sent(operation, instruction)})
        if operation == "while":
            return self._of_loop(instruction)
        if operation == "conditional":
            branches = _BRANCHES.search(instruction.rest)
            names = re.findall(r"[\w.\-]+", branches[1]) if branches else _CALLED.findall(instruction.rest)
            return max((self.of(name) for name in names), key=lambda counter: counter.total())
        if operation in ("fusion", "call", "async"):
            return sum((self.of(name) for name in _CALLED.findall(instruction.rest)), collections.Counter())
        return collections.Counter()

    def _of_loop(self, instruction: _Instruction) -> collections.Counter[str]:
        once = sum((self.of(name) for name in _CALLED.findall(instruction.rest)), collections.Counter())
        if not once:
            return once
        trips = _TRIPS.search(instruction.rest)
        if trips is None:
            raise UncountableProgram(f"a loop with {', '.join(once)} has no known trip count")
        return collections.Counter({name: size * int(trips[1]) for name, size in once.items()})

    def _sent(self, operation: str, instruction: _Instruction) -> float:
        size = _moved(operation, instruction)
        if operation in ("collective-permute", "collective-broadcast"):
            return size
        if operation == "ragged-all-to-all":
            raise UncountableProgram("ragged-all-to-all moves what its operands say when it runs")
        n = self._group_size(instruction.rest)
        factor = {"all-gather": (n - 1) / n, "all-to-all": (n - 1) / n, "all-reduce": 2 * (n - 1) / n}
        return size * factor.get(operation, n - 1)

    def _group_size(self, rest: str) -> int:
        if iota := _IOTA_GROUPS.search(rest):
            return int(iota[2])
        groups = _GROUPS.search(rest)
        return len(groups[1].split(",")) if groups and groups[1] else self._num_devices


def _moved(operation: str, instruction: _Instruction) -> float:
    """Bytes of the result; of an asynchronous start only the part that is the result, not the operand beside it."""
    sizes = list(_array_bytes(instruction.result))
    if instruction.operation.endswith("-start") and instruction.result.startswith("("):
        if operation == "collective-permute":
            return sizes[1]  # (operand, result, context ...)
        if operation == "all-gather":
            return sum(sizes[len(sizes) // 2 :])  # (operands, results)
    return sum(sizes)


def _array_bytes(shape: str) -> Iterator[float]:
    for kind, dimensions in _ARRAY.findall(shape):
        count = 1
        for size in filter(None, dimensions.split(",")):
            count *= int(size)
        yield count * (_BYTES[kind] if kind in _BYTES else _bits(kind) / 8)


def _bits(kind: str) -> int:
    return int(re.findall(r"\d+", kind)[0])
