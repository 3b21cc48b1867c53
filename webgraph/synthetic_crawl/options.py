"""What kind of synthetic crawl to write."""

import dataclasses
import math

_MIN_HOSTS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticCrawlOptions:
    """Size, seed and habits of a synthetic crawl. The same options give the same bytes.

    num_pages                distinct pages answered with status 200 and HTML (exactly this many)
    seed                     unsigned 64-bit integer that everything random derives from
    num_files                pairs of a WARC file and its WAT file that the captures are spread over
    num_hosts                crawled hosts; None: the square root of `num_pages`, at least 8
    links_per_page           about how many links a page of a large host carries; also the pages in a topic of a host
    recapture_fraction       share of the pages that are captured a second time, with partly other links
    other_response_fraction  redirects, errors and responses that are not HTML, as a share of `num_pages`, on top
    count_variants           count the six default variants with plain sets (holds every edge in memory)
    """

    num_pages: int = 2000
    seed: int = 0
    num_files: int = 4
    num_hosts: int | None = None
    links_per_page: int = 76
    recapture_fraction: float = 0.05
    other_response_fraction: float = 0.06
    count_variants: bool = True

    def __post_init__(self) -> None:
        for name in ("num_pages", "num_files", "links_per_page"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be in [0, 2**64), got {self.seed}.")
        if self.num_hosts is not None and not 1 <= self.num_hosts <= self.num_pages:
            raise ValueError(f"num_hosts must be in [1, num_pages = {self.num_pages}], got {self.num_hosts}.")
        for name in ("recapture_fraction", "other_response_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}.")

    @property
    def resolved_num_hosts(self) -> int:
        """`num_hosts`, or its default for this number of pages."""
        if self.num_hosts is not None:
            return self.num_hosts
        return min(self.num_pages, max(_MIN_HOSTS, math.isqrt(self.num_pages)))
