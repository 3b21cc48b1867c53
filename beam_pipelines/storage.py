"""Files of a run, on any file system that Beam knows (local, gs://, s3://, hdfs://): whole or not there.

A file is written under a temporary name and renamed, so that a retried or killed worker never leaves half of one.
"""

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from beam_pipelines.keyed_file import read_keyed, write_keyed


def is_local(path: str) -> bool:
    return "://" not in path


def join(folder: str, *names: str) -> str:
    return FileSystems.join(folder, *names)


def open_raw(path: str) -> BinaryIO:
    """Opens a file as stored; Beam does not decompress it."""
    stream: BinaryIO = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream


def read_file(path: str) -> bytes:
    with open_raw(path) as stream:
        return stream.read()


def write_file(path: str, content: bytes) -> None:
    """Writes a file whole."""
    with _renamed_when_closed(path) as sink:
        sink.write(content)


def write_json(path: str, value: Any) -> None:
    write_file(path, json.dumps(value, sort_keys=True).encode())


def read_json(path: str) -> Any:
    return json.loads(read_file(path))


def write_keyed_file(path: str, items: Iterable[tuple[int, bytes]]) -> None:
    """Writes (key, string) pairs, see `keyed_file`, whole."""
    with _renamed_when_closed(path) as sink:
        write_keyed(sink, items)


def read_keyed_file(path: str) -> Iterator[tuple[int, bytes]]:
    """Yields the (key, string) pairs of a file."""
    with open_raw(path) as source:
        yield from read_keyed(source)


def list_files(pattern: str) -> list[str]:
    """Returns the paths that match a glob pattern, sorted."""
    return sorted(found.path for found in FileSystems.match([pattern])[0].metadata_list)


def exists(path: str) -> bool:
    return bool(FileSystems.exists(path))


def folder_exists(path: str) -> bool:
    """Whether a folder is there; on an object store, whether anything is in it."""
    return os.path.exists(path) if is_local(path) else bool(list_files(join(path, "*")))


def remove_file(path: str) -> None:
    """Removes a file that is there."""
    FileSystems.delete([path])


def make_folder(path: str) -> None:
    """Makes a folder where there are folders; an object store has none."""
    if is_local(path):
        os.makedirs(path, exist_ok=True)


def remove_folder(path: str) -> None:
    """Removes a folder and what is in it, if it is there."""
    if is_local(path):
        shutil.rmtree(path, ignore_errors=True)
    elif folder_exists(path):
        FileSystems.delete([path.rstrip("/") + "/"])


@contextlib.contextmanager
def only_one(folder: str) -> Iterator[None]:
    """Holds a lock on a local folder, which is made; elsewhere it does nothing.

    Raises:
      BlockingIOError: another process holds it.
    """
    if not is_local(folder):
        yield
        return
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def publish_folder(source: str, destination: str, *, last: str) -> None:
    """Gives a finished folder its final name. Where folders cannot be renamed at once, the file `last` comes last."""
    if is_local(destination):
        os.replace(source, destination)
        return
    names = [path.rsplit("/", 1)[1] for path in list_files(join(source, "*"))]
    ordered = [name for name in names if name != last] + [last]
    for name in ordered:
        FileSystems.rename([join(source, name)], [join(destination, name)])


class _renamed_when_closed:  # a context manager, used as a function
    def __init__(self, path: str) -> None:
        self._path = path
        self._temporary = f"{path}.{uuid.uuid4().hex}.tmp"

    def __enter__(self) -> BinaryIO:
        self._sink: BinaryIO = FileSystems.create(
            self._temporary, mime_type="application/octet-stream", compression_type=CompressionTypes.UNCOMPRESSED
        )
        return self._sink

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        self._sink.close()
        if exception_type is not None:
            FileSystems.delete([self._temporary])
        elif is_local(self._path):
            os.replace(self._temporary, self._path)
        else:
            FileSystems.rename([self._temporary], [self._path])
