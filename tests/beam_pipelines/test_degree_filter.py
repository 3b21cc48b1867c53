"""The degree rule over partitions against plain sets, and laws of its counts."""

import random

import numpy as np
import pytest

from beam_pipelines.capture import Capture
from beam_pipelines.degree_filter import filter_sources, has_bit, send_links
from beam_pipelines.inlink_counter import InlinkCounter
from beam_pipelines.link_resolver import TldMasks
from beam_pipelines.merge_pages import MergedPartition, merge_pages
from beam_pipelines.page_blocks import PageBlocks
from tests.oracles.graph import variant_of

_TLDS: tuple[tuple[str, ...], ...] = ((), (), ("de",))
_MIN_DEGREES = (2, 5, 2)


def _made_outlinks() -> dict[str, set[str]]:
    chosen = random.Random(4)
    pages = [f"http://h{number % 5}.{'de' if number % 2 else 'in'}/{number}" for number in range(60)]
    others = [f"http://out.de/{number}" for number in range(20)]  # never crawled
    graph = {page: set(chosen.sample(pages + others, chosen.randrange(12))) for page in pages}
    return {page: links - {page} for page, links in graph.items()}


def _merged(outlinks: dict[str, set[str]], num_partitions: int, key_bits: int) -> dict[int, MergedPartition]:
    blocks = PageBlocks(TldMasks(_TLDS), num_partitions=num_partitions, key_bits=key_bits)
    for page, links in outlinks.items():
        assert blocks.add(Capture(page, "", sorted(links)))
    return {partition: merge_pages([block]) for partition, block in blocks.take()}


@pytest.mark.parametrize(("num_partitions", "key_bits"), [(1, 64), (4, 64), (4, 6), (1, 1)])
def test_one_round_is_the_rule(num_partitions: int, key_bits: int) -> None:
    outlinks = _made_outlinks()
    merged = _merged(outlinks, num_partitions, key_bits)
    counts: dict[str, int] = {}

    def add(found: dict[str, int]) -> None:
        for name, value in found.items():
            counts[name] = counts.get(name, 0) + value

    pages, links, back = {}, {}, {}
    for number, part in merged.items():
        pages[number], sent, found = send_links(number, part, min_degrees=_MIN_DEGREES, num_partitions=num_partitions)
        add(found)
        for target, block in sent:
            links.setdefault(target, []).append(block)
    for number in pages:
        inlinks = InlinkCounter(pages[number], num_variants=len(_MIN_DEGREES))
        for block in links.get(number, []):
            inlinks.add(block)
        kept = inlinks.kept(_MIN_DEGREES)
        for at, block in enumerate(links.get(number, [])):
            returned = {"partition": np.array([number]), **inlinks.kept_links(at, block, kept)}
            back.setdefault(int(block["partition"][0]), []).append(returned)
        pages[number] = {"url": pages[number]["url"], "kept": kept}
        add(inlinks.counts)
    filtered = {}
    for number in pages:
        filtered_pages, filtered_edges, found = filter_sources(pages[number], back.get(number, []))
        filtered[number] = {**filtered_pages, **filtered_edges}
        add(found)

    url_of = {
        (number, page): url.decode()
        for number, block in filtered.items()
        for page, url in zip(block["page"].tolist(), block["url"].to_pylist(), strict=True)
    }
    for variant, (tlds, min_degree) in enumerate(zip(_TLDS, _MIN_DEGREES, strict=True)):
        kept, edges = set(), set()
        for number, block in filtered.items():
            chosen = has_bit(block["kept"], variant)
            kept.update(url_of[number, page] for page in block["page"][chosen].tolist())
            for at in np.flatnonzero(has_bit(block["mask"], variant)).tolist():
                target = int(block["target_partition"][at]), int(block["target"][at])
                edges.add((url_of[number, int(block["source"][at])], url_of[target]))
        assert (kept, edges) == variant_of(outlinks, tlds, min_degree)
        assert len(kept) > 3
    dropped = ("edges_outside_tlds", "edges_to_uncrawled", "edges_end_not_kept")
    assert counts["edges_in"] == sum(map(len, outlinks.values()))
    assert counts["edges_in"] == counts["edges_out"] + sum(counts[name] for name in dropped)
    assert counts["pages_in"] == len(outlinks) == counts["pages_out"] + counts["pages_not_kept"]
    assert counts["edges_to_uncrawled"] == sum(link not in outlinks for links in outlinks.values() for link in links)
