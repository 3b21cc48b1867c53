"""The verifier: sound graphs pass, and every kind of fault is found by the check that is named for it."""

import copy
import dataclasses
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.oracles.graph import OracleGraph
from tests.webgraph.graph_files import made_graph, row_block, write_graph
from webgraph.graph_directory import GraphDirectoryError
from webgraph.manifest import (
    MANIFEST_FILE,
    ManifestError,
    VariantRecord,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from webgraph.printable import printable
from webgraph.split import SplitOptions
from webgraph.tfrecord import encode_records
from webgraph.verify import verify_graph


@pytest.fixture(scope="module")
def graph() -> OracleGraph:
    return made_graph()


def test_sound_graph_passes(tmp_path: Path, graph: OracleGraph) -> None:
    assert len(graph.test) > 3
    write_graph(tmp_path / "made", graph)
    seen: list[str] = []
    report = verify_graph(tmp_path / "made", seen.append)
    assert report.findings == ()
    assert list(report.checks) == seen
    assert len(seen) == 13


def test_empty_and_train_only_graphs_pass(tmp_path: Path) -> None:
    write_graph(tmp_path / "empty", OracleGraph([], {}, {}, {}, [], []), num_parts=1, tfrecord_shards=None)
    write_graph(tmp_path / "train", made_graph(test_fraction=0.0), test_fraction=0.0)
    assert verify_graph(tmp_path / "empty").findings == ()
    assert verify_graph(tmp_path / "train").findings == ()


def _drop_transposed_edge(graph: OracleGraph) -> None:
    graph.train_t[0].pop()


def _swap_transposed_edge(graph: OracleGraph) -> None:
    row = next(row for row, cols in graph.train_t.items() if len(cols) + 1 not in cols and row > 3)
    other = next(node for node in range(len(graph.urls)) if node not in graph.train_t[row])
    graph.train_t[row] = sorted([*graph.train_t[row][1:], other])


def _swap_ground_truth(graph: OracleGraph) -> None:
    row, (history, truth) = next(iter(graph.test.items()))
    history[0], truth[0] = truth[0], history[0]
    graph.test[row] = (sorted(history), sorted(truth))


def _move_test_row(graph: OracleGraph) -> None:
    row = next(iter(graph.test))
    history, truth = graph.test.pop(row)
    graph.train[row] = sorted(history + truth)
    graph.train = dict(sorted(graph.train.items()))
    for col in graph.train[row]:
        graph.train_t[col] = sorted([*graph.train_t.get(col, []), row])
    graph.train_t = dict(sorted(graph.train_t.items()))


def _wrong_degree(graph: OracleGraph) -> None:
    graph.in_degree[7] += 1


def _unsorted(graph: OracleGraph) -> None:
    next(iter(graph.train.values())).reverse()


def _self_link(graph: OracleGraph) -> None:
    row, cols = next((row, cols) for row, cols in graph.train.items() if row not in cols)
    graph.train[row] = sorted([*cols[1:], row])


def _unknown_node(graph: OracleGraph) -> None:
    next(iter(graph.train.values()))[-1] = 10_000


def _in_both_lists(graph: OracleGraph) -> None:
    history, truth = next(iter(graph.test.values()))
    history[:] = sorted([*history[1:], truth[0]])


def _unsorted_urls(graph: OracleGraph) -> None:
    graph.urls[4], graph.urls[5] = graph.urls[5], graph.urls[4]


def _not_canonical(graph: OracleGraph) -> None:
    graph.urls[4] = graph.urls[4].replace("https", "HTTPS")


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (_drop_transposed_edge, "train_t is the transpose of train", "node 0 (https://www."),
        (_swap_transposed_edge, "train_t is the transpose of train", "only in train"),
        (_swap_ground_truth, "ground truth", "is not the one that its edges' hashes choose"),
        (_move_test_row, "test rows", "should be a test row"),
        (_wrong_degree, "degrees", "node 7 (https://www."),
        (_unsorted, "rows of train", "stands twice or out of order"),
        (_self_link, "rows of train", "links to itself"),
        (_unknown_node, "rows of train", "col_tag 10000 is no node id"),
        (_in_both_lists, "rows of test", "stands in history and ground truth"),
        (_unsorted_urls, "node URLs", "of node 5 stands twice or out of order"),
        (_not_canonical, "node URLs", "of node 4 is not canonical"),
    ],
)
def test_faults_are_found(
    tmp_path: Path, graph: OracleGraph, change: Callable[[OracleGraph], None], check: str, words: str
) -> None:
    changed = copy.deepcopy(graph)
    change(changed)
    write_graph(tmp_path / "made", changed)
    findings = verify_graph(tmp_path / "made").findings
    assert [finding for finding in findings if finding.check == check and words in finding.message], findings


def test_damaged_files_are_found(tmp_path: Path, graph: OracleGraph) -> None:
    folder = tmp_path / "made"
    write_graph(folder, graph)
    path = folder / "train.tfr-00001-of-00003"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    (folder / "train-00007-of-00009.parquet").write_bytes(b"")
    found = {(finding.check, finding.message.partition(" ")[0]) for finding in verify_graph(folder).findings}
    assert ("checksums", "train.tfr-00001-of-00003") in found
    assert ("checksums", "train-00007-of-00009.parquet") in found
    assert "TFRecords equal Parquet" in {check for check, _ in found}
    (folder / "nodes-00000-of-00002.parquet").unlink()
    assert "lacks its file nodes-00000" in verify_graph(folder).findings[0].message


def test_other_tfrecords_are_found(tmp_path: Path, graph: OracleGraph) -> None:
    folder = tmp_path / "made"
    write_graph(folder, graph)
    rows = {row: cols for row, cols in graph.train.items() if row < len(graph.urls) // 3}
    first = min(rows)
    other = next(node for node in range(len(graph.urls)) if node not in rows[first])
    rows[first] = [*rows[first][:-1], other]  # ids below 128 take one byte each, so the size stays
    (folder / "train.tfr-00000-of-00003").write_bytes(encode_records(row_block(rows)))
    messages = [finding.message for finding in verify_graph(folder).findings]
    assert f"train.tfr-00000-of-00003 differs from its Parquet rows in col_tag of row {first}." in messages


def test_no_manifest_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(GraphDirectoryError, match="no complete graph directory"):
        verify_graph(tmp_path)


def _flip(path: Path, byte: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def test_every_flipped_bit_is_found(tmp_path: Path, graph: OracleGraph) -> None:
    folder = tmp_path / "made"
    write_graph(folder, graph, num_parts=1, tfrecord_shards=1)
    chosen = random.Random(3)
    manifest = folder / MANIFEST_FILE
    for path in [*sorted(folder.iterdir()) * 2, *[manifest] * 60]:
        byte, bit = chosen.randrange(path.stat().st_size), chosen.randrange(8)
        _flip(path, byte, bit)
        assert verify_graph(folder).findings, (path.name, byte, bit)
        _flip(path, byte, bit)
    assert verify_graph(folder).findings == ()


def test_every_bit_of_a_manifest_counts(graph: OracleGraph, tmp_path: Path) -> None:
    content = write_graph(tmp_path / "made", graph, num_parts=1, tfrecord_shards=None).to_bytes()
    assert parse_manifest(content, "manifest.json").to_bytes() == content
    for position in range(8 * len(content)):
        changed = bytearray(content)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(ManifestError, match=r"^manifest\.json "):
            parse_manifest(bytes(changed), "manifest.json")


def test_a_manifest_that_is_written_in_another_way_is_refused(graph: OracleGraph, tmp_path: Path) -> None:
    content = write_graph(tmp_path / "made", graph).to_bytes()
    for changed in (content + b"\n", content.replace(b"\n ", b"\n"), json.dumps(json.loads(content)).encode()):
        with pytest.raises(ManifestError, match="is not written as its values are"):
            parse_manifest(changed, "manifest.json")
    with pytest.raises(ManifestError, match=r"has the digest [0-9a-f]{32}, not '[0-9a-f]{32}' as it says"):
        parse_manifest(content.replace(b'"seed": 0', b'"seed": 1'), "manifest.json")
    without = re.sub(rb' "digest": "[0-9a-f]{32}",\n', b"", content)
    with pytest.raises(ManifestError, match="not None as it says"):
        parse_manifest(without, "manifest.json")


def test_a_damaged_table_is_not_decoded(tmp_path: Path, graph: OracleGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    write_graph(tmp_path / "made", graph)
    _flip(tmp_path / "made" / "nodes-00001-of-00002.parquet", 50, 0)
    monkeypatch.setattr(pq, "ParquetFile", None)
    (finding,) = verify_graph(tmp_path / "made").findings
    assert finding.check == "checksums" and finding.message.startswith("nodes-00001-of-00002.parquet has the checksum")


def _lie(folder: Path, **changes: Any) -> None:
    """Writes the manifest anew with other values, and a digest that fits."""
    write_manifest(folder, dataclasses.replace(read_manifest(folder), **changes))


def test_manifests_that_lie_are_found(tmp_path: Path, graph: OracleGraph) -> None:
    folder = tmp_path / "made"
    manifest = write_graph(folder, graph, tfrecord_shards=None)
    _lie(folder, canonicalizer="none")
    assert "the nodes have URLs, but the manifest's canonicalizer is 'none'." in _messages(folder)
    _lie(folder, canonicalizer="whatwg-url/0")
    assert any("'whatwg-url/0'; this program checks 'whatwg-url/2' only" in text for text in _messages(folder))
    _lie(folder, canonicalizer=manifest.canonicalizer, variant=VariantRecord(name="made", tlds=("de",), min_degree=3))
    assert any("is not under de" in text for text in _messages(folder))
    core = VariantRecord(name="made", tlds=(), min_degree=9, until_stable=True)
    _lie(folder, variant=core)
    assert any("below the K-core's 9" in text for text in _messages(folder))
    _lie(folder, variant=manifest.variant, split=SplitOptions(seed=1))
    assert any("should be a test row" in text or "should not be" in text for text in _messages(folder))
    first, second = (dataclasses.replace(file, rows=20 + 60 * at) for at, file in enumerate(manifest.files[:2]))
    _lie(folder, split=manifest.split, files=(first, second, *manifest.files[2:]))
    assert _messages(folder)[0] == "nodes-00000-of-00002.parquet has 50 rows, not 20 as its manifest says."
    wrong = (dataclasses.replace(manifest.files[0], rows=30), *manifest.files[1:])
    with pytest.raises(ValueError, match="the files of nodes have 80 rows, graph 100"):
        _lie(folder, files=wrong)


def _messages(folder: Path) -> list[str]:
    return [finding.message for finding in verify_graph(folder).findings]


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\nä\u202e") == "a\\x1b[2Jb\\x07\\nä\\u202e"
