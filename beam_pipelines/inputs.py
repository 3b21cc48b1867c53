"""Which archives a run reads: files, globs, or manifests that list paths, one a line; here, on the web, in a store."""

import codecs
import glob
import gzip
import io
import os
import re
import shlex
import zlib

import fsspec

from beam_pipelines.fsspec_source import MissingPackageError, check_scheme, list_matches
from beam_pipelines.input_options import RetryOptions
from beam_pipelines.open_archive import is_web, read_remote
from beam_pipelines.remote_reader import RemoteReadError
from beam_pipelines.storage import is_local, join, read_file

MANIFEST_SUFFIXES = (".paths", ".paths.gz", ".txt", ".txt.gz")
LISTED_SCHEMES = ("http", "https", "s3", "gs")
"""What a manifest may list, besides paths and its own scheme."""
_MAX_MANIFEST_BYTES = 1 << 28
_GZIP_MAGIC = b"\x1f\x8b"


class InputError(ValueError):
    """What was asked for cannot be run: the inputs are no list of archives, or an option is wrong."""


def expand_inputs(inputs: list[str], *, base: str | None = None, retry: RetryOptions = RetryOptions()) -> list[str]:  # noqa: B008  # frozen
    """Returns the paths or URLs of all archives, sorted, each once.

    Args:
      inputs: paths, URLs, globs (`*`, `?`, `[`; not on the web), or manifests (`wat.paths`, `wat.paths.gz`,
        `files.txt`). A file that has just that name is taken before a glob.
        A path that does not exist is returned too: the run reports it as a failed file.
      base: what relative paths in a manifest stand under; by default the manifest's own folder.
      retry: how often a manifest elsewhere is asked for.

    Raises:
      InputError: no input, a glob without a match, a URL that cannot be read, or a manifest that is empty, cannot be
        read, or lists what it must not: one from elsewhere must not name local files.
    """
    paths: set[str] = set()
    for item in inputs:
        if not item or "\0" in item:
            raise InputError(f"The input {item!r} is no name of a file; name archives, globs or manifests of paths.")
        _check_url(item)
        found = _matches(item) if _is_glob(item) else [item]
        if _name(item).endswith(MANIFEST_SUFFIXES):
            paths.update(path for manifest in found for path in read_manifest(manifest, base, retry))
        else:
            paths.update(map(_no_folder, found))
    if not paths:
        raise InputError("No input was given; name archives, globs or manifests of paths.")
    return sorted(paths)


def read_manifest(path: str, base: str | None = None, retry: RetryOptions = RetryOptions()) -> list[str]:  # noqa: B008  # frozen
    """Returns what a manifest lists, in its order, relative paths under `base` or its own folder.

    Raises:
      InputError: see `expand_inputs`.
    """
    _check_url(path)
    try:
        content = read_file(path) if is_local(path) else read_remote(path, retry, _MAX_MANIFEST_BYTES)
        if content.startswith(_GZIP_MAGIC) or _name(path).endswith(".gz"):
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MAX_MANIFEST_BYTES + 1)
        if len(content) > _MAX_MANIFEST_BYTES:
            raise InputError(f"The manifest {path} has more than {_MAX_MANIFEST_BYTES} bytes; split it.")
    except RemoteReadError as error:
        raise InputError(f"The list of files cannot be had: {error}.{_remedy(error)}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"The manifest {path} cannot be read as lines of paths ({error}).") from error
    entries = _entries(content, path)
    if not entries:
        raise InputError(f"The manifest {path} lists no path.")
    folder = base if base is not None else _name(path).rpartition("/")[0] or ("/" if path.startswith("/") else ".")
    _check_url(folder)
    return [_listed(entry, path, folder) for entry in entries]


def _entries(content: bytes, path: str) -> list[str]:
    """The lines of a manifest that are neither blank nor comments, as written but for blanks at their ends.

    Only a line feed, a carriage return or both end a line: a file's name may contain what else Unicode calls a line
    separator. Byte order marks are taken off each line, because lists are joined with `cat`.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"The manifest {path} is written in UTF-16; save it as UTF-8.")
    try:
        lines = re.split("\r\n|\n|\r", content.decode())
    except UnicodeDecodeError as error:
        raise InputError(f"The manifest {path} cannot be read as lines of paths in UTF-8 ({error}).") from error
    if b"\0" in content:
        raise InputError(f"The manifest {path} cannot be read as lines of paths: it has a byte of zero in it.")
    entries = (line.removeprefix("\ufeff").strip(" \t") for line in lines)
    return [entry for entry in entries if entry and not entry.startswith("#")]


def _remedy(error: RemoteReadError) -> str:
    if error.reason in ("connection_lost", "timeout") or error.reason.startswith("http_5"):
        return " Try again later, or give --retries N to have it asked for more often."
    return ""


def _is_glob(item: str) -> bool:
    """Whether an input is a pattern: it has a pattern's characters, and no file has just that name."""
    magic = not is_web(item) and any(character in item for character in "*?[")
    return magic and not (is_local(item) and os.path.lexists(item))


def _no_folder(path: str) -> str:
    """The path of an archive; refuses a folder here, which is no archive."""
    if is_local(path) and os.path.isdir(path):
        inside = shlex.quote(join(glob.escape(path), "*"))
        raise InputError(f"{path} is a folder, not an archive; to read the files in it, give {inside}.")
    return path


def _listed(entry: str, manifest: str, folder: str) -> str:
    """The path that an entry means."""
    if not is_local(entry):
        scheme = entry.partition("://")[0]
        if scheme not in LISTED_SCHEMES and scheme != manifest.partition("://")[0]:
            raise InputError(f"The manifest {manifest} lists {entry}; it may list {', '.join(LISTED_SCHEMES)} URLs.")
        _check_url(entry)
        return entry
    if not is_local(manifest) and (entry.startswith(("/", "~", "file:")) or ".." in entry.split("/")):
        raise InputError(f"The manifest {manifest} lists {entry!r}; but may list URLs and paths under its own.")
    if entry.startswith("/"):
        return entry
    return join(folder, entry) if is_local(folder) else f"{folder.rstrip('/')}/{entry}"


def _check_url(path: str) -> None:
    """Refuses, in words, URLs that mean local files, carry a password, or are of a kind that nothing here reads."""
    if is_local(path):
        return
    scheme, _, rest = path.partition("://")
    if scheme in ("file", "local"):
        raise InputError(f"{path}: give a local file as a plain path, without {scheme}://.")
    if "::" in path:
        raise InputError(f"{path}: chained URLs are not read; give the archive's own.")
    if is_web(path):
        if "@" in rest.partition("/")[0]:
            raise InputError(
                f"URLs with a user name or password are not read: {scheme}://...@{rest.partition('@')[2]}."
            )
        return
    if scheme not in fsspec.available_protocols():
        raise InputError(f"{path}: no storage is called {scheme}://; there are {', '.join(LISTED_SCHEMES)} and paths.")
    try:
        check_scheme(scheme)
    except MissingPackageError as error:
        raise InputError(str(error)) from error


def _matches(pattern: str) -> list[str]:
    found = sorted(glob.glob(pattern)) if is_local(pattern) else list_matches(pattern)
    if not found:
        raise InputError(f"No file matches {pattern!r}; check the pattern and the folder.")
    return found


def _name(path: str) -> str:
    """A path as it is, a URL of the web without its query."""
    return path.partition("?")[0] if is_web(path) else path
