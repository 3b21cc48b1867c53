"""Copies files of the web or a store into a folder, each whole under its name, or else named as failed.

A file arrives as NAME.part, beside NAME.part.json, which says of which version of which file it is; a later run goes on
from there. It is checked to the end of its last record before it gets its name. What has its name is not read again, as
that would take hours for a crawl; the server is asked for its length, and a file of another one is named as failed.
"""

import dataclasses
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import cast

import xxhash

from beam_pipelines.archive_segments import read_segments
from beam_pipelines.input_options import InputOptions, RetryOptions
from beam_pipelines.inputs import InputError
from beam_pipelines.open_archive import archive_name, archive_problem, make_source
from beam_pipelines.remote_reader import Arrived, RemoteReader, RemoteReadError
from webgraph import stop_signals

_READ_BYTES = 1 << 18
_STOP_SECONDS = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fetched:
    """What became of one file.

    Attributes:
      path: where it is, or would be.
      bytes: of it that are there.
      retries: how often it was asked for again.
      failure: why it is not whole, or ""; `message` says it in words, with the URL.
    """

    url: str
    path: str
    bytes: int
    retries: int = 0
    failure: str = ""
    message: str = ""


def fetch_files(
    urls: Sequence[str],
    folder: str,
    options: InputOptions = InputOptions(),  # noqa: B008  # frozen
    advance: Callable[[int], None] = lambda count: None,
) -> Iterator[Fetched]:
    """Fetches files into a local folder, `options.max_connections` at a time, and yields them in the order of `urls`.

    Args:
      advance: called with the bytes that arrived, from several threads.

    Raises:
      InputError: two files would have one name.
      OSError: the folder cannot be written to.
    """
    names = [archive_name(url) for url in urls]
    if len(set(names)) < len(names) or not all(names):
        raise InputError("Two of the files would have the same name, or one has none; fetch them into folders apart.")
    os.makedirs(folder, exist_ok=True)
    stop = threading.Event()
    threads = ThreadPoolExecutor(options.max_connections, "fetch")
    pending: list[Future[Fetched]] = []
    try:
        for url, name in zip(urls, names, strict=True):
            path = os.path.join(folder, name)
            pending.append(threads.submit(fetch_file, url, path, options.retry, advance, stop))
        for future in pending:
            yield future.result()
    finally:
        stop.set()
        is_told_to_end = stop_signals.is_stopping() or isinstance(sys.exception(), KeyboardInterrupt)
        threads.shutdown(wait=not is_told_to_end, cancel_futures=True)  # a slow server would be waited for
        wait(pending, _STOP_SECONDS)


def fetch_file(
    url: str,
    path: str,
    retry: RetryOptions,
    advance: Callable[[int], None] = lambda count: None,
    stop: threading.Event = threading.Event(),  # noqa: B008  # never set
) -> Fetched:
    """Fetches one file to `path`, until `stop` is set. What is there already under that name is left alone.

    Raises:
      OSError: `path` cannot be written to.
    """
    part = path + ".part"
    if os.path.exists(path):
        _forget(part)  # a run that was ended just after the renaming leaves the note
        return _found(url, path, retry)
    arrived = _arrived(url, part)
    was_begun = arrived.offset > 0
    sleep = cast(Callable[[float], None], stop.wait)
    reader = RemoteReader(make_source(url, retry), retry, arrived=arrived, check=archive_problem, sleep=sleep)
    try:
        _receive(url, part, reader, advance, stop)
        damage = _damage(part)
        if damage:
            raise RemoteReadError("damaged", f"{url}: its compression is damaged ({damage})")
    except RemoteReadError as error:
        if error.reason in ("changed", "damaged"):
            _forget(part)
        if error.reason == "changed" and was_begun:  # since an earlier run: begin anew, once
            return fetch_file(url, path, retry, advance, stop)
        return Fetched(
            url=url, path=path, bytes=arrived.offset, retries=reader.retries, failure=error.reason, message=str(error)
        )
    finally:
        reader.close()
    os.replace(part, path)
    os.remove(part + ".json")
    return Fetched(url=url, path=path, bytes=arrived.offset, retries=reader.retries)


def _found(url: str, path: str, retry: RetryOptions) -> Fetched:
    """A file that has its name: whole, unless the server says that it is longer or shorter."""
    size, source = os.path.getsize(path), make_source(url, retry)
    try:
        expected = source.size()
    except RemoteReadError:  # it cannot be compared, which is no reason to refuse it
        expected = size
    finally:
        source.close()
    if size == expected:
        return Fetched(url=url, path=path, bytes=size)
    message = f"{url}: has {expected} bytes, and {path} has {size}; remove that file to have it fetched again"
    return Fetched(url=url, path=path, bytes=size, failure="other_length", message=message)


def _receive(url: str, part: str, reader: RemoteReader, advance: Callable[[int], None], stop: threading.Event) -> None:
    buffer = bytearray(_READ_BYTES)
    with open(part, "ab") as sink:
        while True:
            if stop.is_set():
                raise RemoteReadError("interrupted", f"{url}: stopped before it was whole")
            before = reader.arrived.offset
            count = reader.readinto(buffer)
            if not before:  # now it is known which file this is
                _write_note(url, part, reader.arrived)
            if not count:
                break
            sink.write(memoryview(buffer)[:count])
            advance(count)
        sink.flush()
        os.fsync(sink.fileno())


def _write_note(url: str, part: str, arrived: Arrived) -> None:
    note = {"url": url, "size": arrived.size, "validator": arrived.validator}
    with open(part + ".json", "w", encoding="utf-8") as sink:
        json.dump(note, sink)


def _arrived(url: str, part: str) -> Arrived:
    """What an earlier run left of the file; nothing, where it is not known of which version that is."""
    try:
        with open(part + ".json", encoding="utf-8") as source:
            note = json.load(source)
        if note["url"] == url and note["validator"] and isinstance(note["size"], int):
            digest = xxhash.xxh3_128()
            with open(part, "rb") as source_bytes:
                while data := source_bytes.read(_READ_BYTES):
                    digest.update(data)
                offset = source_bytes.tell()
            if 0 < offset <= note["size"]:
                return Arrived(offset=offset, size=note["size"], validator=note["validator"], digest=digest)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # a note cut short, or none: the file is begun anew
    _forget(part)
    return Arrived()


def _forget(part: str) -> None:
    for path in (part, part + ".json"):
        if os.path.exists(path):
            os.remove(path)


def _damage(path: str) -> str:
    """The first damage of an archive's compression, "" for none. What is in its records is not looked at."""
    if not os.path.getsize(path):
        return "empty_file"
    with open(path, "rb") as stream:
        return next((segment.damage for segment in read_segments(stream) if segment.damage), "")
