"""WARC and ARC `response` records: status line, headers and body of an HTTP message, and the links of its HTML.

warcio parses the HTTP headers and undoes chunking. Content encodings are undone here, because warcio inflates a whole
chunk at once, which a hostile page can make huge, and its brotli does not work with the brotli package of today. Where
a header says chunked or gzip and the body is not, the bytes are taken as they are.
"""

import io
import re
import zlib

import brotli
from warcio.bufferedreaders import ChunkedDataReader
from warcio.statusandheaders import StatusAndHeaders, StatusAndHeadersParser, StatusAndHeadersParserException

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.html_links import html_encoding, html_links
from webgraph.link_selection import LinkSelection

MAX_BODY_BYTES = 1 << 26
_PARSER = StatusAndHeadersParser(["HTTP/"], verify=False)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_HTML_START = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_INFLATE_BYTES = 1 << 16
_GZIP_OR_ZLIB, _RAW_DEFLATE = 47, -15  # zlib's numbers for these window formats
_DEFLATED = ("gzip", "x-gzip", "deflate")


def parse_http_response(record: Record, selection: LinkSelection) -> Capture | NotAPage:
    """Reads a `response` record. Never raises: what is not a page comes back as `NotAPage`."""
    if not record.body.startswith(b"HTTP/"):
        return NotAPage("not_http")
    stream = io.BytesIO(record.body)
    try:
        http = _PARSER.parse(stream)
    except (StatusAndHeadersParserException, EOFError, ValueError):
        return NotAPage("broken_http_headers", is_damage=True)
    if http.get_statuscode() != "200":
        return NotAPage("status_not_200")
    content_type = (http.get_header("content-type") or "").strip().lower()
    if content_type and not content_type.startswith(_HTML_TYPES):
        return NotAPage("not_html")
    body = _read_body(http, stream)
    if not content_type and not _HTML_START.match(body):
        return NotAPage("not_html")
    charset = _CHARSET.search(content_type)
    try:
        base, hrefs, unselected = html_links(body, html_encoding(body, charset[1] if charset else ""), selection)
    except ValueError:
        return NotAPage("broken_html", is_damage=True)
    return Capture(record.target_uri, base, hrefs, unselected)


def _read_body(http: StatusAndHeaders, stream: io.BytesIO) -> bytes:
    """The body without transfer and content encoding, at most MAX_BODY_BYTES of it; a damaged end is cut off."""
    content = stream.read()
    if (http.get_header("transfer-encoding") or "").strip().lower() == "chunked":
        content = _unchunk(content)
    encoding = (http.get_header("content-encoding") or "").strip().lower()
    if encoding == "br":
        return _read_brotli(content)
    return _inflate(content) if encoding in _DEFLATED else content[:MAX_BODY_BYTES]


def _unchunk(content: bytes) -> bytes:
    reader = ChunkedDataReader(io.BytesIO(content))
    parts = []
    try:
        while part := reader.read(1 << 16):
            parts.append(part)
    except (ValueError, OSError, EOFError):
        pass  # what was read before the damage is a truncated page, and truncated pages count
    return b"".join(parts)


def _inflate(content: bytes) -> bytes:
    """Undoes gzip, zlib or raw deflate, whichever it is; a body that is none of them is returned as it is."""
    for window in (_GZIP_OR_ZLIB, _RAW_DEFLATE):
        decompressor = zlib.decompressobj(window)
        parts, length = [], 0
        try:
            for start in range(0, len(content), _INFLATE_BYTES):
                parts.append(decompressor.decompress(content[start : start + _INFLATE_BYTES], MAX_BODY_BYTES - length))
                length += len(parts[-1])
                if decompressor.eof or length >= MAX_BODY_BYTES:
                    break
        except zlib.error:
            pass  # another format, or damage: what was decoded before it is a truncated page, and truncated pages count
        if length:
            return b"".join(parts)
    return content[:MAX_BODY_BYTES]


def _read_brotli(content: bytes) -> bytes:
    decompressor = brotli.Decompressor()
    parts, length = [], 0
    try:
        while length < MAX_BODY_BYTES and (part := decompressor.process(content, output_buffer_limit=1 << 20)):
            parts.append(part)
            length += len(part)
            content = b""  # all of it is with the decompressor now
    except brotli.error:
        if not parts:
            return content[:MAX_BODY_BYTES]
    return b"".join(parts)[:MAX_BODY_BYTES]
