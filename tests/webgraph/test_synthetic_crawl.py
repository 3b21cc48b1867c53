"""The synthetic crawl against independent readers: warcio, fastwarc, resiliparse, ada-url, plain dicts."""

import gzip
import hashlib
import json
import pathlib
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import ada_url
import fastwarc.warc
import pytest
from resiliparse.parse.html import HTMLTree
from warcio.archiveiterator import ArchiveIterator

from webgraph.synthetic_crawl import SyntheticCrawl, SyntheticCrawlOptions, variant_counts, write_synthetic_crawl

_OPTIONS = SyntheticCrawlOptions(num_pages=450, seed=11, num_files=4, recapture_fraction=0.2)


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> SyntheticCrawl:
    return write_synthetic_crawl(tmp_path_factory.mktemp("crawl") / "made", _OPTIONS)


def _canonical(base: str, href: str) -> str | None:
    """The canonical URL by ada: http or https, no fragment, no credentials; None where it is no such URL."""
    try:
        url = ada_url.URL(href, base=base)
    except ValueError:
        return None
    if url.protocol not in ("http:", "https:"):
        return None
    url.hash, url.username, url.password = "", "", ""
    return url.href.partition("#")[0]


def _page_links(target_uri: str, base_href: str | None, hrefs: list[str]) -> tuple[str, list[str | None]]:
    page = _canonical(target_uri, "")
    assert page is not None
    base = ada_url.join_url(page, base_href) if base_href is not None else page
    return page, [_canonical(base, href) for href in hrefs]


def _merge(captures: Iterator[tuple[str, list[str | None]]]) -> tuple[dict[str, set[str]], int]:
    graph: dict[str, set[str]] = {}
    num_links = 0
    for page, links in captures:
        num_links += len(links)
        graph.setdefault(page, set()).update(link for link in links if link is not None and link != page)
    return graph, num_links


def _json_records(path: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "metadata":
                yield (record.rec_headers.get_header("WARC-Target-URI"), json.load(record.content_stream()))


def _captures_of_wats(crawl: SyntheticCrawl) -> Iterator[tuple[str, list[str | None]]]:
    for path in crawl.wat_paths:
        for _, value in _json_records(path):
            envelope = value["Envelope"]
            if envelope["WARC-Header-Metadata"]["WARC-Type"] != "response":
                continue
            response = envelope["Payload-Metadata"]["HTTP-Response-Metadata"]
            if response["Response-Message"]["Status"] != "200" or "HTML-Metadata" not in response:
                continue
            page = response["HTML-Metadata"]
            links = [link["url"] for link in page.get("Links", []) if link.get("path") in ("A@/href", "AREA@/href")]
            uri = envelope["WARC-Header-Metadata"]["WARC-Target-URI"].strip("<>")
            yield _page_links(uri, page["Head"].get("Base"), links)


def _captures_of_warcs(crawl: SyntheticCrawl) -> Iterator[tuple[str, list[str | None]]]:
    for path in crawl.warc_paths:
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream):
                if record.rec_type != "response" or record.http_headers.get_statuscode() != "200":
                    continue
                if not record.http_headers.get_header("Content-Type").startswith("text/html"):
                    continue
                document = HTMLTree.parse_from_bytes(record.content_stream().read(), "utf-8").document
                assert document is not None
                bases = [base["href"] for base in document.query_selector_all("base[href]")]
                hrefs = [link["href"] for link in document.query_selector_all("a[href], area[href]")]
                uri = record.rec_headers.get_header("WARC-Target-URI").strip("<>")
                yield _page_links(uri, bases[0] if bases else None, hrefs)


def test_wat_files_give_the_truth(crawl: SyntheticCrawl) -> None:
    graph, num_links = _merge(_captures_of_wats(crawl))
    assert graph == crawl.outlinks()
    assert num_links == crawl.counts.links
    assert len(graph) == crawl.counts.pages == _OPTIONS.num_pages
    assert sum(map(len, graph.values())) == crawl.counts.edges


def test_warc_files_give_the_truth(crawl: SyntheticCrawl) -> None:
    graph, num_links = _merge(_captures_of_warcs(crawl))
    assert graph == crawl.outlinks()
    assert num_links == crawl.counts.links


def test_counts_add_up(crawl: SyntheticCrawl) -> None:
    counts = crawl.counts
    dropped = counts.not_http_links + counts.not_url_links + counts.self_links + counts.duplicate_links
    assert counts.links == counts.edges + dropped
    assert min(counts.not_http_links, counts.not_url_links, counts.self_links, counts.duplicate_links) > 0
    assert counts.responses == counts.html_captures + counts.not_html + counts.not_200
    assert counts.html_captures > counts.pages
    assert min(counts.not_html, counts.not_200) > 0
    assert counts.warc_records == _OPTIONS.num_files + 2 * counts.responses
    assert counts.wat_records == counts.warc_records + _OPTIONS.num_files
    stored = json.loads(crawl.truth_json_path.read_text())
    assert stored["counts"]["edges"] == counts.edges
    assert stored["variants"]["sparse"]["nodes"] == crawl.variants["sparse"].nodes


def test_truth_is_canonical(crawl: SyntheticCrawl) -> None:
    for page, links in crawl.outlinks().items():
        assert page not in links
        assert all(_canonical(url, "") == url for url in (page, *links))


def test_digests_and_lengths_are_right(crawl: SyntheticCrawl) -> None:
    kinds: dict[str, int] = {}
    for path in (*crawl.warc_paths, *crawl.wat_paths):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                record.raw_stream.read()
                kinds[record.rec_type] = kinds.get(record.rec_type, 0) + 1
                assert record.rec_type == "metadata" or record.digest_checker.passed
    assert kinds["response"] == kinds["request"] == crawl.counts.responses
    assert kinds["metadata"] == crawl.counts.warc_records


def test_fastwarc_reads_every_record(crawl: SyntheticCrawl) -> None:
    num_records = 0
    for path in crawl.warc_paths:
        with path.open("rb") as stream:
            for record in fastwarc.warc.ArchiveIterator(stream, parse_http=False):
                num_records += 1
                assert record.verify_block_digest()
    assert num_records == crawl.counts.warc_records


def test_wat_says_where_each_record_lies(crawl: SyntheticCrawl) -> None:
    archive = crawl.warc_paths[0].read_bytes()
    end = 0
    for _, value in _json_records(crawl.wat_paths[0]):
        member = value["Container"]["Gzip-Metadata"]
        offset, length = (int(value["Container"]["Offset"]), int(member["Deflate-Length"]))
        assert offset == end
        end = offset + length
        content = gzip.decompress(archive[offset:end])
        assert len(content) == int(member["Inflated-Length"])
        assert zlib.crc32(content) == int(member["Inflated-CRC"]) % 2**32
        headers, _, rest = content.partition(b"\r\n\r\n")
        assert len(headers) + 4 == int(value["Envelope"]["WARC-Header-Length"])
        assert rest.endswith(b"\r\n\r\n")
        assert len(rest) - 4 == int(value["Envelope"]["Payload-Metadata"]["Actual-Content-Length"])
    assert end == len(archive)


def test_the_odd_things_are_there(crawl: SyntheticCrawl) -> None:
    wats = b"".join(gzip.decompress(path.read_bytes()) for path in crawl.wat_paths).decode()
    warcs = b"".join(gzip.decompress(path.read_bytes()) for path in crawl.warc_paths).decode(errors="replace")
    for text in ('"Base":', "http://[IP", "mailto:", '"rel":"nofollow"', "AREA@/href", "IMG@/src", "{}", "#top", "../"):
        assert text in wats, text
    for text in ("WARC-Target-URI: <http", '"Status":"301"', '"Status":"404"', "application/pdf", "bücher-", '":["lan'):
        assert text in wats, text
    for text in ("&amp;lang=en", "Content-Encoding: gzip", "<!-- <a href", "\r\nLocation: http"):
        assert text in warcs, text
    assert "&lang=en" in wats
    assert "&amp;lang" not in wats


def test_variants_by_brute_force(crawl: SyntheticCrawl) -> None:
    outlinks = crawl.outlinks()
    for name, tld, k in (("sparse", None, 10), ("de-dense", "de", 50), ("in-sparse", "in", 10)):
        edges = [
            (page, link)
            for page, links in outlinks.items()
            for link in links
            if tld is None
            or all((urlsplit(url).hostname or "").rstrip(".").endswith(f".{tld}") for url in (page, link))
        ]
        out_degree: dict[str, int] = {}
        in_degree: dict[str, int] = {}
        for page, link in edges:
            out_degree[page] = out_degree.get(page, 0) + 1
            in_degree[link] = in_degree.get(link, 0) + 1
        kept = {url for url, degree in out_degree.items() if degree >= k and in_degree.get(url, 0) >= k}
        assert crawl.variants[name].nodes == len(kept)
        assert crawl.variants[name].edges == sum(page in kept and link in kept for page, link in edges)


def test_variant_counts_by_hand() -> None:
    graph = {
        "https://a.de/": {"https://b.de/", "https://c.com/"},
        "https://b.de/": {"https://a.de/", "https://192.0.2.1/"},
        "https://c.com/": {"https://a.de/", "https://b.de/"},
    }
    assert (variant_counts(graph, None, 1).nodes, variant_counts(graph, None, 1).edges) == (3, 5)
    assert (variant_counts(graph, None, 2).nodes, variant_counts(graph, None, 2).edges) == (2, 2)
    assert (variant_counts(graph, "de", 1).nodes, variant_counts(graph, "de", 1).edges) == (2, 2)
    assert variant_counts(graph, "in", 1).nodes == 0


def test_default_crawl_fills_all_six_variants(tmp_path: pathlib.Path) -> None:
    crawl = write_synthetic_crawl(tmp_path / "crawl", SyntheticCrawlOptions(num_pages=2000))
    assert len(crawl.variants) == 6
    assert all(variant.nodes >= 40 and variant.edges >= 500 for variant in crawl.variants.values())


def _digest(crawl: SyntheticCrawl) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in crawl.directory.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(crawl.directory)).encode() + path.read_bytes())
    return digest.hexdigest()


def test_same_seed_same_bytes(tmp_path: pathlib.Path) -> None:
    first, again, other = (
        write_synthetic_crawl(tmp_path / name, SyntheticCrawlOptions(num_pages=60, seed=seed))
        for name, seed in (("first", 3), ("again", 3), ("other", 4))
    )
    assert _digest(first) == _digest(again) != _digest(other)


@pytest.mark.parametrize("num_pages", [1, 2, 9])
def test_tiny_crawls(tmp_path: pathlib.Path, num_pages: int) -> None:
    options = SyntheticCrawlOptions(num_pages=num_pages, num_files=1, count_variants=False)
    crawl = write_synthetic_crawl(tmp_path / "crawl", options)
    assert crawl.counts.pages == num_pages
    assert crawl.variants == {}
    assert _merge(_captures_of_wats(crawl))[0] == crawl.outlinks()


def test_bad_options_are_refused_in_words(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="num_pages must be at least 1, got 0"):
        SyntheticCrawlOptions(num_pages=0)
    with pytest.raises(ValueError, match="num_hosts must be in"):
        SyntheticCrawlOptions(num_pages=5, num_hosts=6)
    with pytest.raises(ValueError, match="recapture_fraction"):
        SyntheticCrawlOptions(recapture_fraction=1.5)
    (tmp_path / "something").write_text("here")
    with pytest.raises(FileExistsError, match="not an empty directory"):
        write_synthetic_crawl(tmp_path, SyntheticCrawlOptions(num_pages=5))


def test_gzip_members_hold_no_time(crawl: SyntheticCrawl) -> None:
    no_flags_no_time = b"\x1f\x8b\x08" + bytes(5)
    for path in (*crawl.warc_paths, *crawl.wat_paths):
        assert path.read_bytes().startswith(no_flags_no_time)
