"""What a build costs at each step, on paper: blocks, bytes, disk and memory a worker, from statistics of the crawl.

Bytes are widths of columns times numbers of rows; the columns are those of the modules that the steps wrap
(`page_blocks`, `degree_filter`, `node_ids`, `variant_rows`). Memory is what was measured of each step for a row
(`benchmarks.step_memory`), and what it reads. `tests/beam_pipelines/test_scale.py` compares both with small builds.

How many distinct targets n links have decides how much a block's links share. It is read off measured points, between
and beyond them as a power of n (Heaps' law) and never more than n. Without points no target occurs twice, which bounds
every number here from above.
"""

import dataclasses
import math

from beam_pipelines.local_engine import parse_memory
from beam_pipelines.variant_rows import EDGES_PER_FLUSH

TEST_SHARE = 0.1
"""Of rows, and of edges: `webgraph.split.SplitOptions`."""
_OFFSET_BYTES = 8  # of a URL
_SORT_KEY_BYTES = 1  # by which a sort key is longer than its URL, at a default port

# Bytes a block takes beside its values: its head, and the padding of its columns.
_KEY_BLOCK_HEAD = 186
_LINKS_HEAD, _PAGES_HEAD, _LINKS_BACK_HEAD = 140, 92, 84
_KEPT_PAGES_HEAD, _KEPT_EDGES_HEAD, _KEPT_HEAD = 84, 100, 52
_NODES_HEAD, _SORTED_HEAD, _IDS_HEAD, _URLS_HEAD = 116, 92, 108, 60
_EDGES_HEAD, _ROWS_HEAD = 172, 68

# Bytes of memory, measured by `benchmarks.step_memory`, beside the blocks that are read and held.
WORKER_BYTES = 40 << 20
"""What a task takes whatever its input: pages of a forked worker that are written to, and libraries' own."""
WRITER_BYTES = 90 << 20
"""The same of the task that writes Parquet and TFRecords."""
MERGE_BYTES_A_LINK, MERGE_BYTES_A_TARGET = 40, 40
KEEP_BYTES_A_PAGE, KEEP_BYTES_A_TARGET, KEEP_BYTES_AN_EDGE_OF_A_BLOCK = 120, 8, 40
FILTER_BYTES_AN_EDGE = 40
SEND_BYTES_A_NODE = 250
SORT_BYTES_A_NODE = 40
SEND_BYTES_AN_EDGE = 40
HELD_BYTES_AN_EDGE, FLUSHED_BYTES_AN_EDGE = 25, 115
PART_BYTES_AN_EDGE = 40

COLUMN_BYTES = 300
"""What a column of a decoded block takes beside its values: where a worker holds very many blocks, they are small."""

PARQUET_BYTES_AN_EDGE = 3.0
"""All columns of all splits, measured on made crawls."""
ROW_BYTES = 45
"""Of a row in TFRecords, beside its edges."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrawlStatistics:
    """What must be known of a crawl. Most of it stands in a manifest (`inputs`, `counts`, `graph`).

    Attributes:
      files, input_bytes: archives, and their compressed size together.
      captures: HTML responses in them; pages: distinct ones.
      links: distinct within a capture (`links_out`); edges: distinct within a page (`edges_out` of merging).
      edges_in_variants: edges with both ends under the TLDs of some variant.
      edges_to_kept: of these, those whose target is kept in a variant that they are in.
      kept_pages, kept_edges: kept in some variant.
      nodes, variant_edges: of each variant.
      url_bytes, kept_url_bytes: mean length of the URL of a page, and of a kept page.
      targets_of_links: pairs of a number of links, of random pages, and of their distinct targets; ascending.
    """

    files: int
    input_bytes: int
    captures: int
    pages: int
    links: int
    edges: int
    edges_in_variants: int
    edges_to_kept: int
    kept_pages: int
    kept_edges: int
    nodes: tuple[int, ...]
    variant_edges: tuple[int, ...]
    url_bytes: float
    kept_url_bytes: float
    targets_of_links: tuple[tuple[float, float], ...] = ()

    def targets(self, links: float) -> float:
        """Distinct targets of so many links of one block or partition."""
        points = ((1.0, 1.0), *self.targets_of_links)
        if links <= 1 or len(points) == 1:
            return links
        upper = next((at for at in range(1, len(points)) if points[at][0] >= links), len(points) - 1)
        (n, d), (next_n, next_d) = points[upper - 1], points[upper]
        exponent = math.log(next_d / d) / math.log(next_n / n)
        return min(links, d * (links / n) ** exponent)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cuts:
    """Into how much the work is cut: partitions and ranges (`partitioning`), parts of each variant (`graph_layout`)."""

    num_partitions: int
    num_ranges: int
    num_parts: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepCost:
    """A row of the table.

    Attributes:
      step: its class; `tasks`: keys, one worker's call each.
      elements: of what it holds most: links, edges, nodes.
      blocks: values given out; `shuffled`: their bytes. Those of parsing lie in files first; ids go to two steps.
      written: bytes of the files that it leaves.
      memory: bytes of a worker at one task of even size, with what it reads and holds.
      disk: bytes in the work folder when it ends, in the local engine.
    """

    step: str
    tasks: int
    elements: float
    blocks: float = 0.0
    shuffled: float = 0.0
    written: float = 0.0
    memory: float = 0.0
    disk: float = 0.0


def step_costs(crawl: CrawlStatistics, cuts: Cuts) -> list[StepCost]:
    """Returns a row for every step, in the order of a build of one round."""
    parse = _parse(crawl, cuts)
    merge = _merge(crawl, cuts, parse)
    keep = _keep(crawl, cuts, merge)
    kept = _filter(crawl, cuts, keep)
    send_nodes = _send_nodes(crawl, cuts)
    sort_nodes = _sort_nodes(crawl, cuts, send_nodes)
    number = _number_nodes(crawl, cuts, send_nodes)
    send_edges = _send_edges(crawl, cuts)
    rows = _rows(crawl, cuts, send_edges)
    part = _parts(crawl, cuts, rows)
    held = {"MergeAndSend": (merge,), "KeepPages": (merge, keep), "FilterSources": (merge, keep)}
    held |= {"SendNodes": (send_nodes,), "SortNodes": (send_nodes, sort_nodes)}
    held |= {"NumberNodes": (send_nodes, sort_nodes, number), "SendEdges": (number, send_edges)}
    held |= {"RowsOfEdges": (number, send_edges, rows), "WritePart": (number, rows)}
    costs, written = [], 0.0
    for cost in (parse, merge, keep, kept, send_nodes, sort_nodes, number, send_edges, rows, part):
        written += cost.written
        spilled = sum(one.shuffled for one in held.get(cost.step, ()))
        costs.append(dataclasses.replace(cost, disk=written + spilled))
    return costs


def _parse(crawl: CrawlStatistics, cuts: Cuts) -> StepCost:
    """Key blocks, in files: one for each partition that an archive has pages of. Memory: as planned."""
    blocks = crawl.files * occupied(cuts.num_partitions, crawl.captures / crawl.files)
    targets = blocks * crawl.targets(crawl.links / blocks)
    values = crawl.captures * (8 + 4 + 8 + _OFFSET_BYTES + crawl.url_bytes + 8) + 4 * crawl.links + 20 * targets
    size = values + _KEY_BLOCK_HEAD * blocks
    return StepCost(
        step="Parse",
        tasks=crawl.files,
        elements=crawl.links,
        blocks=blocks,
        shuffled=size,
        written=size,
        memory=parse_memory(crawl.input_bytes // crawl.files),
    )


def _merge(crawl: CrawlStatistics, cuts: Cuts, parse: StepCost) -> StepCost:
    """Pages to their own partition, links to those of their targets."""
    p = cuts.num_partitions
    blocks = p * occupied(p, crawl.edges_in_variants / p)
    targets = p * crawl.targets(crawl.edges_in_variants / p)
    links = 12 * targets + 9 * crawl.edges_in_variants + _LINKS_HEAD * blocks
    pages = (8 + 4 + _OFFSET_BYTES + crawl.url_bytes + 1) * crawl.pages + _PAGES_HEAD * p
    in_blocks = parse.blocks * crawl.targets(crawl.links / parse.blocks)
    held = parse.written + 9 * COLUMN_BYTES * parse.blocks
    memory = (held + MERGE_BYTES_A_LINK * crawl.links + MERGE_BYTES_A_TARGET * in_blocks) / p
    return StepCost(
        step="MergeAndSend",
        tasks=p,
        elements=crawl.edges,
        blocks=blocks + p,
        shuffled=links + pages,
        memory=WORKER_BYTES + memory,
    )


def _keep(crawl: CrawlStatistics, cuts: Cuts, merge: StepCost) -> StepCost:
    """Every block of links goes back, with those to kept pages; one block is held at a time, and the targets of all."""
    p = cuts.num_partitions
    back = merge.blocks - p
    links = 9 * crawl.edges_to_kept + _LINKS_BACK_HEAD * back
    pages = (_OFFSET_BYTES + crawl.url_bytes + 1) * crawl.pages + _KEPT_HEAD * p
    targets = crawl.targets(crawl.edges_in_variants / p)
    a_block = KEEP_BYTES_AN_EDGE_OF_A_BLOCK * crawl.edges_in_variants / back
    memory = (_OFFSET_BYTES + crawl.url_bytes + KEEP_BYTES_A_PAGE) * crawl.pages / p + KEEP_BYTES_A_TARGET * targets
    return StepCost(
        step="KeepPages",
        tasks=p,
        elements=crawl.edges_in_variants,
        blocks=merge.blocks,
        shuffled=links + pages,
        memory=WORKER_BYTES + memory + a_block,
    )


def _filter(crawl: CrawlStatistics, cuts: Cuts, keep: StepCost) -> StepCost:
    """Two files a partition."""
    p = cuts.num_partitions
    edges = 13 * crawl.kept_edges + _KEPT_EDGES_HEAD * p
    pages = (4 + _OFFSET_BYTES + crawl.kept_url_bytes + 1) * crawl.kept_pages + _KEPT_PAGES_HEAD * p
    memory = (keep.shuffled + 4 * COLUMN_BYTES * keep.blocks + FILTER_BYTES_AN_EDGE * crawl.edges_to_kept) / p
    return StepCost(
        step="FilterSources",
        tasks=p,
        elements=crawl.edges_to_kept,
        written=edges + pages,
        memory=WORKER_BYTES + memory,
    )


def _send_nodes(crawl: CrawlStatistics, cuts: Cuts) -> StepCost:
    """The URL goes twice, as it is and as sort key."""
    p = cuts.num_partitions
    blocks = p * occupied(cuts.num_ranges, crawl.kept_pages / p)
    width = 4 + 4 + 1 + 2 * (_OFFSET_BYTES + crawl.kept_url_bytes) + _SORT_KEY_BYTES
    return StepCost(
        step="SendNodes",
        tasks=p,
        elements=crawl.kept_pages,
        blocks=blocks,
        shuffled=width * crawl.kept_pages + _NODES_HEAD * blocks,
        memory=WORKER_BYTES + (SEND_BYTES_A_NODE + 2 * width) * crawl.kept_pages / p,
    )


def _sort_nodes(crawl: CrawlStatistics, cuts: Cuts, sent: StepCost) -> StepCost:
    width = 4 + 4 + 1 + _OFFSET_BYTES + crawl.kept_url_bytes
    a_node = 4 * width + SORT_BYTES_A_NODE
    return StepCost(
        step="SortNodes",
        tasks=cuts.num_ranges,
        elements=crawl.kept_pages,
        blocks=cuts.num_ranges,
        shuffled=width * crawl.kept_pages + _SORTED_HEAD * cuts.num_ranges,
        memory=WORKER_BYTES + (a_node * crawl.kept_pages + 5 * COLUMN_BYTES * sent.blocks) / cuts.num_ranges,
    )


def _number_nodes(crawl: CrawlStatistics, cuts: Cuts, sent: StepCost) -> StepCost:
    """Ids to partitions, URLs to parts. A range meets few parts, and a part few ranges, for both are in order."""
    nodes = sum(crawl.nodes)
    used = [parts for parts, count in zip(cuts.num_parts, crawl.nodes, strict=True) if count]
    to_parts = sum(cuts.num_ranges + parts - 1 for parts in used)
    ids = 5 * crawl.kept_pages + 8 * nodes + (_IDS_HEAD + 10 * len(crawl.nodes)) * sent.blocks
    urls = (_OFFSET_BYTES + crawl.kept_url_bytes) * nodes + _URLS_HEAD * to_parts
    a_node = 2 * (17 + crawl.kept_url_bytes) + 16 * len(crawl.nodes) + SORT_BYTES_A_NODE
    return StepCost(
        step="NumberNodes",
        tasks=cuts.num_ranges,
        elements=crawl.kept_pages,
        blocks=sent.blocks + to_parts,
        shuffled=ids + urls,
        memory=WORKER_BYTES + a_node * crawl.kept_pages / cuts.num_ranges,
    )


def _send_edges(crawl: CrawlStatistics, cuts: Cuts) -> StepCost:
    """A source stands once in each block that it has an edge in, with its ids, and its URL if it is a test row."""
    p = cuts.num_partitions
    blocks = p * occupied(p, crawl.kept_edges / p)
    degree = crawl.kept_edges / max(1, crawl.kept_pages)
    sources = crawl.kept_pages * occupied(p, degree)
    a_source = 2 + _OFFSET_BYTES + TEST_SHARE * crawl.kept_url_bytes + 8 * _ids_of_a_source(crawl, sources)
    size = 9 * crawl.kept_edges + a_source * sources + (_EDGES_HEAD + 10 * len(crawl.nodes)) * blocks
    ids = 8 * len(crawl.nodes) * crawl.pages
    memory = (ids + 13 * crawl.kept_edges + SEND_BYTES_AN_EDGE * crawl.kept_edges) / p
    return StepCost(
        step="SendEdges",
        tasks=p,
        elements=crawl.kept_edges,
        blocks=blocks,
        shuffled=size,
        memory=WORKER_BYTES + memory,
    )


def _ids_of_a_source(crawl: CrawlStatistics, sources: float) -> float:
    """Variants of a source: of a page if each stands once; of an edge's, which has more, if there is one an edge."""
    of_page, of_edge = (
        sum(values) / max(1, kept)
        for values, kept in ((crawl.nodes, crawl.kept_pages), (crawl.variant_edges, crawl.kept_edges))
    )
    share = (sources - crawl.kept_pages) / max(1, crawl.kept_edges - crawl.kept_pages)
    return of_page + (max(of_page, of_edge) - of_page) * min(1.0, max(0.0, share))


def _rows(crawl: CrawlStatistics, cuts: Cuts, sent: StepCost) -> StepCost:
    """Every edge of a variant goes to the parts of its row and of its column; each variant holds up to a flush."""
    p = cuts.num_partitions
    blocks, held = 0.0, []
    for parts, edges in zip(cuts.num_parts, crawl.variant_edges, strict=True):
        flushes = max(1, math.ceil(edges / p / EDGES_PER_FLUSH))
        for share in (1 - TEST_SHARE, TEST_SHARE):
            blocks += 2 * p * flushes * occupied(parts, share * edges / p / flushes)
        held.append(min(edges / p, EDGES_PER_FLUSH + edges / max(1.0, sent.blocks)))
    size = (16 * (1 - TEST_SHARE) + 20 * TEST_SHARE) * sum(crawl.variant_edges) + _ROWS_HEAD * blocks
    pages = (8 * len(crawl.nodes) * crawl.pages + (13 + crawl.kept_url_bytes) * crawl.kept_pages) / p
    return StepCost(
        step="RowsOfEdges",
        tasks=p,
        elements=sum(crawl.variant_edges),
        blocks=blocks,
        shuffled=size,
        memory=WORKER_BYTES + pages + HELD_BYTES_AN_EDGE * sum(held) + FLUSHED_BYTES_AN_EDGE * max(held),
    )


def _parts(crawl: CrawlStatistics, cuts: Cuts, rows: StepCost) -> StepCost:
    """Parquet and TFRecords, which have an edge as a varint, by row and, of train, by column. Memory: largest part."""
    size = 0.0
    for nodes, edges in zip(crawl.nodes, crawl.variant_edges, strict=True):
        varint = max(1.0, (math.log2(max(2, nodes)) - 0.5) / 7 + 0.5)
        size += edges * ((2 - TEST_SHARE) * varint + PARQUET_BYTES_AN_EDGE) + 2 * ROW_BYTES * nodes
        size += nodes * crawl.kept_url_bytes / 4
    largest = max(edges / parts for edges, parts in zip(crawl.variant_edges, cuts.num_parts, strict=True))
    return StepCost(
        step="WritePart",
        tasks=sum(cuts.num_parts),
        elements=sum(crawl.variant_edges),
        written=size,
        memory=WRITER_BYTES
        + (16.4 + PART_BYTES_AN_EDGE) * largest
        + 3 * COLUMN_BYTES * rows.blocks / sum(cuts.num_parts),
    )


def occupied(cells: float, items: float) -> float:
    """Expected number of `cells` that hold something when so many items fall into them evenly at random."""
    return cells * -math.expm1(items * math.log1p(-1 / cells)) if cells > 1 else min(1.0, items)
