"""Nodes and edges of the six variants of a synthetic crawl, from its truth alone, for crawls that sets cannot hold.

    python -m benchmarks.true_counts CRAWL

Pages are numbered by their position in `truth/pages.parquet`; degrees are counted in arrays, row group by row group. No
code of the pipeline, and none of `webgraph` but the synthetic crawl's own, has a part in it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webgraph.synthetic_crawl.truth import top_level_domain

VARIANTS = {
    "sparse": (None, 10),
    "dense": (None, 50),
    "de-sparse": ("de", 10),
    "de-dense": ("de", 50),
    "in-sparse": ("in", 10),
    "in-dense": ("in", 50),
}


def true_counts(pages_path: Path) -> dict[str, dict[str, int]]:
    """Counts every variant. Holds the URLs of the pages, and two int32 an edge between pages."""
    file = pq.ParquetFile(pages_path)
    urls = file.read(["url"])["url"].combine_chunks()
    tld_of_page = np.array([top_level_domain(url) or "" for url in urls.to_pylist()])
    tlds = sorted({tld for tld, _ in VARIANTS.values() if tld})
    out_degree = {tld: np.zeros(len(urls), dtype=np.int64) for tld in (None, *tlds)}
    sources, targets, first = [], [], 0
    for number in range(file.num_row_groups):
        outlinks = file.read_row_group(number, ["outlinks"])["outlinks"].combine_chunks()
        source = first + np.repeat(np.arange(len(outlinks)), pc.list_value_length(outlinks).to_numpy())
        first += len(outlinks)
        distinct = pc.dictionary_encode(outlinks.flatten())
        names, name = distinct.dictionary, distinct.indices.to_numpy()
        page = pc.fill_null(pc.index_in(names, value_set=urls), -1).to_numpy()[name]
        tld_of_name = np.array([top_level_domain(url) or "" for url in names.to_pylist()])[name]
        out_degree[None] += np.bincount(source, minlength=len(urls))
        for tld in tlds:
            inside = (tld_of_page[source] == tld) & (tld_of_name == tld)
            out_degree[tld] += np.bincount(source[inside], minlength=len(urls))
        sources.append(source[page >= 0].astype(np.int32))
        targets.append(page[page >= 0].astype(np.int32))
    source, target = np.concatenate(sources), np.concatenate(targets)
    counts = {}
    for name, (tld, k) in VARIANTS.items():
        inside = slice(None) if tld is None else (tld_of_page[source] == tld) & (tld_of_page[target] == tld)
        in_degree = np.bincount(target[inside], minlength=len(urls))
        kept = (out_degree[tld] >= k) & (in_degree >= k)
        edges = np.count_nonzero(kept[source[inside]] & kept[target[inside]])
        counts[name] = {"nodes": int(np.count_nonzero(kept)), "edges": int(edges)}
    return counts


if __name__ == "__main__":
    print(json.dumps(true_counts(Path(sys.argv[1]) / "truth" / "pages.parquet"), indent=1))
