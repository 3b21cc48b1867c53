"""The crawled hosts: names, sizes by a power law, communities, and how each writes its URLs."""

import dataclasses
import enum

import numpy as np
import xxhash

from webgraph.synthetic_crawl.options import SyntheticCrawlOptions

_TLDS = ("de", "com", "in", "org")  # by rank, so that each has large and small hosts
_FIRST_WORDS = ("alpine", "berg", "cedar", "delta", "eisen", "falcon", "ganga", "harbour", "indus", "kiesel", "lotus")
_LAST_WORDS = ("atlas", "bazaar", "chronik", "docs", "forum", "garten", "kitchen", "library", "markt", "notes")
_HOSTS_IN_COMMUNITY = 8
_SIZE_EXPONENT = 1.0


class UrlStyle(enum.IntEnum):
    """How a host forms the URLs of its pages."""

    FILES = 0  # /section-2/page-14.html
    FOLDERS = 1  # /section-2/page/14/
    QUERIES = 2  # /section-2/view.php?page=14&lang=en
    ACCENTS = 3  # /section-2/k%C3%A4se%2014.html


@dataclasses.dataclass(frozen=True, kw_only=True)
class Host:
    """One crawled host. Its pages are numbered 0..size-1, more popular pages first."""

    index: int
    scheme: str
    name: str  # canonical: ASCII, lower case
    display_name: str  # as people write it; differs for internationalised names
    size: int
    community: int
    num_topics: int
    style: UrlStyle
    gzip_bodies: bool  # answers with Content-Encoding: gzip, which the WARC keeps

    def topic(self, page: int) -> int:
        """The latent topic of a page, which is also its section in the URL."""
        return page % self.num_topics


def plan_hosts(options: SyntheticCrawlOptions) -> list[Host]:
    """Makes the hosts, largest first; the sizes sum to `num_pages`."""
    num_hosts = options.resolved_num_hosts
    num_communities = max(1, num_hosts // _HOSTS_IN_COMMUNITY)
    hosts = []
    for index, size in enumerate(_host_sizes(options.num_pages, num_hosts)):
        habits = xxhash.xxh3_64_intdigest(f"host {index}".encode(), seed=options.seed)
        name, display_name = _host_name(index)
        hosts.append(
            Host(
                index=index,
                scheme="https" if habits % 3 else "http",
                name=name,
                display_name=display_name,
                size=size,
                community=(habits >> 8) % num_communities,
                num_topics=max(1, min(2, size // 24), round(size / options.links_per_page)),
                style=UrlStyle((habits >> 16) % len(UrlStyle)),
                gzip_bodies=(habits >> 24) % 7 == 0,
            )
        )
    return hosts


def _host_sizes(num_pages: int, num_hosts: int) -> list[int]:
    """Zipf sizes, each at least 1, that sum to `num_pages`; what rounding leaves goes to the largest host."""
    weights = np.arange(1, num_hosts + 1, dtype=np.float64) ** -_SIZE_EXPONENT
    sizes = 1 + np.floor((num_pages - num_hosts) * weights / weights.sum()).astype(np.int64)
    sizes[0] += num_pages - int(sizes.sum())
    return [int(size) for size in sizes]


def _host_name(index: int) -> tuple[str, str]:
    """Canonical and displayed name; names never repeat."""
    tld = _TLDS[index % len(_TLDS)]
    words = f"{_FIRST_WORDS[index % len(_FIRST_WORDS)]}-{_LAST_WORDS[index % len(_LAST_WORDS)]}"
    repeat = index // (len(_FIRST_WORDS) * len(_LAST_WORDS))
    label = f"{words}-{repeat}" if repeat else words
    if index % 16 == 8:
        display_name = f"bücher-{label}.{tld}"
        return display_name.encode("idna").decode("ascii"), display_name
    if index % 8 == 6 and tld == "in":
        tld = "co.in"
    name = f"{label}.{tld}" if index % 5 == 3 else f"www.{label}.{tld}"
    return name, name
