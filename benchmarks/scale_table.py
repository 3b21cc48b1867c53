"""What 64,000 WAT files cost: the table of `docs/scale.md`, step by step, and that of `docs/dataflow.md`, in money.

python -m benchmarks.scale_table
"""

import dataclasses

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataflowJob:
    """What a build takes and pays on Dataflow.

    Attributes:
      cpu_seconds_a_link: of all steps; the largest run of `scale_runs.json`.
      utilisation: share of the paid CPU hours that works.
      gb_a_core, disk_a_core: memory and disk of a worker, in GB, for each of its cores (`deploy/dataflow/build.args`).
      cpu_hour, gb_hour, disk_gb_hour, shuffled_gb, stored_gb_month: prices in dollars. Examples, of the order of the
        list for batch jobs in `us-central1`; they change and differ by region.
    """

    cpu_seconds_a_link: float = 6.6e-6
    utilisation: float = 0.7
    gb_a_core: float = 8.0
    disk_a_core: float = 25.0
    cpu_hour: float = 0.056
    gb_hour: float = 0.0036
    disk_gb_hour: float = 0.000054
    shuffled_gb: float = 0.011
    stored_gb_month: float = 0.02


def cost_table(crawl: CrawlStatistics, cuts: Cuts, job: DataflowJob) -> str:
    """What a build costs on Dataflow, as Markdown. Archives are read where they lie; work files are kept for a day."""
    steps = step_costs(crawl, cuts)
    hours = crawl.links * job.cpu_seconds_a_link / 3600 / job.utilisation
    work = max(step.disk for step in steps) / 1e9
    rows = (
        ("vCPU hours", hours, job.cpu_hour),
        ("GB hours of memory", hours * job.gb_a_core, job.gb_hour),
        ("GB hours of disk", hours * job.disk_a_core, job.disk_gb_hour),
        ("GB shuffled, in and out", 2 * sum(step.shuffled for step in steps) / 1e9, job.shuffled_gb),
        ("GB months of work files, a day", work / 30, job.stored_gb_month),
        ("GB months of graphs, a month", steps[-1].written / 1e9, job.stored_gb_month),
    )
    lines = ["| what | amount | price, $ | $ |", "|---|--:|--:|--:|"]
    for what, amount, price in rows:
        lines.append(f"| {what} | {amount:,.0f} | {f'{price:f}'.rstrip('0')} | {amount * price:,.0f} |")
    lines.append(f"| together | | | {sum(amount * price for _, amount, price in rows):,.0f} |")
    return "\n".join(lines) + "\n"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return "-" if not number else f"{number:.0f} B"


if __name__ == "__main__":
    print(table(FULL_SCALE, cuts_of(FULL_SCALE)))
    print(cost_table(FULL_SCALE, cuts_of(FULL_SCALE), DataflowJob()), end="")
