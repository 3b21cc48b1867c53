"""The plain way, as an oracle and for timings: one process, a set of strings a page, the six variants counted.

Reads WAT files, resolves links with the same canonical URL, applies the degree rule with dicts, prints JSON.
"""

import gzip
import json
import sys
from collections import Counter, defaultdict

from warcio.archiveiterator import ArchiveIterator

from webgraph.canonical_url import BaseUrl, canonicalize, top_level_domain
from webgraph.variants import VARIANTS


def read_pages(paths: list[str]) -> dict[str, set[str]]:
    """Returns the outlinks of every page, self-links dropped."""
    pages: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        with gzip.open(path) as stream:
            for record in ArchiveIterator(stream):
                if record.rec_type == "metadata":
                    _add_record(pages, json.loads(record.content_stream().read()))
    return pages


def _add_record(pages: dict[str, set[str]], document: dict) -> None:
    envelope = document["Envelope"]
    if envelope["WARC-Header-Metadata"].get("WARC-Type") != "response":
        return
    http = envelope["Payload-Metadata"].get("HTTP-Response-Metadata", {})
    if http.get("Response-Message", {}).get("Status") != "200" or "HTML-Metadata" not in http:
        return
    page = BaseUrl.parse(envelope["WARC-Header-Metadata"]["WARC-Target-URI"].strip("<>"))
    if page is None:
        return
    outlinks = pages[page.href]
    base = BaseUrl.parse(http["HTML-Metadata"].get("Head", {}).get("Base", ""), page) or page
    for link in http["HTML-Metadata"].get("Links", []):
        if link.get("path") in ("A@/href", "AREA@/href"):
            url = canonicalize(link.get("url", ""), base)
            if url is not None and url != page.href:
                outlinks.add(url)


def count_variant(pages: dict[str, set[str]], tlds: tuple[str, ...], min_degree: int) -> dict[str, int]:
    """Nodes and edges by the one-pass degree rule."""

    def inside(url: str) -> bool:
        return not tlds or top_level_domain(url) in tlds

    rows = {page: {url for url in links if inside(url)} for page, links in pages.items() if inside(page)}
    inlinks = Counter(url for links in rows.values() for url in links)
    kept = {page for page, links in rows.items() if len(links) >= min_degree and inlinks[page] >= min_degree}
    return {"nodes": len(kept), "edges": sum(len(rows[page] & kept) for page in kept)}


def main(paths: list[str]) -> None:
    pages = read_pages(paths)
    counts = {name: count_variant(pages, v.tlds, v.min_degree) for name, v in VARIANTS.items()}
    print(json.dumps({"pages": len(pages), "edges": sum(map(len, pages.values())), **counts}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
