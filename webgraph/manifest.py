"""`manifest.json`: what a graph directory holds, and what it was made from.

It is written last, so a directory with a manifest is complete. Its bytes repeat: canonical JSON (keys sorted, UTF-8,
a newline at the end), and no time, host, absolute path or number of workers. Its field `digest` is the hex xxh3_128 of
the same JSON without that field, and names the graph. A manifest is read only if its bytes are exactly those that its
content and digest give, so that every bit of it is checked. That finds damage; it is no signature.
"""

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import xxhash

from webgraph.checked_json import JsonFields
from webgraph.graph_layout import NODES, SPLITS, GraphLayout
from webgraph.split import SplitOptions

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
NO_URLS = "none"
"""The canonicalizer of a graph that came without URLs."""

_MAX_BYTES = 1 << 28
_DIGEST_FIELD = "digest"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGEST = re.compile(r"[0-9a-f]{32}")


class ManifestError(ValueError):
    """A manifest is missing, damaged, or of another format version."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileRecord:
    """A file of the directory: its plain name, its size, the hex xxh3_128 of its bytes, and its rows (or nodes)."""

    name: str
    bytes: int
    xxh3_128: str
    rows: int

    def __post_init__(self) -> None:
        if not _PLAIN_NAME.fullmatch(self.name):
            raise ValueError(f"file name {self.name!r} must be a plain name, without folders")
        if not _DIGEST.fullmatch(self.xxh3_128):
            raise ValueError(f"xxh3_128 of {self.name} must be 32 hex digits, got {self.xxh3_128!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VariantRecord:
    """Which links the graph holds, as in `webgraph.variants`; `until_stable`: the K-core, not one pass."""

    name: str
    tlds: tuple[str, ...]
    min_degree: int
    until_stable: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitCounts:
    """Rows and edges of a split; `ground_truth` is 0 outside `test`."""

    rows: int
    history: int
    ground_truth: int = 0

    @property
    def edges(self) -> int:
        return self.history + self.ground_truth


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphCounts:
    """Size of the graph. `splits` has the keys `train`, `train_t` and `test`."""

    num_nodes: int
    num_edges: int
    splits: dict[str, SplitCounts]

    def __post_init__(self) -> None:
        if set(self.splits) != set(SPLITS):
            raise ValueError(f"splits must be {', '.join(SPLITS)}, got {', '.join(self.splits)}")
        train, train_t, test = (self.splits[name].edges for name in SPLITS)
        if train + test != self.num_edges or train_t != train:
            raise ValueError(
                f"edges of train ({train}) and test ({test}) must sum to {self.num_edges}, "
                f"and those of train_t ({train_t}) equal train's"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """Typed content of `manifest.json`.

    Attributes:
      variant, split, canonicalizer: the rules that made the graph; canonicalizer is `NO_URLS` without URLs.
      code_version: version of the program that wrote it.
      inputs: what was read, one JSON object an input file, without absolute paths.
      options: further options of the program.
      counts: what went into and out of every stage, `{stage: {name: number}}`.
      graph, layout, files: what the directory holds; files in ascending order of their names.
    """

    variant: VariantRecord
    split: SplitOptions
    canonicalizer: str
    code_version: str
    inputs: tuple[dict[str, Any], ...]
    options: dict[str, Any]
    counts: dict[str, dict[str, Any]]
    graph: GraphCounts
    layout: GraphLayout
    files: tuple[FileRecord, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(sorted(self.files, key=lambda file: file.name)))
        if len(self.files) != self.layout.num_files:  # before names are made, of which a hostile layout has billions
            raise ValueError(f"files must be the {self.layout.num_files} of the layout, but are {len(self.files)}")
        names, expected = [file.name for file in self.files], sorted(self.layout.file_names())
        if names != expected:
            different = sorted(set(names) ^ set(expected)) or names
            raise ValueError(f"files must be those of the layout, but differ in {', '.join(different[:3])}")
        if self.layout.num_nodes != self.graph.num_nodes:
            raise ValueError(f"layout has {self.layout.num_nodes} nodes, graph {self.graph.num_nodes}")
        self._check_rows()

    def _check_rows(self) -> None:
        """The rows of the files are those of the graph."""
        rows = {file.name: file.rows for file in self.files}
        expected = {NODES: self.graph.num_nodes, **{name: self.graph.splits[name].rows for name in SPLITS}}
        for table, said in expected.items():
            names = [self.layout.parquet_file(table, part) for part in range(self.layout.num_parts)]
            listed = [names]
            if table != NODES and self.layout.tfrecord_shards is not None:
                listed.append([self.layout.tfrecord_file(table, shard) for shard in range(self.layout.tfrecord_shards)])
            for found in (sum(rows[name] for name in names) for names in listed):
                if found != said:
                    raise ValueError(f"the files of {table} have {found} rows, graph {said}")

    def to_bytes(self) -> bytes:
        """Canonical JSON, with the digest."""
        return _with_digest(_to_json(self))

    def digest(self) -> str:
        """Hex xxh3_128 of the canonical JSON without its field `digest`: the identity of the graph."""
        return _digest(_to_json(self))


def canonical_json(value: Any) -> bytes:
    """Bytes of a JSON value that depend on nothing but the value; raises ValueError for NaN and infinities."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _digest(content: dict[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(canonical_json(content))


def _with_digest(content: dict[str, Any]) -> bytes:
    return canonical_json({**content, _DIGEST_FIELD: _digest(content)})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `folder / manifest.json` in one step, so that it is never seen in part."""
    temporary = folder / f"{MANIFEST_FILE}.partial"
    with open(temporary, "wb") as sink:
        sink.write(manifest.to_bytes())
        sink.flush()
        os.fsync(sink.fileno())
    os.replace(temporary, folder / MANIFEST_FILE)


def read_manifest(folder: Path, canonicalizer: str | None = None) -> Manifest:
    """Reads `folder / manifest.json`.

    Args:
      folder: a graph directory.
      canonicalizer: if given, graphs whose URLs have another canonical form are refused.

    Raises:
      ManifestError: no manifest, no valid one, or one of another format version or canonicalizer.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise ManifestError(why_no_graph(folder))
    if path.stat().st_size > _MAX_BYTES:
        raise ManifestError(f"{path} has {path.stat().st_size} bytes, more than a manifest's {_MAX_BYTES}.")
    return parse_manifest(path.read_bytes(), str(path), canonicalizer)


def why_no_graph(folder: Path) -> str:
    """Why there is no manifest in a folder, and what to do, in a sentence."""
    if folder.is_dir():
        return f"{folder} is no complete graph directory: it has no {MANIFEST_FILE}; build it again."
    if folder.exists():
        return f"{folder} is a file and no complete graph directory; name the folder of a graph."
    return f"{folder} does not exist, so it is no complete graph directory; name a folder that is there, or build one."


def parse_manifest(data: bytes, path: str, canonicalizer: str | None = None) -> Manifest:
    """Reads the bytes of a manifest; `path` is for messages. Otherwise as `read_manifest`."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is no valid JSON ({error}); build the graph again.") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION or isinstance(version, bool):
        remedy = "; install a newer alx-webgraph" if isinstance(version, int) and version > FORMAT_VERSION else ""
        raise ManifestError(f"{path} has format version {version!r}, but this program reads {FORMAT_VERSION}{remedy}.")
    _check_digest(data, content, path)
    try:
        manifest = _from_json(JsonFields(content))
    except (ValueError, OverflowError) as error:
        raise ManifestError(f"{path} is not valid: {error}.") from error
    if canonicalizer is not None and manifest.canonicalizer != canonicalizer:
        raise ManifestError(
            f"{path} was made with the canonicalizer {manifest.canonicalizer!r}, not {canonicalizer!r}; "
            "build the graph again with this version."
        )
    return manifest


def _check_digest(data: bytes, content: dict[str, Any], path: str) -> None:
    """Raises ManifestError unless `data` are the bytes that its content, but for the digest, gives."""
    said = content.pop(_DIGEST_FIELD, None)
    try:
        expected = _with_digest(content)
    except (ValueError, RecursionError) as error:  # NaN, half a surrogate pair
        raise ManifestError(f"{path} is damaged ({error}); copy or build the graph again.") from error
    if data != expected:
        found = json.loads(expected)[_DIGEST_FIELD]
        what = (
            f"has the digest {found}, not {said!r} as it says" if found != said else "is not written as its values are"
        )
        raise ManifestError(f"{path} {what}; it was changed or damaged: copy or build the graph again.")


def _to_json(manifest: Manifest) -> dict[str, Any]:
    splits: dict[str, Any] = {
        name: {"rows": counts.rows, "edges": counts.edges} for name, counts in manifest.graph.splits.items()
    }
    test = manifest.graph.splits["test"]
    splits["test"] = {"rows": test.rows, "history": test.history, "ground_truth": test.ground_truth}
    graph = {"num_nodes": manifest.graph.num_nodes, "num_edges": manifest.graph.num_edges, "splits": splits}
    content = {field.name: getattr(manifest, field.name) for field in dataclasses.fields(manifest)}
    for name in ("variant", "split", "layout"):
        content[name] = dataclasses.asdict(content[name])
    content["files"] = [dataclasses.asdict(file) for file in manifest.files]
    return {**content, "format_version": FORMAT_VERSION, "graph": graph}


def _from_json(content: JsonFields) -> Manifest:
    variant, split, layout = content.object("variant"), content.object("split"), content.object("layout")
    return Manifest(
        variant=VariantRecord(
            name=variant.text("name"),
            tlds=tuple(variant.texts("tlds")),
            min_degree=variant.count("min_degree"),
            until_stable=variant.flag("until_stable"),
        ),
        split=SplitOptions(
            seed=split.count("seed"),
            test_fraction=split.number("test_fraction"),
            ground_truth_fraction=split.number("ground_truth_fraction"),
        ),
        canonicalizer=content.text("canonicalizer"),
        code_version=content.text("code_version"),
        inputs=tuple(item.fields for item in content.objects("inputs")),
        options=content.object("options").fields,
        counts={stage: content.object("counts").object(stage).fields for stage in content.object("counts").fields},
        graph=_graph_from_json(content.object("graph")),
        layout=GraphLayout(
            num_nodes=layout.count("num_nodes"),
            num_parts=layout.count("num_parts"),
            tfrecord_shards=layout.count("tfrecord_shards") if layout.has("tfrecord_shards") else None,
        ),
        files=tuple(_file_from_json(file) for file in content.objects("files")),
    )


def _graph_from_json(graph: JsonFields) -> GraphCounts:
    test = graph.object("splits").object("test")
    splits = {
        "test": SplitCounts(
            rows=test.count("rows"), history=test.count("history"), ground_truth=test.count("ground_truth")
        )
    }
    for name in ("train", "train_t"):
        split = graph.object("splits").object(name)
        splits[name] = SplitCounts(rows=split.count("rows"), history=split.count("edges"))
    return GraphCounts(num_nodes=graph.count("num_nodes"), num_edges=graph.count("num_edges"), splits=splits)


def _file_from_json(file: JsonFields) -> FileRecord:
    return FileRecord(
        name=file.text("name"), bytes=file.count("bytes"), xxh3_128=file.text("xxh3_128"), rows=file.count("rows")
    )
