"""The outlinks of every page of an archive, as our pipeline reads it, by order of the pages."""

from pathlib import Path

from beam_pipelines.archive_records import Record, read_records
from beam_pipelines.capture import Capture
from beam_pipelines.document_base import document_base
from beam_pipelines.http_response import parse_http_response
from beam_pipelines.wat import is_wat_record, keeps_references, parse_wat_record
from webgraph.canonical_url import BaseUrl, canonicalize
from webgraph.link_selection import LinkSelection


def captures(archive: Path) -> list[Capture]:
    """The HTML pages of a WARC, ARC or WAT file that has no damage."""
    found, has_references = [], False
    with archive.open("rb") as stream:
        for record in read_records(stream):
            assert isinstance(record, Record), f"{archive} is damaged."
            if record.record_type == "warcinfo":
                has_references = keeps_references(record)
            if is_wat_record(record):
                capture = parse_wat_record(record, LinkSelection(), has_references=has_references)
            elif record.record_type == "response":
                capture = parse_http_response(record, LinkSelection())
            else:
                continue
            if isinstance(capture, Capture):
                found.append(capture)
    return found


def outlinks(capture: Capture) -> set[str]:
    """The canonical URLs of a page's links, without its own."""
    page = canonicalize(capture.url)
    assert page is not None
    base = document_base(page, capture.base)
    links = map(BaseUrl(base).join, capture.hrefs) if base else map(canonicalize, capture.hrefs)
    return {url for url in links if url is not None and url != page}
