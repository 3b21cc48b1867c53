"""`ParseArchives`: paths of archives to files of key blocks, one file and one report an archive.

`parse_archive` is the pure function; this wraps it in Beam and files.
"""

import dataclasses
import logging
import os
from collections.abc import Iterator

import apache_beam as beam
import xxhash
from apache_beam.io.filesystem import BeamIOError
from apache_beam.metrics import Metrics

from beam_pipelines.block import encode_block
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from beam_pipelines.storage import join, open_raw, write_json, write_keyed_file

BLOCKS_SUFFIX = ".blocks"
REPORT_SUFFIX = ".json"


def parsed_name(path: str) -> str:
    """The name, without suffix, under which what was parsed from `path` lies."""
    return xxhash.xxh3_64_hexdigest(path.encode())


def parse_to_files(path: str, folder: str, options: ParseOptions) -> ArchiveReport:
    """Parses an archive into `folder`: NAME.blocks, by partition, and then NAME.json, the report.

    Never raises for what is wrong with the archive: a file that cannot be opened or read is a report with `failure`.
    """
    name = join(folder, parsed_name(path))
    reports: list[ArchiveReport] = []
    try:
        with open_raw(path) as stream:
            blocks = parse_archive(stream, os.path.basename(path), options, reports.append)
            write_keyed_file(name + BLOCKS_SUFFIX, ((partition, encode_block(block)) for partition, block in blocks))
    except (OSError, BeamIOError) as error:
        logging.getLogger(__name__).warning("%s cannot be read: %s", path, error)
        failure = "not_found" if isinstance(error, FileNotFoundError) else "not_readable"
        reports = [ArchiveReport(name=os.path.basename(path), bytes=0, digest="", failure=failure)]
    write_json(name + REPORT_SUFFIX, reports[0].as_dict())
    return reports[0]


class _ParseArchive(beam.DoFn):
    def __init__(self, folder: str, options: ParseOptions) -> None:
        self._folder = folder
        self._options = options

    def process(self, path: str) -> Iterator[str]:
        report = parse_to_files(path, self._folder, self._options)
        for name, value in report.counts.items():
            Metrics.counter("parse", name).inc(value)
        Metrics.counter("parse", f"files_{report.failure or 'parsed'}").inc()
        yield join(self._folder, parsed_name(path))


@dataclasses.dataclass
class ParseArchives(beam.PTransform):
    """Paths to the names (without suffix) of the parsed files in `folder`."""

    folder: str
    options: ParseOptions

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        return (
            paths
            | "SpreadArchives" >> beam.Reshuffle()
            | "ParseArchive" >> beam.ParDo(_ParseArchive(self.folder, self.options))
        )
