"""Fuzz target: the WAT decoder. Any payload is a capture with links that are strings, or is no page for a reason."""

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture
from beam_pipelines.wat import parse_wat_record
from webgraph.link_selection import LinkSelection

_SELECTIONS = (LinkSelection(), LinkSelection(all_paths=True, drop_nofollow=True))
_HEADERS = {"warc-type": "metadata", "content-type": "application/json", "warc-target-uri": "http://a.de/"}


def run(data: bytes) -> None:
    """Raises where the decoder does."""
    date = "2019-07" if data[:1] == b"\n" else "2024-01"  # before and after entities were unescaped
    record = Record({**_HEADERS, "warc-date": f"{date}-01T00:00:00Z"}, data, len(data))
    for selection in _SELECTIONS:
        found = parse_wat_record(record, selection)
        if isinstance(found, Capture):
            assert all(isinstance(href, str) for href in found.hrefs)
        else:
            assert found.reason
