"""Small archives for tests, written by hand from the formats' definitions."""

import gzip
import json
from collections.abc import Iterable, Sequence
from typing import Any

from beam_pipelines.archive_records import Record

PAGE = b"<!DOCTYPE html><html><head><title>t</title></head><body>%s</body></html>"


def warc_record(
    body: bytes, *, kind: str = "response", uri: str = "http://a.de/", headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """One WARC record as bytes, its two empty lines included."""
    lines = [("WARC-Type", kind), ("WARC-Target-URI", uri), *headers, ("Content-Length", str(len(body)))]
    return b"WARC/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines).encode() + b"\r\n" + body + b"\r\n\r\n"


def http_response(body: bytes, *, status: str = "200 OK", content_type: str | None = "text/html") -> bytes:
    """An HTTP message."""
    content = b"" if content_type is None else f"Content-Type: {content_type}\r\n".encode()
    return f"HTTP/1.1 {status}\r\n".encode() + content + b"\r\n" + body


def page(hrefs: Iterable[str]) -> bytes:
    """The HTML of a page with links."""
    return PAGE % "".join(f'<a href="{href}">x</a>' for href in hrefs).encode()


def many_attributes(count: int) -> bytes:
    """HTML that takes the square of its length in time: each attribute is compared with those before."""
    return b"<a " + b"".join(b"x%d " % number for number in range(count)) + b">"


def open_formatting(count: int) -> bytes:
    """HTML that takes `count` squared of elements: they are left open, and made anew in each block."""
    opened = b"".join(b"<b x=%d>" % number for number in range(count))
    return b"<div>" + opened + b"</div>" + b"<div>x</div>" * count


def page_record(uri: str, hrefs: Iterable[str]) -> bytes:
    """A WARC record of a page with links."""
    return warc_record(http_response(page(hrefs)), uri=uri)


def members(records: Iterable[bytes]) -> bytes:
    """One gzip member a record."""
    return b"".join(gzip.compress(record, mtime=0) for record in records)


def arc_file(pages: Iterable[tuple[str, bytes]]) -> bytes:
    """An ARC file, version 1, of (URL, HTTP message)."""
    head = b"1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n\n"
    lines = [b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain %d\n%s\n" % (len(head), head)]
    for url, message in pages:
        lines.append(f"{url} 192.0.2.1 20080430204826 text/html {len(message)}\n".encode() + message + b"\n")
    return b"".join(lines)


def wat_value(
    uri: str, links: Any, *, base: str | None = None, status: Any = "200", kind: str = "response"
) -> dict[str, Any]:
    """What Common Crawl's extractor writes about a response, as far as it is read."""
    head: dict[str, Any] = {"Title": "t", "Metas": [{"name": "x"}]}
    if base is not None:
        head["Base"] = base
    return {
        "Container": {"Filename": "a.warc.gz"},
        "Envelope": {
            "WARC-Header-Metadata": {"WARC-Type": kind, "WARC-Target-URI": uri, "WARC-Date": "2024-01-01T00:00:00Z"},
            "Payload-Metadata": {
                "HTTP-Response-Metadata": {
                    "Response-Message": {"Status": status, "Version": "HTTP/1.1", "Reason": "OK"},
                    "Headers": {"Content-Type": "text/html", "Set-Cookie": ["a=1", "b=2"]},
                    "HTML-Metadata": {"Head": head, "Links": links},
                }
            },
        },
    }


def wat_record(value: Any, *, date: str = "2024-01-01T00:00:00Z", uri: str = "http://header.de/") -> Record:
    """A WAT record as the reader gives it; `value` is JSON's value, or bytes as they are."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    headers = {
        "warc-type": "metadata",
        "content-type": "application/json",
        "warc-date": date,
        "warc-target-uri": uri,
    }
    return Record(headers, body, len(body))


def wat_bytes(value: Any, uri: str = "http://a.de/") -> bytes:
    """A WAT record as bytes of a file."""
    headers = (("Content-Type", "application/json"), ("WARC-Date", "2024-01-01T00:00:00Z"))
    return warc_record(json.dumps(value).encode(), kind="metadata", uri=uri, headers=headers)


def links_at(path: str, *urls: str) -> list[dict[str, str]]:
    """Links of a WAT record."""
    return [{"path": path, "url": url} for url in urls]
