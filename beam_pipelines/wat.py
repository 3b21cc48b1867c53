"""WAT records: the links that Common Crawl's extractor found in a page, as JSON.

A WAT record of interest is a `metadata` record about a WARC `response`; its links are in
`Envelope.Payload-Metadata.HTTP-Response-Metadata.HTML-Metadata`, each with the path at which it stood (`A@/href`).
Decoding is typed, so that only the fields used become objects; a record whose fields have unexpected types is read
again without types, and whatever is not a link there is passed over. Depth is bounded by Python's own recursion limit.
"""

import html
from typing import Any

import msgspec

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection

ENTITIES_UNESCAPED_SINCE = "2019-08"
"""WAT files written earlier hold the HTML entities of URLs as they stood in the page (ia-web-commons #14)."""

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


class _Envelope(msgspec.Struct, rename={"payload": "Payload-Metadata", "header": "WARC-Header-Metadata"}, gc=False):
    payload: _Payload | None = None
    header: _WarcHeader | None = None


class _Wat(msgspec.Struct, gc=False):
    Envelope: _Envelope | None = None


_decode = msgspec.json.Decoder(_Wat).decode
_decode_untyped = msgspec.json.Decoder().decode


def is_wat_record(record: Record) -> bool:
    return record.record_type == "metadata" and "json" in record.headers.get("content-type", "").lower()


def parse_wat_record(record: Record, selection: LinkSelection, limits: RecordLimits = _LIMITS) -> Capture | NotAPage:
    """Reads a WAT record (`is_wat_record`). Never raises: what is not a page comes back as `NotAPage`."""
    body = record.body
    if len(body) > limits.max_json_bytes:
        return NotAPage("json_too_large")
    if len(body) > _SMALL_JSON_BYTES and body.count(b"{") + body.count(b"[") > _VALUES_A_LINK * limits.max_links:
        return NotAPage("json_too_many_values")
    try:
        try:
            wat = _decode_any(body)
        except UnicodeDecodeError:
            wat = _decode_any(body.decode("utf-8", "replace").encode())
    except msgspec.DecodeError:
        return NotAPage("broken_json", is_damage=True)
    except RecursionError:
        return NotAPage("json_too_deep", is_damage=True)
    envelope = wat.Envelope
    header = envelope.header if envelope else None
    if envelope is None or header is None or header.record_type != "response":
        return NotAPage("not_a_response")
    http = envelope.payload and envelope.payload.http
    if not http:
        return NotAPage("not_http")
    if http.message is None or str(http.message.Status) != "200":
        return NotAPage("status_not_200")
    if http.html is None:
        return NotAPage("not_html")
    url = header.target_uri.strip().removeprefix("<").removesuffix(">") or record.target_uri
    return _capture(url, http.html, selection, escaped=record.headers.get("warc-date", "9") < ENTITIES_UNESCAPED_SINCE)


def _decode_any(body: bytes) -> _Wat:
    try:
        return _decode(body)
    except msgspec.ValidationError:  # it is raised at the first unexpected type; what follows may be no JSON
        return _from_untyped(_decode_untyped(body))


def _capture(url: str, page: _Html, selection: LinkSelection, *, escaped: bool) -> Capture:
    links = page.Links or ()
    if selection.all_paths or selection.drop_nofollow:
        chosen = [link for link in links if selection.selects_path(link.path) and selection.selects_rel(link.rel)]
        hrefs = [link.url if link.url is not None else link.href or "" for link in chosen]
    else:
        hrefs = [link.url or "" for link in links if link.path == "A@/href" or link.path == "AREA@/href"]
    base = (page.Head and page.Head.Base) or ""
    if escaped:
        base, hrefs = _unescape(base), [_unescape(href) if "&" in href else href for href in hrefs]
    return Capture(url, base, hrefs, len(links) - len(hrefs))


def _unescape(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a number of thousands of digits
        return text


def _from_untyped(value: Any) -> _Wat:
    """Takes from a document of unexpected types the fields that have the expected ones."""
    envelope = _object(value, "Envelope")
    header = _object(envelope, "WARC-Header-Metadata")
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
            _WarcHeader(_text(header.get("WARC-Type")) or "", _text(header.get("WARC-Target-URI")) or ""),
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
