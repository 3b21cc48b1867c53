"""Finds the graph of a variant in a folder that a user names: a graph directory, or one made from archives there.

Graphs made from archives are kept in a cache folder, one folder for each content of the archives, under a file lock:
of several processes that need the same graphs one makes them, the others wait and read them.
"""

import contextlib
import fcntl
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import xxhash

from webgraph import __version__
from webgraph.canonical_url import CANONICALIZER
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError
from webgraph.manifest import FORMAT_VERSION, MANIFEST_FILE
from webgraph.variants import VARIANTS, Variant, variant_folder

ARCHIVE_SUFFIXES = tuple(
    f".{kind}{compression}" for kind in ("warc", "wat", "arc") for compression in ("", ".gz", ".zst")
)
_CHUNK_BYTES = 1 << 22


class ManualGraphError(ValueError):
    """A folder holds neither the graph that was asked for nor archives to make it from."""


def find_manual_graph(folder: Path, variant: Variant) -> GraphDirectory | None:
    """Opens the graph of `variant` that `folder` is or holds; None where there is none.

    Raises:
      GraphDirectoryError: the graph is damaged, or of another format version.
      ManualGraphError: the graph has the variant's name and another rule.
    """
    for path in (folder, folder / variant_folder(variant), folder / variant.name):
        if (path / MANIFEST_FILE).is_file():
            graph = GraphDirectory.open(path)
            made = graph.manifest.variant
            if made.name != variant.name:
                continue
            if (made.tlds, made.min_degree, made.until_stable) != (variant.tlds, variant.min_degree, False):
                raise ManualGraphError(
                    f"{path} holds a graph named {made.name} of another rule (TLDs {', '.join(made.tlds) or 'all'}, "
                    f"K = {made.min_degree}{', K-core' if made.until_stable else ''}); build the published one."
                )
            return graph
    return None


def find_archives(folder: Path) -> list[Path]:
    """Archives anywhere under `folder`, in order of their paths; hidden files and folders are skipped."""
    found = (path for path in folder.rglob("*") if path.name.lower().endswith(ARCHIVE_SUFFIXES) and path.is_file())
    return sorted(path for path in found if not any(name.startswith(".") for name in path.relative_to(folder).parts))


def archives_digest(archives: Sequence[Path]) -> str:
    """Hex xxh3_128 of what the archives hold, whatever their names and order, and of the rules that are applied."""
    digests = sorted({_file_digest(path, path.stat().st_size, path.stat().st_mtime_ns) for path in archives})
    rules = [f"format {FORMAT_VERSION}", CANONICALIZER, __version__]
    return xxhash.xxh3_128_hexdigest("\n".join([*rules, *digests]).encode())


def graph_from_archives(
    archives: Sequence[Path], variant: Variant, cache: Path, build: Callable[[list[Path], Path], None]
) -> GraphDirectory:
    """Opens the graph of `variant` made from `archives`, and makes those of all six published variants if need be.

    Args:
      archives: what to read.
      variant: one of the published variants.
      cache: folder that keeps graphs between calls.
      build: makes the graphs of the six variants from archives in a folder; it replaces what an interrupted call left.
    """
    name = f"webgraph-{archives_digest(archives)}"
    cache.mkdir(parents=True, exist_ok=True)
    with file_lock(cache / f"{name}.lock"):
        folder = cache / name
        if not all(_is_whole(folder / variant_folder(each)) for each in VARIANTS.values()):
            build(list(archives), folder)
    graph = find_manual_graph(folder, variant)
    if graph is None:
        raise ManualGraphError(f"The pipeline made no graph {variant.name} in {folder}; remove that folder and retry.")
    return graph


def _is_whole(folder: Path) -> bool:
    """Whether a graph of the cache has its manifest, and all files that this names with their sizes."""
    try:
        GraphDirectory.open(folder)
    except GraphDirectoryError:
        return False
    return True


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on `path` between processes; it ends with the process, however that ends."""
    with open(path, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)


@functools.lru_cache(maxsize=1 << 16)
def _file_digest(path: Path, size: int, modified: int) -> str:
    """Digest of a file's bytes; `size` and `modified` are part of the cache's key."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
