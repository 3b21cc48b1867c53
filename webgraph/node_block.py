"""Nodes as columns: ids, URLs and degrees."""

import dataclasses

import numpy as np
import pyarrow as pa


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NodeBlock:
    """Consecutive nodes of a graph.

    Attributes:
      node_id: int64[nodes], ascending.
      url: string or binary array (UTF-8), nulls in graphs without URLs.
      out_degree: int64[nodes], outlinks in the written graph, all splits together.
      in_degree: int64[nodes], the same of inlinks.
    """

    node_id: np.ndarray
    url: pa.Array
    out_degree: np.ndarray
    in_degree: np.ndarray

    def __post_init__(self) -> None:
        for name in ("url", "out_degree", "in_degree"):
            if len(getattr(self, name)) != len(self.node_id):
                raise ValueError(f"{name} must have {len(self.node_id)} values, got {len(getattr(self, name))}.")

    @property
    def num_nodes(self) -> int:
        return len(self.node_id)

    @property
    def has_urls(self) -> bool:
        """False where every URL is null, as in graphs that came without URLs."""
        return self.num_nodes > 0 and self.url.null_count < self.num_nodes
