"""Which archives a run reads: files, globs, or manifests that list paths, one a line."""

import gzip
import io
import zlib

from beam_pipelines.storage import is_local, join, list_files, read_file

MANIFEST_SUFFIXES = (".paths", ".paths.gz", ".txt", ".txt.gz")
_MAX_MANIFEST_BYTES = 1 << 28


class InputError(ValueError):
    """What was asked for cannot be run: the inputs are no list of archives, or an option is wrong."""


def expand_inputs(inputs: list[str], *, base: str | None = None) -> list[str]:
    """Returns the paths of all archives, sorted, each once.

    Args:
      inputs: paths, globs (`*`, `?`, `[`), or manifests (`wat.paths`, `wat.paths.gz`, `files.txt`). A path that does
        not exist is returned too: the run reports it as a failed file.
      base: what relative paths in a manifest stand under; by default the manifest's own folder.

    Raises:
      InputError: no input, a URL of the web, a glob without a match, or a manifest that is empty or cannot be read.
    """
    paths: set[str] = set()
    for item in inputs:
        if item.startswith(("http://", "https://")):
            paths.add(item)
        elif item.endswith(MANIFEST_SUFFIXES):
            paths.update(_read_manifest(item, base))
        elif any(character in item for character in "*?["):
            found = list_files(item)
            if not found:
                raise InputError(f"No file matches {item!r}; check the pattern and the folder.")
            paths.update(found)
        else:
            paths.add(item)
    if not paths:
        raise InputError("No input was given; name archives, globs or manifests of paths.")
    web = next((path for path in sorted(paths) if path.startswith(("http://", "https://"))), None)
    if web is not None:
        raise InputError(f"{web} is on the web; fetch it first and name the file, for archives are not read over HTTP.")
    return sorted(paths)


def _read_manifest(path: str, base: str | None) -> list[str]:
    try:
        content = read_file(path)
        if path.endswith(".gz"):
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MAX_MANIFEST_BYTES + 1)
        if len(content) > _MAX_MANIFEST_BYTES:
            raise InputError(f"The manifest {path} has more than {_MAX_MANIFEST_BYTES} bytes; split it.")
        lines = [line.strip() for line in content.decode().splitlines()]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"The manifest {path} cannot be read as lines of paths ({error}).") from error
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise InputError(f"The manifest {path} lists no path.")
    folder = base if base is not None else path.rpartition("/")[0] or "."
    return [entry if entry.startswith("/") or not is_local(entry) else join(folder, entry) for entry in entries]
