"""Bytes of WARC 1.0 records, each in a gzip member of its own, with their digests and dates."""

import base64
import dataclasses
import datetime
import hashlib
import uuid
import zlib
from collections.abc import Sequence

import xxhash

Headers = Sequence[tuple[str, str]]

_GZIP_WINDOW = 31  # zlib's code for a gzip member, whose header then holds no time and no name
_COMPRESSION_LEVEL = 5
_CRAWL_START = datetime.datetime(2025, 1, 13, tzinfo=datetime.UTC)
GZIP_HEADER_LENGTH = 10
GZIP_FOOTER_LENGTH = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """A record as headers and block, before it is compressed."""

    headers: Headers
    block: bytes
    header_length: int  # bytes of the header part, with its empty line
    content: bytes  # header part, block, and the two line ends after it

    @classmethod
    def make(cls, headers: Headers, block: bytes) -> "Record":
        """Adds Content-Length, the last header, and lays the record out."""
        headers = (*headers, ("Content-Length", str(len(block))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"WARC/1.0\r\n{lines}\r\n".encode()
        return cls(headers=headers, block=block, header_length=len(head), content=b"".join((head, block, b"\r\n\r\n")))

    def compress(self) -> bytes:
        """The record as one gzip member."""
        compressor = zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        return compressor.compress(self.content) + compressor.flush()


def sha1_digest(data: bytes) -> str:
    """A digest as WARC headers hold it: base32 of SHA-1."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def record_id(name: str, seed: int) -> str:
    """A record id that follows from a name and the seed."""
    digest = xxhash.xxh3_128_digest(name.encode(), seed=seed)
    return f"<urn:uuid:{uuid.UUID(bytes=digest, version=4)}>"


def warc_date(seconds: int) -> str:
    """A WARC-Date so many seconds after the start of the crawl."""
    return (_CRAWL_START + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(seconds: int) -> str:
    """The same moment as an HTTP header holds it."""
    moment = _CRAWL_START + datetime.timedelta(seconds=seconds)
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


def http_block(start_line: str, headers: Headers, body: bytes) -> tuple[bytes, int]:
    """An HTTP message and the length of its header part in bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"{start_line}\r\n{lines}\r\n".encode()
    return head + body, len(head)
