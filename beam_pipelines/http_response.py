"""WARC and ARC `response` records: status line, headers and body of an HTTP message, and the links of its HTML.

warcio parses the HTTP headers. A payload that begins with an empty line, as all of Common Crawl's August 2018 does
(commoncrawl/nutch#5), is read behind it. Whether a body is HTML, and in which charset, say its Content-Type headers as
the Fetch Standard reads them ("extract a MIME type"), and where they say nothing, its first tag (MIME Sniffing
Standard, "rules for identifying an unknown MIME type").

XHTML is what is sent as `application/xhtml+xml`, and an XML parser reads it. What is sent as `text/html` is HTML,
whatever it looks like (HTML Standard, 1.6). XML of other types (`text/xml`, `application/xml`, `image/svg+xml`, feeds)
is no page, even where its root is XHTML: a browser shows it as an XML document, but a page here is what its sender
calls HTML or XHTML, and most XML of those types is data.
"""

import dataclasses
import io
import re

from warcio.statusandheaders import StatusAndHeadersParser, StatusAndHeadersParserException

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.html_links import html_encoding, html_links
from beam_pipelines.http_body import TooManyEncodingsError, read_body
from beam_pipelines.media_type import extract_media_type
from beam_pipelines.record_limits import RecordLimits
from beam_pipelines.xhtml_links import xhtml_links, xml_encoding
from webgraph.link_selection import LinkSelection

_PARSER = StatusAndHeadersParser(["HTTP/"], verify=False)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_XHTML_TYPE = "application/xhtml+xml"
_HTML_TYPES = ("text/html", _XHTML_TYPE)
_UNKNOWN_TYPES = ("", "unknown/unknown", "application/unknown")
_HTML_START = re.compile(
    rb"\s*+<(?:!doctype\s++html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--)[\s>]",
    re.IGNORECASE,
)
_LIMITS = RecordLimits()


@dataclasses.dataclass(slots=True)
class HtmlPage:
    """A page whose links are not read yet.

    Attributes:
      url: as the archive has it.
      document: HTML without transfer and content encodings; `encoding` is that of its characters.
      is_cut: there was more than is read of a page.
      damage: the transfer and content codings in which the page was damaged: what was decoded before is the document.
      is_xml: the document is XHTML, for the XML parser.
    """

    url: str
    document: bytes
    encoding: str
    is_cut: bool
    damage: tuple[str, ...] = ()
    is_xml: bool = False

    def capture(self, base: str, hrefs: list[str], unselected: int, is_ill_formed: bool = False) -> Capture:
        """The page with its links, as `html_links` or `xhtml_links` returns them."""
        return Capture(self.url, base, hrefs, unselected, self.is_cut, damage=self.damage, is_ill_formed=is_ill_formed)


def parse_http_response(record: Record, selection: LinkSelection, limits: RecordLimits = _LIMITS) -> Capture | NotAPage:
    """Reads a `response` record and the links of its page. Never raises, as `read_http_response`."""
    page = read_http_response(record, limits)
    return page if isinstance(page, NotAPage) else parse_html_page(page, selection)


def parse_html_page(page: HtmlPage, selection: LinkSelection) -> Capture | NotAPage:
    """Reads the links of a page in this process, whatever it takes."""
    if page.is_xml:
        return page.capture(*xhtml_links(page.document, page.encoding, selection))
    try:
        return page.capture(*html_links(page.document, page.encoding, selection))
    except ValueError:
        return NotAPage("broken_html", is_damage=True)


def read_http_response(record: Record, limits: RecordLimits = _LIMITS) -> HtmlPage | NotAPage:
    """Reads a `response` record up to its HTML. Never raises: what is not a page comes back as `NotAPage`."""
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
    media_type, charset = extract_media_type(http.headers)
    if media_type not in (*_HTML_TYPES, *_UNKNOWN_TYPES):
        return NotAPage("not_html")
    try:
        body = read_body(
            message[body_start:],
            transfer_encoding=_joined(http.headers, "transfer-encoding"),
            content_encoding=_joined(http.headers, "content-encoding"),
            limits=limits,
        )
    except TooManyEncodingsError:
        return NotAPage("too_many_encodings")
    if media_type in _UNKNOWN_TYPES and not _HTML_START.match(body.content):
        return NotAPage("not_html")
    is_xml = media_type == _XHTML_TYPE
    encoding = xml_encoding(body.content, charset) if is_xml else html_encoding(body.content, charset)
    return HtmlPage(record.target_uri, body.content, encoding, body.is_cut, body.damage, is_xml)


def _joined(headers: list[tuple[str, str]], name: str) -> str:
    """All values of a header, as one list (RFC 9110, 5.3)."""
    return ",".join(value for written, value in headers if written.lower() == name)
