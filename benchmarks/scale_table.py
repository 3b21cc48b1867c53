"""The table of `docs/scale.md`: what a crawl of 64,000 WAT files costs at each step, on paper.

python -m benchmarks.scale_table
"""

from beam_pipelines.partitioning import choose_num_partitions, choose_num_ranges
from beam_pipelines.scale import CrawlStatistics, Cuts, step_costs
from webgraph.graph_layout import choose_layout
from webgraph.variants import VARIANTS

FULL_SCALE = CrawlStatistics(
    files=64_000,
    input_bytes=64_000 * 350_000_000,
    captures=3_000_000_000,
    pages=2_900_000_000,
    links=200_000_000_000,
    edges=190_000_000_000,
    edges_in_variants=190_000_000_000,
    edges_to_kept=95_000_000_000,
    kept_pages=365_400_000,
    kept_edges=30_000_000_000,
    nodes=(365_400_000, 136_500_000, 19_700_000, 5_700_000, 1_500_000, 500_000),
    variant_edges=(30_000_000_000, 22_000_000_000, 1_190_000_000, 820_000_000, 140_000_000, 120_000_000),
    url_bytes=80,
    kept_url_bytes=80,
)
"""Nodes and edges as published for the six variants; the rest is assumed, see `docs/scale.md`."""


def cuts_of(crawl: CrawlStatistics) -> Cuts:
    """How a build of the six variants is cut."""
    shards = [variant.tfrecord_shards for variant in VARIANTS.values()]
    layouts = map(choose_layout, crawl.nodes, crawl.variant_edges, shards)
    return Cuts(
        num_partitions=choose_num_partitions(crawl.input_bytes),
        num_ranges=choose_num_ranges(crawl.kept_pages),
        num_parts=tuple(layout.num_parts for layout in layouts),
    )


def table(crawl: CrawlStatistics, cuts: Cuts) -> str:
    """The costs as Markdown."""
    lines = [
        "| step | tasks | elements | blocks | bytes shuffled | bytes written | memory a worker | disk at its end |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for cost in step_costs(crawl, cuts):
        columns = (
            cost.step,
            f"{cost.tasks:,}",
            f"{cost.elements:.2g}",
            f"{cost.blocks:.2g}" if cost.blocks else "-",
            _bytes(cost.shuffled),
            _bytes(cost.written),
            _bytes(cost.memory),
            _bytes(cost.disk),
        )
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return "-" if not number else f"{number:.0f} B"


if __name__ == "__main__":
    print(table(FULL_SCALE, cuts_of(FULL_SCALE)), end="")
