"""The reference extractor as a third opinion: pages whose outlinks differ are of classes that docs/warc-and-wat.md has.

Each file goes through our WARC path, and through our WAT path over what the extractor makes of it.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from beam_pipelines.capture import Capture
from tests.beam_pipelines.archives import members, warc_record
from tests.reference_extractor.differences import Difference
from tests.reference_extractor.encoded_pages import encoded_pages
from tests.reference_extractor.extractor import extract_wat, require_extractor
from tests.reference_extractor.hostile_pages import HostilePage, hostile_page
from tests.reference_extractor.outlinks import captures, outlinks
from tests.shared_data import shared_data

_NUM_HOSTILE_PAGES = 2000
_NUM_DIFFERENT = 1173
_DIFFERENT = {  # of the generated pages, by class; a page may differ in several
    Difference.COMMENT: 241,
    Difference.UNCLOSED_LINK: 156,
    Difference.SCRIPT_TEXT: 255,
    Difference.TEXT_ONLY: 114,
    Difference.TEMPLATE: 157,
    Difference.DECLARATION: 99,
    Difference.TAG: 122,
    Difference.WHITE_SPACE: 136,
    Difference.FOREIGN: 155,
    Difference.BASE: 112,
    Difference.ESCAPE_SEQUENCE: 68,
    Difference.ENCODING: 8,
    Difference.CONTENT_TYPE: 4,
    Difference.XHTML: 1,
    Difference.CONTENT_ENCODING: 4,
    Difference.CONTENT_LENGTH: 2,
    Difference.EMPTY_LINE: 1,
}
_DOUBLED_CONTENT_TYPE = "http://035.psb556.com/24/i/u_1090813/article.html"
_HERITRIX = {"http://www.archive.org/web/web.php": (Difference.COMMENT, 7)}
_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "warc-and-wat.md"

Sides = tuple[set[str], set[str]]
"""Outlinks that only the first reader has, and that only the second has."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wat", "pages", "different"),
    [
        (
            "archives/cc-2020-34-slice.warc.gz",
            "archives/cc-2020-34-slice.warc.wat.gz",
            16,
            {
                "http://041696.com/15477/list_6_4.html": (Difference.COMMENT, 7),
                _DOUBLED_CONTENT_TYPE: (Difference.CONTENT_TYPE, 75),
            },
        ),
        ("archives/cc-2024-22-page.warc.gz", "archives/cc-2024-22-page.warc.wat.gz", 1, {}),
        ("archives/heritrix-2008.warc.gz", "archives/heritrix-2008.warc.wat.gz", 94, _HERITRIX),
        ("archives/heritrix-2008.arc.gz", "archives/heritrix-2008.warc.wat.gz", 94, _HERITRIX),
        ("archives/wget-2024-bracketed-uris.warc.gz", "archives/wget-2024-bracketed-uris.warc.wat.gz", 22, {}),
        ("crawl/warc/postgres-docs.org.warc.gz", "crawl/wat/postgres-docs.org.warc.wat.gz", 1169, {}),
    ],
)
def test_archives(
    name: str, wat: str, pages: int, different: dict[str, tuple[Difference, int]], tmp_path: Path
) -> None:
    require_extractor()
    from_warc, common_crawls = captures(shared_data(name)), captures(shared_data(wat))
    extract_wat(shared_data(name), tmp_path / "reference.wat.gz")
    reference = captures(tmp_path / "reference.wat.gz")
    assert len(from_warc) == len(common_crawls) == pages
    found = _different_pages(from_warc, reference)
    assert {url: (len(missing), len(added)) for url, (missing, added) in found.items()} == {
        url: (num_missing, 0) for url, (_, num_missing) in different.items()
    }
    # Common Crawl's extractor finds the same outlinks, but where Content-Type is doubled.
    assert set(_different_pages(common_crawls, reference)) == {_DOUBLED_CONTENT_TYPE} & set(different)


@pytest.mark.slow
def test_hostile_pages(tmp_path: Path) -> None:
    require_extractor()
    pages = [hostile_page(seed) for seed in range(_NUM_HOSTILE_PAGES)] + list(encoded_pages())
    archive, wat = tmp_path / "pages.warc.gz", tmp_path / "pages.warc.wat.gz"
    archive.write_bytes(members(_records(pages)))
    extract_wat(archive, wat)
    from_warc, from_wat = captures(archive), captures(wat)
    base, other_base = ({capture.url: capture.base for capture in side} for side in (from_warc, from_wat))
    pages_of: Counter[Difference] = Counter()
    found = _different_pages(from_warc, from_wat)
    for url, (missing, added) in found.items():
        page = pages[int(url.rpartition("/")[2])]
        if url in base and url in other_base and base[url] != other_base[url]:
            reasons: set[Difference | None] = {Difference.BASE} & {kind.difference for kind in page.kinds}
        else:
            reasons = {page.explain(link) for link in missing | added}
        assert reasons and None not in reasons, (page.document.decode("utf-8", "replace"), missing, added)
        pages_of.update(reason for reason in reasons if reason)
    assert (len(found), pages_of) == (_NUM_DIFFERENT, _DIFFERENT)


def test_every_class_is_documented_with_its_clause_and_figure() -> None:
    text = _DOCUMENT.read_text()
    assert set(_DIFFERENT) == set(Difference)
    for difference, pages in _DIFFERENT.items():
        assert f"| {difference.name.replace('_', ' ').lower()} | {difference.value} | {pages} |" in text
    num_pages = _NUM_HOSTILE_PAGES + len(list(encoded_pages()))
    assert f"{_NUM_DIFFERENT} of {num_pages:,}" in text


def _records(pages: Sequence[HostilePage]) -> Iterable[bytes]:
    for number, page in enumerate(pages):
        headers = [
            ("WARC-Record-ID", f"<{uuid.UUID(int=number + 1).urn}>"),
            ("WARC-Date", "2024-01-01T00:00:00Z"),
            ("Content-Type", "application/http; msgtype=response"),
        ]
        yield warc_record(page.message, uri=f"http://h.test/d/{number}", headers=headers)


def _different_pages(one: list[Capture], other: list[Capture]) -> dict[str, Sides]:
    """The URLs of pages with other outlinks. A page that one side lacks has no outlinks there."""
    sides: list[dict[str, set[str]]] = [{}, {}]
    for links_of, found in zip(sides, (one, other), strict=True):
        for capture in found:
            links_of.setdefault(capture.url, set()).update(outlinks(capture))
    pairs = {url: tuple(links_of.get(url, set()) for links_of in sides) for url in sides[0] | sides[1]}
    return {url: (first - second, second - first) for url, (first, second) in pairs.items() if first != second}
