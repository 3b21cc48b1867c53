"""What tells the code of one state from that of another, where a version number is the same for many."""

import functools
from pathlib import Path

import xxhash

import webgraph

_PACKAGES = (Path(__file__).parent, Path(webgraph.__file__).parent)
_SUFFIXES = (".py", ".json")


@functools.cache
def code_identity() -> str:
    """The version, and a digest of the sources of both packages that make graphs, as far as they lie in files."""
    digest = xxhash.xxh3_128()
    for package in _PACKAGES:
        for path in sorted(path for path in package.rglob("*") if path.suffix in _SUFFIXES):
            digest.update(f"{path.relative_to(package.parent)}\0".encode())
            digest.update(path.read_bytes())
    return f"{webgraph.__version__} {digest.hexdigest()}"
