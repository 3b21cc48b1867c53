"""The commands `verify`, `stats` and `synthetic` of the console script."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from webgraph.graph_directory import GraphDirectory, GraphDirectoryError, find_graph
from webgraph.graph_layout import SPLITS
from webgraph.graph_statistics import QUANTILES, DegreeStatistics, GraphStatistics, graph_statistics
from webgraph.manifest import MANIFEST_FILE, why_no_graph
from webgraph.printable import printable
from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl
from webgraph.verify import VerifyReport, verify_graph


def add_verify(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Registers `webgraph verify`."""
    parser = subparsers.add_parser(
        "verify",
        help="check a graph directory against its manifest and the dataset's definition",
        description="Checks checksums, counts, order, degrees, the transpose, the split and the TFRecords of graph "
        "directories. Exit code 0: all sound; 1: something is wrong; 2: no graph directory.",
    )
    _add_directories(parser)
    parser.set_defaults(func=_verify)


def add_stats(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Registers `webgraph stats`."""
    parser = subparsers.add_parser(
        "stats",
        help="count nodes, edges and rows of graph directories, and describe their degrees",
        description="Prints counts, degrees and locality of graph directories.",
    )
    _add_directories(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a graph instead of tables")
    parser.set_defaults(func=_stats)


def add_synthetic(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Registers `webgraph synthetic`."""
    defaults = SyntheticCrawlOptions()
    parser = subparsers.add_parser(
        "synthetic",
        help="write a made crawl: WARC and WAT files, and their true graph",
        description="Writes a synthetic crawl as real WARC and WAT files, with its true graph beside them. The same "
        "options give the same bytes.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--pages", type=int, default=defaults.num_pages, help="pages (default %(default)s)")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="seed (default %(default)s)")
    parser.add_argument("--files", type=int, default=defaults.num_files, help="files of a kind (default %(default)s)")
    parser.add_argument("--hosts", type=int, help="crawled hosts (default: the square root of the pages)")
    parser.set_defaults(func=_synthetic)


def _add_directories(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directories",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="a graph directory, OUT/VARIANT, or a folder OUT of graph directories",
    )


def graph_folders(directories: list[Path]) -> list[Path]:
    """Replaces each folder of graph directories by those in it, in order of their names.

    Raises:
      GraphDirectoryError: a folder is missing, or holds neither a graph nor folders of graphs.
    """
    folders: list[Path] = []
    for directory in directories:
        inside = sorted(directory.glob(f"*/{MANIFEST_FILE}")) if directory.is_dir() else []
        if inside and not (directory / MANIFEST_FILE).exists():
            folders += [manifest.parent for manifest in inside]
        else:
            folders.append(_existing(directory))
    return folders


def _existing(directory: Path) -> Path:
    folder = find_graph(directory)
    if not (folder / MANIFEST_FILE).is_file():
        raise GraphDirectoryError(why_no_graph(directory))
    return folder


def _verify(arguments: argparse.Namespace) -> int:
    console = Console()
    reports = []
    for folder in graph_folders(arguments.directories):
        with console.status("") as status:
            report = verify_graph(folder, lambda check, name=folder.name: status.update(f"{name}: {check}"))  # type: ignore[misc]
        reports.append(report)
    console.print(_verify_table(reports))
    for report in reports:
        for finding in report.findings:
            console.print(
                printable(f"{report.path.name}: {finding.check}: {finding.message}"),
                style="red",
                markup=False,
                highlight=False,
            )
    return 1 if any(report.findings for report in reports) else 0


def _verify_table(reports: list[VerifyReport]) -> Table:
    table = Table(title="Verified graphs")
    for name in ("graph", "checks", "findings"):
        table.add_column(name, justify="left" if name == "graph" else "right")
    for report in reports:
        style = "red" if report.findings else "green"
        table.add_row(report.path.name, str(len(report.checks)), str(len(report.findings)), style=style)
    return table


def _stats(arguments: argparse.Namespace) -> int:
    console = Console()
    graphs = [GraphDirectory.open(folder) for folder in graph_folders(arguments.directories)]
    statistics = [(graph.manifest.variant.name, graph_statistics(graph)) for graph in graphs]
    if arguments.json:
        for graph, (name, figures) in zip(graphs, statistics, strict=True):
            line = {"variant": name, "folder": graph.path.name, **asdict(figures)}
            console.file.write(json.dumps(line, sort_keys=True) + "\n")
        return 0
    for make_table in (_counts_table, _degree_table, _largest_table, _locality_table):
        console.print(make_table(statistics))
    return 0


def _counts_table(statistics: list[tuple[str, GraphStatistics]]) -> Table:
    table = Table(title="Graphs: nodes, edges, and rows of each split")
    table.add_column("variant", no_wrap=True)
    for name in ("nodes", "edges", *SPLITS):
        table.add_column(name, justify="right", no_wrap=True)
    for variant, figures in statistics:
        numbers = [figures.num_nodes, figures.num_edges, *(figures.split_rows[split] for split in SPLITS)]
        table.add_row(variant, *(f"{number:,}" for number in numbers))
    return table


def _locality_table(statistics: list[tuple[str, GraphStatistics]]) -> Table:
    table = Table(title="Locality")
    table.add_column("variant", no_wrap=True)
    for name in ("hosts", "edges inside a host", "median distance", "Parquet bytes/edge"):
        table.add_column(name, justify="right")
    for variant, figures in statistics:
        table.add_row(
            variant,
            "-" if figures.num_hosts is None else f"{figures.num_hosts:,}",
            "-" if figures.same_host_edges is None else f"{figures.same_host_edges:.1%}",
            "-" if figures.median_distance is None else f"<= {figures.median_distance:,}",
            "-" if figures.bytes_an_edge is None else f"{figures.bytes_an_edge:.2f}",
        )
    return table


def _degrees(statistics: list[tuple[str, GraphStatistics]]) -> Iterator[tuple[str, str, DegreeStatistics]]:
    for variant, figures in statistics:
        for name, degrees in (("outlinks", figures.out_degree), ("inlinks", figures.in_degree)):
            if degrees is not None:
                yield variant, name, degrees


def _degree_table(statistics: list[tuple[str, GraphStatistics]]) -> Table:
    table = Table(title="Degrees")
    table.add_column("variant", no_wrap=True)
    table.add_column("of")
    for name in ("mean", *(f"{quantile:.0%}" for quantile in QUANTILES), "largest", "none"):
        table.add_column(name, justify="right")
    for variant, name, degrees in _degrees(statistics):
        numbers = [f"{number:,}" for number in (*degrees.quantiles, degrees.largest, degrees.without)]
        table.add_row(variant, name, f"{degrees.mean:.1f}", *numbers)
    return table


def _largest_table(statistics: list[tuple[str, GraphStatistics]]) -> Table:
    table = Table(title="Pages of the largest degree")
    table.add_column("variant", no_wrap=True)
    table.add_column("of")
    table.add_column("page", overflow="fold")
    for variant, name, degrees in _degrees(statistics):
        table.add_row(variant, name, Text(printable(degrees.largest_node)))
    return table


def _synthetic(arguments: argparse.Namespace) -> int:
    options = SyntheticCrawlOptions(
        num_pages=arguments.pages, seed=arguments.seed, num_files=arguments.files, num_hosts=arguments.hosts
    )
    console = Console()
    with console.status(f"Writing {options.num_pages:,} pages"):
        crawl = write_synthetic_crawl(arguments.directory, options)
    table = Table(title=f"Synthetic crawl in {arguments.directory}")
    table.add_column("what")
    table.add_column("number", justify="right")
    for name, number in asdict(crawl.counts).items():
        table.add_row(name.replace("_", " "), f"{number:,}")
    for variant, counts in crawl.variants.items():
        table.add_row(f"{variant}: nodes, edges", f"{counts.nodes:,}, {counts.edges:,}")
    console.print(table)
    return 0
