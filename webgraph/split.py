"""Which rows are test rows, and which of their edges are ground truth.

Strong generalisation: a test row is absent from `train`; 75 % of its edges are its history, 25 % its ground
truth. Both choices are stable hashes of names (a node's URL, or its decimal id in a graph without URLs), so
they depend neither on the order of the input nor on the ids.

  test row       xxh3_64(row name; seed) < test_fraction * 2^64, and the row has at least two edges
  ground truth   the max(1, round(n / 4)) of the row's n edges with the least
                 xxh3_64(row name + "\\n" + destination name; seed); ties go to the smaller destination id

`round` is Python's (halves to even). A canonical URL holds no newline, so the joined name is unambiguous.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import xxhash

from webgraph.option_values import make_plain

_SEPARATOR = b"\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How rows are split. `seed` is an unsigned 64-bit integer."""

    seed: int = 0
    test_fraction: float = 0.1
    ground_truth_fraction: float = 0.25

    def __post_init__(self) -> None:
        make_plain(self)
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be in [0, 2**64), got {self.seed}.")
        if not 0 <= self.test_fraction < 1:
            raise ValueError(f"test_fraction must be in [0, 1), got {self.test_fraction}.")
        if not 0 < self.ground_truth_fraction < 1:
            raise ValueError(f"ground_truth_fraction must be in (0, 1), got {self.ground_truth_fraction}.")

    @property
    def threshold(self) -> int:
        """A row hash below this one is a test row's."""
        return int(self.test_fraction * 2**64)


def assign_split(names: Iterable[bytes], options: SplitOptions) -> np.ndarray:
    """Says for each row name whether its hash makes it a test row.

    Returns:
      bool[rows]. A row with fewer than two edges is never a test row; the caller, who knows degrees, applies that.
    """
    digest, seed = xxhash.xxh3_64_intdigest, options.seed
    threshold = options.threshold
    return np.fromiter((digest(name, seed) < threshold for name in names), dtype=bool)


def edge_hashes(row_name: bytes, destination_names: Iterable[bytes], options: SplitOptions) -> list[int]:
    """Hashes that order one row's edges for `ground_truth_mask`."""
    prefix = xxhash.xxh3_64(row_name + _SEPARATOR, seed=options.seed)
    hashes = []
    for destination in destination_names:
        state = prefix.copy()
        state.update(destination)
        hashes.append(state.intdigest())
    return hashes


def num_ground_truth(num_edges: int, options: SplitOptions) -> int:
    """How many of a test row's `num_edges` >= 2 edges are ground truth: at least one, and one is left as history."""
    return min(num_edges - 1, max(1, round(num_edges * options.ground_truth_fraction)))


def ground_truth_mask(hashes: np.ndarray, options: SplitOptions) -> np.ndarray:
    """Marks the ground truth of one test row.

    Args:
      hashes: uint64[edges], of `edge_hashes`, in ascending order of destination id; at least two.

    Returns:
      bool[edges], true where the edge is ground truth.
    """
    if len(hashes) < 2:
        raise ValueError(f"A test row needs at least two edges, got {len(hashes)}.")
    chosen = np.argsort(hashes, kind="stable")[: num_ground_truth(len(hashes), options)]
    mask = np.zeros(len(hashes), dtype=bool)
    mask[chosen] = True
    return mask


def decimal_names(num_nodes: int) -> Sequence[bytes]:
    """Node names of a graph without URLs: the decimal ids."""
    return [b"%d" % node for node in range(num_nodes)]
