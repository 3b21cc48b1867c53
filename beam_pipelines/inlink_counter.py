"""Inlinks of a partition's pages, counted block by block, and then the links to pages that are kept.

The second step of the degree rule, at the target's partition. Blocks are given twice in the same order, and of each
only its targets' page numbers are remembered, so that memory does not grow with the number of inlinks.
"""

from collections.abc import Sequence

import numpy as np

from beam_pipelines.block import Block
from beam_pipelines.degree_filter import degree_mask, degrees
from webgraph.link_keys import find_links


class InlinkCounter:
    """Counts the inlinks of `pages` (`candidate`, and `key` and `check` where links name their targets by identity).

    Attributes:
      counts: edges by why they end here: `edges_to_uncrawled`, `edges_end_not_kept`.
    """

    def __init__(self, pages: Block, *, num_variants: int) -> None:
        self._pages = pages
        self._num_variants = num_variants
        self._in_degrees = np.zeros((num_variants, len(pages["candidate"])), dtype=np.int64)
        self._page_of_target: list[np.ndarray] = []
        self.counts = {"edges_to_uncrawled": 0, "edges_end_not_kept": 0}

    def add(self, block: Block) -> None:
        """Takes in a block `links_to_resolve` or `links_to_pages`, see `degree_filter`."""
        page = self._resolve(block)
        self._page_of_target.append(page)
        found = degrees(block["target"], block["mask"], num_nodes=len(page), num_variants=self._num_variants)
        is_page = page >= 0
        self._in_degrees[:, page[is_page]] += found[:, is_page]  # each page at most once in a block
        self.counts["edges_to_uncrawled"] += int(np.count_nonzero(~is_page[block["target"]]))

    def kept(self, min_degrees: Sequence[int]) -> np.ndarray:
        """Returns a mask for each page: the variants in which it is kept."""
        candidate: np.ndarray = self._pages["candidate"]
        return candidate & degree_mask(self._in_degrees, min_degrees)

    def kept_links(self, number: int, block: Block, kept: np.ndarray) -> Block:
        """Returns those links of the block added as `number`-th, from 0, whose target is kept, by page number."""
        target = self._page_of_target[number][block["target"]]
        crawled = np.flatnonzero(target >= 0)
        mask = block["mask"][crawled] & kept[target[crawled]]
        has_target = mask != 0
        self.counts["edges_end_not_kept"] += int(np.count_nonzero(~has_target))
        chosen = crawled[has_target]
        return {
            "source": block["source"][chosen],
            "target": target[chosen].astype(np.uint32),
            "mask": mask[has_target],
        }

    def _resolve(self, block: Block) -> np.ndarray:
        """int64[targets]: the page of each target of a block, -1 where it is no page."""
        if "page" in block:
            return block["page"].astype(np.int64)
        return find_links(
            block["target_key"], block["target_check"], sorted_key=self._pages["key"], sorted_check=self._pages["check"]
        )
