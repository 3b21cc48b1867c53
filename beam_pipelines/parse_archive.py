"""One archive to key blocks and a report. The hot path: gunzip, JSON and URL parsing, and dictionary look-ups."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import xxhash

from beam_pipelines.archive_records import Record, Skipped, read_records
from beam_pipelines.block import Block
from beam_pipelines.capture import Capture, NotAPage, within_limits
from beam_pipelines.capture_window import CaptureWindow
from beam_pipelines.html_process import bounded_html_parser, is_small, is_small_xml
from beam_pipelines.http_response import HtmlPage, parse_html_page, read_http_response
from beam_pipelines.link_resolver import TldMasks
from beam_pipelines.page_blocks import PageBlocks
from beam_pipelines.record_limits import RecordLimits
from beam_pipelines.wat import is_wat_record, keeps_references, parse_wat_record
from webgraph.link_keys import KEY_BITS
from webgraph.link_selection import LinkSelection


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParseOptions:
    """How archives become key blocks.

    Attributes:
      selection: which links are outlinks.
      tlds_of_variants: see `TldMasks`.
      num_partitions: into how many parts pages are spread by key.
      key_bits: width of the keys; narrower ones are for tests of collisions.
      limits: what one record may cost.
    """

    selection: LinkSelection = LinkSelection()
    tlds_of_variants: tuple[tuple[str, ...], ...] = ((),)
    num_partitions: int = 1
    key_bits: int = KEY_BITS
    limits: RecordLimits = RecordLimits()

    def __post_init__(self) -> None:
        if self.num_partitions < 1:
            raise ValueError(f"num_partitions must be at least 1, got {self.num_partitions}.")
        if not 1 <= self.key_bits <= KEY_BITS:
            raise ValueError(f"key_bits must be in [1, {KEY_BITS}], got {self.key_bits}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArchiveReport:
    """What became of one archive.

    Attributes:
      name: file name without folders.
      bytes: size of the file as stored; `digest` is its xxh3_128, hexadecimal.
      failure: why the file as a whole is no archive, or "".
      counts: records_in = pages + records_<reason>..., links_in = links_out + links_<reason>...,
        bytes_skipped = the sum of bytes_skipped_<reason>. `links_unselected` stands outside `links_in`,
        `limits_hit_<name>`, `bodies_damaged_<coding>` and `bodies_ill_formed_xml`, all of pages, outside all of them.
    """

    name: str
    bytes: int
    digest: str
    failure: str = ""
    counts: dict[str, int] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def parse_archive(
    stream: BinaryIO, name: str, options: ParseOptions, report: Callable[[ArchiveReport], None]
) -> Iterator[tuple[int, Block]]:
    """Reads an archive, WAT, WARC or ARC as its content says, and yields (partition, block), see `page_blocks`.

    Args:
      stream: the file as stored; read in order.
      name: for the report.
      report: called once, after the last block.

    Raises:
      ArchiveReadError: reading the stream failed.
    """
    source = _DigestingReader(stream)
    blocks = PageBlocks(
        TldMasks(options.tlds_of_variants), num_partitions=options.num_partitions, key_bits=options.key_bits
    )
    counts: Counter[str] = Counter()
    clock = _RecordClock(options.limits.max_seconds)
    has_references = False  # in the WAT records that follow
    with bounded_html_parser(options.limits) as html:
        window = CaptureWindow(html, options.selection, options.limits, clock.is_over)
        for record in read_records(source, options.limits):
            if isinstance(record, Skipped):
                _count_skipped(counts, record.reason, record.raw_bytes)
                clock.restart()  # long damage is not the time of the record after it
                continue
            counts["records_in"] += 1
            if record.record_type == "warcinfo":
                has_references = keeps_references(record)
            found = _parse_record_within_limits(record, options, has_references, clock)
            if not isinstance(found, NotAPage):
                yield from _collect(window.push(found), blocks, counts, clock)
                continue
            counts[f"records_{found.reason}"] += 1
            if found.is_damage:
                _count_skipped(counts, found.reason, record.raw_bytes)
        yield from _collect(window.finish(), blocks, counts, clock)
    yield from blocks.take()
    counts.update(blocks.counts)
    report(
        ArchiveReport(
            name=name,
            bytes=source.size,
            digest=source.hexdigest(),
            failure=_failure(source.size, counts),
            counts=dict(sorted(counts.items())),
        )
    )


class _RecordClock:
    """Says which records took too long. Processor time is asked for only where the clock on the wall says so too."""

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._cpu_every = 0.01 * max_seconds
        self.restart()

    def restart(self) -> None:
        """What was done since the last record is no record's."""
        self._begun = self._checked = time.perf_counter()
        self._cpu_seconds = time.thread_time()

    def is_over(self) -> bool:
        """A record ends. Returns whether it took more than its time, from the end of the one before."""
        before, self._begun = self._begun, time.perf_counter()
        if self._begun - self._checked <= self._cpu_every:
            return False
        cpu_before, self._cpu_seconds, self._checked = self._cpu_seconds, time.thread_time(), self._begun
        return self._begun - before > self._max_seconds and self._cpu_seconds - cpu_before > self._max_seconds


def _collect(
    found: Iterable[Capture | NotAPage], blocks: PageBlocks, counts: Counter[str], clock: _RecordClock
) -> Iterator[tuple[int, Block]]:
    """Takes captures in, and yields blocks where they are full."""
    for item in found:
        if isinstance(item, NotAPage):
            counts[f"records_{item.reason}"] += 1
        elif not blocks.add(item):
            counts["records_page_url_not_http"] += 1
        else:
            counts["pages"] += 1
            if item.is_cut:
                counts["limits_hit_body_cut"] += 1
            for coding in item.damage:
                counts[f"bodies_damaged_{coding}"] += 1
            if item.is_ill_formed:
                counts["bodies_ill_formed_xml"] += 1
            if blocks.is_full:
                yield from blocks.take()
                clock.restart()


def _parse_record_within_limits(
    record: Record, options: ParseOptions, has_references: bool, clock: _RecordClock
) -> Capture | HtmlPage | NotAPage:
    found = _parse_record(record, options, has_references)
    if isinstance(found, Capture):
        found = within_limits(found, options.limits)
    return NotAPage("too_slow") if clock.is_over() else found


def _parse_record(record: Record, options: ParseOptions, has_references: bool) -> Capture | HtmlPage | NotAPage:
    """Returns the record's capture, or a page that is too large to be parsed here."""
    if is_wat_record(record):
        return parse_wat_record(record, options.selection, options.limits, has_references=has_references)
    if record.record_type != "response":
        return NotAPage("other_type")
    page = read_http_response(record, options.limits)
    if isinstance(page, NotAPage):
        return page
    is_cheap = is_small_xml(page.document, page.encoding) if page.is_xml else is_small(page.document)
    return parse_html_page(page, options.selection) if is_cheap else page


def _count_skipped(counts: Counter[str], reason: str, raw_bytes: int) -> None:
    counts["bytes_skipped"] += raw_bytes
    counts[f"bytes_skipped_{reason}"] += raw_bytes
    counts[f"stretches_skipped_{reason}"] += 1


def _failure(size: int, counts: Counter[str]) -> str:
    if size == 0:
        return "empty_file"
    if counts["records_in"] == 0:
        return "no_record"
    return ""


class ArchiveReadError(OSError):
    """The archive could be opened and then not be read to its end."""


class _DigestingReader:
    """A stream that hashes and counts what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = xxhash.xxh3_128()
        self.size = 0

    def read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise ArchiveReadError(str(error)) from error
        self._hash.update(data)
        self.size += len(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
