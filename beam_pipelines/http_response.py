"""WARC and ARC `response` records: status line, headers and body of an HTTP message, and the links of its HTML.

warcio parses the HTTP headers. A payload that begins with an empty line, as all of Common Crawl's August 2018 does
(commoncrawl/nutch#5), is read behind it.
"""

import io
import re
from collections.abc import Callable

from warcio.statusandheaders import StatusAndHeadersParser, StatusAndHeadersParserException

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.html_links import html_encoding, html_links
from beam_pipelines.html_process import HtmlTooCostlyError
from beam_pipelines.http_body import TooManyEncodingsError, read_body
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection

_PARSER = StatusAndHeadersParser(["HTTP/"], verify=False)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHARSET = re.compile(r"charset\s*+=\s*+[\"']?\s*+([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_HTML_START = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_LIMITS = RecordLimits()

HtmlParser = Callable[[bytes, str, LinkSelection], tuple[str, list[str], int]]


def parse_http_response(
    record: Record, selection: LinkSelection, limits: RecordLimits = _LIMITS, parse_html: HtmlParser = html_links
) -> Capture | NotAPage:
    """Reads a `response` record. Never raises: what is not a page comes back as `NotAPage`.

    Args:
      parse_html: `html_links`, or `BoundedHtmlParser.links` for pages of anyone.
    """
    message = record.body
    if not message.startswith(b"HTTP/"):
        message = message[:64].lstrip(b"\r\n") + message[64:]
        if not message.startswith(b"HTTP/"):
            return NotAPage("not_http")
    head = _HEAD_END.search(message, 0, limits.max_header_bytes)
    if head is None and len(message) > limits.max_header_bytes:
        return NotAPage("http_headers_too_long", is_damage=True)
    body_start = head.end() if head else len(message)
    try:
        http = _PARSER.parse(io.BytesIO(message[:body_start]))
    except (StatusAndHeadersParserException, EOFError, ValueError):
        return NotAPage("broken_http_headers", is_damage=True)
    if http.get_statuscode() != "200":
        return NotAPage("status_not_200")
    content_type = (http.get_header("content-type") or "").strip().lower()
    if content_type and not content_type.startswith(_HTML_TYPES):
        return NotAPage("not_html")
    try:
        body = read_body(
            message[body_start:],
            transfer_encoding=http.get_header("transfer-encoding") or "",
            content_encoding=http.get_header("content-encoding") or "",
            limits=limits,
        )
    except TooManyEncodingsError:
        return NotAPage("too_many_encodings")
    if not content_type and not _HTML_START.match(body):
        return NotAPage("not_html")
    is_cut = len(body) > limits.max_body_bytes
    body = body[: limits.max_body_bytes]
    charset = _CHARSET.search(content_type)
    try:
        base, hrefs, unselected = parse_html(body, html_encoding(body, charset[1] if charset else ""), selection)
    except HtmlTooCostlyError as error:
        return NotAPage(error.reason)
    except ValueError:
        return NotAPage("broken_html", is_damage=True)
    return Capture(record.target_uri, base, hrefs, unselected, is_cut)
