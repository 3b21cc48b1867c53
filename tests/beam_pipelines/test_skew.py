"""Skew: a target that every page links to, pages with very many outlinks, one page captured many times."""

from pathlib import Path

import numpy as np
import pytest

from beam_pipelines import page_blocks
from beam_pipelines.block import encode_block
from beam_pipelines.capture import Capture
from beam_pipelines.degree_filter import send_links
from beam_pipelines.inlink_counter import InlinkCounter
from beam_pipelines.link_resolver import TldMasks
from beam_pipelines.merge_pages import MergedPartition, merge_pages
from beam_pipelines.options import Partitioning
from beam_pipelines.page_blocks import PageBlocks
from tests.beam_pipelines.archives import members, page_record
from tests.beam_pipelines.graphs import build_files, options, read_graph
from tests.oracles.graph import build_graph, variant_of
from webgraph.variants import parse_variant

_HUB = "http://hub.de/"
_LIST = "http://list.de/all"
_NAMES = ("all-3=*:3", "de-3=de:3", "all-1=*:1")
_NUM_PAGES = 1500
_LONG_ROW = 16_000
_NUM_CAPTURES = 300


def _outlinks() -> dict[str, set[str]]:
    """Every page links to the hub and the list; the list links to all, and to 16,000 more that were not crawled."""
    pages = [f"http://h{number % 7}.{'de' if number % 3 else 'in'}/{number}" for number in range(_NUM_PAGES)]
    graph = {
        page: {_HUB, _LIST, *(pages[(number * 7 + step) % _NUM_PAGES] for step in range(1, 5))} - {page}
        for number, page in enumerate(pages)
    }
    rest = [f"http://out.de/{number}" for number in range(_LONG_ROW - _NUM_PAGES)]
    return {**graph, _HUB: set(pages[:40]), _LIST: {*pages, *rest}}


def test_graphs_with_a_hub_and_a_long_row_equal_the_oracle(tmp_path: Path) -> None:
    outlinks = _outlinks()
    assert len(outlinks[_LIST]) == _LONG_ROW
    records = [page_record(url, sorted(links)) for url, links in outlinks.items()]
    paths = [tmp_path / f"{number}.warc.gz" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(members(records[number::3]))
    chosen = options(_NAMES, partitioning=Partitioning(num_partitions=5))
    report = build_files(paths, tmp_path / "out", chosen)
    for name, folder in zip(_NAMES, report.folders, strict=True):
        variant = parse_variant(name)
        nodes, edges = variant_of(outlinks, variant.tlds, variant.min_degree)
        graph = read_graph(folder)
        assert graph == build_graph(nodes, edges)
        hub = graph.urls.index(_HUB)
        assert graph.in_degree[hub] == sum(_HUB in outlinks[url] for url in nodes if url != _HUB)
        assert graph.in_degree[hub] > 900


def test_many_captures_of_one_page_are_one_row(tmp_path: Path) -> None:
    """Each capture brings one link of its own, so that only the union of all is right."""
    urls = [f"http://www.a.de/{number}" for number in range(_NUM_CAPTURES)]
    outlinks = {url: {_HUB, *urls[:5]} - {url} for url in urls}
    outlinks[_HUB] = set(urls)
    records = [page_record(url, sorted(links)) for url, links in outlinks.items() if url != _HUB]
    captures = [page_record(_HUB, [url, url, urls[0]]) for url in urls]
    paths = [tmp_path / f"{number}.warc.gz" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(members([*records, *captures][number::4]))
    report = build_files(paths, tmp_path / "out", options(("all-3=*:3",), partitioning=Partitioning(num_partitions=3)))
    assert read_graph(report.folders[0]) == build_graph(*variant_of(outlinks, (), 3))
    merge = report.manifests[0].counts["merge"]
    assert merge["captures_in"] == 2 * _NUM_CAPTURES
    assert merge["captures_merged"] == _NUM_CAPTURES - 1
    assert merge["edges_merged"] == 2 * _NUM_CAPTURES - 1 - len(outlinks[_HUB])


def test_a_block_is_closed_whatever_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of parsing is bounded by the block, which a single page can overfill by its own links at most."""
    monkeypatch.setattr(page_blocks, "MAX_BLOCK_LINKS", 100)
    blocks = PageBlocks(TldMasks(((),)), num_partitions=1, key_bits=64)
    longest, total = 0, 0
    for number in range(200):
        blocks.add(Capture(f"http://a.de/{number}", "", [f"http://b.de/{number}/{link}" for link in range(30)]))
        if blocks.is_full:
            for _, block in blocks.take():
                longest, total = max(longest, len(block["link"])), total + len(block["link"])
    assert longest < 100 + 30
    assert total + sum(len(block["link"]) for _, block in blocks.take()) == 200 * 30


def _merged(outlinks: dict[str, set[str]], num_partitions: int) -> dict[int, MergedPartition]:
    blocks = PageBlocks(TldMasks(((),)), num_partitions=num_partitions, key_bits=64)
    for url, links in outlinks.items():
        blocks.add(Capture(url, "", sorted(links)))
    return {partition: merge_pages([block]) for partition, block in blocks.take()}


def test_links_to_a_hub_are_spread_over_blocks() -> None:
    """All inlinks of a hub go to one partition, but in a block for each partition that they come from."""
    outlinks = _outlinks()
    num_partitions = 8
    merged = _merged(outlinks, num_partitions)
    pages, links = {}, {}
    for number, part in merged.items():
        pages[number], sent, _ = send_links(number, part, min_degrees=(3,), num_partitions=num_partitions)
        for target, block in sent:
            links.setdefault(target, []).append(block)
    hub = next(number for number, block in pages.items() if _HUB.encode() in block["url"].to_pylist())
    num_edges = sum(map(len, outlinks.values()))
    per_block = [len(block["source"]) for block in links[hub]]
    assert len(per_block) == num_partitions
    longest_row = max(len(row) for row in outlinks.values())
    assert max(per_block) <= longest_row / num_partitions * 1.5 + 3 * num_edges / num_partitions**2
    for block in links[hub]:  # a target stands once in a block, however many edges it has there
        assert len(np.unique(block["target_key"])) == len(block["target_key"])
        assert len(encode_block(block)) <= 9 * len(block["source"]) + 12 * len(block["target_key"]) + 200
    inlinks = InlinkCounter(pages[hub], num_variants=1)
    for block in links[hub]:
        inlinks.add(block)
    kept = inlinks.kept((3,))
    at = pages[hub]["url"].to_pylist().index(_HUB.encode())
    assert kept[at] == 1
    back = [inlinks.kept_links(number, block, kept) for number, block in enumerate(links[hub])]
    assert sum(int(np.count_nonzero(block["target"] == at)) for block in back) == _NUM_PAGES
