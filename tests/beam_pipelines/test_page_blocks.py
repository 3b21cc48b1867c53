"""Captures to key blocks and merged pages, against sets of URLs."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.block import Column, decode_block, encode_block
from beam_pipelines.capture import Capture
from beam_pipelines.link_resolver import TldMasks
from beam_pipelines.merge_pages import find_pages, merge_pages
from beam_pipelines.page_blocks import PageBlocks
from webgraph.canonical_url import BaseUrl, canonicalize
from webgraph.link_keys import PageKeyCollisionError, link_keys

_PAGES = [f"http://{host}/{name}" for host in ("a.de", "b.in", "www.c.com") for name in ("", "x", "y?q")]
_HREFS = st.sampled_from([*_PAGES, "", "#t", "x", "/y?q", "http://[IP", "mailto:x", "http://out.org/", "?q"])
_BASES = st.sampled_from(["", "/b/", "//b.in/", "http://[", "file:///C:/", "javascript:x"])
_CAPTURES = st.lists(st.tuples(st.sampled_from(_PAGES), st.lists(_HREFS, max_size=6), _BASES), max_size=10)

Captures = list[tuple[str, list[str], str]]


def _blocks(captures: Captures, num_partitions: int, key_bits: int, files: int = 1) -> tuple[dict, dict[str, int]]:
    """Blocks by partition, of captures spread over several files, and the counts."""
    by_partition: dict[int, list[dict[str, Column]]] = {}
    counts: dict[str, int] = {}
    for file in range(files):
        blocks = PageBlocks(TldMasks(((), ("de",))), num_partitions=num_partitions, key_bits=key_bits)
        for url, hrefs, base in captures[file::files]:
            assert blocks.add(Capture(url, base, hrefs))
        for partition, block in blocks.take():
            by_partition.setdefault(partition, []).append(decode_block(encode_block(block)))
        for name, value in blocks.counts.items():
            counts[name] = counts.get(name, 0) + value
    return by_partition, counts


def _outlinks(captures: Captures) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for url, hrefs, base_href in captures:
        page = BaseUrl.parse(url)
        assert page is not None
        base = (BaseUrl.parse(base_href, page) or page) if base_href else page
        absolute = base_href.startswith("file:")
        links = {canonicalize(href) if absolute else base.join(href) for href in hrefs} - {None, page.href}
        graph.setdefault(page.href, set()).update(link for link in links if link is not None)
    return graph


@given(_CAPTURES, st.sampled_from([1, 3]), st.sampled_from([1, 4, 64]), st.sampled_from([1, 2]))
@settings(max_examples=200)
def test_merged_pages_are_the_union_of_their_captures(
    captures: Captures, num_partitions: int, key_bits: int, files: int
) -> None:
    expected = _outlinks(captures)
    by_partition, counts = _blocks(captures, num_partitions, key_bits, files)
    names = {*expected, *(link for links in expected.values() for link in links)}
    key, check = link_keys([name.encode() for name in names], key_bits=key_bits)
    name_of = {(k, c): name for name, k, c in zip(names, key.tolist(), check.tolist(), strict=True)}
    found: dict[str, set[str]] = {}
    totals: dict[str, int] = {}
    for partition, blocks in by_partition.items():
        merged = merge_pages(blocks)
        urls = [url.decode() for url in merged.url.to_pylist()]
        assert all(int(k) % num_partitions == partition for k in merged.key)
        assert [name_of[identity] for identity in zip(merged.key.tolist(), merged.check.tolist(), strict=True)] == urls
        targets = [name_of[i] for i in zip(merged.target_key.tolist(), merged.target_check.tolist(), strict=True)]
        for url, mask in zip(urls + targets, [*merged.mask.tolist(), *merged.target_mask.tolist()], strict=True):
            assert mask == (0b11 if ".de/" in url else 0b01)
        for url in urls:
            found[url] = set()
        for source, target in zip(merged.source.tolist(), merged.target.tolist(), strict=True):
            assert targets[target] not in found[urls[source]]  # no edge twice
            found[urls[source]].add(targets[target])
        assert find_pages(merged, merged.key, merged.check).tolist() == list(range(len(urls)))
        for name, value in merged.counts.items():
            totals[name] = totals.get(name, 0) + value
    assert found == expected
    if captures:
        assert totals["captures_in"] == len(captures) == totals["pages_out"] + totals["captures_merged"]
        assert totals["pages_out"] == len(expected)
        assert totals["edges_in"] == counts["links_out"] == totals["edges_out"] + totals["edges_merged"]
        assert totals["edges_out"] == sum(map(len, expected.values()))
    dropped = ("links_not_http", "links_not_a_url", "links_to_self", "links_duplicate")
    links_in = sum(len(hrefs) for _, hrefs, _ in captures)
    assert counts.get("links_in", 0) == links_in
    assert links_in == counts.get("links_out", 0) + sum(counts.get(name, 0) for name in dropped)


def test_pages_that_are_not_http_are_refused() -> None:
    blocks = PageBlocks(TldMasks(((),)), num_partitions=1, key_bits=64)
    for url in ("dns:a.de", "ftp://a.de/", "", "http://[IP"):
        assert not blocks.add(Capture(url, "", ["http://a.de/"]))
    assert list(blocks.take()) == []


def test_the_order_of_blocks_changes_nothing() -> None:
    captures: Captures = [(url, [*_PAGES[:4], "#x"], "") for url in _PAGES * 2]
    by_partition, _ = _blocks(captures, 1, 64, files=3)
    one, other = merge_pages(by_partition[0]), merge_pages(by_partition[0][::-1])
    for name in ("key", "check", "mask", "source", "target", "target_key", "target_check", "target_mask"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.url == other.url


def test_two_pages_of_one_identity_are_found() -> None:
    (block,) = _blocks([(_PAGES[0], [], ""), (_PAGES[1], [], "")], 1, 64)[0][0]
    same = {**block, "page_key": np.zeros(2, np.uint64), "page_check": np.zeros(2, np.uint32)}
    with pytest.raises(PageKeyCollisionError, match=r"The pages http://\S+ and http://\S+ have the same 96-bit key"):
        merge_pages([same])


def test_blocks_of_columns_of_any_length() -> None:
    block = {"a": np.arange(3), "b": np.empty(0, np.uint32), "c": pa.array([b"x", b""], type=pa.large_binary())}
    decoded = decode_block(encode_block(block))
    assert list(decoded) == ["a", "b", "c"]
    assert decoded["a"].tolist() == [0, 1, 2] and decoded["b"].dtype == np.uint32
    assert decoded["c"].to_pylist() == [b"x", b""]
