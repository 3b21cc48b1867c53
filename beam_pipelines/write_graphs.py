"""`WriteGraphs`: partitions of kept pages and edges to the parts of all graphs; see `write_steps`."""

import dataclasses
from typing import Any

import apache_beam as beam

from beam_pipelines.run_step import RunStep, as_key
from beam_pipelines.step import INPUT
from beam_pipelines.write_steps import (
    COUNTS,
    EDGES,
    IDS,
    NODES,
    PARTS,
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


def _same(sample: tuple[int, bytes]) -> tuple[int, bytes]:
    return sample


@dataclasses.dataclass
class _NumberNodes(beam.PTransform):
    """Partitions, as keys, to the ids for partitions and the URLs for parts."""

    folder: str
    plan: GraphPlan

    def expand(self, partitions: beam.PCollection) -> Any:
        sampled = {INPUT: partitions} | "SampleKeys" >> RunStep(SampleKeys(self.folder, self.plan), is_grouped=False)
        limits = (
            sampled[SAMPLES]
            | "TypeSamples" >> beam.Map(_same).with_output_types(tuple[int, bytes])  # for a key coder all runners know
            | "GatherSamples" >> beam.GroupByKey()
            | "Samples" >> beam.Values()
            | "ChooseLimits" >> beam.Map(range_limits, self.plan.num_ranges)
        )
        side = (beam.pvalue.AsSingleton(limits),)
        sent = {INPUT: partitions} | "SendNodes" >> RunStep(SendNodes(self.folder), side, is_grouped=False)
        ranges = {INPUT: sent[NODES]} | "SortNodes" >> RunStep(SortNodes(self.plan))
        counts = (beam.pvalue.AsDict(ranges[COUNTS]),)
        return {INPUT: ranges[NODES]} | "NumberNodes" >> RunStep(NumberNodes(self.plan), counts, is_grouped=False)


@dataclasses.dataclass
class WriteGraphs(beam.PTransform):
    """Numbers of the partitions in `folder` to the keys of the parts written."""

    folder: str
    plan: GraphPlan

    def expand(self, numbers: beam.PCollection) -> beam.PCollection:
        partitions = numbers | "SpreadPartitions" >> beam.Reshuffle() | "Keys" >> beam.Map(as_key)
        numbered = partitions | "NumberNodes" >> _NumberNodes(self.folder, self.plan)
        sent = {IDS: numbered[IDS]} | "SendEdges" >> RunStep(SendEdges(self.folder, self.plan))
        edges = {IDS: numbered[IDS], EDGES: sent[EDGES]}
        rows = edges | "RowsOfEdges" >> RunStep(RowsOfEdges(self.folder, self.plan))
        parts = numbers.pipeline | "Parts" >> beam.Create(self.plan.part_keys()) | "PartKeys" >> beam.Map(as_key)
        inputs = {ROWS: rows[ROWS], URLS: numbered[URLS], PARTS: parts}
        written = inputs | "WritePart" >> RunStep(WritePart(self.plan))
        return written[PARTS] | "Written" >> beam.Keys()
