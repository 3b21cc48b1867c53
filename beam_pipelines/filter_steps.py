"""The steps of the degree rule: merge a partition's pages, count inlinks at targets, keep edges at sources.

They wrap `merge_pages` and `degree_filter`. The result is, for each partition, `PARTITION.edges` and `PARTITION.pages`,
each one block, and then `PARTITION.json`, their counts.
"""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from beam_pipelines import degree_filter
from beam_pipelines.block import Block, decode_block, encode_block
from beam_pipelines.degree_filter import nodes_per_variant
from beam_pipelines.inlink_counter import InlinkCounter
from beam_pipelines.merge_pages import merge_pages
from beam_pipelines.stage_marks import has_sizes
from beam_pipelines.step import INPUT, Groups, Output
from beam_pipelines.storage import join, read_file, read_json, write_file, write_json
from webgraph.arrow_arrays import binary_array

LINKS, PAGES, COUNTS, WRITTEN = "links", "pages", "counts", "written"
StageCounts = dict[str, dict[str, int]]

_PAGES, _EDGES, _REPORT = ".pages", ".edges", ".json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DegreeOptions:
    """What the steps need to know: K of each variant, and the number of partitions."""

    min_degrees: tuple[int, ...]
    num_partitions: int


@dataclasses.dataclass(frozen=True)
class MergeAndSend:
    """A partition's key blocks to its pages, and to the links for the partitions of their targets."""

    options: DegreeOptions
    outputs = (LINKS, PAGES, COUNTS)

    def __call__(self, partition: int, groups: Groups) -> Iterator[Output]:
        merged = merge_pages(decode_block(block) for block in groups[INPUT])
        pages, links, counts = degree_filter.send_links(
            partition, merged, min_degrees=self.options.min_degrees, num_partitions=self.options.num_partitions
        )
        yield Output(COUNTS, partition, _encode_counts({"merge": merged.counts, "filter": counts}))
        yield Output(PAGES, partition, encode_block(pages))
        for number, block in links:
            yield Output(LINKS, number, encode_block(block))


@dataclasses.dataclass(frozen=True)
class SendAgain:
    """A partition of an earlier round, in `folder`, to its pages and links: the first step of a later round."""

    folder: str
    options: DegreeOptions
    outputs = (LINKS, PAGES, COUNTS)

    def __call__(self, partition: int, groups: Groups) -> Iterator[Output]:
        edges = read_edges(self.folder, partition)
        pages, links = degree_filter.send_pages(
            partition,
            read_pages(self.folder, partition),
            edges,
            min_degrees=self.options.min_degrees,
            num_partitions=self.options.num_partitions,
        )
        yield Output(COUNTS, partition, _encode_counts({"filter": {"edges_in": len(edges["source"])}}))
        yield Output(PAGES, partition, encode_block(pages))
        for number, block in links:
            yield Output(LINKS, number, encode_block(block))


@dataclasses.dataclass(frozen=True)
class KeepPages:
    """Joins a partition's pages with the links to it. Links may go where no page is; they end there.

    The links are read twice, block by block, so that a page with any number of inlinks fits.
    """

    options: DegreeOptions
    outputs = (LINKS, PAGES, COUNTS)

    def __call__(self, partition: int, groups: Groups) -> Iterator[Output]:
        pages = _pages(groups[PAGES])
        inlinks = InlinkCounter(pages, num_variants=len(self.options.min_degrees))
        for data in groups[LINKS]:
            inlinks.add(decode_block(data))
        kept = inlinks.kept(self.options.min_degrees)
        yield Output(PAGES, partition, encode_block({"url": pages["url"], "kept": kept}))
        for number, data in enumerate(groups[LINKS]):
            block = decode_block(data)
            back = inlinks.kept_links(number, block, kept)
            back["partition"] = np.array([partition])
            yield Output(LINKS, int(block["partition"][0]), encode_block(back))
        yield Output(COUNTS, partition, _encode_counts({"filter": inlinks.counts}))


@dataclasses.dataclass(frozen=True)
class FilterSources:
    """Writes a partition's kept pages and edges, and its counts, into `folder`."""

    folder: str
    options: DegreeOptions
    outputs = (WRITTEN,)

    def __call__(self, partition: int, groups: Groups) -> Iterator[Output]:
        counts: dict[str, Counter[str]] = {"merge": Counter(), "filter": Counter()}
        for data in groups[COUNTS]:
            for stage, values in json.loads(data).items():
                counts[stage].update(values)
        kept_pages, edges, found = degree_filter.filter_sources(
            _pages(groups[PAGES]), [decode_block(block) for block in groups[LINKS]]
        )
        counts["filter"].update(found)
        files = {
            _file(self.folder, partition, _EDGES): encode_block(edges),
            _file(self.folder, partition, _PAGES): encode_block(kept_pages),
        }
        for path, content in files.items():
            write_file(path, content)
        num_variants = len(self.options.min_degrees)
        report = {
            "counts": {stage: dict(values) for stage, values in counts.items()},
            "nodes": nodes_per_variant(kept_pages["kept"], num_variants),
            "edges": nodes_per_variant(edges["mask"], num_variants),
            "bytes": {os.path.basename(path): len(content) for path, content in files.items()},
        }
        write_json(_file(self.folder, partition, _REPORT), report)
        yield Output(WRITTEN, partition, json.dumps(report["counts"]).encode())

    def is_written(self, partition: int) -> bool:
        """Whether the files of a partition are whole in a local folder."""
        try:
            return has_sizes(self.folder, read_json(_file(self.folder, partition, _REPORT))["bytes"])
        except (OSError, ValueError, KeyError):
            return False


def read_pages(folder: str, partition: int) -> Block:
    """The kept pages of a partition after a round, see `degree_filter.filter_sources`."""
    return decode_block(read_file(_file(folder, partition, _PAGES)))


def read_edges(folder: str, partition: int) -> Block:
    """The kept edges of a partition after a round, see `degree_filter.filter_sources`."""
    return decode_block(read_file(_file(folder, partition, _EDGES)))


def _file(folder: str, partition: int, suffix: str) -> str:
    return join(folder, f"{partition:05}{suffix}")


def _encode_counts(counts: StageCounts) -> bytes:
    return json.dumps(counts).encode()


def _pages(values: Iterable[bytes]) -> Block:
    """The pages of a partition, none where links came and no page is."""
    data = next(iter(values), None)
    if data is not None:
        return decode_block(data)
    return {
        "key": np.empty(0, dtype=np.uint64),
        "check": np.empty(0, dtype=np.uint32),
        "url": binary_array([]),
        "candidate": np.empty(0, dtype=np.uint64),
        "kept": np.empty(0, dtype=np.uint64),
    }
