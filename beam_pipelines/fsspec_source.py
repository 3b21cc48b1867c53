"""A file on an object store, or wherever else fsspec reaches: s3:// by s3fs, gs:// by gcsfs.

Endpoint, credentials and anonymous access are fsspec's own configuration: `FSSPEC_S3='{"anon": true}'`, or a file in
`~/.config/fsspec` (filesystem-spec.readthedocs.io, "Configuration").
"""

from typing import Any

import fsspec

from beam_pipelines.remote_reader import Body, RemoteReadError
from webgraph.missing_extra import install_command

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_BLOCK_BYTES = 8 << 20


class MissingPackageError(ImportError):
    """The package for a kind of storage is not installed; the message names the extra that brings it."""


def check_scheme(scheme: str) -> None:
    """Sees to it that there is code for a kind of storage; connects to nothing.

    Raises:
      MissingPackageError: its package is not installed.
    """
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        remedy = f"run: {install_command(EXTRAS[scheme])}" if scheme in EXTRAS else str(error)
        raise MissingPackageError(f"{scheme}:// needs a package that is not installed; {remedy}") from error


def list_matches(pattern: str) -> list[str]:
    """Returns the URLs of the files that match a glob, sorted."""
    files, path = fsspec.core.url_to_fs(pattern)
    scheme = pattern.partition("://")[0]
    return sorted(f"{scheme}://{files._strip_protocol(found).lstrip('/')}" for found in files.glob(path))


class FsspecSource:
    """The file at a URL that fsspec knows."""

    def __init__(self, url: str) -> None:
        self.name = url
        self._files, self._path = fsspec.core.url_to_fs(url)

    def open(self, offset: int, validator: str) -> Body:
        try:
            info = self._info()
            opened = self._files.open(self._path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
            opened.seek(offset)
        except Exception as error:  # every storage raises classes of its own
            raise _as_read_error(error) from error
        return Body(
            offset=offset,
            size=int(info["size"]),
            validator=str(info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("created") or ""),
            read=lambda count: _read(opened, count),
            close=opened.close,
        )

    def size(self) -> int:
        try:
            return int(self._info()["size"])
        except Exception as error:  # see open
            raise _as_read_error(error) from error

    def close(self) -> None:
        """The connections are fsspec's, which keeps them for the next file."""

    def _info(self) -> dict[str, Any]:
        self._files.invalidate_cache(self._files._parent(self._path))  # a listing may be older than the file
        info: dict[str, Any] = self._files.info(self._path)
        if info["type"] != "file":
            raise FileNotFoundError(f"{self.name} is a {info['type']}, not a file")
        return info


def _read(opened: Any, count: int) -> bytes:
    try:
        data: bytes = opened.read(count)
        return data
    except Exception as error:  # see FsspecSource.open
        raise _as_read_error(error) from error


def _as_read_error(error: Exception) -> RemoteReadError:
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return RemoteReadError("not_found", message)
    if isinstance(error, PermissionError) or type(error).__name__ == "NoCredentialsError":
        return RemoteReadError("forbidden", message)
    if type(error).__name__ == "FileExpired":  # s3fs: another ETag
        return RemoteReadError("changed", message)
    return RemoteReadError("not_readable", message, retries=None)
