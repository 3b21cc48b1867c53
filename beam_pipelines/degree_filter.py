"""The degree rule on partitions: one round keeps, for each variant, the pages with enough outlinks and inlinks.

Partitions are by the key of a page. An edge is first at its source's partition, where outlinks are counted, then at its
target's, where inlinks are counted and the pages to keep are known, then back at its source's, where edges of sources
that are not kept fall out. A kept page has outlinks, so it was crawled: targets that are no page count towards their
source's outlinks and end there. Variants are bits of a mask: bit v of an edge says that it belongs to variant v.

Between partitions, edges travel in blocks:

  links_to_resolve    targets by identity: target_key, target_check [targets]; source, target (index), mask [edges]
  links_to_pages      targets by number:   page [targets];                     source, target (index), mask [edges]
  links_from_pages    back at the source:  source, target (page number), mask [edges]

All carry `partition`, int64[1], where they come from. Targets are distinct in a block. Masks are as narrow as the
number of variants allows.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from beam_pipelines.block import Block
from beam_pipelines.merge_pages import MergedPartition
from beam_pipelines.sorted_columns import sorted_columns
from webgraph.arrow_arrays import binary_array, number_array
from webgraph.degree_rule import kept_nodes
from webgraph.link_keys import partition_of


def degrees(node: np.ndarray, mask: np.ndarray, *, num_nodes: int, num_variants: int) -> np.ndarray:
    """Counts edges a node. `node` int64 and `mask` uint64 are [edges]; returns int64[variants, num_nodes]."""
    counts = np.empty((num_variants, num_nodes), dtype=np.int64)
    for variant in range(num_variants):
        counts[variant] = np.bincount(node[has_bit(mask, variant)], minlength=num_nodes)
    return counts


def mask_type(num_variants: int) -> np.dtype:
    """The narrowest unsigned type with a bit for each variant."""
    return np.dtype(next(f"u{size}" for size in (1, 2, 4, 8) if num_variants <= 8 * size))


def has_bit(mask: np.ndarray, variant: int) -> np.ndarray:
    """Returns bool[...]: which masks hold the variant."""
    return mask & mask.dtype.type(1 << variant) != 0


def degree_mask(counts: np.ndarray, min_degrees: Sequence[int]) -> np.ndarray:
    """Returns a mask for each node: the variants in which it has at least K edges; counts as of `degrees`."""
    mask = np.zeros(counts.shape[1], dtype=mask_type(len(min_degrees)))
    for variant, min_degree in enumerate(min_degrees):
        mask[kept_nodes(counts[variant], counts[variant], min_degree)] |= mask.dtype.type(1 << variant)
    return mask


def send_links(
    partition: int, merged: MergedPartition, *, min_degrees: Sequence[int], num_partitions: int
) -> tuple[Block, list[tuple[int, Block]], dict[str, int]]:
    """First step of the first round, at the source's partition.

    Returns:
      The pages (key, check, url, and `candidate`: the variants in which a page has enough outlinks); blocks
      `links_to_resolve`, each with the partition it goes to; counts.
    """
    mask = (merged.mask[merged.source] & merged.target_mask[merged.target]).astype(mask_type(len(min_degrees)))
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
    used = np.flatnonzero(np.bincount(target, minlength=len(merged.target_key)))
    destination = partition_of(merged.target_key, num_partitions)
    targets_of = dict(split_by(destination[used], num_partitions))
    index = np.empty(len(merged.target_key), dtype=np.uint32)
    blocks = []
    for number, chosen in split_by(destination[target], num_partitions):
        targets = used[targets_of[number]]
        index[targets] = np.arange(len(targets))
        blocks.append(
            (
                number,
                {
                    "partition": np.array([partition]),
                    "target_key": merged.target_key[targets],
                    "target_check": merged.target_check[targets],
                    "source": source[chosen].astype(np.uint32),
                    "target": index[target[chosen]],
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
    if count <= 1 << 16:
        number = number.astype(np.uint16)  # NumPy sorts 16 bits by radix
    order = np.argsort(number, kind="stable")
    limits = np.searchsorted(number[order], np.arange(count + 1))
    for n in range(count):
        if limits[n] < limits[n + 1]:
            yield n, order[limits[n] : limits[n + 1]]


def filter_sources(pages: Block, links: Iterable[Block]) -> tuple[Block, Block, dict[str, int]]:
    """Third step, back at the source's partition.

    Args:
      pages: `kept` and `url`.
      links: blocks `links_from_pages`.

    Returns:
      The partition after the round, in two blocks: pages, with `num_pages`, `page` (number), `url` and `kept` of those
      kept in some variant; edges, with `source`, `target_partition`, `target` and `mask` of those kept, ordered by
      source, target partition, target. Then counts.
    """
    parts = sorted(links, key=lambda block: int(block["partition"][0]))
    source = _concatenate([block["source"] for block in parts], np.uint32)
    target = _concatenate([block["target"] for block in parts], np.uint32)
    lengths = [len(block["source"]) for block in parts]
    origin = np.repeat(np.array([int(block["partition"][0]) for block in parts], dtype=np.uint32), lengths)
    mask = _concatenate([block["mask"] for block in parts], pages["kept"].dtype) & pages["kept"][source]
    chosen = np.flatnonzero(mask)
    columns = sorted_columns(source[chosen], origin[chosen], target[chosen], mask[chosen])
    page = np.flatnonzero(pages["kept"])
    counts = {
        "edges_end_not_kept": len(source) - len(chosen),
        "edges_out": len(chosen),
        "pages_in": len(pages["kept"]),
        "pages_not_kept": len(pages["kept"]) - len(page),
        "pages_out": len(page),
    }
    kept_pages: Block = {
        "num_pages": np.array([len(pages["kept"])]),
        "page": page.astype(np.uint32),
        "url": pages["url"].take(number_array(page)),
        "kept": pages["kept"][page],
    }
    edges: Block = dict(zip(("source", "target_partition", "target", "mask"), columns, strict=True))
    return kept_pages, edges, counts


def send_pages(
    partition: int, kept_pages: Block, edges: Block, *, min_degrees: Sequence[int], num_partitions: int
) -> tuple[Block, list[tuple[int, Block]]]:
    """First step of a later round (K-core), at the source's partition, from the blocks of `filter_sources`.

    Returns:
      The pages (`url`, `candidate`) and blocks `links_to_pages`, each with the partition it goes to.
    """
    num_pages = int(kept_pages["num_pages"][0])
    out_degrees = degrees(edges["source"], edges["mask"], num_nodes=num_pages, num_variants=len(min_degrees))
    kept = np.zeros(num_pages, dtype=kept_pages["kept"].dtype)
    kept[kept_pages["page"]] = kept_pages["kept"]
    url_index = np.zeros(num_pages, dtype=np.int64)
    url_index[kept_pages["page"]] = np.arange(len(kept_pages["page"]))
    urls = kept_pages["url"] if len(kept_pages["url"]) else binary_array([b""])
    pages: Block = {
        "url": urls.take(number_array(url_index)),
        "candidate": kept & degree_mask(out_degrees, min_degrees),
    }
    blocks = []
    for number, chosen in split_by(edges["target_partition"], num_partitions):
        page, index = np.unique(edges["target"][chosen], return_inverse=True)
        blocks.append(
            (
                number,
                {
                    "partition": np.array([partition]),
                    "page": page,
                    "source": edges["source"][chosen],
                    "target": index.astype(np.uint32),
                    "mask": edges["mask"][chosen],
                },
            )
        )
    return pages, blocks


def nodes_per_variant(kept: np.ndarray, num_variants: int) -> list[int]:
    """Returns how many masks hold each variant."""
    return [int(np.count_nonzero(has_bit(kept, variant))) for variant in range(num_variants)]


def _concatenate(arrays: list[np.ndarray], dtype: "type | np.dtype") -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)
