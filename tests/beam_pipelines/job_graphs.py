"""The jobs of a build as Dataflow would be given them: all of Beam's Dataflow runner but the submission, no account."""

import base64
import bz2
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from apache_beam.runners.dataflow.internal import apiclient
from google.protobuf import json_format

from beam_pipelines.beam_engine import BeamEngine
from beam_pipelines.filter_steps import DegreeOptions
from beam_pipelines.input_options import InputOptions
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.partitioning import choose_num_partitions
from beam_pipelines.write_steps import GraphPlan
from webgraph.graph_layout import choose_layout
from webgraph.split import SplitOptions
from webgraph.variants import VARIANTS, variant_folder

Pipeline = beam_runner_api_pb2.Pipeline

DATAFLOW_ARGS = (
    "--runner=tests.beam_pipelines.job_graphs.RecordingRunner",
    "--project=example-project",
    "--region=us-central1",
    "--temp_location=gs://example-bucket/tmp",
    "--sdk_container_image=us-docker.pkg.dev/example-project/images/alx-webgraph:0.1.0",
    "--dry_run=true",
)
MONTH_BYTES = 22_400_000_000_000  # 64,000 WAT files
PUBLISHED = {  # nodes and edges of the published variants (docs/dataset.md)
    "sparse": (365_400_000, 30_000_000_000),
    "dense": (136_500_000, 22_000_000_000),
    "de-sparse": (19_700_000, 1_190_000_000),
    "de-dense": (5_700_000, 820_000_000),
    "in-sparse": (1_500_000, 140_000_000),
    "in-dense": (500_000, 120_000_000),
}
_COMPRESSED = re.compile(rb"(?:QlpoO|eJ|eN|eA)[A-Za-z0-9+/]+={0,2}")  # base64 of a bzip2 or a zlib header


class RecordingRunner(DataflowRunner):
    """Prepares each job as for Dataflow, checks of coders and options included, and keeps it."""

    jobs: list[apiclient.Job] = []  # noqa: RUF012  # shared on purpose

    def run_pipeline(self, pipeline: beam.Pipeline, options: Any, pipeline_proto: Any = None) -> Any:
        result = super().run_pipeline(pipeline, options, pipeline_proto)
        self.jobs.append(result.job)
        return result


def jobs_of_a_month(work: Path, num_inputs: int) -> dict[str, apiclient.Job]:
    """The jobs of a build of the six variants at their published sizes, by the names of the stages."""
    RecordingRunner.jobs.clear()
    (work / "lists").mkdir(parents=True)
    engine = BeamEngine(str(work / "lists"), DATAFLOW_ARGS)
    paths = [f"gs://example-bucket/crawl-data/segments/{n:05}/wat/part-{n:05}.warc.wat.gz" for n in range(num_inputs)]
    variants = [VARIANTS[name] for name in PUBLISHED]
    num_partitions = choose_num_partitions(MONTH_BYTES)
    degrees = DegreeOptions(
        min_degrees=tuple(variant.min_degree for variant in variants), num_partitions=num_partitions
    )
    plan = GraphPlan(
        layouts=tuple(choose_layout(*PUBLISHED[variant.name], variant.tfrecord_shards) for variant in variants),
        folders=tuple(f"gs://example-bucket/graphs/.work/graphs/{variant_folder(variant)}" for variant in variants),
        split=SplitOptions(),
        num_partitions=num_partitions,
        num_nodes=PUBLISHED["sparse"][0],
    )
    parse = ParseOptions(tlds_of_variants=tuple(variant.tlds for variant in variants), num_partitions=num_partitions)
    partitions = range(num_partitions)
    engine.parse(paths, "gs://example-bucket/graphs/.work/parsed", parse, InputOptions())
    engine.filter(paths, "gs://example-bucket/graphs/.work/round-0", degrees)
    engine.filter_again(partitions, "round-0", "gs://example-bucket/graphs/.work/round-1", degrees)
    engine.write(partitions, "gs://example-bucket/graphs/.work/round-0", plan)
    return dict(zip(("parse", "filter", "filter_again", "write"), RecordingRunner.jobs, strict=True))


def request_size(job: apiclient.Job) -> int:
    """Bytes of the JSON request and of the graph that it names, as JSON, which Dataflow limits."""
    pipeline = job.proto_pipeline
    job.proto.environment = apiclient.Environment(
        proto_pipeline_staged_url="gs://example-bucket/tmp/pipeline.pb",
        packages=[],
        options=job.options,
        environment_version="8",
        proto_pipeline=pipeline,
        pipeline_proto_hash=hashlib.sha256(pipeline.SerializeToString()).hexdigest(),
    ).proto
    return len(job.json()) + len(json.dumps(json_format.MessageToDict(pipeline)))


def pickles(pipeline: Pipeline) -> list[bytes]:
    """Everything pickled in a job, decompressed: functions, options, coders."""
    found = []
    for match in _COMPRESSED.finditer(pipeline.SerializeToString()):
        for decompress in (bz2.decompress, zlib.decompress):
            try:
                found.append(decompress(base64.b64decode(_whole_quads(match[0]))))
            except (OSError, ValueError, zlib.error):
                continue
    return found


def _whole_quads(text: bytes) -> bytes:
    return text[: len(text) // 4 * 4]


def num_functions(pipeline: Pipeline) -> int:
    """Transforms of a job that carry a function."""
    urn = common_urns.primitives.PAR_DO.urn
    return sum(transform.spec.urn == urn for transform in pipeline.components.transforms.values())


def grouping_key_coders(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """The name of each grouping and the URN of its key's coder."""
    parts = pipeline.components
    for transform in parts.transforms.values():
        if transform.spec.urn == common_urns.primitives.GROUP_BY_KEY.urn:
            (source,) = transform.inputs.values()
            pair = parts.coders[parts.pcollections[source].coder_id]
            yield transform.unique_name, parts.coders[pair.component_coder_ids[0]].spec.urn
