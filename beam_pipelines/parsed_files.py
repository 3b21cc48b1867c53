"""Parsed files: an archive as a file of key blocks by partition, and a report. `parse_archive` is the pure function."""

import contextlib
import logging

import xxhash

from beam_pipelines.block import encode_block
from beam_pipelines.connection_slots import connection_slot, machine_folder
from beam_pipelines.input_options import InputOptions
from beam_pipelines.open_archive import archive_name, open_archive
from beam_pipelines.parse_archive import ArchiveReadError, ArchiveReport, ParseOptions, parse_archive
from beam_pipelines.step import INPUT, Output
from beam_pipelines.storage import is_local, join, remove_files, write_json, write_keyed_file

BLOCKS_SUFFIX = ".blocks"
REPORT_SUFFIX = ".json"
_SLOTS = "connections"
_CUT_SHORT = ("truncated_gzip_member", "truncated_zstd_frame")


def parsed_name(path: str) -> str:
    """The name, without suffix, under which what was parsed from `path` lies."""
    return xxhash.xxh3_64_hexdigest(path.encode("utf-8", "surrogateescape"))


def parse_to_files(
    path: str,
    folder: str,
    options: ParseOptions,
    inputs: InputOptions = InputOptions(),  # noqa: B008  # frozen
) -> ArchiveReport:
    """Parses an archive into `folder`: NAME.blocks, by partition, and then NAME.json, the report.

    Never raises for what is wrong with the archive: a file that cannot be opened or read whole is a report with
    `failure`, and leaves no blocks. What is wrong with `folder`, a full disk, is raised as OSError.
    """
    name = join(folder, parsed_name(path))
    slots_folder = join(folder, _SLOTS) if is_local(folder) else machine_folder()
    with contextlib.ExitStack() as stack:
        if not is_local(path):
            stack.enter_context(connection_slot(slots_folder, inputs.max_connections))
        report = _parse_to_blocks(path, name + BLOCKS_SUFFIX, options, inputs)
    if not is_local(path) and any(report.counts.get(f"stretches_skipped_{cut}") for cut in _CUT_SHORT):
        remove_files([name + BLOCKS_SUFFIX])
        report = _failed(path, "truncated", "it ends inside a compressed record: the server has, or sent, a part of it")
    write_json(name + REPORT_SUFFIX, report.as_dict())
    return report


def _parse_to_blocks(path: str, blocks_path: str, options: ParseOptions, inputs: InputOptions) -> ArchiveReport:
    try:
        stream = open_archive(path, inputs.retry)
    except FileNotFoundError as error:
        return _failed(path, "not_found", error)
    except OSError as error:  # BeamIOError is one
        return _failed(path, "not_readable", error)
    reports: list[ArchiveReport] = []
    with stream:
        blocks = parse_archive(stream, archive_name(path), options, reports.append)
        try:
            write_keyed_file(
                blocks_path, (Output(INPUT, partition, encode_block(block)) for partition, block in blocks)
            )
        except ArchiveReadError as error:
            return _failed(path, getattr(error.__cause__, "reason", "not_readable"), error)
    return reports[0]


def _failed(path: str, failure: str, error: Exception | str) -> ArchiveReport:
    logging.getLogger(__name__).warning("%s cannot be read: %s", archive_name(path), error)
    return ArchiveReport(name=archive_name(path), bytes=0, digest="", failure=failure)
