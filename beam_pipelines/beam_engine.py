"""The stages of a build as Beam pipelines, on the runner that Beam's options name."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam

from beam_pipelines import storage
from beam_pipelines.damage import BuildError
from beam_pipelines.filter_pages import FilterAgain, FilterPages
from beam_pipelines.filter_steps import DegreeOptions
from beam_pipelines.input_options import InputOptions
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.parse_archives import ParseArchives
from beam_pipelines.runner import is_local_run, pipeline_options
from beam_pipelines.write_graphs import WriteGraphs
from beam_pipelines.write_steps import GraphPlan

LOCAL_BYTES = 256 << 20
LOCAL_BYTES_PER_INPUT_BYTE = 8
"""What Beam's runner in one process takes at most: it holds a whole shuffle in memory. Measured: 446 MB for 50 MB of
compressed WAT, 979 MB for 136 MB."""


def check_memory(beam_args: Sequence[str], total_bytes: int, max_memory: int) -> None:
    """Refuses a run of Beam in this process that is not expected to fit.

    Args:
      total_bytes: compressed size of all archives.
      max_memory: bytes that the run may take.

    Raises:
      BuildError: the estimate is higher. Other runners are not judged.
    """
    estimate = LOCAL_BYTES + LOCAL_BYTES_PER_INPUT_BYTE * total_bytes
    if is_local_run(beam_args) and estimate > max_memory:
        raise BuildError(
            f"Beam's runner in this process holds a whole shuffle in memory: it would take about {estimate / 1e9:.1f} "
            f"GB for {total_bytes / 1e9:.2f} GB of archives, and {max_memory / 1e9:.1f} GB are allowed. Leave Beam's "
            "options out to spill to disk instead, allow more with --max-memory, or name a cluster's --runner."
        )


class BeamEngine:
    """Runs each stage as one pipeline; an `Engine`.

    Args:
      work: folder of the run, on a file system that all workers see.
      beam_args: Beam's options; local in this process by default.
    """

    def __init__(self, work: str, beam_args: Sequence[str]) -> None:
        self._work = work
        self._beam_args = beam_args

    def parse(self, paths: Sequence[str], folder: str, options: ParseOptions, inputs: InputOptions) -> None:
        self._run("inputs", paths, ParseArchives(folder, options, inputs))

    def filter(self, parsed: Sequence[str], folder: str, options: DegreeOptions) -> None:
        self._run("parsed", parsed, FilterPages(folder, options))

    def filter_again(self, partitions: Sequence[int], source: str, folder: str, options: DegreeOptions) -> None:
        self._run(f"{os.path.basename(source)}-partitions", partitions, FilterAgain(source, folder, options))

    def write(self, partitions: Sequence[int], folder: str, plan: GraphPlan) -> None:
        self._run("partitions", partitions, WriteGraphs(folder, plan))

    def _run(self, name: str, items: Iterable[Any], transform: beam.PTransform) -> None:
        """Runs a pipeline over items that workers read from a file, so that the job itself stays small."""
        listing = storage.join(self._work, f"{name}.json")
        storage.write_json(listing, list(items))
        with beam.Pipeline(options=pipeline_options(self._beam_args)) as pipeline:
            listed = pipeline | "Listing" >> beam.Create([listing]) | "ReadListing" >> beam.FlatMap(storage.read_json)
            listed | transform  # applies it
