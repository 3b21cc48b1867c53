"""Captures of one partition to distinct pages and distinct edges.

All captures of one canonical URL are one page, whose outlinks are the union of theirs. A page's number in its partition
is its position in the order of (key, check), so it depends neither on the order of archives nor on workers.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from beam_pipelines.block import Block
from webgraph.arrow_arrays import number_array
from webgraph.link_keys import PageKeyCollisionError, find_links, group_starts, identity_order, sorted_distinct


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MergedPartition:
    """The pages of a partition, in order of identity, and their outlinks.

    Attributes:
      key, check, mask: uint64, uint32, uint64 [pages].
      url: large_binary [pages].
      target_key, target_check, target_mask: uint64, uint32, uint64 [targets], distinct, in order of identity.
      source, target: int64 [edges], indices into pages and targets, ordered by both, distinct.
      counts: captures_in = pages_out + captures_merged; edges_in = edges_out + edges_merged.
    """

    key: np.ndarray
    check: np.ndarray
    mask: np.ndarray
    url: pa.LargeBinaryArray
    target_key: np.ndarray
    target_check: np.ndarray
    target_mask: np.ndarray
    source: np.ndarray
    target: np.ndarray
    counts: dict[str, int]


def merge_pages(blocks: Iterable[Block]) -> MergedPartition:
    """Merges the key blocks (`page_blocks`) of one partition.

    Raises:
      PageKeyCollisionError: two pages share their 96-bit identity.
    """
    blocks = list(blocks)
    key, check, mask = (_join(blocks, name) for name in ("page_key", "page_check", "page_mask"))
    url = pa.concat_arrays([block["page_url"] for block in blocks])
    order = identity_order(key, check)
    starts = group_starts(key[order], check[order])
    _check_urls(url, order, starts)
    first = order[starts]
    page = np.empty(len(order), dtype=np.int64)
    page[order] = np.cumsum(starts) - 1

    target_key, target_check, target_mask, link = _merge_targets(blocks)
    source = np.repeat(page, _join(blocks, "num_links"))
    edges = sorted_distinct((source << 32) | link)
    counts = {
        "captures_in": len(order),
        "captures_merged": len(order) - len(first),
        "pages_out": len(first),
        "edges_in": len(link),
        "edges_merged": len(link) - len(edges),
        "edges_out": len(edges),
    }
    return MergedPartition(
        key=key[first],
        check=check[first],
        mask=mask[first],
        url=url.take(number_array(first)),
        target_key=target_key,
        target_check=target_check,
        target_mask=target_mask,
        source=edges >> 32,
        target=edges & 0xFFFFFFFF,
        counts=counts,
    )


def _join(blocks: Sequence[Block], name: str) -> np.ndarray:
    return np.concatenate([block[name] for block in blocks])


def _merge_targets(blocks: Sequence[Block]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the distinct targets' key, check and mask, and for each link its target, int64[links]."""
    key, check, mask = (_join(blocks, name) for name in ("target_key", "target_check", "target_mask"))
    order = identity_order(key, check)
    starts = group_starts(key[order], check[order])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.cumsum(starts) - 1
    before = np.cumsum([0, *(len(block["target_key"]) for block in blocks[:-1])])
    link = np.concatenate([rank[block["link"] + shift] for block, shift in zip(blocks, before, strict=True)])
    first = order[starts]
    return key[first], check[first], mask[first], link


def _check_urls(url: pa.LargeBinaryArray, order: np.ndarray, starts: np.ndarray) -> None:
    """Raises where captures of one identity have different URLs."""
    repeated = np.flatnonzero(~starts)
    for position in repeated:
        one, other = url[int(order[position - 1])].as_py(), url[int(order[position])].as_py()
        if one != other:
            raise PageKeyCollisionError(
                f"The pages {one.decode()} and {other.decode()} have the same 96-bit key; nothing was merged. "
                "Leave one of them out, or report this: it is expected once in 10^9 crawls."
            )


def find_pages(merged: MergedPartition, key: np.ndarray, check: np.ndarray) -> np.ndarray:
    """Returns int64[links]: the page's number in this partition, -1 where the link is no page here."""
    return find_links(key, check, sorted_key=merged.key, sorted_check=merged.check)
