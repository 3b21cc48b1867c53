"""`ParseArchives`: paths of archives to parsed files; see `parsed_files`."""

import dataclasses
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics

from beam_pipelines.input_options import InputOptions
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.parsed_files import parse_to_files, parsed_name
from beam_pipelines.storage import join


class _ParseArchive(beam.DoFn):
    def __init__(self, folder: str, options: ParseOptions, inputs: InputOptions) -> None:
        self._folder = folder
        self._options = options
        self._inputs = inputs

    def process(self, path: str) -> Iterator[str]:
        report = parse_to_files(path, self._folder, self._options, self._inputs)
        for name, value in report.counts.items():
            Metrics.counter("parse", name).inc(value)
        Metrics.counter("parse", f"files_{report.failure or 'parsed'}").inc()
        yield join(self._folder, parsed_name(path))


@dataclasses.dataclass
class ParseArchives(beam.PTransform):
    """Paths to the names (without suffix) of the parsed files in `folder`."""

    folder: str
    options: ParseOptions
    inputs: InputOptions = InputOptions()

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        return (
            paths
            | "SpreadArchives" >> beam.Reshuffle()
            | "ParseArchive" >> beam.ParDo(_ParseArchive(self.folder, self.options, self.inputs))
        )
