"""The stages of a build on the cores of this machine, with shuffles on disk instead of in memory.

The steps are those that Beam runs. A stage is one step, a task one key of its input; what tasks give out lies in keyed
files, where the next stage finds it by key. Tasks run side by side as far as their memory fits the limit. A task's file
gets its name when it is whole and is not made again, so a build that was killed goes on where it was.
"""

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from beam_pipelines.build_work import SPILL_MARK
from beam_pipelines.filter_steps import (
    COUNTS,
    LINKS,
    PAGES,
    DegreeOptions,
    FilterSources,
    KeepPages,
    MergeAndSend,
    SendAgain,
)
from beam_pipelines.input_options import InputOptions
from beam_pipelines.keyed_file import KeyedValues, is_whole, read_index
from beam_pipelines.machine import MachineOptions
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.parsed_files import parse_to_files
from beam_pipelines.stage_marks import write_empty_mark, write_mark
from beam_pipelines.step import INPUT, Step
from beam_pipelines.storage import write_keyed_file
from beam_pipelines.task_pool import Task, TaskPool
from beam_pipelines.write_steps import COUNTS as NODE_COUNTS
from beam_pipelines.write_steps import (
    EDGES,
    IDS,
    NODES,
    ROWS,
    SAMPLES,
    URLS,
    GraphPlan,
    NumberNodes,
    RowsOfEdges,
    SampleKeys,
    SendEdges,
    SendNodes,
    SortNodes,
    WritePart,
    range_limits,
)

TASK_BYTES = 64 << 20
"""What a task takes whatever its input, measured."""
MAX_PARSE_BYTES = 400 << 20
"""What parsing takes at most: the links that are held together are bounded (`page_blocks.MAX_BLOCK_LINKS`)."""
_MERGE_FACTOR = 12
_MEMORY_FACTOR = 8
"""What a task takes at its peak, in multiples of its input, beside `TASK_BYTES`. Measured on one partition of 50 and of
136 MB of compressed WAT: 5 to 11 for merging, at most 6 for the other steps and 8 for writing parts."""
_MIN_PARTITION_BYTES = 1 << 20
_BYTES_PER_INPUT_BYTE = 8
"""What the step that takes most takes for each byte of compressed archives in its partition: measured, 3.5 at most."""

_log = logging.getLogger(__name__)

Spans = dict[int, list[tuple[str, int, int]]]
"""By key: file, offset and length of each value."""


class Spill(NamedTuple):
    """What a stage gave out: its keyed files, and where of them."""

    files: tuple[str, ...]

    def spans(self, name: str) -> Spans:
        """Where the values of an output are."""
        found: Spans = defaultdict(list)
        for path in self.files:
            with open(path, "rb") as source:
                for key, values in read_index(source).get(name, {}).items():
                    found[key] += [(path, offset, length) for offset, length in values]
        return found


Inputs = Mapping[str, Sequence[tuple[Spill, str]]]
"""For each input of a step, the outputs that it takes together."""


class LocalEngine:
    """Runs stages in processes of this machine; an `Engine`. It forks its workers when it is made; close it when done.

    Args:
      work: folder of the run, on a local disk.
      options: limits of this machine.
    """

    def __init__(self, work: str, options: MachineOptions) -> None:
        self._spills = Path(work) / "spills"
        self._pool = TaskPool(options.workers, options.memory)

    def close(self) -> None:
        """Ends the workers."""
        self._pool.close()

    def parse(self, paths: Sequence[str], folder: str, options: ParseOptions, inputs: InputOptions) -> None:
        # Memory is bounded where time is not, and what takes longest should not begin last.
        paths = sorted(paths, key=lambda path: _size(path) or 0)
        tasks = [Task(parse_to_files, (path, folder, options, inputs), parse_memory(_size(path))) for path in paths]
        for _ in self._pool.run(tasks):
            pass

    def filter(self, parsed: Sequence[str], folder: str, options: DegreeOptions) -> None:
        blocks = Spill(tuple(parsed))
        merged = self._stage("merge", MergeAndSend(options), {INPUT: [(blocks, INPUT)]}, memory_factor=_MERGE_FACTOR)
        self._degree_round(merged, folder, options)

    def filter_again(self, partitions: Sequence[int], source: str, folder: str, options: DegreeOptions) -> None:
        name = f"{os.path.basename(folder)}-send"
        sent = self._stage(name, SendAgain(source, options), {}, keys=partitions, folder=source)
        self._degree_round(sent, folder, options)

    def _degree_round(self, sent: Spill, folder: str, options: DegreeOptions) -> None:
        name = os.path.basename(folder)
        joined = {PAGES: [(sent, PAGES)], LINKS: [(sent, LINKS)]}
        kept = self._stage(f"{name}-keep", KeepPages(options), joined)
        back = {PAGES: [(kept, PAGES)], LINKS: [(kept, LINKS)], COUNTS: [(sent, COUNTS), (kept, COUNTS)]}
        self._stage(f"{name}-filter", FilterSources(folder, options), back)
        self._remove(sent, kept)

    def write(self, partitions: Sequence[int], folder: str, plan: GraphPlan) -> None:
        sampled = self._stage("sample", SampleKeys(folder, plan), {}, keys=partitions, folder=folder)
        samples = [value for values in _values(sampled, SAMPLES).values() for value in values]
        side = (range_limits(samples, plan.num_ranges),)
        sent = self._stage("send-nodes", SendNodes(folder), {}, keys=partitions, folder=folder, side=side)
        ranges = self._stage("sort-nodes", SortNodes(plan), {INPUT: [(sent, NODES)]})
        counts = {number: values[0] for number, values in _values(ranges, NODE_COUNTS).items()}
        numbered = self._stage("number-nodes", NumberNodes(plan), {INPUT: [(ranges, NODES)]}, side=(counts,))
        self._remove(sampled, sent, ranges)
        ids = [(numbered, IDS)]
        edges = self._stage("send-edges", SendEdges(folder, plan), {IDS: ids}, folder=folder)
        joined = {IDS: ids, EDGES: [(edges, EDGES)]}
        rows = self._stage("rows", RowsOfEdges(folder, plan), joined, folder=folder)
        self._remove(edges)
        parts = {ROWS: [(rows, ROWS)], URLS: [(numbered, URLS)]}
        self._stage("write", WritePart(plan), parts, keys=plan.part_keys())
        self._remove(numbered, rows)

    def _stage(
        self,
        name: str,
        step: Step,
        inputs: Inputs,
        *,
        keys: Iterable[int] | None = None,
        side: tuple[Any, ...] = (),
        folder: str | None = None,
        memory_factor: int = _MEMORY_FACTOR,
    ) -> Spill:
        """Runs a step on every key of its inputs, or on `keys`, and returns what it gave out.

        `folder` is where the step reads more of a partition.
        """
        place = self._spills / name
        if (place / SPILL_MARK).exists():
            _log.info("%s: done before", name)
            return _spill(place)
        place.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        spans = {group: [spill.spans(output) for spill, output in outputs] for group, outputs in inputs.items()}
        wanted = sorted(set().union(*(part for parts in spans.values() for part in parts)) if keys is None else keys)
        missing = [key for key in wanted if not (is_whole(str(_path(place, key))) and _is_written(step, key))]
        if len(missing) < len(wanted):
            _log.info("%s: %d of %d keys done before", name, len(wanted) - len(missing), len(wanted))
        tasks = []
        for key in missing:
            groups = {group: [span for part in parts for span in part.get(key, ())] for group, parts in spans.items()}
            size = sum(length for group in groups.values() for *_, length in group) + _partition_size(folder, key)
            task = (step, key, groups, side, str(_path(place, key)))
            tasks.append(Task(_run_step, task, TASK_BYTES + memory_factor * size))
        for _ in self._pool.run(tasks):
            pass
        write_mark(str(place / SPILL_MARK), str(place))
        _log.info("%s: %d keys in %.2f s", name, len(missing), time.monotonic() - start)
        return _spill(place)

    def _remove(self, *spills: Spill) -> None:
        """Removes the files of stages that are not needed again, and leaves the mark that they are done."""
        for spill in spills:
            for folder in {os.path.dirname(path) for path in spill.files}:
                write_empty_mark(os.path.join(folder, SPILL_MARK))
            for path in spill.files:
                os.remove(path)


def max_bytes_per_partition(options: MachineOptions) -> int:
    """Compressed bytes of archives whose partition fits where as many tasks run as there are workers."""
    return max(_MIN_PARTITION_BYTES, (options.memory // options.workers - TASK_BYTES) // _BYTES_PER_INPUT_BYTE)


def parse_memory(size: int | None) -> int:
    """Bytes that parsing an archive of so many compressed bytes takes; None where the size is not known."""
    return MAX_PARSE_BYTES if size is None else min(MAX_PARSE_BYTES, TASK_BYTES + 12 * size)


def _run_step(
    step: Step, key: int, groups: dict[str, list[tuple[str, int, int]]], side: tuple[Any, ...], path: str
) -> None:
    write_keyed_file(path, step(key, {name: KeyedValues(spans) for name, spans in groups.items()}, *side))


def _is_written(step: Step, key: int) -> bool:
    """Whether the files that a step writes beside what it gives out are whole; most write none."""
    check: Callable[[int], bool] | None = getattr(step, "is_written", None)
    return check is None or check(key)


def _path(place: Path, key: int) -> Path:
    return place / f"{key}.out"


def _spill(place: Path) -> Spill:
    return Spill(tuple(sorted(map(str, place.glob("*.out")))))


def _values(spill: Spill, name: str) -> dict[int, list[bytes]]:
    return {key: list(KeyedValues(spans)) for key, spans in spill.spans(name).items()}


def _size(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None


def _partition_size(folder: str | None, key: int) -> int:
    return 0 if folder is None else sum(path.stat().st_size for path in Path(folder).glob(f"{key:05}.*"))
