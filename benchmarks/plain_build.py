"""The plain way, as an oracle and for timings: one process, a set of strings a page, the six variants counted.

    python -m benchmarks.plain_build ARCHIVE...

Reads WAT and WARC files with warcio, JSON or HTML, resolves links with the same canonical URL, applies the degree rule
with sets and dicts, all in memory, and prints JSON. It writes no graph. Damage is not its business: it stops there.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable

from selectolax.lexbor import LexborHTMLParser
from warcio.archiveiterator import ArchiveIterator

from webgraph.canonical_url import BaseUrl, canonicalize, top_level_domain
from webgraph.variants import VARIANTS

Pages = dict[str, set[str]]


def read_pages(paths: Iterable[str]) -> tuple[Pages, int]:
    """Returns the outlinks of every page, self-links dropped, and the number of links as written."""
    pages: Pages = defaultdict(set)
    num_links = 0
    for path in paths:
        with open(path, "rb") as stream:
            for record in ArchiveIterator(stream):
                found = None
                if record.rec_type == "metadata" and record.content_type == "application/json":
                    found = _wat_page(json.loads(record.content_stream().read()))
                elif record.rec_type == "response":
                    found = _html_page(record)
                if found is not None:
                    num_links += len(found[2])
                    _add_page(pages, *found)
    return pages, num_links


def _wat_page(document: dict) -> tuple[str, str, list[str]] | None:
    """URL, base and links of a WAT record, None where it is no page."""
    envelope = document["Envelope"]
    if envelope["WARC-Header-Metadata"].get("WARC-Type") != "response":
        return None
    http = envelope["Payload-Metadata"].get("HTTP-Response-Metadata", {})
    if http.get("Response-Message", {}).get("Status") != "200" or "HTML-Metadata" not in http:
        return None
    html = http["HTML-Metadata"]
    links = [link.get("url", "") for link in html.get("Links", []) if link.get("path") in ("A@/href", "AREA@/href")]
    return envelope["WARC-Header-Metadata"]["WARC-Target-URI"], html.get("Head", {}).get("Base", ""), links


def _html_page(record: "ArchiveIterator") -> tuple[str, str, list[str]] | None:
    """URL, base and links of a WARC response, None where it is no page."""
    http = record.http_headers
    if http is None or http.get_statuscode() != "200":
        return None
    if not (http.get_header("Content-Type") or "").lower().startswith(("text/html", "application/xhtml+xml")):
        return None
    tree = LexborHTMLParser(record.content_stream().read().decode("utf-8", "replace"))
    links = [element.attributes["href"] or "" for element in tree.css("a[href], area[href]")]
    base = tree.css_first("base[href]")
    return record.rec_headers.get_header("WARC-Target-URI"), (base.attributes["href"] or "") if base else "", links


def _add_page(pages: Pages, url: str, base_href: str, links: list[str]) -> None:
    page = BaseUrl.parse(url.strip("<>"))
    if page is None:
        return
    outlinks = pages[page.href]
    base = BaseUrl.parse(base_href, page) or page if base_href else page
    for link in links:
        target = canonicalize(link, base)
        if target is not None and target != page.href:
            outlinks.add(target)


def count_variant(pages: Pages, tlds: tuple[str, ...], min_degree: int) -> dict[str, int]:
    """Nodes and edges by the one-pass degree rule."""

    def inside(url: str) -> bool:
        return not tlds or top_level_domain(url) in tlds

    rows = {page: {url for url in links if inside(url)} for page, links in pages.items() if inside(page)}
    inlinks = Counter(url for links in rows.values() for url in links)
    kept = {page for page, links in rows.items() if len(links) >= min_degree and inlinks[page] >= min_degree}
    return {"nodes": len(kept), "edges": sum(len(rows[page] & kept) for page in kept)}


def main(paths: list[str]) -> None:
    pages, num_links = read_pages(paths)
    edges = sum(map(len, pages.values()))
    variants = {name: count_variant(pages, v.tlds, v.min_degree) for name, v in VARIANTS.items()}
    print(json.dumps({"pages": len(pages), "links": num_links, "edges": edges, "variants": variants}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
