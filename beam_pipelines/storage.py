"""Files of a run, on any file system that Beam knows (local, gs://, s3://, hdfs://): whole or not there.

A file is written under a temporary name and renamed, so that a retried or killed worker never leaves half of one.
Local files need no Beam, which takes seconds to import; it is imported when another file system is named.
"""

import contextlib
import fcntl
import glob
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from beam_pipelines.keyed_file import read_keyed, write_keyed
from beam_pipelines.step import Output

_LOCK_SECONDS = 2.0


def is_local(path: str) -> bool:
    return "://" not in path


def join(folder: str, *names: str) -> str:
    return os.path.join(folder, *names) if is_local(folder) else str(_file_systems().join(folder, *names))


def open_raw(path: str) -> BinaryIO:
    """Opens a file as stored; Beam does not decompress it."""
    if is_local(path):
        return open(path, "rb")
    stream: BinaryIO = _file_systems().open(path, compression_type="uncompressed")
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


def write_keyed_file(path: str, outputs: Iterable[Output]) -> None:
    """Writes outputs of steps, see `keyed_file`, whole."""
    with _renamed_when_closed(path) as sink:
        write_keyed(sink, outputs)


def read_keyed_file(path: str) -> Iterator[Output]:
    """Yields the outputs in a file."""
    with open_raw(path) as source:
        yield from read_keyed(source)


def list_files(folder: str, pattern: str) -> list[str]:
    """Returns the paths in `folder` that match a glob pattern, sorted.

    Only `pattern` is a glob: the folder's name is taken literally, whatever characters it has.
    """
    if is_local(folder):
        return sorted(os.path.join(folder, name) for name in glob.glob(pattern, root_dir=folder))
    whole = join(glob.escape(folder), pattern)
    return sorted(found.path for found in _file_systems().match([whole])[0].metadata_list)


def exists(path: str) -> bool:
    return os.path.exists(path) if is_local(path) else bool(_file_systems().exists(path))


def remove_files(paths: list[str]) -> None:
    """Removes files that are there."""
    for path in paths:
        if is_local(path):
            os.remove(path)
    elsewhere = [path for path in paths if not is_local(path)]
    if elsewhere:
        _file_systems().delete(elsewhere)


def folder_exists(path: str) -> bool:
    """Whether a folder is there; on an object store, whether anything is in it."""
    return os.path.exists(path) if is_local(path) else bool(list_files(path, "*"))


def make_folder(path: str) -> None:
    """Makes a folder where there are folders; an object store has none."""
    if is_local(path):
        os.makedirs(path, exist_ok=True)


def remove_folder(path: str) -> None:
    """Removes a folder and what is in it, if it is there."""
    if is_local(path):
        shutil.rmtree(path, ignore_errors=True)
    elif folder_exists(path):
        _file_systems().delete([path.rstrip("/") + "/"])


def list_folder(folder: str) -> list[str]:
    """Returns the paths of the files and folders in a folder, sorted; on an object store, of the files at any depth."""
    if is_local(folder):
        return sorted(os.path.join(folder, name) for name in os.listdir(folder)) if os.path.isdir(folder) else []
    return list_files(folder, "**")


def remove(path: str) -> None:
    """Removes a file or a folder, if it is there."""
    if is_local(path) and os.path.isdir(path):
        remove_folder(path)
    elif exists(path):
        remove_files([path])


@contextlib.contextmanager
def only_one(folder: str) -> Iterator[None]:
    """Holds a lock on a local folder, which is made; elsewhere it does nothing.

    Workers of a run that was killed hold its lock until they notice; so it is waited for, a few seconds.

    Raises:
      BlockingIOError: another process holds it.
    """
    if not is_local(folder):
        yield
        return
    os.makedirs(folder, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, time.monotonic() + _LOCK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def publish_folder(source: str, destination: str, *, last: str) -> None:
    """Gives a finished folder its final name. Where folders cannot be renamed at once, the file `last` comes last."""
    if is_local(destination):
        os.replace(source, destination)
        return
    names = [path.rsplit("/", 1)[1] for path in list_files(source, "*")]
    ordered = [name for name in names if name != last] + [last]
    for name in ordered:
        _file_systems().rename([join(source, name)], [join(destination, name)])


class _renamed_when_closed:  # a context manager, used as a function
    def __init__(self, path: str) -> None:
        self._path = path
        self._temporary = f"{path}.{uuid.uuid4().hex}.tmp"

    def __enter__(self) -> BinaryIO:
        if is_local(self._path):
            self._sink: BinaryIO = open(self._temporary, "wb")
        else:
            self._sink = _file_systems().create(
                self._temporary, mime_type="application/octet-stream", compression_type="uncompressed"
            )
        return self._sink

    def __exit__(self, exception_type: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        try:
            self._sink.close()  # writes what is buffered, so it may fail as a write does
        except OSError as failure:
            self._remove_unfinished()
            raise _with_path(error if isinstance(error, OSError) else failure, self._path) from failure
        if exception_type is not None:
            self._remove_unfinished()
            if isinstance(error, OSError) and error.errno is not None and error.filename is None:
                raise _with_path(error, self._path) from error  # others are not the system's, and have causes to keep
        elif is_local(self._path):
            os.replace(self._temporary, self._path)
        else:
            _file_systems().rename([self._temporary], [self._path])

    def _remove_unfinished(self) -> None:
        with contextlib.suppress(OSError):  # what made the file fail is to be told, not this
            remove_files([self._temporary])


def _with_path(error: OSError, path: str) -> OSError:
    """The same error, with the file that was being written: the system's own tells no file where a write fails."""
    return error if error.filename is not None or error.errno is None else OSError(error.errno, error.strerror, path)


def _file_systems() -> Any:
    """Beam's registry of file systems."""
    from apache_beam.io.filesystems import FileSystems

    return FileSystems
