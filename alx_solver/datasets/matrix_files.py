"""Readers of matrices that come without a split: SciPy `.npz` files and LAW-style adjacency lists.

Adjacency text (`.adjacency.txt`, `.adjacency.txt.gz`): the first line is the number of nodes n; then n lines, line i
the successors' ids of node i, separated by blanks, an empty line for none (the ASCII form of the Laboratory for Web
Algorithmics, https://law.di.unimi.it/datasets.php). Self-links are kept as they stand; duplicates count once.
"""

import gzip
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import scipy.sparse

from alx_solver.csr import CsrMatrix
from alx_solver.datasets.link_dataset import DatasetError
from alx_solver.summed_entries import by_rows, check_type


def read_npz(path: str | os.PathLike[str]) -> CsrMatrix:
    """Reads a matrix written by `scipy.sparse.save_npz`, of any sparse format. Nothing is unpickled.

    Entries are confidences: finite and not negative; zeros are dropped, duplicates are summed (those of booleans count
    once). If all are one, no values are stored.

    Raises:
      DatasetError: not such a file, or an entry is negative or not finite.
    """
    try:
        # load_npz reads with allow_pickle=False and refuses object arrays.
        loaded = scipy.sparse.load_npz(path)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; check the path.") from None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError, zlib.error) as error:
        raise DatasetError(
            f"{path}: not a SciPy sparse matrix ({error}); write it with scipy.sparse.save_npz."
        ) from error
    try:
        check_type(loaded)
        entries = by_rows(loaded)
    except ValueError as error:
        raise DatasetError(f"{path}: the matrix cannot be used ({error}); write it again.") from error
    try:
        return CsrMatrix.of_confidences(entries)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}.") from error


def read_adjacency(path: str | os.PathLike[str]) -> CsrMatrix:
    """Reads a LAW-style adjacency list, plain or gzip.

    Raises:
      DatasetError: names the line that is wrong.
    """
    header, *lines = _text_of(Path(path)).split(b"\n")
    num_nodes = _node_count(header, path)
    while lines and len(lines) != num_nodes and not lines[-1].strip():
        lines.pop()
    if len(lines) != num_nodes:
        raise DatasetError(
            f"{path}: the first line says {num_nodes} nodes, {len(lines)} lines follow; is it cut short?"
        )
    lengths = np.fromiter((len(line.split()) for line in lines), dtype=np.int64, count=num_nodes)
    indices = _parse_ids(lines, lengths, num_nodes, path)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ones = np.ones(len(indices), dtype=np.int32)
    return CsrMatrix.from_scipy(scipy.sparse.csr_matrix((ones, indices, offsets), shape=(num_nodes, num_nodes)))


def _text_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; check the path.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); fetch it again.") from error


def _node_count(header: bytes, path: str | os.PathLike[str]) -> int:
    if not header.strip().isdigit():
        shown = header[:40].decode(errors="replace")
        raise DatasetError(f"{path}: line 1 must be the number of nodes, got {shown!r}.")
    return int(header)


def _parse_ids(lines: list[bytes], lengths: np.ndarray, num_nodes: int, path: str | os.PathLike[str]) -> np.ndarray:
    """int64[arcs] of all lines, each id in [0, num_nodes)."""
    digits = np.frombuffer(b" ".join(lines), dtype=np.uint8)
    allowed = ((digits >= ord("0")) & (digits <= ord("9"))) | (digits == ord(" ")) | (digits == ord("\t"))
    if not (allowed | (digits == ord("\r"))).all():
        line = next(i for i, text in enumerate(lines) if text.strip() and not b"".join(text.split()).isdigit())
        shown = lines[line][:40].decode(errors="replace")
        raise DatasetError(f"{path}: line {line + 2} must hold node ids, got {shown!r}.")
    ids = np.array(b" ".join(lines).split(), dtype=np.int64)
    if len(ids) and ids.max() >= num_nodes:
        entry = int(np.argmax(ids >= num_nodes))
        line = int(np.searchsorted(np.cumsum(lengths), entry, side="right")) + 2
        raise DatasetError(f"{path}: line {line} holds id {ids[entry]}, but ids must be below {num_nodes}.")
    return ids
