"""Chunks in host memory, or on disk as `.npy` files, one a chunk; no pickle.

On disk a chunk is one int32 array [devices, numbers]: its arrays after each other, float32 weights by their bits. The
folder belongs to one run at a time: what an earlier one left there is removed when a store is made.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

import jax
import numpy as np

from alx_solver.streaming.chunks import Chunk, ChunkPlace

_PREFIX = "chunk-"


class ChunkStore(Protocol):
    """A list of chunks."""

    places: list[ChunkPlace]

    def read(self, index: int) -> Chunk:
        """The chunk of that number."""
        ...


class HostStore:
    """Chunks in host memory."""

    def __init__(self, chunks: Iterable[tuple[ChunkPlace, Chunk]]) -> None:
        self.places, self._chunks = [], []  # type: list[ChunkPlace], list[Chunk]
        for place, chunk in chunks:
            self.places.append(place)
            self._chunks.append(chunk)

    def read(self, index: int) -> Chunk:
        return self._chunks[index]


class _Shape(NamedTuple):
    """How a chunk is put together again."""

    structure: jax.tree_util.PyTreeDef
    leaves: tuple[tuple[tuple[int, ...], str], ...]


class DiskStore:
    """Chunks in files."""

    def __init__(self, folder: Path, chunks: Iterable[tuple[ChunkPlace, Chunk]]) -> None:
        """Writes them.

        Args:
            folder: made if absent; earlier chunks in it are removed.
            chunks: what is kept.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_PREFIX}*.npy"):
            leftover.unlink()
        self.folder = folder
        self.places: list[ChunkPlace] = []
        self._shapes: list[_Shape] = []
        for index, (place, chunk) in enumerate(chunks):
            leaves, structure = jax.tree.flatten(chunk)
            self.places.append(place)
            self._shapes.append(_Shape(structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)))
            packed = np.concatenate([leaf.reshape(len(leaf), -1).view(np.int32) for leaf in leaves], axis=1)
            np.save(self._path(index), packed, allow_pickle=False)

    def read(self, index: int) -> Chunk:
        """Reads a file.

        Raises:
            ValueError, OSError: the file is gone or is not the one that was written.
        """
        path, shape = self._path(index), self._shapes[index]
        packed = np.load(path, allow_pickle=False)
        sizes = [math.prod(leaf_shape[1:]) for leaf_shape, _ in shape.leaves]
        if packed.dtype != np.int32 or packed.ndim != 2 or packed.shape[1] != sum(sizes):
            raise ValueError(f"{path}: not the chunk that this run wrote; start the run again")
        parts = np.split(packed, np.cumsum(sizes)[:-1], axis=1)
        leaves = [
            np.ascontiguousarray(part).view(dtype).reshape(leaf_shape)
            for part, (leaf_shape, dtype) in zip(parts, shape.leaves, strict=True)
        ]
        return jax.tree.unflatten(shape.structure, leaves)

    def close(self) -> None:
        """Removes the files."""
        for index in range(len(self.places)):
            self._path(index).unlink(missing_ok=True)

    def _path(self, index: int) -> Path:
        return self.folder / f"{_PREFIX}{index:08d}.npy"
