"""Which pages a page links to: navigation, its own topic, neighbouring topics, its community, and beyond.

The structure that a factorisation can learn is the topic: a page links to most pages of its own topic, to nearly
all of its own circle within the topic (one page in three), to some of the next topic, and, abroad, to the same
two partner hosts and the same partner topic as every page of its topic. Popularity alone predicts little of that.
"""

import dataclasses

import numpy as np

from webgraph.synthetic_crawl.addresses import Address, external_address, page_address
from webgraph.synthetic_crawl.hosts import Host
from webgraph.synthetic_crawl.options import SyntheticCrawlOptions

_NAVIGATION_LINKS = 6
_CIRCLES = 3
_OWN_CIRCLE_PROBABILITY = 0.98
_OTHER_CIRCLE_PROBABILITY = 0.48
_NEXT_TOPIC_PROBABILITY = 0.08
_POPULAR_LINKS = 3.0  # means of Poisson draws, a page
_PARTNER_LINKS = 5.0
_GLOBAL_LINKS = 1.5
_UNCRAWLED_LINKS = 2.5
_EXTERNAL_LINKS = 2.0
_SELF_LINK_PROBABILITY = 0.3
_KEPT_ON_RECAPTURE = 0.85
_CACHED_ADDRESSES = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Topic:
    """What all pages of one topic of a host share."""

    pages: np.ndarray  # int64, more popular pages first
    popularity: np.ndarray  # float64 factor of the link probability, by position in `pages`
    partners: tuple[tuple[Host, int], ...]  # other hosts of the community, with a topic of theirs


class HostLinks:
    """Draws the links of the pages of one host, page by page, from a generator of its own."""

    def __init__(self, host: Host, hosts: list[Host], options: SyntheticCrawlOptions) -> None:
        self.host = host
        self.rng = np.random.default_rng([options.seed, host.index])
        self._hosts = hosts
        self._num_externals = 50 + options.num_pages // 40
        self._addresses: dict[tuple[int, int], Address] = {}
        neighbours = [other for other in hosts if other.community == host.community and other is not host]
        self._topics = [self._make_topic(topic, neighbours) for topic in range(host.num_topics)]

    def _make_topic(self, topic: int, neighbours: list[Host]) -> _Topic:
        pages = np.arange(topic, self.host.size, self.host.num_topics, dtype=np.int64)
        popularity = np.linspace(1.25, 0.75, num=len(pages))
        partners = []
        if neighbours:
            sizes = np.array([neighbour.size for neighbour in neighbours], dtype=np.float64)
            for position in self.rng.choice(len(neighbours), size=2, p=sizes / sizes.sum()):
                partner = neighbours[int(position)]
                partners.append((partner, int(self.rng.integers(partner.num_topics))))
        return _Topic(pages=pages, popularity=popularity, partners=tuple(partners))

    def address(self, host: Host, page: int) -> Address:
        """`page_address`, remembered."""
        key = (host.index, page)
        address = self._addresses.get(key)
        if address is None:
            if len(self._addresses) >= _CACHED_ADDRESSES:
                self._addresses.clear()
            address = self._addresses[key] = page_address(host, page)
        return address

    def first_links(self, page: int) -> list[Address]:
        """The links of a page's first capture, in page order; a few stand there twice."""
        links = self._inside_links(page) + self._outside_links(page)
        if links and self.rng.random() < 0.5:
            links += [links[int(position)] for position in self.rng.integers(len(links), size=3)]
        return links

    def later_links(self, page: int, first: list[Address]) -> list[Address]:
        """The links of the same page captured again: most of the first ones, and some new ones."""
        kept = self.rng.random(len(first)) < _KEPT_ON_RECAPTURE
        return [link for link, keep in zip(first, kept, strict=True) if keep] + self._outside_links(page)

    def _inside_links(self, page: int) -> list[Address]:
        host, rng = self.host, self.rng
        own = self._topics[host.topic(page)]
        activity = 0.6 + 0.6 * rng.random()
        same_circle = (own.pages // host.num_topics) % _CIRCLES == (page // host.num_topics) % _CIRCLES
        chance = np.where(same_circle, _OWN_CIRCLE_PROBABILITY, _OTHER_CIRCLE_PROBABILITY * own.popularity * activity)
        chosen = [np.arange(min(_NAVIGATION_LINKS, host.size)), own.pages[rng.random(len(own.pages)) < chance]]
        if host.num_topics > 1:
            other = self._topics[(host.topic(page) + 1) % host.num_topics].pages
            chosen.append(other[rng.random(len(other)) < _NEXT_TOPIC_PROBABILITY * activity])
        chosen.append(_popular(rng, host.size, int(rng.poisson(_POPULAR_LINKS))))
        chosen.append(host.size + _popular(rng, host.size // 2 + 3, int(rng.poisson(_UNCRAWLED_LINKS))))
        pages = np.unique(np.concatenate(chosen))
        if rng.random() >= _SELF_LINK_PROBABILITY:
            pages = pages[pages != page]
        return [self.address(host, target) for target in pages.tolist()]

    def _outside_links(self, page: int) -> list[Address]:
        rng, links = self.rng, []
        for host, topic in self._topics[self.host.topic(page)].partners:
            pages_in_topic = (host.size - topic - 1) // host.num_topics + 1
            ranks = _popular(rng, pages_in_topic, int(rng.poisson(_PARTNER_LINKS / 2)))
            links += [self.address(host, topic + rank * host.num_topics) for rank in ranks.tolist()]
        for index in _popular(rng, len(self._hosts), int(rng.poisson(_GLOBAL_LINKS))).tolist():
            host = self._hosts[index]
            links.append(self.address(host, int(_popular(rng, host.size, 1)[0])))
        externals = _popular(rng, self._num_externals, int(rng.poisson(_EXTERNAL_LINKS)))
        return links + [external_address(number) for number in externals.tolist()]


def _popular(rng: np.random.Generator, count: int, draws: int) -> np.ndarray:
    """Draws numbers from 0..count-1 with a chance that falls as one over the number."""
    return (np.float64(count + 1) ** rng.random(draws)).astype(np.int64).clip(1, count) - 1
