"""Dense node ids: each variant's kept pages, numbered in the order of `webgraph.canonical_url.node_sort_key`.

No worker sees all nodes: ranges of sort keys, split at sampled quantiles, are sorted each by itself, and a node's id is
its position in its range plus the number of nodes in the ranges before. Samples change the ranges, never the ids.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from beam_pipelines.block import Block
from beam_pipelines.degree_filter import has_bit, mask_type, nodes_per_variant, split_by
from webgraph.arrow_arrays import binary_array, number_array, numbers_of
from webgraph.canonical_url import node_sort_key


def sort_keys(url: pa.LargeBinaryArray) -> list[bytes]:
    """Returns the sort key of each URL."""
    return [node_sort_key(value.decode()) for value in url.to_pylist()]


def sample_sort_keys(url: pa.LargeBinaryArray, num_samples: int) -> list[bytes]:
    """Returns the sort keys of at most `num_samples` URLs, chosen by hash, so that the choice is stable."""
    hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, url.to_pylist()), dtype=np.uint64, count=len(url))
    return sort_keys(url.take(number_array(np.argsort(hashes, kind="stable")[:num_samples])))


def choose_range_limits(samples: Iterable[Sequence[bytes]], num_ranges: int) -> list[bytes]:
    """Returns the num_ranges - 1 keys at which ranges begin, from every partition's samples."""
    merged = sorted(key for sample in samples for key in sample)
    if not merged:
        return [b""] * (num_ranges - 1)
    return [merged[len(merged) * number // num_ranges] for number in range(1, num_ranges)]


def send_nodes(partition: int, pages: Block, limits: Sequence[bytes]) -> Iterator[tuple[int, Block]]:
    """Yields (range, block) with the kept pages of a partition: `partition`, `page`, `kept`, `url`, `sort_key`."""
    keys = np.array(sort_keys(pages["url"]), dtype=object)
    number = np.searchsorted(np.array(limits, dtype=object), keys, side="right") if limits else np.zeros(len(keys), int)
    for value, chosen in split_by(number, len(limits) + 1):
        yield (
            value,
            {
                "partition": np.full(len(chosen), partition, dtype=np.uint32),
                "page": pages["page"][chosen],
                "kept": pages["kept"][chosen],
                "url": pages["url"].take(number_array(chosen)),
                "sort_key": binary_array(keys[chosen]),
            },
        )


def sort_nodes(blocks: Iterable[Block], num_variants: int) -> tuple[Block, list[int]]:
    """Joins and sorts the nodes of one range. Returns them, and how many there are in each variant."""
    blocks = list(blocks)
    sort_key = pa.concat_arrays([block["sort_key"] for block in blocks])
    order = numbers_of(pc.sort_indices(sort_key))
    kept = np.concatenate([block["kept"] for block in blocks])[order]
    merged: Block = {
        "partition": np.concatenate([block["partition"] for block in blocks])[order],
        "page": np.concatenate([block["page"] for block in blocks])[order],
        "kept": kept,
        "url": pa.concat_arrays([block["url"] for block in blocks]).take(number_array(order)),
    }
    return merged, nodes_per_variant(kept, num_variants)


def number_nodes(nodes: Block, first_ids: Sequence[int]) -> np.ndarray:
    """Numbers the sorted nodes of a range.

    Args:
      first_ids: for each variant, the number of its nodes in all ranges before.

    Returns:
      int64[variants, nodes]: ids, -1 where the node is not in the variant.
    """
    ids = np.full((len(first_ids), len(nodes["page"])), -1, dtype=np.int64)
    for variant, first in enumerate(first_ids):
        chosen = np.flatnonzero(has_bit(nodes["kept"], variant))
        ids[variant, chosen] = np.arange(first, first + len(chosen))
    return ids


def return_ids(nodes: Block, ids: np.ndarray, num_partitions: int) -> Iterator[tuple[int, Block]]:
    """Yields (partition, block) with the ids for the pages' own partitions: `page`, and `id_<variant>`."""
    for number, chosen in split_by(nodes["partition"], num_partitions):
        yield number, {"page": nodes["page"][chosen], **id_columns(ids[:, chosen])}


def id_columns(ids: np.ndarray) -> Block:
    """int64[variants, n] as columns: `in_variants`, mask [n], and `id_0`, `id_1`, ...: ids of those in the variant."""
    mask = np.zeros(ids.shape[1], dtype=mask_type(len(ids)))
    columns: Block = {"in_variants": mask}
    for variant, row in enumerate(ids):
        is_in = row >= 0
        mask[is_in] |= mask.dtype.type(1 << variant)
        columns[f"id_{variant}"] = row[is_in]
    return columns


def ids_of_columns(block: Block) -> np.ndarray:
    """The inverse of `id_columns`."""
    mask = block["in_variants"]
    ids = np.full((sum(1 for name in block if name.startswith("id_")), len(mask)), -1, dtype=np.int64)
    for variant, row in enumerate(ids):
        row[has_bit(mask, variant)] = block[f"id_{variant}"]
    return ids
