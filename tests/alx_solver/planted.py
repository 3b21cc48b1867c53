"""A planted-community graph: nodes link inside their community, so that a factorisation must beat all baselines."""

from pathlib import Path

import numpy as np
import scipy.sparse

from alx_solver.csr import CsrMatrix

COMMUNITIES = 8


def planted_matrix(num_nodes: int = 240, links: int = 14, seed: int = 0) -> scipy.sparse.csr_array:
    """Every node links to `links` random others of its community (node id modulo `COMMUNITIES`)."""
    random = np.random.default_rng(seed)
    dense = np.zeros((num_nodes, num_nodes), dtype=np.float32)
    for node in range(num_nodes):
        members = np.flatnonzero(np.arange(num_nodes) % COMMUNITIES == node % COMMUNITIES)
        dense[node, random.choice(members[members != node], links, replace=False)] = 1
    return scipy.sparse.csr_array(dense)


def planted_csr(**options) -> CsrMatrix:
    return CsrMatrix.from_scipy(planted_matrix(**options))


def write_planted(folder: Path) -> Path:
    """The graph as an .npz file."""
    path = folder / "planted.npz"
    scipy.sparse.save_npz(path, planted_matrix())
    return path
