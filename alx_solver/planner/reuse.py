"""How much is touched between two accesses to the same embedding: what decides whether the second finds it in a cache.

Reuse time is the number of accesses from one to the next of the same embedding. The mean number of distinct
embeddings in a window of t accesses, s(t) = sum over u < t of P(reuse time > u), is Denning's working set (Denning
and Schwartz, "Properties of the working-set model", CACM 1972); an access with reuse time t is taken to have
footprint s(t).
"""

import numpy as np
from jaxtyping import Float64, Int

from alx_solver.planner.load import NUM_BINS


def reuse_footprints(ids: Int[np.ndarray, " accesses"], first_footprint: int) -> Float64[np.ndarray, " bins"]:
    """Accesses by footprint, in bins of powers of two.

    Args:
        ids: of the embeddings, in the order of the accesses.
        first_footprint: what an embedding's first access counts as.

    Returns:
        Bin b: accesses with a footprint of 2**(b - 1) .. 2**b - 1 embeddings; bin 0: the same embedding again.
    """
    if not len(ids):
        return np.zeros(NUM_BINS)
    order = np.argsort(ids, kind="stable")
    again = ids[order][1:] == ids[order][:-1]
    times = np.diff(order)[again]
    counts = np.bincount(times, minlength=1)
    longer = 1.0 - np.cumsum(counts) / len(ids)  # share of accesses with reuse time > u; first ones never end
    working_set = np.concatenate([[0.0], np.cumsum(longer)])
    bins = np.bincount(_bins(working_set[times] - 1.0), minlength=NUM_BINS).astype(np.float64)
    bins[_bins(np.array([float(first_footprint)]))[0]] += len(ids) - len(times)
    return bins


def uniform_footprints(accesses: float, distinct: float) -> Float64[np.ndarray, " bins"]:
    """Of accesses at random to so many embeddings: footprints are then uniform from 0 to `distinct`."""
    edges = np.minimum(np.concatenate([[0.0], 2.0 ** np.arange(NUM_BINS)]), max(1.0, distinct))
    return accesses * np.diff(edges) / max(1.0, distinct)


def _bins(footprint: Float64[np.ndarray, " accesses"]) -> Int[np.ndarray, " accesses"]:
    """0 for less than one, else 1 + floor(log2)."""
    return np.where(footprint < 1.0, 0, 1 + np.floor(np.log2(np.maximum(footprint, 1.0)))).astype(np.int64)
