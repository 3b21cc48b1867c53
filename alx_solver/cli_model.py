"""The commands that use a trained model: `alx recommend`, `alx similar`, `alx export`."""

import argparse
import json
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from alx_solver.cli_commands import choose_devices
from alx_solver.csr import CsrMatrix
from alx_solver.datasets.prepared_graph import open_graph
from alx_solver.export import ExportOptions, export_tables
from alx_solver.graph_pages import Page, find_page, page_of_outlinks
from alx_solver.report import print_files
from alx_solver.run_directory import RunDirectory, RunDirectoryError
from alx_solver.trained_model import Axis, TrainedModel
from webgraph.graph_directory import GraphDirectory
from webgraph.manifest import NO_URLS
from webgraph.node_lookup import urls_of


def run_recommend(arguments: argparse.Namespace, console: Console) -> None:
    """`alx recommend`."""
    graph = open_graph(arguments.graph)
    page = (
        page_of_outlinks(graph, arguments.outlinks, url=arguments.url)
        if arguments.outlinks
        else find_page(graph, url=arguments.url, node=arguments.id)
    )
    model = open_model(arguments, graph, "col")
    ids, scores = recommend_links(model, page, arguments.k)
    found = {"ids": ids, "urls": _urls(graph, ids), "score": scores}
    if len(page.ground_truth):
        found["held out"] = np.isin(ids, page.ground_truth)
    about = {"node": page.node, "url": page.url, "known_outlinks": len(page.outlinks), "ignored": list(page.ignored)}
    title = f"predicted outlinks of {page.url or 'the page'}, from {len(page.outlinks)} known ones"
    for link in [] if arguments.json else page.ignored:
        _say(console, f"not in the graph, ignored: {link}")
    _show(console, title, about, found, as_json=arguments.json)


def recommend_links(model: TrainedModel, page: Page, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns that a page should link to: ids, best first, and scores. Known outlinks and itself are left out.

    Raises:
        ValueError: the page has no outlinks, or none whose embedding is not zero.
    """
    if k < 1:
        raise ValueError(f"-k must be at least 1, got {k}")
    history = page.history(model.num_cols)
    query = model.fold_in(history)
    if not query.any():
        raise ValueError(
            f"{page.url or page.node} has no known outlinks that were trained on: give some with --outlinks"
        )
    seen = page.outlinks if page.node is None else np.union1d(page.outlinks, [page.node])
    ids, scores = model.rank_columns(query, CsrMatrix(np.array([0, len(seen)]), seen, None, model.num_cols), k)
    return ids[0][ids[0] >= 0], scores[0][ids[0] >= 0]


def run_similar(arguments: argparse.Namespace, console: Console) -> None:
    """`alx similar`."""
    if arguments.k < 1:
        raise ValueError(f"-k must be at least 1, got {arguments.k}")
    graph = open_graph(arguments.graph)
    page = find_page(graph, url=arguments.url, node=arguments.id)
    model = open_model(arguments, graph, arguments.axis)
    ids, cosines = model.similar(np.array([page.node]), arguments.k, arguments.axis)
    kept = ids[0] >= 0
    found = {"ids": ids[0][kept], "urls": _urls(graph, ids[0][kept]), "cosine": cosines[0][kept]}
    how = "linked to by the same pages" if arguments.axis == "col" else "linking to the same pages"
    about = {"node": page.node, "url": page.url, "axis": arguments.axis}
    title = f"like {page.url or page.node}: {how} ({arguments.axis}_table)"
    _show(console, title, about, found, as_json=arguments.json)


def run_export(arguments: argparse.Namespace, console: Console) -> None:
    """`alx export`."""
    options = ExportOptions(
        file_format=arguments.format, axes=tuple(arguments.axes), rows_per_file=arguments.rows_per_file
    )
    graph = None if arguments.graph is None else open_graph(arguments.graph)
    if graph is not None:
        _check_graph(RunDirectory(arguments.run), graph)
    folder = export_tables(RunDirectory(arguments.run), arguments.output, options, graph)
    print_files(console, {"export": folder})


def open_model(arguments: argparse.Namespace, graph: GraphDirectory, axis: Axis) -> TrainedModel:
    """One table of the run's model.

    Raises:
        RunDirectoryError: the run was trained on another graph.
    """
    run = RunDirectory(arguments.run)
    _check_graph(run, graph)
    return TrainedModel.of_checkpoint(run.checkpoint, run.options(), axes=(axis,), devices=choose_devices(arguments))


def _check_graph(run: RunDirectory, graph: GraphDirectory) -> None:
    trained = run.read()["dataset"]
    if not trained["rows"] == trained["cols"] == graph.num_nodes:
        raise RunDirectoryError(
            f"{run.path}: was trained on {trained['rows']} x {trained['cols']} ({trained['name']}), but {graph.path} "
            f"has {graph.num_nodes} nodes; give the graph it was trained on."
        )


def _urls(graph: GraphDirectory, ids: np.ndarray) -> list[str] | None:
    return None if graph.manifest.canonicalizer == NO_URLS else urls_of(graph, ids)


def _show(console: Console, title: str, about: dict[str, Any], found: dict[str, Any], *, as_json: bool) -> None:
    """A table, or one JSON object on the standard output."""
    ids, urls, others = found.pop("ids"), found.pop("urls"), found
    if as_json:
        columns = {"node": ids.tolist()} | ({} if urls is None else {"url": urls})
        columns |= {name.replace(" ", "_"): values.tolist() for name, values in others.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        _say(console, json.dumps(about | {"found": rows}, indent=2))
        return
    _say(console, title)
    table = Table()
    for heading in ("rank", *others, "node" if urls is None else "URL"):
        table.add_column(heading, justify="left" if heading == "URL" else "right", overflow="fold")
    names = [str(node) for node in ids] if urls is None else urls
    for rank, name in enumerate(names):
        table.add_row(str(rank + 1), *(_cell(values[rank]) for values in others.values()), name)
    console.print(table, markup=False)


def _cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    return f"{value:.4f}"


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
