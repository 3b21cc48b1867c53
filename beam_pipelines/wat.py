"""WAT records: the links that Common Crawl's extractor found in a page, as JSON.

A WAT record of interest is a `metadata` record about a WARC `response` or an ARC record; its links are in
`Envelope.Payload-Metadata.HTTP-Response-Metadata.HTML-Metadata`, each with the path at which it stood (`A@/href`).
Decoding is typed, so that only the fields used become objects; a record whose fields have unexpected types is read
again without types, and whatever is not a link there is passed over. Depth is bounded by
`RecordLimits.max_json_depth`, and in any case by Python's recursion limit, which the decoder keeps to.

Which extractor wrote a file, and when, says whether character references were replaced: Common Crawl's does so since
August 2019 (ia-web-commons #14), the Internet Archive's (webarchive-commons) never. NUL stands in the JSON as it stood
in the page, where the HTML Standard makes it U+FFFD (13.2.5.36 to 13.2.5.38). Bytes that are not UTF-8 are
percent-encoded (`webgraph.url_text`).
"""

import re
from typing import Any

import msgspec

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.character_references import decode_attribute
from beam_pipelines.json_depth import is_deeper
from beam_pipelines.record_limits import MAX_JSON_DEPTH, RecordLimits
from beam_pipelines.warc_headers import WarcHeaders
from webgraph.link_selection import LinkSelection
from webgraph.url_text import URL_SPACE, url_text

REFERENCES_DECODED_SINCE = "2019-08"
"""WAT files of Common Crawl written earlier hold the character references of URLs as they stood in the page."""

_NEVER_DECODES = re.compile(rb"^software:[ \t]*ia-web-commons", re.IGNORECASE | re.MULTILINE)
"""In `warcinfo`, as the Internet Archive's extractor writes it since July 2015; Common Crawl's writes Software-Info."""
_WARCINFO_BYTES = 4096
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*+)\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F]\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)
"""An escape that is half of a character. JSON's grammar has it, and a URL parser takes it for U+FFFD (Infra Standard,
"convert to a scalar value string")."""
_LIMITS = RecordLimits()
_SMALL_JSON_BYTES = 1 << 20
"""JSON of this size may have any number of values."""
_VALUES_A_LINK = 4
"""Objects and arrays a record may have for each link that a page may have."""


class _Link(msgspec.Struct, gc=False):
    path: str = ""
    url: str | None = None
    href: str | None = None  # CSS links have `href` instead of `url`
    rel: str | None = None


class _Head(msgspec.Struct, gc=False):
    Base: str | None = None


class _Html(msgspec.Struct, gc=False):
    Head: _Head | None = None
    Links: list[_Link] | None = None


class _Message(msgspec.Struct, gc=False):
    Status: str | int = ""


class _Http(msgspec.Struct, rename={"message": "Response-Message", "html": "HTML-Metadata"}, gc=False):
    message: _Message | None = None
    html: _Html | None = None


class _Payload(msgspec.Struct, rename={"http": "HTTP-Response-Metadata"}, gc=False):
    http: _Http | None = None


class _WarcHeader(msgspec.Struct, rename={"record_type": "WARC-Type", "target_uri": "WARC-Target-URI"}, gc=False):
    record_type: str = ""
    target_uri: str = ""


class _ArcHeader(msgspec.Struct, rename={"target_uri": "Target-URI"}, gc=False):
    target_uri: str = ""


_ENVELOPE = {"payload": "Payload-Metadata", "warc": "WARC-Header-Metadata", "arc": "ARC-Header-Metadata"}


class _Envelope(msgspec.Struct, rename=_ENVELOPE, gc=False):
    payload: _Payload | None = None
    warc: _WarcHeader | None = None
    arc: _ArcHeader | None = None

    def response_url(self) -> str | None:
        """The URL as the extractor has it, "" without one, or None where the record is about no response."""
        if self.warc is None:
            return None if self.arc is None else self.arc.target_uri
        return self.warc.target_uri if self.warc.record_type == "response" else None


class _Wat(msgspec.Struct, gc=False):
    Envelope: _Envelope | None = None


_decode = msgspec.json.Decoder(_Wat).decode
_decode_untyped = msgspec.json.Decoder().decode


def is_wat_record(record: Record) -> bool:
    if record.record_type != "metadata":
        return False
    headers = record.headers
    if isinstance(headers, WarcHeaders) and headers.has_usual("content-type", b"application/json\r\n"):
        return True
    return "json" in headers.get("content-type", "").lower()


def keeps_references(warcinfo: Record) -> bool:
    """Says of a `warcinfo` record whether the WAT records behind it hold character references as they stood."""
    return _NEVER_DECODES.search(warcinfo.body[:_WARCINFO_BYTES]) is not None


def parse_wat_record(
    record: Record, selection: LinkSelection, limits: RecordLimits = _LIMITS, *, has_references: bool = False
) -> Capture | NotAPage:
    """Reads a WAT record (`is_wat_record`). Never raises: what is not a page comes back as `NotAPage`.

    Args:
      has_references: what `keeps_references` says of the file. Records that are old enough have them in any case.
    """
    body = record.body
    if len(body) > limits.max_json_bytes:
        return NotAPage("json_too_large")
    if len(body) > _SMALL_JSON_BYTES and body.count(b"{") + body.count(b"[") > _VALUES_A_LINK * limits.max_links:
        return NotAPage("json_too_many_values")
    if limits.max_json_depth < MAX_JSON_DEPTH and is_deeper(body, limits.max_json_depth):
        return NotAPage("json_too_deep", is_damage=True)
    try:
        wat = _decode_leniently(body)
    except msgspec.DecodeError:
        return NotAPage("broken_json", is_damage=True)
    except RecursionError:
        return NotAPage("json_too_deep", is_damage=True)
    envelope = wat.Envelope
    url = envelope.response_url() if envelope else None
    if envelope is None or url is None:
        return NotAPage("not_a_response")
    http = envelope.payload and envelope.payload.http
    if not http:
        return NotAPage("not_http")
    if http.message is None or str(http.message.Status) != "200":
        return NotAPage("status_not_200")
    if http.html is None:
        return NotAPage("not_html")
    url = url.strip(URL_SPACE).removeprefix("<").removesuffix(">")
    capture = _capture(url or record.target_uri, http.html, selection)
    capture.joined = "".join(capture.hrefs)
    if ("&" in capture.joined or "&" in capture.base) and (
        has_references or record.headers.get("warc-date", "9") < REFERENCES_DECODED_SINCE
    ):
        capture.base, capture.hrefs = decode_attribute(capture.base), list(map(decode_attribute, capture.hrefs))
        capture.joined = "".join(capture.hrefs)
    if "\0" in capture.joined or "\0" in capture.base:
        capture.base, capture.hrefs = _without_nul(capture.base), list(map(_without_nul, capture.hrefs))
        capture.joined = _without_nul(capture.joined)
    return capture


def _decode_leniently(body: bytes) -> _Wat:
    """Decodes JSON that is not quite UTF-8 too, so that URLs which differ in such bytes stay different."""
    try:
        return _decode_any(body)
    except (UnicodeDecodeError, msgspec.DecodeError):
        mended = _LONE_SURROGATE.sub(rb"\1\\ufffd", url_text(body).encode())
        if mended == body:
            raise
    return _decode_any(mended)


def _decode_any(body: bytes) -> _Wat:
    try:
        return _decode(body)
    except msgspec.ValidationError:  # it is raised at the first unexpected type; what follows may be no JSON
        return _from_untyped(_decode_untyped(body))


def _capture(url: str, page: _Html, selection: LinkSelection) -> Capture:
    links = page.Links or ()
    if selection.all_paths or selection.drop_nofollow:
        chosen = [link for link in links if selection.selects_path(link.path) and selection.selects_rel(link.rel)]
        hrefs = [link.url if link.url is not None else link.href or "" for link in chosen]
    else:
        hrefs = [link.url or "" for link in links if link.path == "A@/href" or link.path == "AREA@/href"]
    return Capture(url, (page.Head and page.Head.Base) or "", hrefs, len(links) - len(hrefs))


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _from_untyped(value: Any) -> _Wat:
    """Takes from a document of unexpected types the fields that have the expected ones."""
    envelope = _object(value, "Envelope")
    warc = _object(envelope, "WARC-Header-Metadata")
    arc = _object(envelope, "ARC-Header-Metadata")
    http = _object(_object(envelope, "Payload-Metadata"), "HTTP-Response-Metadata")
    page = _object(http, "HTML-Metadata")
    links = page.get("Links") if page else None
    return _Wat(
        _Envelope(
            _Payload(
                _Http(
                    _Message(str(_object(http, "Response-Message").get("Status", ""))),
                    _Html(_Head(_text(_object(page, "Head").get("Base"))), _links(links)) if page else None,
                )
                if http
                else None
            ),
            _WarcHeader(_text(warc.get("WARC-Type")) or "", _text(warc.get("WARC-Target-URI")) or "") if warc else None,
            _ArcHeader(_text(arc.get("Target-URI")) or "") if arc else None,
        )
    )


def _object(parent: Any, key: str) -> dict[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _links(value: Any) -> list[_Link]:
    links = value if isinstance(value, list) else []
    return [
        _Link(_text(link.get("path")) or "", _text(link.get("url")), _text(link.get("href")), _text(link.get("rel")))
        for link in links
        if isinstance(link, dict)
    ]
