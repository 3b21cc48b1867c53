"""What each step of a small build really gives out, and what its worker takes: spills are kept and weighed.

`weighed_build` runs the local engine in this process, one forked child a task, so that the peak memory of each task is
its own. Used by `benchmarks.step_memory` and by the tests of `beam_pipelines.scale`.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from beam_pipelines import local_engine
from beam_pipelines.block import decode_block
from beam_pipelines.build_graph import WORK_FOLDER, build
from beam_pipelines.build_report import BuildReport
from beam_pipelines.build_work import BuildWork
from beam_pipelines.filter_steps import LINKS, read_pages
from beam_pipelines.filter_steps import PAGES as FILTER_PAGES
from beam_pipelines.keyed_file import KeyedValues, read_index
from beam_pipelines.local_engine import LocalEngine, Spill
from beam_pipelines.options import BuildOptions
from beam_pipelines.partitioning import choose_num_ranges
from beam_pipelines.scale import CrawlStatistics, Cuts
from beam_pipelines.step import INPUT
from beam_pipelines.task_pool import Task

STEPS = {
    "MergeAndSend": "merge",
    "KeepPages": "round-0-keep",
    "SendNodes": "send-nodes",
    "SortNodes": "sort-nodes",
    "NumberNodes": "number-nodes",
    "SendEdges": "send-edges",
    "RowsOfEdges": "rows",
}
"""Steps that give out blocks, and the folders of their spills."""
_NO_BLOCKS = ("counts",)  # JSON, some hundred bytes a key


@dataclasses.dataclass
class WeighedBuild:
    """A build whose work folder was kept.

    Attributes:
      blocks, bytes: by step, of the blocks that it gave out or, of parsing and filtering, wrote.
      memory: by step, the most that one task took, and the number of tasks.
    """

    report: BuildReport
    work: Path
    num_partitions: int
    memory: dict[str, int]
    blocks: dict[str, int] = dataclasses.field(default_factory=dict)
    bytes: dict[str, int] = dataclasses.field(default_factory=dict)

    def spill(self, step: str) -> Spill:
        return Spill(tuple(sorted(map(str, (self.work / "spills" / STEPS[step]).glob("*.out")))))


class _ForkingPool:
    """Runs each task in a child of its own, one after the other; stands for `TaskPool`."""

    memory: ClassVar[dict[str, int]] = {}

    def __init__(self, *_: Any) -> None:
        type(self).memory = {}

    def run(self, tasks: Sequence[Task]) -> Iterator[None]:
        for task in tasks:
            is_step = task.function is local_engine._run_step
            name = type(task.arguments[0]).__name__ if is_step else "Parse"
            self.memory[name] = max(self.memory.get(name, 0), _peak_in_child(task))
            yield None

    def close(self) -> None:
        pass


def _peak_in_child(task: Task) -> int:
    """Runs a task in a forked child; returns by how many bytes its resident set grew at its peak."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak from now on
        before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        task.function(*task.arguments)
        status = Path("/proc/self/status").read_text().splitlines()
        peak = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
        os.write(write, str(peak - before).encode())
        os._exit(0)
    os.close(write)
    grown = os.read(read, 100)
    os.close(read)
    _, status_code = os.waitpid(child, 0)
    if status_code or not grown:
        raise RuntimeError(f"A task ended with status {status_code}.")
    return int(grown)


def weighed_build(paths: Sequence[str], output: Path, options: BuildOptions) -> WeighedBuild:
    """Builds into a new folder, keeps everything between the steps, and weighs it."""
    with (
        mock.patch.object(local_engine, "TaskPool", _ForkingPool),
        mock.patch.object(LocalEngine, "_remove", lambda *_: None),
        mock.patch.object(BuildWork, "remove", lambda *_: None),
    ):
        report = build(list(paths), str(output), options=options)
    work = output / WORK_FOLDER
    num_partitions = json.loads((work / "plan.json").read_text())["parse"]["num_partitions"]
    found = WeighedBuild(report, work, num_partitions, dict(_ForkingPool.memory))
    parsed = [str(path) for path in (work / "parsed").glob("*.blocks")]
    found.blocks["Parse"], found.bytes["Parse"] = _weigh(parsed)
    for step in STEPS:
        found.blocks[step], found.bytes[step] = _weigh(found.spill(step).files)
    kept = [*(work / "round-0").glob("*.edges"), *(work / "round-0").glob("*.pages")]
    found.bytes["FilterSources"] = sum(path.stat().st_size for path in kept)
    found.bytes["WritePart"] = sum(file.bytes for manifest in report.manifests for file in manifest.files)
    return found


def _weigh(files: Sequence[str]) -> tuple[int, int]:
    blocks = size = 0
    for path in files:
        with open(path, "rb") as source:
            for name, keys in read_index(source).items():
                if name not in _NO_BLOCKS:
                    spans = [span for values in keys.values() for span in values]
                    blocks, size = blocks + len(spans), size + sum(length for _, length in spans)
    return blocks, size


def statistics_of(found: WeighedBuild) -> CrawlStatistics:
    """What a build says of its crawl. Distinct targets are known at two points: of a key block, and of a partition."""
    manifest = found.report.manifests[0]
    merge, degree = manifest.counts["merge"], manifest.counts["filter"]
    links = sum(archive.counts["links_out"] for archive in found.report.archives)
    in_variants = degree["edges_in"] - degree["edges_outside_tlds"]
    merged = found.spill("MergeAndSend")
    parsed = Spill(tuple(map(str, (found.work / "parsed").glob("*.blocks"))))
    in_blocks = sum(len(block["target_key"]) for block in _blocks(parsed, INPUT))
    in_partitions = sum(len(block["target_key"]) for block in _blocks(merged, LINKS))
    points = (
        (links / found.blocks["Parse"], in_blocks / found.blocks["Parse"]),
        (in_variants / found.num_partitions, in_partitions / found.num_partitions),
    )
    kept = [read_pages(str(found.work / "round-0"), number)["url"] for number in range(found.num_partitions)]
    return CrawlStatistics(
        files=len(found.report.archives),
        input_bytes=sum(archive.bytes for archive in found.report.archives),
        captures=merge["captures_in"],
        pages=merge["pages_out"],
        links=links,
        edges=merge["edges_out"],
        edges_in_variants=in_variants,
        edges_to_kept=sum(len(block["source"]) for block in _blocks(found.spill("KeepPages"), LINKS)),
        kept_pages=degree["pages_out"],
        kept_edges=degree["edges_out"],
        nodes=tuple(one.graph.num_nodes for one in found.report.manifests),
        variant_edges=tuple(one.graph.num_edges for one in found.report.manifests),
        url_bytes=_url_bytes(block["url"] for block in _blocks(merged, FILTER_PAGES)),
        kept_url_bytes=_url_bytes(kept),
        targets_of_links=tuple(sorted(points)),
    )


def cuts_of(found: WeighedBuild) -> Cuts:
    """How a build was cut."""
    return Cuts(
        num_partitions=found.num_partitions,
        num_ranges=choose_num_ranges(found.report.manifests[0].counts["filter"]["pages_out"]),
        num_parts=tuple(manifest.layout.num_parts for manifest in found.report.manifests),
    )


def _blocks(spill: Spill, name: str) -> Iterator[dict[str, Any]]:
    for spans in spill.spans(name).values():
        yield from map(decode_block, KeyedValues(spans))


def _url_bytes(columns: Any) -> float:
    count = size = 0
    for column in columns:
        count, size = count + len(column), size + sum(map(len, column.to_pylist()))
    return size / max(1, count)
