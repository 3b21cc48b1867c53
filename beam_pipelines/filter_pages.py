"""`FilterPages`: parsed files to partitions of kept pages and edges; `FilterAgain`: a further round, for the K-core.

Pages are merged at their partition, then the three steps of `degree_filter` follow, each behind a shuffle of blocks;
see `filter_steps`.
"""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from beam_pipelines.filter_steps import (
    COUNTS,
    LINKS,
    PAGES,
    WRITTEN,
    DegreeOptions,
    FilterSources,
    KeepPages,
    MergeAndSend,
    SendAgain,
)
from beam_pipelines.run_step import RunStep, as_key
from beam_pipelines.step import INPUT
from beam_pipelines.storage import read_keyed_file


class _ReadParsed(beam.DoFn):
    """A file of key blocks to (partition, block)."""

    def process(self, path: str) -> Iterator[tuple[int, bytes]]:
        for output in read_keyed_file(path):
            yield output.key, output.value


class _Count(beam.DoFn):
    """Adds a partition's counts to the run's counters, and passes on its number."""

    def process(self, element: tuple[int, bytes]) -> Iterator[int]:
        partition, counts = element
        for stage, values in json.loads(counts).items():
            for name, value in values.items():
                Metrics.counter(stage, name).inc(value)
        yield partition


@dataclasses.dataclass
class _DegreeRound(beam.PTransform):
    """Steps two and three: what step one sent to partition numbers."""

    folder: str
    options: DegreeOptions

    def expand(self, sent: Any) -> beam.PCollection:
        kept = {PAGES: sent[PAGES], LINKS: sent[LINKS]} | "KeepPages" >> RunStep(KeepPages(self.options))
        counts = (sent[COUNTS], kept[COUNTS]) | "JoinCounts" >> beam.Flatten()
        back = {PAGES: kept[PAGES], LINKS: kept[LINKS], COUNTS: counts}
        written = back | "FilterSources" >> RunStep(FilterSources(self.folder, self.options))
        return written[WRITTEN] | "Count" >> beam.ParDo(_Count())


@dataclasses.dataclass
class FilterPages(beam.PTransform):
    """Paths of files of key blocks to the numbers of the partitions written in `folder`."""

    folder: str
    options: DegreeOptions

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        blocks = paths | "SpreadParsed" >> beam.Reshuffle() | "ReadParsed" >> beam.ParDo(_ReadParsed())
        sent = {INPUT: blocks} | "MergeAndSend" >> RunStep(MergeAndSend(self.options))
        return {name: sent[name] for name in MergeAndSend.outputs} | "DegreeRound" >> _DegreeRound(
            self.folder, self.options
        )


@dataclasses.dataclass
class FilterAgain(beam.PTransform):
    """Numbers of partitions in `source_folder` to those written in `folder`, after one more round."""

    source_folder: str
    folder: str
    options: DegreeOptions

    def expand(self, partitions: beam.PCollection) -> beam.PCollection:
        keys = partitions | "SpreadPartitions" >> beam.Reshuffle() | "Keys" >> beam.Map(as_key)
        send = RunStep(SendAgain(self.source_folder, self.options), is_grouped=False)
        sent = {INPUT: keys} | "SendAgain" >> send
        return {name: sent[name] for name in SendAgain.outputs} | "DegreeRound" >> _DegreeRound(
            self.folder, self.options
        )
