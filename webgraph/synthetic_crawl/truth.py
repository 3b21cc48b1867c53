"""The true graph of a synthetic crawl: files of it, and its counts by the slow and obvious way.

`truth/pages.parquet` holds one row a page (canonical URL, sorted distinct canonical outlinks without self-links);
`truth/truth.json` the counts. Nothing here shares code with the pipeline that is tested against it.
"""

import dataclasses
import json
import pathlib
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

_SCHEMA = pa.schema([("url", pa.string()), ("outlinks", pa.list_(pa.string()))])
_LINKS_A_ROW_GROUP = 500_000
_DEFAULT_VARIANTS: tuple[tuple[str, str | None, int], ...] = (
    ("sparse", None, 10),
    ("dense", None, 50),
    ("de-sparse", "de", 10),
    ("de-dense", "de", 50),
    ("in-sparse", "in", 10),
    ("in-dense", "in", 50),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VariantCounts:
    """Kept links and edges of one variant."""

    nodes: int
    edges: int


@dataclasses.dataclass(kw_only=True)
class CrawlCounts:
    """What was written. links = edges + self_links + duplicate_links + not_http_links + not_url_links."""

    warc_records: int = 0
    wat_records: int = 0
    responses: int = 0
    not_200: int = 0  # responses
    not_html: int = 0  # responses with status 200
    html_captures: int = 0  # responses with status 200 and HTML; some pages have two
    pages: int = 0  # distinct
    links: int = 0  # A@/href and AREA@/href of those captures, as written
    not_http_links: int = 0
    not_url_links: int = 0
    self_links: int = 0
    duplicate_links: int = 0  # within a page's captures together
    edges: int = 0  # distinct


class TruthWriter:
    """Writes `pages.parquet` in bounded memory, in the order in which the pages come."""

    def __init__(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="zstd")
        self._urls: list[str] = []
        self._outlinks: list[list[str]] = []
        self._pending_links = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._writer.close()

    def add(self, url: str, outlinks: set[str]) -> None:
        """Adds one page."""
        self._urls.append(url)
        self._outlinks.append(sorted(outlinks))
        self._pending_links += len(outlinks)
        if self._pending_links >= _LINKS_A_ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._urls:
            self._writer.write_table(pa.table([self._urls, self._outlinks], schema=_SCHEMA))
        self._urls, self._outlinks, self._pending_links = [], [], 0


def read_truth_outlinks(path: pathlib.Path) -> dict[str, set[str]]:
    """Reads `pages.parquet` whole: page -> distinct outlinks."""
    table = pq.read_table(path)
    urls, outlinks = (table.column("url").to_pylist(), table.column("outlinks").to_pylist())
    return {url: set(links) for url, links in zip(urls, outlinks, strict=True)}


def write_truth_json(
    path: pathlib.Path, options: dict[str, object], counts: CrawlCounts, variants: dict[str, VariantCounts]
) -> None:
    """Writes the counts, keys in a fixed order."""
    value = {
        "options": options,
        "counts": dataclasses.asdict(counts),
        "variants": {name: dataclasses.asdict(variant) for name, variant in variants.items()},
    }
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def default_variant_counts(outlinks: dict[str, set[str]]) -> dict[str, VariantCounts]:
    """The six default variants, by name."""
    return {name: variant_counts(outlinks, tld, k) for name, tld, k in _DEFAULT_VARIANTS}


def variant_counts(outlinks: dict[str, set[str]], tld: str | None, k: int) -> VariantCounts:
    """One pass of the degree rule: at least k distinct outlinks and k distinct inlinks within the TLD."""
    graph = outlinks if tld is None else _under_tld(outlinks, tld)
    in_degree: dict[str, int] = {}
    for links in graph.values():
        for link in links:
            in_degree[link] = in_degree.get(link, 0) + 1
    kept = {page for page, links in graph.items() if len(links) >= k and in_degree.get(page, 0) >= k}
    return VariantCounts(nodes=len(kept), edges=sum(len(graph[page] & kept) for page in kept))


def top_level_domain(url: str) -> str | None:
    """Last label of the host, one trailing dot ignored; None for IP addresses."""
    host = urlsplit(url).hostname or ""
    label = host.removesuffix(".").rpartition(".")[2]
    return None if not label or label.isdigit() or ":" in host else label


def _under_tld(outlinks: dict[str, set[str]], tld: str) -> dict[str, set[str]]:
    """The edges with both ends under the TLD."""
    known: dict[str, bool] = {}

    def is_under(url: str) -> bool:
        answer = known.get(url)
        if answer is None:
            answer = known[url] = top_level_domain(url) == tld
        return answer

    return {page: {link for link in links if is_under(link)} for page, links in outlinks.items() if is_under(page)}
