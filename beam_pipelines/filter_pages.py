"""`FilterPages`: parsed files to partitions of kept pages and edges; `FilterAgain`: a further round, for the K-core.

Pages are merged at their partition (`merge_pages`), then the three steps of `degree_filter` follow, each behind a
shuffle of blocks. The result is one file a partition, `PARTITION.blocks`, and its counts, `PARTITION.json`.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics

from beam_pipelines import degree_filter
from beam_pipelines.block import Block, decode_block, encode_block
from beam_pipelines.degree_filter import nodes_per_variant
from beam_pipelines.merge_pages import merge_pages
from beam_pipelines.storage import join, read_keyed_file, write_json, write_keyed_file

Keyed = tuple[int, bytes]
Outputs = Iterator[Any]  # of Keyed, and TaggedOutput


@dataclasses.dataclass(frozen=True, kw_only=True)
class DegreeOptions:
    """What the steps need to know: K of each variant, and the number of partitions."""

    min_degrees: tuple[int, ...]
    num_partitions: int


class _ReadParsed(beam.DoFn):
    """A file of key blocks to (partition, block)."""

    def process(self, path: str) -> Iterator[Keyed]:
        yield from read_keyed_file(path)


class _MergeAndSend(beam.DoFn):
    def __init__(self, options: DegreeOptions) -> None:
        self._options = options

    def process(self, element: tuple[int, Iterable[bytes]]) -> Outputs:
        partition, blocks = element
        merged = merge_pages(decode_block(block) for block in blocks)
        pages, links, counts = degree_filter.send_links(
            partition, merged, min_degrees=self._options.min_degrees, num_partitions=self._options.num_partitions
        )
        yield beam.pvalue.TaggedOutput("counts", (partition, {"merge": merged.counts, "filter": counts}))
        yield beam.pvalue.TaggedOutput("pages", (partition, encode_block(pages)))
        for number, block in links:
            yield number, encode_block(block)


class _SendAgain(beam.DoFn):
    def __init__(self, folder: str, options: DegreeOptions) -> None:
        self._folder = folder
        self._options = options

    def process(self, partition: int) -> Outputs:
        filtered = read_partition(self._folder, partition)
        pages, links = degree_filter.send_pages(
            partition, filtered, min_degrees=self._options.min_degrees, num_partitions=self._options.num_partitions
        )
        counts = {"edges_in": len(filtered["source"])}
        yield beam.pvalue.TaggedOutput("counts", (partition, {"filter": counts}))
        yield beam.pvalue.TaggedOutput("pages", (partition, encode_block(pages)))
        for number, block in links:
            yield number, encode_block(block)


class _KeepPages(beam.DoFn):
    """Joins a partition's pages with the links to it. Links may go where no page is; they end there."""

    def __init__(self, options: DegreeOptions) -> None:
        self._options = options

    def process(self, element: tuple[int, dict[str, Iterable[bytes]]]) -> Outputs:
        partition, groups = element
        links = [decode_block(block) for block in groups["links"]]
        pages = decode_block(only) if (only := next(iter(groups["pages"]), None)) is not None else _no_pages()
        if links and "target_key" in links[0]:
            links, counts = degree_filter.resolve_links(pages, links)
            yield beam.pvalue.TaggedOutput("counts", (partition, {"filter": counts}))
        kept, back, counts = degree_filter.keep_pages(partition, pages, links, min_degrees=self._options.min_degrees)
        yield beam.pvalue.TaggedOutput("counts", (partition, {"filter": counts}))
        yield beam.pvalue.TaggedOutput("pages", (partition, encode_block(kept)))
        for number, block in back:
            yield number, encode_block(block)


class _FilterSources(beam.DoFn):
    """Writes a partition's kept pages and edges, and its counts."""

    def __init__(self, folder: str, options: DegreeOptions) -> None:
        self._folder = folder
        self._num_variants = len(options.min_degrees)

    def process(self, element: tuple[int, dict[str, Iterable[Any]]]) -> Iterator[int]:
        partition, groups = element
        counts: dict[str, Counter[str]] = {"merge": Counter(), "filter": Counter()}
        for found in groups["counts"]:
            for stage, values in found.items():
                counts[stage].update(values)
        pages = decode_block(only) if (only := next(iter(groups["pages"]), None)) is not None else _no_pages()
        links = [decode_block(block) for block in groups["links"]]
        filtered, found = degree_filter.filter_sources(pages, links)
        counts["filter"].update(found)
        for stage, values in counts.items():
            for name, value in values.items():
                Metrics.counter(stage, name).inc(value)
        write_keyed_file(_partition_file(self._folder, partition), [(partition, encode_block(filtered))])
        report = {
            "counts": {stage: dict(values) for stage, values in counts.items()},
            "nodes": nodes_per_variant(filtered["kept"], self._num_variants),
            "edges": nodes_per_variant(filtered["mask"], self._num_variants),
        }
        write_json(join(self._folder, f"{partition:05}.json"), report)
        yield partition


def read_partition(folder: str, partition: int) -> Block:
    """The block of `degree_filter.filter_sources` that a round wrote for a partition."""
    ((_, data),) = read_keyed_file(_partition_file(folder, partition))
    return decode_block(data)


def _partition_file(folder: str, partition: int) -> str:
    return join(folder, f"{partition:05}.blocks")


def _no_pages() -> Block:
    return {
        "key": np.empty(0, dtype=np.uint64),
        "check": np.empty(0, dtype=np.uint32),
        "url": pa.array([], type=pa.large_binary()),
        "candidate": np.empty(0, dtype=np.uint64),
        "kept": np.empty(0, dtype=np.uint64),
    }


@dataclasses.dataclass
class _DegreeRound(beam.PTransform):
    """Steps two and three: `pages`, `links` and `counts` of step one to partition numbers."""

    folder: str
    options: DegreeOptions

    def expand(self, sent: Any) -> beam.PCollection:
        kept = (
            {"pages": sent["pages"], "links": sent["links"]}
            | "JoinTargets" >> beam.CoGroupByKey()
            | "KeepPages" >> beam.ParDo(_KeepPages(self.options)).with_outputs("pages", "counts", main="links")
        )
        counts = (sent["counts"], kept.counts) | "JoinCounts" >> beam.Flatten()
        return (
            {"pages": kept.pages, "links": kept.links, "counts": counts}
            | "JoinSources" >> beam.CoGroupByKey()
            | "FilterSources" >> beam.ParDo(_FilterSources(self.folder, self.options))
        )


@dataclasses.dataclass
class FilterPages(beam.PTransform):
    """Paths of files of key blocks to the numbers of the partitions written in `folder`."""

    folder: str
    options: DegreeOptions

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        sent = (
            paths
            | "SpreadParsed" >> beam.Reshuffle()
            | "ReadParsed" >> beam.ParDo(_ReadParsed())
            | "GroupPages" >> beam.GroupByKey()
            | "MergeAndSend" >> beam.ParDo(_MergeAndSend(self.options)).with_outputs("pages", "counts", main="links")
        )
        return _outputs(sent) | "DegreeRound" >> _DegreeRound(self.folder, self.options)


@dataclasses.dataclass
class FilterAgain(beam.PTransform):
    """Numbers of partitions in `source_folder` to those written in `folder`, after one more round."""

    source_folder: str
    folder: str
    options: DegreeOptions

    def expand(self, partitions: beam.PCollection) -> beam.PCollection:
        send = beam.ParDo(_SendAgain(self.source_folder, self.options)).with_outputs("pages", "counts", main="links")
        sent = partitions | "SpreadPartitions" >> beam.Reshuffle() | "SendAgain" >> send
        return _outputs(sent) | "DegreeRound" >> _DegreeRound(self.folder, self.options)


def _outputs(sent: Any) -> dict[str, beam.PCollection]:
    return {name: sent[name] for name in ("pages", "links", "counts")}
