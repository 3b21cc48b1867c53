"""WAT records: what Common Crawl's extractor (ia-web-commons) writes about each record of a WARC file."""

import json
import zlib
from typing import Any

from webgraph.synthetic_crawl.warc_records import GZIP_FOOTER_LENGTH, GZIP_HEADER_LENGTH, Headers, Record, sha1_digest


def wat_record(
    described: Record, *, payload: dict[str, Any], container: dict[str, Any], target_uri: str, record_id: str
) -> Record:
    """The `metadata` record about one record; `payload` is its Payload-Metadata."""
    headers = dict(described.headers)
    value = {
        "Container": container,
        "Envelope": {
            "Payload-Metadata": payload,
            "Format": "WARC/1.0",
            "WARC-Header-Length": str(described.header_length),
            "WARC-Header-Metadata": headers,
        },
    }
    block = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Record.make(
        (
            ("WARC-Type", "metadata"),
            ("WARC-Target-URI", target_uri),
            ("WARC-Date", headers["WARC-Date"]),
            ("WARC-Record-ID", record_id),
            ("WARC-Refers-To", headers["WARC-Record-ID"]),
            ("Content-Type", "application/json"),
        ),
        block,
    )


def container(*, filename: str, offset: int, described: Record, compressed_length: int) -> dict[str, Any]:
    """Where in its WARC file the record lies; numbers are strings, and the CRC is signed, as Java has it."""
    crc = zlib.crc32(described.content)
    return {
        "Filename": filename,
        "Compressed": True,
        "Offset": str(offset),
        "Gzip-Metadata": {
            "Deflate-Length": str(compressed_length),
            "Header-Length": str(GZIP_HEADER_LENGTH),
            "Footer-Length": str(GZIP_FOOTER_LENGTH),
            "Inflated-CRC": str(crc - 2**32 if crc >= 2**31 else crc),
            "Inflated-Length": str(len(described.content)),
        },
    }


def warcinfo_payload(block: bytes, fields: Headers) -> dict[str, Any]:
    """Payload-Metadata of a warcinfo record."""
    return {"Actual-Content-Type": "application/warc-fields", "WARC-Info-Metadata": dict(fields), **_block_facts(block)}


def request_payload(block: bytes, *, path: str, headers: Headers, headers_length: int) -> dict[str, Any]:
    """Payload-Metadata of a request record."""
    return {
        "Actual-Content-Type": "application/http; msgtype=request",
        "HTTP-Request-Metadata": {
            "Request-Message": {"Method": "GET", "Path": path, "Version": "HTTP/1.1"},
            "Headers-Length": str(headers_length),
            "Headers": dict(headers),
            **_entity_facts(b""),
        },
        **_block_facts(block),
    }


def response_payload(
    block: bytes,
    *,
    status: int,
    reason: str,
    headers: Headers,
    headers_length: int,
    html_metadata: dict[str, Any] | None,
) -> dict[str, Any]:
    """Payload-Metadata of a response record; a header that is sent twice becomes a list."""
    return {
        "Actual-Content-Type": "application/http; msgtype=response",
        "HTTP-Response-Metadata": {
            "Response-Message": {"Status": str(status), "Version": "HTTP/1.1", "Reason": reason},
            "Headers-Length": str(headers_length),
            "Headers": _gather_headers(headers),
            **({} if html_metadata is None else {"HTML-Metadata": html_metadata}),
            **_entity_facts(block[headers_length:]),
        },
        **_block_facts(block),
    }


def _gather_headers(headers: Headers) -> dict[str, str | list[str]]:
    gathered: dict[str, str | list[str]] = {}
    for name, value in headers:
        earlier = gathered.get(name)
        if earlier is None:
            gathered[name] = value
        elif isinstance(earlier, list):
            earlier.append(value)
        else:
            gathered[name] = [earlier, value]
    return gathered


def _entity_facts(entity: bytes) -> dict[str, str]:
    return {"Entity-Length": str(len(entity)), "Entity-Digest": sha1_digest(entity), "Entity-Trailing-Slop-Length": "0"}


def _block_facts(block: bytes) -> dict[str, str]:
    return {"Actual-Content-Length": str(len(block)), "Trailing-Slop-Length": "4", "Block-Digest": sha1_digest(block)}
