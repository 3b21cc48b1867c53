"""Captures as key blocks: the form in which pages and links leave the parse stage.

A block holds captures of pages of one partition (`webgraph.link_keys.partition_of` of the page's key):

  page_key, page_check, page_mask   uint64, uint32, uint64 [captures]
  page_url                          large_binary [captures]
  num_links                         int64 [captures]
  link                              uint32 [links]       index into the targets, ascending and distinct in a capture
  target_key, target_check          uint64, uint32 [targets]    distinct
  target_mask                       uint64 [targets]

Links are distinct within a capture and never the page itself. Masks say which variants' TLDs a link lies under.
"""

from array import array
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from beam_pipelines.block import Block
from beam_pipelines.capture import Capture
from beam_pipelines.link_resolver import BASE, NOT_A_URL, NOT_HTTP, LinkResolver, TldMasks
from webgraph.canonical_url import BaseUrl
from webgraph.link_keys import keys_of_digests, partition_of, sorted_distinct

MAX_BLOCK_LINKS = 1 << 22
"""A block is closed at this many links, whatever the size of the archive, so that memory is bounded."""


class PageBlocks:
    """Collects captures and gives them out as blocks."""

    def __init__(self, masks: TldMasks, *, num_partitions: int, key_bits: int) -> None:
        self._masks = masks
        self._num_partitions = num_partitions
        self._key_bits = key_bits
        self.counts: Counter[str] = Counter()
        self._start()

    def _start(self) -> None:
        self._resolver = LinkResolver(self._masks)
        self._urls: list[bytes] = []
        self._pages: array[int] = array("q")
        self._bases: array[int] = array("q")
        self._lengths: array[int] = array("q")
        self._links: array[int] = array("q")

    def add(self, capture: Capture) -> bool:
        """Takes a capture in; returns False, and takes nothing, where its URL is not an http or https URL."""
        page = BaseUrl.parse(capture.url)
        if page is None:
            return False
        base = (BaseUrl.parse(capture.base, page) or page) if capture.base else page
        links = self._resolver.resolve(capture.hrefs, base)
        self._pages.append(self._resolver.add(page.href))
        self._bases.append(self._resolver.add(base.href))
        self._urls.append(page.href.encode())
        self._lengths.append(len(links))
        self._links.extend(links)
        self.counts["links_in"] += len(links)
        self.counts["links_unselected"] += capture.unselected
        return True

    @property
    def is_full(self) -> bool:
        return max(len(self._links), len(self._resolver), self._resolver.num_cached) >= MAX_BLOCK_LINKS

    def take(self) -> Iterator[tuple[int, Block]]:
        """Yields (partition, block) for all captures since the last call."""
        if not self._urls:
            return
        digests, masks = self._resolver.table()
        key, check = keys_of_digests(digests, key_bits=self._key_bits)
        page = np.array(self._pages)
        urls = pa.array(self._urls, type=pa.large_binary())
        partition = partition_of(key[page], self._num_partitions)
        order = np.argsort(partition, kind="stable")  # captures, each partition's together
        capture, link = self._distinct_links(page, order)
        self._start()
        numbers, first_captures = np.unique(partition[order], return_index=True)
        first_links = np.searchsorted(capture, first_captures)
        num_links = np.bincount(capture, minlength=len(page))
        position = np.empty(len(key), dtype=np.uint32)  # of a target in its block; scratch
        for number, captures, links in zip(
            numbers.tolist(), np.split(order, first_captures[1:]), np.split(link, first_links[1:]), strict=True
        ):
            targets = sorted_distinct(links)
            position[targets] = np.arange(len(targets))
            yield (
                number,
                {
                    "page_key": key[page[captures]],
                    "page_check": check[page[captures]],
                    "page_mask": masks[page[captures]],
                    "page_url": urls.take(pa.array(captures)),
                    "num_links": num_links[: len(captures)],
                    "link": position[links],
                    "target_key": key[targets],
                    "target_check": check[targets],
                    "target_mask": masks[targets],
                },
            )
            num_links = num_links[len(captures) :]

    def _distinct_links(self, page: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drops what is no outlink.

        Args:
          page: int64[captures], index of the page.
          order: int64[captures], a permutation of the captures.

        Returns:
          int64[edges], int64[edges]: position of the capture in `order`, and index of the link; ordered by both.
        """
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        lengths = np.array(self._lengths)
        link = np.array(self._links)
        link = np.where(link == BASE, np.repeat(np.array(self._bases), lengths), link)
        self.counts["links_not_http"] += int(np.count_nonzero(link == NOT_HTTP))
        self.counts["links_not_a_url"] += int(np.count_nonzero(link == NOT_A_URL))
        is_self = link == np.repeat(page, lengths)
        self.counts["links_to_self"] += int(np.count_nonzero(is_self))
        kept = (link >= 0) & ~is_self
        code = (np.repeat(rank, lengths)[kept] << 32) | link[kept]
        distinct = sorted_distinct(code)
        self.counts["links_duplicate"] += len(code) - len(distinct)
        self.counts["links_out"] += len(distinct)
        return distinct >> 32, distinct & 0xFFFFFFFF
