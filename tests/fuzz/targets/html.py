"""Fuzz target: HTTP responses and the links of their HTML, with any status line, header, coding and charset."""

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture
from beam_pipelines.html_links import html_encoding, html_links
from beam_pipelines.http_response import parse_http_response
from beam_pipelines.xhtml_links import xhtml_links, xml_encoding
from webgraph.link_selection import LinkSelection

_SELECTIONS = (LinkSelection(), LinkSelection(all_paths=True, drop_nofollow=True))
_HEADERS = {"warc-type": "response", "warc-target-uri": "http://a.de/"}


def run(data: bytes) -> None:
    """Raises where a parser does."""
    for selection in _SELECTIONS:
        found = parse_http_response(Record(_HEADERS, data, len(data)), selection)
        assert isinstance(found, Capture) or found.reason
    charset, _, document = data.partition(b"\n")
    _run_xml(document, charset.decode("ascii", "replace"))
    encoding = html_encoding(document, charset.decode("ascii", "replace"))
    counts = []
    for selection in _SELECTIONS:
        try:
            base, hrefs, unselected = html_links(document, encoding, selection)
        except ValueError:
            return
        assert isinstance(base, str) and all(isinstance(href, str) for href in hrefs)
        counts.append(len(hrefs) + unselected)
    assert counts[0] <= counts[1], counts


def _run_xml(document: bytes, charset: str) -> None:
    encoding = xml_encoding(document, charset)
    few, all_links = (xhtml_links(document, encoding, selection) for selection in _SELECTIONS)
    assert few.base == all_links.base and few.is_ill_formed == all_links.is_ill_formed
    assert len(few.hrefs) <= len(all_links.hrefs) + all_links.unselected
