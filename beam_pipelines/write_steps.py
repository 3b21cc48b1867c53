"""The steps that write graphs: nodes are numbered, edges get ids and split, and each part is written by one worker.

They wrap `node_ids` and `variant_rows`, and read the partitions of the last round of the degree rule from its folder.
The result is, in each variant's folder, the files of its parts and `part-PART.json`, which describes them for the
manifest; the manifest itself comes later and last.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from beam_pipelines import node_ids, variant_rows
from beam_pipelines.block import decode_block, encode_block
from beam_pipelines.filter_steps import read_edges, read_pages
from beam_pipelines.partitioning import choose_num_ranges, choose_num_samples
from beam_pipelines.stage_marks import has_sizes
from beam_pipelines.step import INPUT, Groups, Output, only_value
from beam_pipelines.storage import join, read_json, write_file, write_json
from webgraph.arrow_arrays import binary_array, number_array
from webgraph.graph_layout import GraphLayout
from webgraph.graph_parts import describe_file, part_files
from webgraph.split import SplitOptions

SAMPLES, NODES, COUNTS, IDS, URLS, EDGES, ROWS, PARTS = (
    "samples",
    "nodes",
    "counts",
    "ids",
    "urls",
    "edges",
    "rows",
    "parts",
)

PART_REPORTS = "part-*.json"
"""The descriptions of parts, in a graph's folder until it gets its final name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphPlan:
    """How each variant is laid out and where its parts go; the lists have one entry a variant.

    Attributes:
      num_nodes: kept pages of all partitions, whatever their variants.
    """

    layouts: tuple[GraphLayout, ...]
    folders: tuple[str, ...]
    split: SplitOptions
    num_partitions: int
    num_nodes: int

    @property
    def num_variants(self) -> int:
        return len(self.layouts)

    @property
    def num_ranges(self) -> int:
        """Ranges of sort keys in which nodes are numbered."""
        return choose_num_ranges(self.num_nodes)

    def part_keys(self) -> list[int]:
        return [part_key(v, part) for v, layout in enumerate(self.layouts) for part in range(layout.num_parts)]


def part_key(variant: int, part: int) -> int:
    """One integer for a part of a variant: integers have the same coder on every runner."""
    return variant << 32 | part


@dataclasses.dataclass(frozen=True)
class SampleKeys:
    """Samples a partition's sort keys, all under key 0."""

    folder: str
    plan: GraphPlan
    outputs = (SAMPLES,)

    def __call__(self, partition: int, groups: Groups) -> Iterator[Output]:
        num_samples = choose_num_samples(self.plan.num_ranges, self.plan.num_partitions)
        sample = node_ids.sample_sort_keys(read_pages(self.folder, partition)["url"], num_samples)
        yield Output(SAMPLES, 0, encode_block({"key": binary_array(sample)}))


def range_limits(samples: Iterable[bytes], num_ranges: int) -> list[bytes]:
    """The keys at which ranges begin, from all that `SampleKeys` gave out."""
    return node_ids.choose_range_limits((decode_block(data)["key"].to_pylist() for data in samples), num_ranges)


@dataclasses.dataclass(frozen=True)
class SendNodes:
    """Sends a partition's kept pages to the ranges of their sort keys; `limits` are of `range_limits`."""

    folder: str
    outputs = (NODES,)

    def __call__(self, partition: int, groups: Groups, limits: Sequence[bytes]) -> Iterator[Output]:
        for number, block in node_ids.send_nodes(partition, read_pages(self.folder, partition), limits):
            yield Output(NODES, number, encode_block(block))


@dataclasses.dataclass(frozen=True)
class SortNodes:
    """Sorts a range, and counts its nodes in each variant."""

    plan: GraphPlan
    outputs = (NODES, COUNTS)

    def __call__(self, number: int, groups: Groups) -> Iterator[Output]:
        blocks = (decode_block(block) for block in groups[INPUT])
        nodes, counts = node_ids.sort_nodes(blocks, self.plan.num_variants)
        yield Output(COUNTS, number, json.dumps(counts).encode())
        yield Output(NODES, number, encode_block(nodes))


@dataclasses.dataclass(frozen=True)
class NumberNodes:
    """Gives ids: they go to the nodes' partitions, URLs to the parts that list them; `counts` are of all ranges."""

    plan: GraphPlan
    outputs = (IDS, URLS)

    def __call__(self, number: int, groups: Groups, counts: Mapping[int, bytes]) -> Iterator[Output]:
        nodes = decode_block(only_value(groups))
        before = [json.loads(value) for other, value in counts.items() if other < number]
        first_ids = [sum(column) for column in zip(*before, strict=True)] or [0] * self.plan.num_variants
        ids = node_ids.number_nodes(nodes, first_ids)
        for partition, block in node_ids.return_ids(nodes, ids, self.plan.num_partitions):
            yield Output(IDS, partition, encode_block(block))
        for variant, layout in enumerate(self.plan.layouts):
            chosen = np.flatnonzero(ids[variant] >= 0)
            parts = layout.part_of(ids[variant, chosen])
            for part in np.unique(parts).tolist():
                inside = chosen[parts == part]
                urls = {"first_id": ids[variant, inside[:1]], "url": nodes["url"].take(number_array(inside))}
                yield Output(URLS, part_key(variant, part), encode_block(urls))


@dataclasses.dataclass(frozen=True)
class SendEdges:
    """Gives a partition's edges the ids of their sources, and sends them to the partitions of their targets."""

    folder: str
    plan: GraphPlan
    outputs = (EDGES,)

    def __call__(self, partition: int, groups: Groups) -> Iterator[Output]:
        pages = read_pages(self.folder, partition)
        blocks = (decode_block(block) for block in groups[IDS])
        ids = variant_rows.ids_of_pages(int(pages["num_pages"][0]), blocks, self.plan.num_variants)
        edges = read_edges(self.folder, partition)
        for number, block in variant_rows.send_edges(pages, edges, ids, self.plan.split, self.plan.num_partitions):
            yield Output(EDGES, number, encode_block(block))


@dataclasses.dataclass(frozen=True)
class RowsOfEdges:
    """Gives the edges to a partition the ids of their targets, and sends them to the parts of rows and columns."""

    folder: str
    plan: GraphPlan
    outputs = (ROWS,)

    def __call__(self, partition: int, groups: Groups) -> Iterator[Output]:
        pages = read_pages(self.folder, partition)
        blocks = (decode_block(block) for block in groups[IDS])
        ids = variant_rows.ids_of_pages(int(pages["num_pages"][0]), blocks, self.plan.num_variants)

        def url_of_page(page: np.ndarray) -> list[bytes]:
            urls: list[bytes] = pages["url"].take(number_array(np.searchsorted(pages["page"], page))).to_pylist()
            return urls

        edges = (decode_block(block) for block in groups[EDGES])
        for variant, part, block in variant_rows.rows_of_edges(
            edges, ids, url_of_page, self.plan.layouts, self.plan.split
        ):
            yield Output(ROWS, part_key(variant, part), encode_block(block))


@dataclasses.dataclass(frozen=True)
class WritePart:
    """Writes the files of one part, and its description last."""

    plan: GraphPlan
    outputs = (PARTS,)

    def __call__(self, key: int, groups: Groups) -> Iterator[Output]:
        variant, part = key >> 32, key & 0xFFFFFFFF
        layout, folder = self.plan.layouts[variant], self.plan.folders[variant]
        urls = sorted((decode_block(block) for block in groups[URLS]), key=lambda block: int(block["first_id"][0]))
        content = variant_rows.collect_part(
            layout,
            part,
            (decode_block(block) for block in groups[ROWS]),
            pa.concat_arrays([binary_array([]), *(block["url"] for block in urls)]),
            self.plan.split,
        )
        files = []
        for name, data in part_files(layout, part, nodes=content.nodes, **content.splits()):
            write_file(join(folder, name), data)
            files.append(vars(describe_file(name, data)))
        splits = {
            name: {"rows": rows.num_rows, "history": len(rows.col_tag), "ground_truth": len(rows.gt_tag)}
            for name, rows in content.splits().items()
        }
        write_json(_report(folder, part), {"files": files, "splits": splits})
        yield Output(PARTS, key, b"")

    def is_written(self, key: int) -> bool:
        """Whether the files of a part are whole in a local folder."""
        folder = self.plan.folders[key >> 32]
        try:
            files = read_json(_report(folder, key & 0xFFFFFFFF))["files"]
            return has_sizes(folder, {file["name"]: file["bytes"] for file in files})
        except (OSError, ValueError, KeyError):
            return False


def _report(folder: str, part: int) -> str:
    return join(folder, f"part-{part:05}.json")
