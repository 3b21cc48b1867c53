"""The degree rule on partitions: one round keeps, for each variant, the pages with enough outlinks and inlinks.

Partitions are by the key of a page. An edge is first at its source's partition, where outlinks are counted, then at its
target's, where inlinks are counted and the pages to keep are known, then back at its source's, where edges of sources
that are not kept fall out. A kept page has outlinks, so it was crawled: targets that are no page count towards their
source's outlinks and end there. Variants are bits of a mask: bit v of an edge says that it belongs to variant v.

Between partitions, edges travel in blocks:

  links_to_resolve    link by identity: target_key, target_check [targets]; source, target (index), mask [edges]
  links_to_pages      link by number:   source, target (page number), mask [edges]

Both carry `partition`, int64[1], where they come from.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from beam_pipelines.block import Block
from beam_pipelines.merge_pages import MergedPartition
from webgraph.degree_rule import kept_nodes
from webgraph.link_keys import find_links, partition_of


def degrees(node: np.ndarray, mask: np.ndarray, *, num_nodes: int, num_variants: int) -> np.ndarray:
    """Counts edges a node. `node` int64 and `mask` uint64 are [edges]; returns int64[variants, num_nodes]."""
    counts = np.empty((num_variants, num_nodes), dtype=np.int64)
    for variant in range(num_variants):
        counts[variant] = np.bincount(node[has_bit(mask, variant)], minlength=num_nodes)
    return counts


def has_bit(mask: np.ndarray, variant: int) -> np.ndarray:
    """Returns bool[...]: which masks hold the variant."""
    return (mask >> np.uint64(variant)) & np.uint64(1) != 0


def degree_mask(counts: np.ndarray, min_degrees: Sequence[int]) -> np.ndarray:
    """Returns uint64[nodes]: for each node the variants in which it has at least K edges; counts as of `degrees`."""
    mask = np.zeros(counts.shape[1], dtype=np.uint64)
    for variant, min_degree in enumerate(min_degrees):
        enough = kept_nodes(counts[variant], counts[variant], min_degree)
        mask |= enough.astype(np.uint64) << np.uint64(variant)
    return mask


def send_links(
    partition: int, merged: MergedPartition, *, min_degrees: Sequence[int], num_partitions: int
) -> tuple[Block, list[tuple[int, Block]], dict[str, int]]:
    """First step of the first round, at the source's partition.

    Returns:
      The pages (key, check, url, and `candidate`: the variants in which a page has enough outlinks); blocks
      `links_to_resolve`, each with the partition it goes to; counts.
    """
    mask = merged.mask[merged.source] & merged.target_mask[merged.target]
    out_degrees = degrees(merged.source, mask, num_nodes=len(merged.key), num_variants=len(min_degrees))
    pages: Block = {
        "key": merged.key,
        "check": merged.check,
        "url": merged.url,
        "candidate": degree_mask(out_degrees, min_degrees),
    }
    in_variant = mask != 0
    source, target, mask = merged.source[in_variant], merged.target[in_variant], mask[in_variant]
    counts = {"edges_in": len(in_variant), "edges_outside_tlds": int(np.count_nonzero(~in_variant))}
    destination = partition_of(merged.target_key, num_partitions)
    blocks = []
    for number, chosen in split_by(destination[target], num_partitions):
        targets, index = np.unique(target[chosen], return_inverse=True)
        blocks.append(
            (
                number,
                {
                    "partition": np.array([partition]),
                    "target_key": merged.target_key[targets],
                    "target_check": merged.target_check[targets],
                    "source": source[chosen].astype(np.uint32),
                    "target": index.astype(np.uint32),
                    "mask": mask[chosen],
                },
            )
        )
    return pages, blocks, counts


def split_by(number: np.ndarray, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (n, positions where `number` is n, ascending) for each n in [0, count) that occurs."""
    if count == 1:
        if len(number):
            yield 0, np.arange(len(number))
        return
    order = np.argsort(number, kind="stable")
    limits = np.searchsorted(number[order], np.arange(count + 1))
    for n in range(count):
        if limits[n] < limits[n + 1]:
            yield n, order[limits[n] : limits[n + 1]]


def resolve_links(pages: Block, links: Iterable[Block]) -> tuple[list[Block], dict[str, int]]:
    """Turns blocks `links_to_resolve` into `links_to_pages`, at the target's partition.

    Returns:
      The blocks, without the edges whose target is no page; counts.
    """
    resolved, counts = [], {"edges_to_uncrawled": 0}
    for block in links:
        page = find_links(
            block["target_key"], block["target_check"], sorted_key=pages["key"], sorted_check=pages["check"]
        )
        target = page[block["target"]]
        crawled = target >= 0
        counts["edges_to_uncrawled"] += int(np.count_nonzero(~crawled))
        resolved.append(
            {
                "partition": block["partition"],
                "source": block["source"][crawled],
                "target": target[crawled].astype(np.uint32),
                "mask": block["mask"][crawled],
            }
        )
    return resolved, counts


def keep_pages(
    partition: int, pages: Block, links: Sequence[Block], *, min_degrees: Sequence[int]
) -> tuple[Block, list[tuple[int, Block]], dict[str, int]]:
    """Second step, at the target's partition: counts inlinks and decides which pages are kept.

    Args:
      pages: `candidate`, uint64[pages], and `url`.
      links: blocks `links_to_pages`.

    Returns:
      The pages, with `kept`, uint64[pages], in place of `candidate`; for each partition that links came from, the
      block of those whose target is kept, to go back there; counts.
    """
    target = _concatenate([block["target"] for block in links], np.uint32)
    mask = _concatenate([block["mask"] for block in links], np.uint64)
    in_degrees = degrees(target, mask, num_nodes=len(pages["candidate"]), num_variants=len(min_degrees))
    kept = pages["candidate"] & degree_mask(in_degrees, min_degrees)
    back, counts = [], {"edges_end_not_kept": 0}
    for block in links:
        mask = block["mask"] & kept[block["target"]]
        chosen = mask != 0
        counts["edges_end_not_kept"] += int(np.count_nonzero(~chosen))
        back.append(
            (
                int(block["partition"][0]),
                {
                    "partition": np.array([partition]),
                    "source": block["source"][chosen],
                    "target": block["target"][chosen],
                    "mask": mask[chosen],
                },
            )
        )
    return {"url": pages["url"], "kept": kept}, back, counts


def filter_sources(pages: Block, links: Iterable[Block]) -> tuple[Block, dict[str, int]]:
    """Third step, back at the source's partition.

    Args:
      pages: `kept` and `url`.
      links: blocks `links_to_pages`.

    Returns:
      The partition after the round: `page` (number), `url`, `kept` of the pages kept in some variant; `source`,
      `target_partition`, `target`, `mask` of the edges kept, ordered by source, target partition, target; counts.
    """
    parts = sorted(links, key=lambda block: int(block["partition"][0]))
    source = _concatenate([block["source"] for block in parts], np.uint32)
    target = _concatenate([block["target"] for block in parts], np.uint32)
    lengths = [len(block["source"]) for block in parts]
    origin = np.repeat(np.array([int(block["partition"][0]) for block in parts], dtype=np.uint32), lengths)
    mask = _concatenate([block["mask"] for block in parts], np.uint64) & pages["kept"][source]
    chosen = np.flatnonzero(mask)
    chosen = chosen[np.lexsort((target[chosen], origin[chosen], source[chosen]))]
    page = np.flatnonzero(pages["kept"])
    counts = {
        "edges_end_not_kept": len(source) - len(chosen),
        "edges_out": len(chosen),
        "pages_in": len(pages["kept"]),
        "pages_not_kept": len(pages["kept"]) - len(page),
        "pages_out": len(page),
    }
    block: Block = {
        "num_pages": np.array([len(pages["kept"])]),
        "page": page.astype(np.uint32),
        "url": pages["url"].take(pa.array(page)),
        "kept": pages["kept"][page],
        "source": source[chosen],
        "target_partition": origin[chosen],
        "target": target[chosen],
        "mask": mask[chosen],
    }
    return block, counts


def send_pages(
    partition: int, filtered: Block, *, min_degrees: Sequence[int], num_partitions: int
) -> tuple[Block, list[tuple[int, Block]]]:
    """First step of a later round (K-core), at the source's partition; `filtered` is of `filter_sources`.

    Returns:
      The pages (`url`, `candidate`) and blocks `links_to_pages`, each with the partition it goes to.
    """
    num_pages = int(filtered["num_pages"][0])
    out_degrees = degrees(filtered["source"], filtered["mask"], num_nodes=num_pages, num_variants=len(min_degrees))
    kept = np.zeros(num_pages, dtype=np.uint64)
    kept[filtered["page"]] = filtered["kept"]
    url_index = np.zeros(num_pages, dtype=np.int64)
    url_index[filtered["page"]] = np.arange(len(filtered["page"]))
    urls = filtered["url"] if len(filtered["url"]) else pa.array([b""], type=pa.large_binary())
    pages: Block = {
        "url": urls.take(pa.array(url_index)),
        "candidate": kept & degree_mask(out_degrees, min_degrees),
    }
    blocks = []
    for number, chosen in split_by(filtered["target_partition"], num_partitions):
        blocks.append(
            (
                number,
                {
                    "partition": np.array([partition]),
                    "source": filtered["source"][chosen],
                    "target": filtered["target"][chosen],
                    "mask": filtered["mask"][chosen],
                },
            )
        )
    return pages, blocks


def nodes_per_variant(kept: np.ndarray, num_variants: int) -> list[int]:
    """Returns how many masks hold each variant."""
    return [int(np.count_nonzero(has_bit(kept, variant))) for variant in range(num_variants)]


def _concatenate(arrays: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)
