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

from beam_pipelines.block import Block
from beam_pipelines.capture import Capture
from beam_pipelines.document_base import absolute_links, document_base
from beam_pipelines.link_resolver import NOT_A_URL, NOT_HTTP, LinkResolver, TldMasks
from webgraph.arrow_arrays import binary_array, number_array
from webgraph.canonical_url import canonicalize
from webgraph.link_keys import keys_of_digests, partition_of, sorted_distinct

MAX_BLOCK_LINKS = 3 << 19
MAX_BLOCK_DISTINCT_LINKS = 1 << 19
"""A block is closed at either, whatever the size of the archive, so that memory is bounded. Measured, at the peak while
a block is taken and encoded: 64 bytes a link, and 656 for one of 80 characters that its directory did not have yet;
together 411 MB."""
MAX_BLOCK_CHARACTERS = 1 << 27
"""Of links as written, of the bases of new ones, and of what bases have beyond `_SHORT_BASE` for each link, since one
of a query alone takes the whole base, however often its directory has it. So long ones are bounded as well: what they
are resolved to takes up to five times its characters. Usual links of a full block have about as many."""
_SHORT_BASE = 128


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
        self._urls: list[str] = []
        self._bases: list[str] = []
        self._lengths: array[int] = array("q")
        self._slots: list[int] = []
        self._characters = self._unselected = 0

    def add(self, capture: Capture) -> bool:
        """Takes a capture in; returns False, and takes nothing, where its URL is not an http or https URL."""
        url = canonicalize(capture.url)
        if url is None:
            return False
        base, hrefs = document_base(url, capture.base), capture.hrefs
        if base is None:
            base, hrefs = url, absolute_links(hrefs)
        self._urls.append(url)
        self._bases.append(base)
        self._lengths.append(len(hrefs))
        before = self._resolver.num_slots
        self._slots += self._resolver.slots(hrefs, base)
        self._characters += capture.characters + len(url) + (self._resolver.num_slots - before) * len(base)
        self._characters += len(hrefs) * max(0, len(base) - _SHORT_BASE)
        self._unselected += capture.unselected
        if capture.over_limit:
            self.counts.update(links_in=capture.over_limit, links_over_limit=capture.over_limit)
        if capture.url_too_long:
            self.counts.update(links_in=capture.url_too_long, links_url_too_long=capture.url_too_long)
        return True

    @property
    def is_full(self) -> bool:
        num_distinct = max(self._resolver.num_slots, len(self._urls))
        return (
            len(self._slots) >= MAX_BLOCK_LINKS
            or num_distinct >= MAX_BLOCK_DISTINCT_LINKS
            or self._characters >= MAX_BLOCK_CHARACTERS
        )

    def take(self) -> Iterator[tuple[int, Block]]:
        """Yields (partition, block) for all captures since the last call."""
        if not self._urls:
            return
        self.counts["links_in"] += len(self._slots)
        self.counts["links_unselected"] += self._unselected
        lengths = np.array(self._lengths)
        slots = np.fromiter(self._slots, np.int64, len(self._slots))
        self._slots = []
        resolved = self._resolver.resolve(slots, lengths, self._bases, self._urls)
        page, links, masks = resolved.pages, resolved.links, resolved.masks
        key, check = keys_of_digests(resolved.digests, key_bits=self._key_bits)
        urls = binary_array(map(str.encode, self._urls))
        self._start()
        partition = partition_of(key[page], self._num_partitions)
        order = np.argsort(partition, kind="stable")  # captures, each partition's together
        capture, link = self._distinct_links(page, lengths, links, order)
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
                    "page_url": urls.take(number_array(captures)),
                    "num_links": num_links[: len(captures)],
                    "link": position[links],
                    "target_key": key[targets],
                    "target_check": check[targets],
                    "target_mask": masks[targets],
                },
            )
            num_links = num_links[len(captures) :]

    def _distinct_links(
        self, page: np.ndarray, lengths: np.ndarray, links: np.ndarray, order: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Drops what is no outlink. Returns int64[edges] position of the capture in `order`, and link; by both."""
        self.counts["links_not_http"] += int(np.count_nonzero(links == NOT_HTTP))
        self.counts["links_not_a_url"] += int(np.count_nonzero(links == NOT_A_URL))
        is_self = links == np.repeat(page, lengths)
        self.counts["links_to_self"] += int(np.count_nonzero(is_self))
        position = np.empty(len(order), dtype=np.int64)
        position[order] = np.arange(len(order))
        kept = (links >= 0) & ~is_self
        code = ((np.repeat(position, lengths) << 32) | links)[kept]
        distinct = sorted_distinct(code)
        self.counts["links_duplicate"] += len(code) - len(distinct)
        self.counts["links_out"] += len(distinct)
        return distinct >> 32, distinct & 0xFFFFFFFF
