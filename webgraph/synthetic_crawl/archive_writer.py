"""A WARC file and the WAT file about it, written side by side, one gzip member a record."""

import pathlib
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from webgraph.synthetic_crawl import wat_records
from webgraph.synthetic_crawl.captures import Capture
from webgraph.synthetic_crawl.warc_records import (
    Headers,
    Record,
    http_block,
    http_date,
    record_id,
    sha1_digest,
    warc_date,
)

_FILES_WITH_BRACKETS = 4  # one file in so many has WARC-Target-URI in angle brackets, as wget writes it


class ArchiveWriter:
    """Writes captures to `warc/part-NNNNN.warc.gz` and `wat/part-NNNNN.warc.wat.gz`.

    A capture becomes a request and a response record in the WARC file, and a metadata record about each in the
    WAT file. Dates, record ids and gzip headers follow from the seed and the position alone.
    """

    def __init__(self, directory: pathlib.Path, file_index: int, *, seed: int) -> None:
        self.warc_path = directory / "warc" / f"part-{file_index:05d}.warc.gz"
        self.wat_path = directory / "wat" / f"part-{file_index:05d}.warc.wat.gz"
        self.num_records = 0  # of the WARC file
        self.num_wat_records = 0
        self._file_index = file_index
        self._seed = seed
        self._brackets = file_index % _FILES_WITH_BRACKETS == _FILES_WITH_BRACKETS - 1
        self._seconds = 0
        self._warcinfo_id = self._record_id("warcinfo")
        for path in (self.warc_path, self.wat_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._warc = self.warc_path.open("wb")
        self._wat = self.wat_path.open("wb")
        self._write_warcinfos()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._warc.close()
        self._wat.close()

    def write(self, capture: Capture) -> None:
        """Writes the records of one capture, a second after the one before."""
        self._seconds += 1
        uri = f"<{capture.target_uri}>" if self._brackets else capture.target_uri
        request_id = self._record_id(f"request {self._seconds}")
        self._write_request(capture, uri, request_id)
        self._write_response(capture, uri, request_id)

    def _write_request(self, capture: Capture, uri: str, request_id: str) -> None:
        url = urlsplit(capture.target_uri)
        path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        headers = (("Host", url.netloc.lower()), ("User-Agent", "synthetic-crawl/1.0"), ("Accept-Encoding", "gzip"))
        block, headers_length = http_block(f"GET {path} HTTP/1.1", headers, b"")
        record = Record.make(self._http_record_headers("request", uri, request_id, block), block)
        payload = wat_records.request_payload(block, path=path, headers=headers, headers_length=headers_length)
        self._write_pair(record, payload, uri)

    def _write_response(self, capture: Capture, uri: str, request_id: str) -> None:
        http_headers = self._response_headers(capture)
        start_line = f"HTTP/1.1 {capture.status} {capture.reason}"
        block, headers_length = http_block(start_line, http_headers, capture.body)
        response_id = self._record_id(f"response {self._seconds}")
        warc_headers = (
            *self._http_record_headers("response", uri, response_id, block),
            ("WARC-Concurrent-To", request_id),
            ("WARC-Payload-Digest", sha1_digest(capture.body)),
        )
        payload = wat_records.response_payload(
            block,
            status=capture.status,
            reason=capture.reason,
            headers=http_headers,
            headers_length=headers_length,
            html_metadata=capture.html_metadata,
        )
        self._write_pair(Record.make(warc_headers, block), payload, uri)

    def _response_headers(self, capture: Capture) -> Headers:
        headers = [("Server", "nginx"), ("Date", http_date(self._seconds)), ("Content-Type", capture.content_type)]
        if capture.content_encoding is not None:
            headers.append(("Content-Encoding", capture.content_encoding))
        if capture.location is not None:
            headers.append(("Location", capture.location))
        if self._seconds % 5 == 0:
            headers += [("Set-Cookie", "language=en"), ("Set-Cookie", "theme=light")]
        return (*headers, ("Content-Length", str(len(capture.body))))

    def _http_record_headers(self, kind: str, uri: str, identifier: str, block: bytes) -> Headers:
        return (
            ("WARC-Type", kind),
            ("WARC-Date", warc_date(self._seconds)),
            ("WARC-Record-ID", identifier),
            ("Content-Type", f"application/http; msgtype={kind}"),
            ("WARC-Warcinfo-ID", self._warcinfo_id),
            ("WARC-Target-URI", uri),
            ("WARC-Block-Digest", sha1_digest(block)),
        )

    def _write_warcinfos(self) -> None:
        fields = (("software", "synthetic-crawl/1.0"), ("format", "WARC File Format 1.0"), ("robots", "ignore"))
        self._append_wat(self._warcinfo("wat warcinfo", self.wat_path.name, fields))
        record = self._warcinfo("warcinfo", self.warc_path.name, fields)
        self._write_pair(record, wat_records.warcinfo_payload(record.block, fields), self.warc_path.name)

    def _warcinfo(self, name: str, filename: str, fields: Headers) -> Record:
        block = "".join(f"{key}: {value}\r\n" for key, value in fields).encode()
        headers = (
            ("WARC-Type", "warcinfo"),
            ("WARC-Date", warc_date(0)),
            ("WARC-Record-ID", self._record_id(name)),
            ("WARC-Filename", filename),
            ("Content-Type", "application/warc-fields"),
            ("WARC-Block-Digest", sha1_digest(block)),
        )
        return Record.make(headers, block)

    def _write_pair(self, record: Record, payload: dict[str, Any], target_uri: str) -> None:
        """Appends a record to the WARC file and what is known of it to the WAT file."""
        offset = self._warc.tell()
        compressed = record.compress()
        self._warc.write(compressed)
        self.num_records += 1
        container = wat_records.container(
            filename=self.warc_path.name, offset=offset, described=record, compressed_length=len(compressed)
        )
        identifier = self._record_id(f"wat {self.num_records}")
        self._append_wat(
            wat_records.wat_record(
                record, payload=payload, container=container, target_uri=target_uri, record_id=identifier
            )
        )

    def _append_wat(self, record: Record) -> None:
        self._wat.write(record.compress())
        self.num_wat_records += 1

    def _record_id(self, name: str) -> str:
        return record_id(f"file {self._file_index} {name}", self._seed)
