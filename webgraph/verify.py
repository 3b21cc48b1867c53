"""Checks that a graph directory is what its manifest and the dataset's definition say.

Every check names the first difference by node and URL, and how many more there are. Checks go from the outside in: no
Parquet file is decoded while one has another checksum than its manifest says, and nothing is looked up by node unless
the nodes are as many as they should be. Memory: the URLs of the graph, some 50 bytes a node, and the edges of one part.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xxhash

from webgraph.canonical_url import CANONICALIZER
from webgraph.graph_directory import GraphDirectory, GraphDirectoryError, find_graph
from webgraph.graph_layout import NODES, PARQUET_SUFFIX, SPLITS
from webgraph.manifest import MANIFEST_FILE, NO_URLS, why_no_graph
from webgraph.node_block import NodeBlock
from webgraph.row_block import RowBlock, slice_rows
from webgraph.tfrecord import TFRecordError, read_records
from webgraph.verify_names import check_ground_truth, check_names, check_split_assignment
from webgraph.verify_rows import RowScan, check_degrees, check_transpose, scan_split

_CHUNK_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """Something wrong: the check that found it, and one sentence."""

    check: str
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What was checked, in order, and what was found; no finding means that the graph is sound."""

    path: Path
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]


def verify_graph(path: str | os.PathLike[str], on_check: Callable[[str], None] | None = None) -> VerifyReport:
    """Verifies the graph at `path`, which may name a variant as in `GraphDirectory.open`.

    Args:
      path: a graph directory.
      on_check: called with the name of each check as it begins.

    Raises:
      GraphDirectoryError: there is no manifest, so that nothing can be verified.
    """
    folder = find_graph(Path(path))
    if not (folder / MANIFEST_FILE).is_file():
        raise GraphDirectoryError(why_no_graph(folder))
    checks: list[str] = []
    findings: list[Finding] = []
    try:
        graph = GraphDirectory.open(folder)
        for check, messages in _checks(graph):
            checks.append(check)
            if on_check:
                on_check(check)
            before = len(findings)
            findings += [Finding(check=check, message=message) for message in messages]
            if len(findings) > before and _is_last(check, graph, findings[before:]):
                break
    except (GraphDirectoryError, TFRecordError, OSError) as error:
        findings.append(Finding(check=checks[-1] if checks else "files", message=str(error)))
    return VerifyReport(path=folder, checks=tuple(checks) or ("files",), findings=tuple(findings))


def _is_last(check: str, graph: GraphDirectory, findings: list[Finding]) -> bool:
    """Whether what a check found leaves nothing that later checks could stand on."""
    if check == "checksums":
        tables = tuple(file.name for file in graph.manifest.files if file.name.endswith(PARQUET_SUFFIX))
        return any(finding.message.startswith(tables) for finding in findings)
    return check in ("counts of files", "node ids")


def _checks(graph: GraphDirectory) -> Iterator[tuple[str, Iterator[str]]]:
    """Checks from the outside in; each is run before the next one is asked for."""
    yield "checksums", _check_files(graph)
    yield "counts of files", _check_file_rows(graph)
    nodes = graph.read_nodes()
    yield "node ids", _check_node_ids(graph, nodes)
    yield "node URLs", _check_urls(graph, nodes)
    scans: dict[str, RowScan] = {}
    for split in SPLITS:
        scans[split] = RowScan.empty(graph.num_nodes)
        yield f"rows of {split}", scan_split(graph, split, scans[split], nodes)
    yield "counts of splits", _check_split_counts(graph, scans)
    yield "degrees", check_degrees(scans, nodes, graph.manifest.variant)
    yield "train_t is the transpose of train", check_transpose(graph, scans, nodes)
    yield "test rows", check_split_assignment(scans["train"].out_degree, scans["test"].out_degree, nodes, graph)
    yield "ground truth", check_ground_truth(graph, nodes)
    yield "TFRecords equal Parquet", _check_tfrecords(graph)


def _check_files(graph: GraphDirectory) -> Iterator[str]:
    for file in graph.manifest.files:
        digest = xxhash.xxh3_128()
        with open(graph.path / file.name, "rb") as source:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
        if digest.hexdigest() != file.xxh3_128:
            yield f"{file.name} has the checksum {digest.hexdigest()}, not {file.xxh3_128}; copy or build it again."
    known = {MANIFEST_FILE, *(file.name for file in graph.manifest.files)}
    for entry in sorted(graph.path.iterdir()):
        if entry.name not in known:
            yield f"{entry.name} is not in the manifest; remove it."


def _check_file_rows(graph: GraphDirectory) -> Iterator[str]:
    sums = dict.fromkeys((*SPLITS, NODES), 0)
    records = {file.name: file.rows for file in graph.manifest.files}
    for table in sums:
        for part in range(graph.manifest.layout.num_parts):
            name = graph.manifest.layout.parquet_file(table, part)
            rows = graph.count_rows(table, part)
            sums[table] += rows
            if rows != records[name]:
                yield f"{name} has {rows} rows, not {records[name]} as its manifest says."
    if sums[NODES] != graph.num_nodes:
        yield f"the parts of nodes have {sums[NODES]} rows, not {graph.num_nodes}."


def _check_node_ids(graph: GraphDirectory, nodes: NodeBlock) -> Iterator[str]:
    wrong = np.flatnonzero(nodes.node_id != np.arange(nodes.num_nodes))
    if len(wrong):
        yield f"node {wrong[0]} of {nodes.num_nodes} has the node_id {nodes.node_id[wrong[0]]}."
    if 0 < nodes.url.null_count < nodes.num_nodes:
        yield f"{nodes.url.null_count} of {nodes.num_nodes} nodes have no URL; either all or none may lack it."


def _check_urls(graph: GraphDirectory, nodes: NodeBlock) -> Iterator[str]:
    canonicalizer = graph.manifest.canonicalizer
    if nodes.has_urls == (canonicalizer == NO_URLS) and nodes.num_nodes:
        have = "have URLs" if nodes.has_urls else "have no URLs"
        yield f"the nodes {have}, but the manifest's canonicalizer is {canonicalizer!r}."
    elif nodes.has_urls and canonicalizer != CANONICALIZER:
        yield f"the URLs were made with {canonicalizer!r}; this program checks {CANONICALIZER!r} only."
    elif nodes.has_urls:
        yield from check_names(nodes.url, graph.manifest.variant.tlds)


def _check_split_counts(graph: GraphDirectory, scans: dict[str, RowScan]) -> Iterator[str]:
    for split, scan in scans.items():
        said = graph.manifest.graph.splits[split]
        found = {"rows": scan.rows, "history": scan.history, "ground_truth": scan.ground_truth}
        for name, number in found.items():
            if number != getattr(said, name):
                yield f"{split} has {number} {name}, not {getattr(said, name)} as its manifest says."


def _check_tfrecords(graph: GraphDirectory) -> Iterator[str]:
    layout = graph.manifest.layout
    said = {file.name: file.rows for file in graph.manifest.files}
    for split in SPLITS:
        paths = graph.tfrecord_files(split)
        for part in range(layout.num_parts if paths else 0):
            rows = graph.read_rows(split, *layout.part_range(part))
            for shard in layout.shards_of_part(part):
                first, last = np.searchsorted(rows.row_tag, layout.shard_range(shard)).tolist()
                found, name = read_records(paths[shard]), paths[shard].name
                if found.num_rows != said[name]:
                    yield f"{name} has {found.num_rows} rows, not {said[name]} as its manifest says."
                difference = _first_difference(found, slice_rows(rows, first, last))
                if difference:
                    yield f"{paths[shard].name} differs from its Parquet rows in {difference}."


def _first_difference(found: RowBlock, expected: RowBlock) -> str | None:
    if not np.array_equal(found.row_tag, expected.row_tag):
        only = np.setxor1d(found.row_tag, expected.row_tag)
        return f"row {only[0]}, which only one has" if len(only) else "the order of its rows"
    for name in ("col", "gt"):
        offsets, wanted = getattr(found, f"{name}_offsets"), getattr(expected, f"{name}_offsets")
        lengths = np.flatnonzero(np.diff(offsets) != np.diff(wanted))
        if len(lengths):
            return f"the length of {name}_tag of row {found.row_tag[lengths[0]]}"
        values = np.flatnonzero(getattr(found, f"{name}_tag") != getattr(expected, f"{name}_tag"))
        if len(values):
            row = np.searchsorted(offsets, values[0], side="right") - 1
            return f"{name}_tag of row {found.row_tag[row]}"
    return None
