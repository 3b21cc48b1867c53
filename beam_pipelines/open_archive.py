"""How an archive is opened, by where it lies: a local file as it is, all else through `RemoteReader`."""

import io
import os
import urllib.parse
import zlib
from collections.abc import Sequence
from typing import BinaryIO, cast

from beam_pipelines import http_source
from beam_pipelines.fsspec_source import FsspecSource
from beam_pipelines.http_source import HttpSource
from beam_pipelines.input_options import RetryOptions
from beam_pipelines.remote_reader import RemoteReader, RemoteReadError, Source
from beam_pipelines.storage import is_local, open_raw

_SIZES_ASKED = 16
_ASSUMED_BYTES = 1 << 28
_ARCHIVE_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"WARC/", b"filedesc:")
_GZIP_MAGIC = b"\x1f\x8b"


def is_web(path: str) -> bool:
    return path.partition("://")[0] in http_source.SCHEMES


def archive_name(path: str) -> str:
    """The file name without folders; a URL's query is left out."""
    return os.path.basename(urllib.parse.urlsplit(path).path if is_web(path) else path)


def make_source(url: str, retry: RetryOptions) -> Source:
    """The source for a URL, by its scheme."""
    return HttpSource(url, retry) if is_web(url) else FsspecSource(url)


def open_archive(path: str, retry: RetryOptions) -> BinaryIO:
    """Opens an archive for reading in order. One that is not local is asked for by the first read.

    Raises:
      RemoteReadError: on reading; the file is not there, or cannot be had whole.
      OSError: a local file cannot be opened.
    """
    if is_local(path):
        return open_raw(path)
    return _buffered(RemoteReader(make_source(path, retry), retry, check=archive_problem))


def read_remote(url: str, retry: RetryOptions, max_bytes: int) -> bytes:
    """Reads a small file, at most `max_bytes`, and one more if it is longer.

    Raises:
      RemoteReadError: it cannot be had whole.
    """
    with _buffered(RemoteReader(make_source(url, retry), retry, check=_page_problem)) as stream:
        return stream.read(max_bytes + 1)


def _buffered(reader: RemoteReader) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(reader, 1 << 16))


def archive_problem(head: bytes) -> str:
    """Why a file that begins so is no archive: `error_page`, `content_encoding`, `not_an_archive`; or ""."""
    problem = _page_problem(head)
    if problem or not head:
        return problem
    return "" if head.lstrip(b"\r\n").startswith(_ARCHIVE_MAGIC) else "not_an_archive"


def _page_problem(head: bytes) -> str:
    if head.startswith(_GZIP_MAGIC):
        inside = _inflated(head)
        if inside.startswith(_GZIP_MAGIC):
            return "content_encoding"  # compressed once more on its way
        head = inside
    return "error_page" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else ""


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, 512)
    except zlib.error:
        return b""  # damage is for the parser to count


def archive_sizes(paths: Sequence[str], retry: RetryOptions) -> dict[str, int]:
    """Bytes of each archive: exact where it is local, elsewhere the mean of at most 16 that are asked for."""
    remote = [path for path in paths if not is_local(path)]
    asked = remote[:: max(1, -(-len(remote) // _SIZES_ASKED))]
    known = _remote_sizes(asked, retry)
    mean = sum(known) // len(known) if known else _ASSUMED_BYTES
    return {path: _local_size(path) if is_local(path) else mean for path in paths}


def _remote_sizes(paths: Sequence[str], retry: RetryOptions) -> list[int]:
    """The sizes that can be had; after a failure to connect no more are asked for, since each could take a minute."""
    sizes = []
    for path in paths:
        source = make_source(path, retry)
        try:
            sizes.append(source.size())
        except RemoteReadError as error:  # it counts when the file is read
            if error.reason in ("connection_lost", "timeout"):
                break
        finally:
            source.close()
    return sizes


def _local_size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def archive_state(path: str) -> tuple[int, ...]:
    """Size and time of the last change of a local archive: what tells its content from another's; else nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns
