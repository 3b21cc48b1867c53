"""Fuzz target: a graph directory of which one file is anything, while its manifest says that all is as it should be.

The first byte chooses the file, the rest is its content. Sizes, checksums and the manifest's digest are made to fit, as
somebody would who wants to fool a reader. Reading and verifying must end with rows, or with findings in words.
"""

import atexit
import contextlib
import dataclasses
import functools
import shutil
import tempfile
from pathlib import Path

import xxhash

from tests.webgraph.graph_files import made_graph, write_graph
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError
from webgraph.manifest import Manifest, write_manifest
from webgraph.verify import verify_graph


def write_sound_graph(folder: Path) -> Manifest:
    """Writes a small graph directory that is whole."""
    return write_graph(folder, made_graph(30), num_parts=1, tfrecord_shards=1)


@functools.cache
def _sound_graph() -> tuple[Path, Manifest]:
    scratch = tempfile.mkdtemp(prefix="fuzz-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return Path(scratch, "graph"), write_sound_graph(Path(scratch, "graph"))


def run(data: bytes) -> None:
    """Raises where a reader does anything but read or refuse in words."""
    if not data:
        return
    folder, manifest = _sound_graph()
    file = manifest.files[data[0] % len(manifest.files)]
    kept = (folder / file.name).read_bytes()
    try:
        (folder / file.name).write_bytes(data[1:])
        lie = dataclasses.replace(file, bytes=len(data) - 1, xxh3_128=xxhash.xxh3_128_hexdigest(data[1:]))
        files = tuple(lie if each.name == file.name else each for each in manifest.files)
        write_manifest(folder, dataclasses.replace(manifest, files=files))
        report = verify_graph(folder)
        assert all(finding.message for finding in report.findings)
        with contextlib.suppress(GraphDirectoryError):
            graph = GraphDirectory.open(folder)
            for split in ("train", "train_t", "test"):
                graph.read_rows(split)
            graph.read_nodes()
    finally:
        (folder / file.name).write_bytes(kept)
