"""Which archives a run reads: files, globs, or manifests that list paths, one a line; here, on the web, in a store."""

import gzip
import io
import zlib

import fsspec

from beam_pipelines.fsspec_source import MissingPackageError, check_scheme, list_matches
from beam_pipelines.input_options import RetryOptions
from beam_pipelines.open_archive import is_web, read_remote
from beam_pipelines.storage import is_local, join, list_files, read_file

MANIFEST_SUFFIXES = (".paths", ".paths.gz", ".txt", ".txt.gz")
LISTED_SCHEMES = ("http", "https", "s3", "gs")
"""What a manifest may list, besides paths and its own scheme."""
_MAX_MANIFEST_BYTES = 1 << 28


class InputError(ValueError):
    """What was asked for cannot be run: the inputs are no list of archives, or an option is wrong."""


def expand_inputs(inputs: list[str], *, base: str | None = None, retry: RetryOptions = RetryOptions()) -> list[str]:  # noqa: B008  # frozen
    """Returns the paths or URLs of all archives, sorted, each once.

    Args:
      inputs: paths, URLs, globs (`*`, `?`, `[`; not on the web), or manifests (`wat.paths`, `wat.paths.gz`,
        `files.txt`). A path that does not exist is returned too: the run reports it as a failed file.
      base: what relative paths in a manifest stand under; by default the manifest's own folder.
      retry: how often a manifest elsewhere is asked for.

    Raises:
      InputError: no input, a glob without a match, a URL that cannot be read, or a manifest that is empty, cannot be
        read, or lists what it must not: one from elsewhere must not name local files.
    """
    paths: set[str] = set()
    for item in inputs:
        _check_url(item)
        if _name(item).endswith(MANIFEST_SUFFIXES):
            paths.update(read_manifest(item, base, retry))
        elif not is_web(item) and any(character in item for character in "*?["):
            paths.update(_matches(item))
        else:
            paths.add(item)
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
        if _name(path).endswith(".gz"):
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MAX_MANIFEST_BYTES + 1)
        if len(content) > _MAX_MANIFEST_BYTES:
            raise InputError(f"The manifest {path} has more than {_MAX_MANIFEST_BYTES} bytes; split it.")
        lines = [line.strip() for line in content.decode().splitlines()]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"The manifest {path} cannot be read as lines of paths ({error}).") from error
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise InputError(f"The manifest {path} lists no path.")
    folder = base if base is not None else _name(path).rpartition("/")[0] or "."
    _check_url(folder)
    return [_listed(entry, path, folder) for entry in entries]


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
    found = list_files(pattern) if is_local(pattern) else list_matches(pattern)
    if not found:
        raise InputError(f"No file matches {pattern!r}; check the pattern and the folder.")
    return found


def _name(path: str) -> str:
    """A path as it is, a URL of the web without its query."""
    return path.partition("?")[0] if is_web(path) else path
