"""What a path is that names no data: a sentence that says what stands there, and what would work instead."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from webgraph.manifest import MANIFEST_FILE
from webgraph.manual_graphs import ARCHIVE_SUFFIXES

DATASET_INFO = "dataset_info.json"
KINDS = (
    "a graph directory (has manifest.json), a prepared TFDS version folder (has dataset_info.json), "
    "a SciPy .npz matrix, or an .adjacency.txt[.gz] list"
)
_MATRIX_SUFFIXES = (".npz", ".adjacency.txt", ".adjacency.txt.gz")
_LISTED = 6
_DEPTH = 4
"""A prepared dataset lies at name/config/version in its folder, a graph of `tfds build` one deeper than its cache."""
_MOST_FOLDERS = 2000


def why_no_dataset(path: Path) -> str:
    """Why `path`, in which neither a graph nor a prepared dataset is, cannot be read, and what to give instead."""
    if not path.exists():
        return f"{path}: no such file or directory; give {KINDS}."
    if not path.is_dir():
        return f"{path}: the name does not say what it is; give {KINDS}."
    if (path / "run.json").exists():
        return f"{path}: is the folder of a run, and no data; give what the run was trained on."
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        return f"{path}: cannot be listed ({error.strerror}); check its permissions."
    found = sorted(_graphs(path)) or [Path(name) for name in names if name.endswith(_MATRIX_SUFFIXES)]
    if found:
        return f"{path}: is a folder of graphs and none itself; give {_choice(path, found)}."
    if any(name.lower().endswith(ARCHIVE_SUFFIXES) for name in _nearby_files(path)):
        return f"{path}: holds archives and no graph; make one with `webgraph build`, and give its folder."
    return f"{path}: holds no graph; give {KINDS}."


def _choice(path: Path, found: list[Path]) -> str:
    command = f"`alx train {shlex.quote(str(path / found[0]))} --output RUN`"
    if len(found) == 1:
        return f"the one in it, {found[0]}, as in {command}"
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"one of {', '.join(map(str, found[:_LISTED]))}{more}, as in {command}"


def _graphs(path: Path) -> Iterator[Path]:
    """Graph directories and prepared datasets under `path`, relative to it."""
    for folder, files in _folders(path):
        if folder != path and (MANIFEST_FILE in files or DATASET_INFO in files):
            yield folder.relative_to(path)


def _nearby_files(path: Path) -> Iterator[str]:
    """Names of files in `path` and the folders in it."""
    for folder, files in _folders(path):
        if folder == path or folder.parent == path:
            yield from files


def _folders(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """(folder, names of its files) of `path` and what is not too deep in it, without what is hidden or unreadable."""
    for seen, (name, folders, files) in enumerate(os.walk(path)):
        if seen == _MOST_FOLDERS:
            return
        depth = len(Path(name).relative_to(path).parts)
        folders[:] = sorted(each for each in folders if not each.startswith(".") and depth < _DEPTH)
        yield Path(name), files
