"""What a build did, and its summary for people."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from beam_pipelines.parse_archive import ArchiveReport
from webgraph.manifest import Manifest


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildReport:
    """The archives read and the graphs written, `folders` and `manifests` in the order of the variants."""

    archives: tuple[ArchiveReport, ...]
    folders: tuple[str, ...]
    manifests: tuple[Manifest, ...]


def total_counts(archives: Sequence[ArchiveReport]) -> dict[str, int]:
    """Sums the counts of all archives."""
    total: Counter[str] = Counter()
    for archive in archives:
        total.update(archive.counts)
    return dict(sorted(total.items()))


def print_archives(archives: Sequence[ArchiveReport], console: Console) -> None:
    """Prints what was read of each archive, and its outcome."""
    console.print(_archives_table(archives))


def print_report(report: BuildReport, console: Console) -> None:
    """Prints what was read, what was dropped and why, and the variants."""
    print_archives(report.archives, console)
    console.print(_dropped_table(report))
    console.print(_variants_table(report))
    if report.folders:
        console.print("Written to", markup=False, highlight=False)
        for folder in report.folders:
            console.print(f"  {folder}", markup=False, highlight=False, soft_wrap=True)


def _archives_table(archives: Sequence[ArchiveReport], most: int = 20) -> Table:
    table = Table(title="Archives", title_justify="left")
    table.add_column("file", overflow="fold")
    for name in ("size", "records", "pages", "links", "skipped", "outcome"):
        table.add_column(name, justify="right", no_wrap=True)
    failed_first = sorted(archives, key=lambda archive: (not archive.failure, archive.name))
    for archive in failed_first[:most]:
        table.add_row(archive.name, *_archive_cells(archive.bytes, archive.counts), archive.failure or "ok")
    if len(archives) > most:
        table.add_row(f"and {len(archives) - most} more", *[""] * 6)
    table.add_section()
    size = sum(archive.bytes for archive in archives)
    table.add_row(f"{len(archives)} files", *_archive_cells(size, total_counts(archives)), "")
    return table


def _archive_cells(size: int, counts: Mapping[str, int]) -> list[str]:
    records, pages, links = (f"{counts.get(name, 0):,}" for name in ("records_in", "pages", "links_in"))
    return [decimal(size), records, pages, links, decimal(counts.get("bytes_skipped", 0))]


def _dropped_table(report: BuildReport) -> Table:
    table = Table(title="Dropped, and why", title_justify="left")
    table.add_column("stage")
    table.add_column("reason")
    table.add_column("number", justify="right")
    parsed = total_counts(report.archives)
    rows = [
        ("records", name.removeprefix("records_"), value)
        for name, value in parsed.items()
        if name.startswith("records_") and name != "records_in"
    ]
    rows += [
        ("links", name.removeprefix("links_"), value)
        for name, value in parsed.items()
        if name.startswith("links_") and name not in ("links_in", "links_out")
    ]
    rows += [
        ("bytes", name.removeprefix("bytes_skipped_"), value)
        for name, value in parsed.items()
        if name.startswith("bytes_skipped_")
    ]
    rows += [
        ("limits", name.removeprefix("limits_hit_"), value)
        for name, value in parsed.items()
        if name.startswith("limits_hit_")
    ]
    rows += [
        ("bodies", name.removeprefix("bodies_"), value) for name, value in parsed.items() if name.startswith("bodies_")
    ]
    stages = report.manifests[0].counts if report.manifests else {}
    rows += [
        (name.partition("_")[0], name.partition("_")[2], value)
        for stage in ("merge", "filter")
        for name, value in sorted(stages.get(stage, {}).items())
        if not name.endswith(("_in", "_out"))
    ]
    for stage, reason, value in rows:
        table.add_row(stage, reason.replace("_", " "), f"{value:,}")
    return table


def _variants_table(report: BuildReport) -> Table:
    table = Table(title="Graphs: nodes, edges, and rows of each split", title_justify="left")
    table.add_column("variant", no_wrap=True)
    for name in ("nodes", "edges", "train", "train_t", "test"):
        table.add_column(name, justify="right", no_wrap=True)
    for manifest in report.manifests:
        graph = manifest.graph
        numbers = [
            graph.num_nodes,
            graph.num_edges,
            *(graph.splits[name].rows for name in ("train", "train_t", "test")),
        ]
        table.add_row(manifest.variant.name, *(f"{number:,}" for number in numbers))
    return table
