"""A synthetic crawl: real WARC and WAT files of any number of pages, and their true graph beside them.

DIR/warc/part-NNNNN.warc.gz       warcinfo, request and response records
DIR/wat/part-NNNNN.warc.wat.gz    what Common Crawl's extractor would write about them
DIR/truth/pages.parquet           page URL -> distinct outlinks, by construction
DIR/truth/truth.json              options, counts, nodes and edges of the six default variants
"""

from webgraph.synthetic_crawl.crawl import SyntheticCrawl, write_synthetic_crawl
from webgraph.synthetic_crawl.options import SyntheticCrawlOptions
from webgraph.synthetic_crawl.truth import CrawlCounts, VariantCounts, read_truth_outlinks, variant_counts

__all__ = [
    "CrawlCounts",
    "SyntheticCrawl",
    "SyntheticCrawlOptions",
    "VariantCounts",
    "read_truth_outlinks",
    "variant_counts",
    "write_synthetic_crawl",
]
