"""The same pages through WARC and WAT: every difference there is, as docs/warc-and-wat.md tells it."""

from collections import Counter

import pytest

from tests.reference_extractor.outlinks import captures, outlinks
from tests.shared_data import shared_data

_ARCHIVE = "http://www.archive.org"
_DIFFERENT = {  # page: links in WARC but not in WAT, links in WAT but not in WARC, outlinks missing in WAT
    "http://041696.com/15477/list_6_4.html": (7, 0, 7),
    "http://06.live-radsport.ch/fahrerstatistik_801/Anthony_Ravard.html": (0, 1, 0),
    "http://06.live-radsport.ch/tippspiel/stats_140_petzi.html": (0, 1, 0),
    "http://0760.jxtdw.com/area/sanxiang/": (1, 0, 0),
    f"{_ARCHIVE}/web/web.php": (7, 0, 7),
    f"{_ARCHIVE}/details/movies": (1, 0, 0),
    f"{_ARCHIVE}/details/texts": (1, 0, 0),
    f"{_ARCHIVE}/details/etree": (1, 1, 0),
    f"{_ARCHIVE}/about/faqs.php": (2, 0, 0),
    f"{_ARCHIVE}/details/education": (1, 0, 0),
    f"{_ARCHIVE}/about/jobs.php": (6, 0, 0),
    f"{_ARCHIVE}/details/software": (1, 0, 0),
    f"{_ARCHIVE}/details/feature_films": (1, 0, 0),
    f"{_ARCHIVE}/about/about.php": (2, 0, 0),
    "https://tomhoper.github.io/research/": (6, 0, 0),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("warc", "wat", "pages", "links", "num_different"),
    [
        ("crawl/warc/boost-docs.org.warc.gz", "crawl/wat/boost-docs.org.warc.wat.gz", 3904, (116_749, 116_749), 0),
        ("crawl/warc/postgres-docs.org.warc.gz", "crawl/wat/postgres-docs.org.warc.wat.gz", 1169, (25_194, 25_194), 0),
        ("archives/cc-2020-34-slice.warc.gz", "", 16, (1415, 1409), 4),
        ("archives/cc-2024-22-page.warc.gz", "", 1, (207, 207), 0),
        ("archives/heritrix-2008.warc.gz", "", 94, (37_826, 37_804), 10),
        ("archives/wget-2024-bracketed-uris.warc.gz", "", 22, (1302, 1296), 1),
    ],
)
def test_every_difference_is_known(warc: str, wat: str, pages: int, links: tuple[int, int], num_different: int) -> None:
    from_warc = captures(shared_data(warc))
    from_wat = captures(shared_data(wat or warc.replace(".warc.gz", ".warc.wat.gz")))
    assert [capture.url for capture in from_warc] == [capture.url for capture in from_wat]
    assert len(from_warc) == pages
    assert tuple(sum(len(capture.hrefs) for capture in source) for source in (from_warc, from_wat)) == links
    different = 0
    for one, other in zip(from_warc, from_wat, strict=True):
        assert one.base == other.base
        missing, added = Counter(one.hrefs) - Counter(other.hrefs), Counter(other.hrefs) - Counter(one.hrefs)
        in_warc, in_wat = outlinks(one), outlinks(other)
        assert in_wat <= in_warc
        if one.hrefs == other.hrefs:
            continue
        different += 1
        assert (missing.total(), added.total(), len(in_warc - in_wat)) == _DIFFERENT[one.url], one.url
    assert different == num_different
