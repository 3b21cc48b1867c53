"""Link keys against dictionaries; narrow keys make collisions happen."""

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from webgraph.link_keys import find_links, group_starts, identity_order, keys_of_digests, link_keys, partition_of

_Identities = list[tuple[int, int]]
_IDENTITIES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30)


def _columns(identities: _Identities) -> tuple[np.ndarray, np.ndarray]:
    key = np.array([key for key, _ in identities], dtype=np.uint64)
    return key, np.array([check for _, check in identities], dtype=np.uint32)


@pytest.mark.parametrize("key_bits", [1, 16, 63, 64])
def test_keys_are_the_first_bits_of_the_hash(key_bits: int) -> None:
    urls = [b"http://a.de/", b"http://b.de/", b""]
    key, check = link_keys(urls, key_bits=key_bits)
    for number, url in enumerate(urls):
        digest = xxhash.xxh3_128_intdigest(url)
        assert key[number] == digest >> (128 - key_bits)
        assert check[number] == (digest >> 32) & 0xFFFFFFFF
    assert key.dtype == np.uint64
    assert check.dtype == np.uint32


def test_no_links() -> None:
    key, check = link_keys([])
    assert len(key) == len(check) == 0
    assert len(find_links(key, check, sorted_key=key, sorted_check=check)) == 0


@pytest.mark.parametrize("key_bits", [0, 65])
def test_widths_out_of_range_are_refused(key_bits: int) -> None:
    with pytest.raises(ValueError, match=rf"key_bits must be in \[1, 64\], got {key_bits}"):
        keys_of_digests(bytes(16), key_bits=key_bits)


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(1, 9))
def test_partitions_are_remainders(keys: list[int], num_partitions: int) -> None:
    partitions = partition_of(np.array(keys, dtype=np.uint64), num_partitions)
    assert partitions.tolist() == [key % num_partitions for key in keys]


@given(_IDENTITIES)
@settings(max_examples=300)
def test_order_and_groups_are_those_of_tuples(identities: _Identities) -> None:
    key, check = _columns(identities)
    order = identity_order(key, check)
    ordered = [identities[position] for position in order]
    assert ordered == sorted(identities)
    starts = group_starts(key[order], check[order])
    assert [ordered[position] for position in np.flatnonzero(starts)] == sorted(set(identities))


@given(_IDENTITIES, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
@settings(max_examples=300)
def test_find_links_is_a_dictionary(table: _Identities, asked: _Identities) -> None:
    distinct = sorted(set(table))
    position = {identity: number for number, identity in enumerate(distinct)}
    sorted_key, sorted_check = _columns(distinct)
    found = find_links(*_columns(asked), sorted_key=sorted_key, sorted_check=sorted_check)
    assert found.tolist() == [position.get(identity, -1) for identity in asked]


@pytest.mark.parametrize("key_bits", [1, 4, 16])
def test_colliding_urls_stay_apart(key_bits: int) -> None:
    urls = [b"https://www.example.org/page/%d" % number for number in range(1000)]
    key, check = link_keys(urls, key_bits=key_bits)
    assert len(set(key.tolist())) < len(urls)  # some keys collide, so the test is one
    order = identity_order(key, check)
    assert np.count_nonzero(group_starts(key[order], check[order])) == len(urls)
    found = find_links(key, check, sorted_key=key[order], sorted_check=check[order])
    assert np.array_equal(order[found], np.arange(len(urls)))
