"""Writes a whole synthetic crawl: archives in `warc/` and `wat/`, and the true graph in `truth/`."""

import contextlib
import dataclasses
import pathlib

from webgraph.synthetic_crawl.archive_writer import ArchiveWriter
from webgraph.synthetic_crawl.captures import PageCaptures, host_captures
from webgraph.synthetic_crawl.hosts import plan_hosts
from webgraph.synthetic_crawl.options import SyntheticCrawlOptions
from webgraph.synthetic_crawl.truth import (
    CrawlCounts,
    TruthWriter,
    VariantCounts,
    default_variant_counts,
    read_truth_outlinks,
    write_truth_json,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SyntheticCrawl:
    """A crawl on disk. Files are in order of their numbers."""

    directory: pathlib.Path
    warc_paths: tuple[pathlib.Path, ...]
    wat_paths: tuple[pathlib.Path, ...]
    counts: CrawlCounts
    variants: dict[str, VariantCounts]  # empty where they were not counted

    @property
    def truth_pages_path(self) -> pathlib.Path:
        """Parquet: url, outlinks."""
        return self.directory / "truth" / "pages.parquet"

    @property
    def truth_json_path(self) -> pathlib.Path:
        """The counts as JSON; written last, so that a crawl that has it is whole."""
        return self.directory / "truth" / "truth.json"

    def outlinks(self) -> dict[str, set[str]]:
        """The true graph, whole in memory."""
        return read_truth_outlinks(self.truth_pages_path)


def write_synthetic_crawl(directory: str | pathlib.Path, options: SyntheticCrawlOptions) -> SyntheticCrawl:
    """Writes a crawl into a new or empty directory, host by host, in memory that does not grow with the pages.

    Only `count_variants` holds the graph in memory. The same options give the same bytes.
    """
    directory = pathlib.Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise FileExistsError(f"{directory} is not an empty directory; name a new one for the synthetic crawl.")
    counts = CrawlCounts()
    graph: dict[str, set[str]] = {}
    hosts = plan_hosts(options)
    with contextlib.ExitStack() as stack:
        archives = [
            stack.enter_context(ArchiveWriter(directory, index, seed=options.seed))
            for index in range(options.num_files)
        ]
        truth = stack.enter_context(TruthWriter(directory / "truth" / "pages.parquet"))
        for host in hosts:
            for page in host_captures(host, hosts, options):
                for capture in page.captures:
                    archives[capture.file_index].write(capture)
                outlinks = _count_page(page, counts)
                if outlinks is None:
                    continue
                truth.add(page.url, outlinks)
                if options.count_variants:
                    graph[page.url] = outlinks
    counts.warc_records = sum(archive.num_records for archive in archives)
    counts.wat_records = sum(archive.num_wat_records for archive in archives)
    crawl = SyntheticCrawl(
        directory=directory,
        warc_paths=tuple(archive.warc_path for archive in archives),
        wat_paths=tuple(archive.wat_path for archive in archives),
        counts=counts,
        variants=default_variant_counts(graph) if options.count_variants else {},
    )
    write_truth_json(crawl.truth_json_path, dataclasses.asdict(options), counts, crawl.variants)
    return crawl


def _count_page(page: PageCaptures, counts: CrawlCounts) -> set[str] | None:
    """Counts a page's captures and merges their outlinks; None where no capture of it is a page."""
    counts.responses += len(page.captures)
    counts.not_200 += sum(capture.status != 200 for capture in page.captures)
    counts.not_html += sum(capture.status == 200 and not capture.is_page for capture in page.captures)
    documents = [capture.document for capture in page.captures if capture.is_page and capture.document is not None]
    if not documents:
        return None
    counts.pages += 1
    counts.html_captures += len(documents)
    written = [target for document in documents for target in document.targets]
    not_http = sum(document.num_not_http for document in documents)
    not_url = sum(document.num_not_a_url for document in documents)
    outlinks = set(written) - {page.url}
    self_links = written.count(page.url)
    counts.links += len(written) + not_http + not_url
    counts.not_http_links += not_http
    counts.not_url_links += not_url
    counts.self_links += self_links
    counts.duplicate_links += len(written) - self_links - len(outlinks)
    counts.edges += len(outlinks)
    return outlinks
