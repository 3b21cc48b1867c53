"""`WriteGraphs`: partitions of kept pages and edges to the parts of all variants' graph directories.

Nodes are numbered (`node_ids`), edges get ids, split and hold-out (`variant_rows`), and each part of each variant is
written by one worker. The result is, in each variant's folder, the files of its parts and `part-PART.json`, which
describes them for the manifest; the manifest itself comes later and last.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from beam_pipelines import node_ids, variant_rows
from beam_pipelines.block import Block, decode_block, encode_block
from beam_pipelines.filter_pages import read_partition
from beam_pipelines.partitioning import choose_num_samples
from beam_pipelines.storage import join, write_file, write_json
from webgraph.graph_layout import GraphLayout
from webgraph.graph_parts import describe_file, part_files
from webgraph.split import SplitOptions

Keyed = tuple[int, bytes]
Outputs = Iterator[Any]  # of Keyed, and TaggedOutput


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphPlan:
    """How each variant is laid out and where its parts go; the lists have one entry a variant."""

    layouts: tuple[GraphLayout, ...]
    folders: tuple[str, ...]
    split: SplitOptions
    num_partitions: int
    num_ranges: int

    @property
    def num_variants(self) -> int:
        return len(self.layouts)

    def part_keys(self) -> list[int]:
        return [part_key(v, part) for v, layout in enumerate(self.layouts) for part in range(layout.num_parts)]


def part_key(variant: int, part: int) -> int:
    """One integer for a part of a variant: integers have the same coder on every runner."""
    return variant << 32 | part


class _ReadPartition(beam.DoFn):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def process(self, partition: int) -> Iterator[Keyed]:
        yield partition, encode_block(read_partition(self._folder, partition))


class _SampleKeys(beam.DoFn):
    def __init__(self, num_samples: int) -> None:
        self._num_samples = num_samples

    def process(self, element: Keyed) -> Iterator[tuple[int, list[bytes]]]:
        keys = node_ids.sort_keys(decode_block(element[1])["url"])
        yield 0, node_ids.sample_sort_keys(keys, self._num_samples)


class _SendNodes(beam.DoFn):
    def process(self, element: Keyed, limits: Sequence[bytes]) -> Iterator[Keyed]:
        partition, data = element
        for number, block in node_ids.send_nodes(partition, decode_block(data), limits):
            yield number, encode_block(block)


class _SortNodes(beam.DoFn):
    """Sorts a range; its number and its nodes in each variant are the output `counts`."""

    def __init__(self, num_variants: int) -> None:
        self._num_variants = num_variants

    def process(self, element: tuple[int, Iterable[bytes]]) -> Outputs:
        number, blocks = element
        nodes, counts = node_ids.sort_nodes((decode_block(block) for block in blocks), self._num_variants)
        yield beam.pvalue.TaggedOutput("counts", (number, counts))
        yield number, encode_block(nodes)


class _NumberNodes(beam.DoFn):
    """Gives ids: main output to the nodes' partitions, output `urls` to the parts that list them."""

    def __init__(self, plan: GraphPlan) -> None:
        self._plan = plan

    def process(self, element: Keyed, counts: dict[int, list[int]]) -> Outputs:
        number, data = element
        nodes = decode_block(data)
        before = [value for other, value in counts.items() if other < number]
        first_ids = [sum(column) for column in zip(*before, strict=True)] or [0] * self._plan.num_variants
        ids = node_ids.number_nodes(nodes, first_ids)
        for partition, block in node_ids.return_ids(nodes, ids, self._plan.num_partitions):
            yield partition, encode_block(block)
        for variant, layout in enumerate(self._plan.layouts):
            chosen = np.flatnonzero(ids[variant] >= 0)
            parts = layout.part_of(ids[variant, chosen])
            for part in np.unique(parts).tolist():
                inside = chosen[parts == part]
                block = {"first_id": ids[variant, inside[:1]], "url": nodes["url"].take(pa.array(inside))}
                yield beam.pvalue.TaggedOutput("urls", (part_key(variant, part), encode_block(block)))


class _SendEdges(beam.DoFn):
    def __init__(self, plan: GraphPlan) -> None:
        self._plan = plan

    def process(self, element: tuple[int, dict[str, Iterable[bytes]]]) -> Iterator[Keyed]:
        _, groups = element
        filtered, ids = _partition_with_ids(groups, self._plan.num_variants)
        for number, block in variant_rows.send_edges(filtered, ids, self._plan.split, self._plan.num_partitions):
            yield number, encode_block(block)


class _RowsOfEdges(beam.DoFn):
    def __init__(self, plan: GraphPlan) -> None:
        self._plan = plan

    def process(self, element: tuple[int, dict[str, Iterable[bytes]]]) -> Iterator[Keyed]:
        _, groups = element
        filtered, ids = _partition_with_ids(groups, self._plan.num_variants)
        url_of_page = dict(zip(filtered["page"].tolist(), filtered["url"].to_pylist(), strict=True))
        for edges in variant_rows.join_edges(decode_block(data) for data in groups["edges"]):
            rows = variant_rows.rows_of_edges(edges, ids, url_of_page, self._plan.layouts, self._plan.split)
            for variant, part, block in rows:
                yield part_key(variant, part), encode_block(block)


def _partition_with_ids(groups: dict[str, Iterable[bytes]], num_variants: int) -> tuple[Block, np.ndarray]:
    (data,) = groups["filtered"]
    filtered = decode_block(data)
    blocks = (decode_block(block) for block in groups["ids"])
    return filtered, variant_rows.ids_of_pages(int(filtered["num_pages"][0]), blocks, num_variants)


class _WritePart(beam.DoFn):
    def __init__(self, plan: GraphPlan) -> None:
        self._plan = plan

    def process(self, element: tuple[int, dict[str, Iterable[Any]]]) -> Iterator[str]:
        key, groups = element
        variant, part = key >> 32, key & 0xFFFFFFFF
        layout, folder = self._plan.layouts[variant], self._plan.folders[variant]
        urls = sorted((decode_block(block) for block in groups["urls"]), key=lambda block: int(block["first_id"][0]))
        content = variant_rows.collect_part(
            layout,
            part,
            (decode_block(block) for block in groups["rows"]),
            pa.concat_arrays([pa.array([], type=pa.large_binary()), *(block["url"] for block in urls)]),
            self._plan.split,
        )
        files = []
        for name, data in part_files(layout, part, nodes=content.nodes, **content.splits()):
            write_file(join(folder, name), data)
            files.append(dataclasses.asdict(describe_file(name, data)))
        splits = {
            name: {"rows": rows.num_rows, "history": len(rows.col_tag), "ground_truth": len(rows.gt_tag)}
            for name, rows in content.splits().items()
        }
        report = join(folder, f"part-{part:05}.json")
        write_json(report, {"files": files, "splits": splits})
        yield report


@dataclasses.dataclass
class NumberNodes(beam.PTransform):
    """(partition, block of kept pages) to the ids for partitions, and (output `urls`) the URLs of parts."""

    plan: GraphPlan

    def expand(self, partitions: beam.PCollection) -> Any:
        num_samples = choose_num_samples(self.plan.num_ranges, self.plan.num_partitions)
        limits = (
            partitions
            | "SampleKeys" >> beam.ParDo(_SampleKeys(num_samples))
            | "GatherSamples" >> beam.GroupByKey()
            | "Samples" >> beam.Values()
            | "ChooseLimits" >> beam.Map(node_ids.choose_range_limits, self.plan.num_ranges)
        )
        nodes = (
            partitions
            | "SendNodes" >> beam.ParDo(_SendNodes(), limits=beam.pvalue.AsSingleton(limits))
            | "GroupRanges" >> beam.GroupByKey()
            | "SortNodes" >> beam.ParDo(_SortNodes(self.plan.num_variants)).with_outputs("counts", main="nodes")
        )
        return nodes.nodes | "NumberNodes" >> beam.ParDo(
            _NumberNodes(self.plan), counts=beam.pvalue.AsDict(nodes.counts)
        ).with_outputs("urls", main="ids")


@dataclasses.dataclass
class WriteGraphs(beam.PTransform):
    """Numbers of the partitions in `folder` to the paths of the parts' reports."""

    folder: str
    plan: GraphPlan

    def expand(self, numbers: beam.PCollection) -> beam.PCollection:
        filtered = (
            numbers
            | "SpreadPartitions" >> beam.Reshuffle()
            | "ReadPartition" >> beam.ParDo(_ReadPartition(self.folder))
        )
        numbered = filtered | "NumberNodes" >> NumberNodes(self.plan)
        edges = (
            {"filtered": filtered, "ids": numbered.ids}
            | "JoinSources" >> beam.CoGroupByKey()
            | "SendEdges" >> beam.ParDo(_SendEdges(self.plan))
        )
        rows = (
            {"filtered": filtered, "ids": numbered.ids, "edges": edges}
            | "JoinTargets" >> beam.CoGroupByKey()
            | "RowsOfEdges" >> beam.ParDo(_RowsOfEdges(self.plan))
        )
        parts = numbers.pipeline | "Parts" >> beam.Create([(key, b"") for key in self.plan.part_keys()])
        return (
            {"rows": rows, "urls": numbered.urls, "parts": parts}
            | "GroupParts" >> beam.CoGroupByKey()
            | "WritePart" >> beam.ParDo(_WritePart(self.plan))
        )
