"""Links as keys: 96 bits of a hash stand for a URL wherever strings would be too large to move.

A link's identity is the pair (key, check): 64 and 32 bits of one xxh3_128 of its canonical URL. Everything that
groups or joins compares both, so two URLs that share a 64-bit key stay two links. Two of n distinct URLs share all 96
bits with probability below n^2 / 2^97: 6e-10 for the 10^10 distinct URLs of a large crawl. Two crawled pages that do
are found, because their URLs are compared (`PageKeyCollisionError`); a page and an uncrawled target are not.

Tests narrow the key (`key_bits`) so that collisions of the key happen; the check then tells links apart.
"""

from collections.abc import Iterable

import numpy as np
import xxhash

KEY_BITS = 64


class PageKeyCollisionError(ValueError):
    """Two different pages have one 96-bit identity."""


def link_keys(urls: Iterable[bytes], *, key_bits: int = KEY_BITS) -> tuple[np.ndarray, np.ndarray]:
    """Hashes canonical URLs.

    Returns:
      uint64[urls], uint32[urls]: the keys, of `key_bits` bits, and the checks.
    """
    return keys_of_digests(b"".join(map(xxhash.xxh3_128_digest, urls)), key_bits=key_bits)


def keys_of_digests(digests: bytes, *, key_bits: int = KEY_BITS) -> tuple[np.ndarray, np.ndarray]:
    """Splits concatenated xxh3_128 digests (16 bytes each, big-endian) into keys and checks, as `link_keys`."""
    if not 1 <= key_bits <= KEY_BITS:
        raise ValueError(f"key_bits must be in [1, {KEY_BITS}], got {key_bits}.")
    words = np.frombuffer(digests, dtype=">u8").reshape(-1, 2)
    key = words[:, 0].astype(np.uint64) >> np.uint64(KEY_BITS - key_bits)
    return key, (words[:, 1] >> np.uint64(32)).astype(np.uint32)


def partition_of(key: np.ndarray, num_partitions: int) -> np.ndarray:
    """Returns int64[links]: the partition, in [0, num_partitions), that owns each key."""
    return (key % np.uint64(num_partitions)).astype(np.int64)


def identity_order(key: np.ndarray, check: np.ndarray) -> np.ndarray:
    """Returns the permutation that sorts links by (key, check)."""
    order = np.argsort(key)
    sorted_key, sorted_check = key[order], check[order]
    same_key = sorted_key[1:] == sorted_key[:-1]
    if np.any(same_key & (sorted_check[1:] != sorted_check[:-1])):
        return np.lexsort((check, key))
    return order


def sorted_distinct(values: np.ndarray) -> np.ndarray:
    """Returns the distinct values, ascending. Several times as fast as np.unique, which hashes first."""
    values = np.sort(values)
    starts = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=starts[1:])
    return values[starts]


def group_starts(key: np.ndarray, check: np.ndarray) -> np.ndarray:
    """Returns bool[links], true at the first of each run of equal identities; links sorted by `identity_order`."""
    starts = np.ones(len(key), dtype=bool)
    np.not_equal(key[1:], key[:-1], out=starts[1:])
    starts[1:] |= check[1:] != check[:-1]
    return starts


def find_links(key: np.ndarray, check: np.ndarray, *, sorted_key: np.ndarray, sorted_check: np.ndarray) -> np.ndarray:
    """Looks links up in a table of distinct links sorted by identity.

    Returns:
      int64[links]: the position in the table, -1 where the link is not in it.
    """
    found = np.full(len(key), -1, dtype=np.int64)
    position = np.searchsorted(sorted_key, key)
    pending = np.arange(len(key))
    while len(pending):  # one round, and one more for each table entry that shares a key with an earlier one
        inside = position[pending] < len(sorted_key)
        pending = pending[inside]
        at = position[pending]
        same_key = sorted_key[at] == key[pending]
        pending, at = pending[same_key], at[same_key]
        match = sorted_check[at] == check[pending]
        found[pending[match]] = at[match]
        pending = pending[~match]
        position[pending] += 1
    return found
