"""Marks of finished stages: a stage's files and their lengths, so that a later run sees whether they are still whole.

A mark alone says that a stage was done. After a power cut, a full disk that was copied, or a clean-up by hand, its
files may be cut or gone all the same, and what is then made from the rest would look like a graph. So a mark lists the
files below the stage's folder as JSON `{path: bytes}`. Lengths are compared and not contents: a work folder is large,
and what happens to files that nobody changes on purpose is that they end too early or are not there.
"""

import os
from collections.abc import Mapping

from beam_pipelines import storage


def write_mark(mark: str, folder: str) -> None:
    """Marks the stage whose files are in `folder` as done; where files are not local, none are listed."""
    storage.write_json(mark, _sizes(folder) if storage.is_local(folder) else {})


def write_empty_mark(mark: str) -> None:
    """Marks a stage as done whose files are not needed again."""
    storage.write_json(mark, {})


def is_as_marked(mark: str, folder: str) -> bool:
    """Whether every file that the mark lists is in `folder` with its length; a mark that cannot be read lists none."""
    try:
        listed = storage.read_json(mark)
    except ValueError:
        return False
    return isinstance(listed, dict) and has_sizes(folder, listed)


def has_sizes(folder: str, sizes: Mapping[str, object]) -> bool:
    """Whether a local folder has files of these names and lengths, and perhaps others."""
    try:
        return all(os.path.getsize(os.path.join(folder, name)) == size for name, size in sizes.items())
    except OSError:
        return False


def _sizes(folder: str) -> dict[str, int]:
    paths = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    return {os.path.relpath(path, folder): os.path.getsize(path) for path in sorted(paths)}
