"""Small graph directories for tests, written from the oracle's graphs."""

import itertools
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.oracles.graph import OracleGraph, build_graph, variant_of
from webgraph.canonical_url import CANONICALIZER
from webgraph.graph_layout import GraphLayout
from webgraph.graph_parts import NodeBlock, describe_file, part_files
from webgraph.manifest import FileRecord, GraphCounts, Manifest, SplitCounts, VariantRecord, write_manifest
from webgraph.row_block import RowBlock
from webgraph.split import SplitOptions


def made_outlinks(num_pages: int, seed: int, hosts: tuple[str, ...] = ("a.de", "b.in", "c.com")) -> dict[str, set[str]]:
    """Pages of a few hosts that link to pages at random, more often to the first."""
    chosen = random.Random(seed)
    urls = [f"https://www.{hosts[page % len(hosts)]}/p/{page}" for page in range(num_pages)]
    outlinks = {}
    for url in urls:
        count = chosen.randrange(0, 30)
        targets = {urls[min(chosen.randrange(num_pages), chosen.randrange(num_pages))] for _ in range(count)}
        outlinks[url] = targets - {url}
    return outlinks


def made_graph(num_pages: int = 120, seed: int = 1, test_fraction: float = 0.1) -> OracleGraph:
    """The whole-web variant of `made_outlinks` with K = 3."""
    return build_graph(*variant_of(made_outlinks(num_pages, seed), (), 3), test_fraction=test_fraction)


def row_block(rows: Mapping[int, list[int]], ground_truth: Mapping[int, list[int]] | None = None) -> RowBlock:
    """Rows as columns, in order of their ids."""
    tags = sorted(rows)
    gts = [ground_truth[tag] for tag in tags] if ground_truth else [[] for _ in tags]
    cols = [rows[tag] for tag in tags]
    return RowBlock(
        row_tag=np.array(tags, dtype=np.int64),
        col_offsets=np.cumsum([0, *map(len, cols)]),
        col_tag=np.array(list(itertools.chain.from_iterable(cols)), dtype=np.int64),
        gt_offsets=np.cumsum([0, *map(len, gts)]),
        gt_tag=np.array(list(itertools.chain.from_iterable(gts)), dtype=np.int64),
    )


def split_blocks(graph: OracleGraph, start: int, stop: int) -> dict[str, RowBlock]:
    """Rows of the ids [start, stop) of each split."""
    ids = range(start, stop)
    history = {row: cols for row, (cols, _) in graph.test.items() if row in ids}
    truth = {row: cols for row, (_, cols) in graph.test.items() if row in ids}
    return {
        "train": row_block({row: cols for row, cols in graph.train.items() if row in ids}),
        "train_t": row_block({row: cols for row, cols in graph.train_t.items() if row in ids}),
        "test": row_block(history, truth),
    }


def node_block(graph: OracleGraph, start: int, stop: int) -> NodeBlock:
    """Nodes of the ids [start, stop)."""
    return NodeBlock(
        node_id=np.arange(start, stop),
        url=pa.array(graph.urls[start:stop], pa.string()),
        out_degree=np.array(graph.out_degree[start:stop], dtype=np.int64),
        in_degree=np.array(graph.in_degree[start:stop], dtype=np.int64),
    )


def write_graph(
    folder: Path,
    graph: OracleGraph,
    *,
    variant: VariantRecord | None = None,
    num_parts: int = 2,
    tfrecord_shards: int | None = 3,
    test_fraction: float = 0.1,
) -> Manifest:
    """Writes a graph directory with the library's own writer, and returns its manifest."""
    folder.mkdir(parents=True)
    layout = GraphLayout(num_nodes=len(graph.urls), num_parts=num_parts, tfrecord_shards=tfrecord_shards)
    files: list[FileRecord] = []
    for part in range(num_parts):
        blocks = split_blocks(graph, *layout.part_range(part))
        for name, content in part_files(layout, part, nodes=node_block(graph, *layout.part_range(part)), **blocks):
            (folder / name).write_bytes(content)
            files.append(describe_file(name, content))
    train, test = sum(map(len, graph.train.values())), graph.test.values()
    splits = {
        "train": SplitCounts(rows=len(graph.train), history=train),
        "train_t": SplitCounts(rows=len(graph.train_t), history=train),
        "test": SplitCounts(
            rows=len(test), history=sum(len(cols) for cols, _ in test), ground_truth=sum(len(gt) for _, gt in test)
        ),
    }
    manifest = Manifest(
        variant=variant or VariantRecord(name="made", tlds=(), min_degree=3),
        split=SplitOptions(test_fraction=test_fraction),
        canonicalizer=CANONICALIZER,
        code_version="0.1.0",
        inputs=({"name": "a.warc.gz", "bytes": 1},),
        options={"links": "a-area"},
        counts={"parse": {"pages": len(graph.urls)}},
        graph=GraphCounts(num_nodes=len(graph.urls), num_edges=graph.num_edges, splits=splits),
        layout=layout,
        files=tuple(files),
    )
    write_manifest(folder, manifest)
    return manifest
