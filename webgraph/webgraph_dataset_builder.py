"""WebGraph as a TensorFlow dataset: `tfds build webgraph --manual_dir DIR`, then `tfds.load("webgraph/in-dense")`.

DIR holds graph directories (`webgraph build` writes them) or archives, which are then run through the pipeline first,
once for all six configs. Features and splits are those of TFDS's own `web_graph`. TFDS reuses what it prepared by name
and version alone, so before any reuse this builder compares the digest of the graph's manifest.
"""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from webgraph import stop_signals
from webgraph.graph_directory import GraphDirectory
from webgraph.graph_layout import SPLITS
from webgraph.manifest import Manifest
from webgraph.manual_graphs import ManualGraphError, archives_digest, find_archives, find_manual_graph
from webgraph.manual_graphs import graph_from_archives as cached_graph_from_archives
from webgraph.prepared_dataset import prepared_problem
from webgraph.variants import VARIANTS, Variant

_NAME = "tfds build webgraph"
_ADVICE = "; run the same command again to go on, what was prepared before is kept"
_LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_BEAM_DEFAULTS = (None, "", "DirectRunner", "direct")


def _is_the_command() -> bool:
    """Whether this process is TFDS's command line, which is to end in words, and no program that uses TFDS."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = getattr(spec, "name", None) or Path(sys.argv[0]).stem
    return name in ("tfds", "tensorflow_datasets.scripts.cli.main")


class AnotherGraphError(ValueError):
    """The prepared dataset was made from another graph than the one that is asked for."""


class IncompleteDatasetError(ValueError):
    """The prepared dataset does not have all rows of the graph, or lacks files."""


@dataclasses.dataclass(kw_only=True)
class WebgraphConfig(tfds.core.BuilderConfig):
    """One of the six variants."""

    variant: Variant


def _config(variant: Variant) -> WebgraphConfig:
    tld = f"pages under .{variant.tlds[0]}" if variant.tlds else "the whole web"
    description = f"WebGraph-{variant.name}: {tld}, links with at least {variant.min_degree} outlinks and inlinks."
    return WebgraphConfig(name=variant.name, description=description, variant=variant)


class Builder(tfds.core.GeneratorBasedBuilder):
    """DatasetBuilder of `webgraph`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}  # noqa: RUF012  # as TFDS declares it
    BUILDER_CONFIGS = [_config(variant) for variant in VARIANTS.values()]  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Put graph directories made by `webgraph build`, or WAT, WARC or ARC archives, into manual_dir "
        "(`tfds build webgraph --manual_dir DIR`)."
    )
    _uses_beam = False
    _beam_arguments: tuple[str, ...] = ()

    def _info(self) -> tfds.core.DatasetInfo:
        metadata_path = Path(self.data_dir) / "metadata.json"
        metadata = json.loads(metadata_path.read_text()) if metadata_path.is_file() else {}
        return tfds.core.DatasetInfo(
            builder=self,
            description=self._description(metadata),
            features=tfds.features.FeaturesDict(
                {"row_tag": np.int64, "col_tag": _sequence_of_ids(), "gt_tag": _sequence_of_ids()}
            ),
            supervised_keys=None,
            homepage="https://arxiv.org/abs/2112.02194",
            citation=self.get_metadata().citation,
            metadata=tfds.core.MetadataDict(),
        )

    def download_and_prepare(
        self, *, download_dir: Any = None, download_config: tfds.download.DownloadConfig | None = None, **kwargs: Any
    ) -> None:
        """Prepares the dataset as TFDS does, and refuses to reuse one that was made from another graph.

        Raises:
          AnotherGraphError: a dataset of this name and version exists, made from another graph.
          IncompleteDatasetError: a dataset of this name and version exists, and is not whole.
          ManualGraphError: manual_dir holds neither the graph nor archives.
        """
        with _stoppable():
            self._download_and_prepare_stoppably(download_dir, download_config, **kwargs)

    def _download_and_prepare_stoppably(
        self, download_dir: Any, download_config: tfds.download.DownloadConfig | None, **kwargs: Any
    ) -> None:
        config = download_config or tfds.download.DownloadConfig()
        self._uses_beam = bool(config.beam_runner or config.beam_options)
        if self._uses_beam:
            config = dataclasses.replace(config, beam_options=_with_local_runner(config))
            self._beam_arguments = _beam_arguments(config)
        updates = config.download_mode == tfds.download.GenerateMode.UPDATE_DATASET_INFO
        if self.data_path.exists() and not updates and not config.download_mode.overwrite_dataset:
            self._check_whole(config.max_examples_per_split)
            downloads = Path(download_dir or Path(self.data_dir_root) / "downloads").expanduser()
            manual = Path(config.manual_dir).expanduser() if config.manual_dir else downloads / "manual"
            if config.manual_dir or (manual.is_dir() and any(manual.iterdir())):
                self._check_same_graph(manual, downloads)
        super().download_and_prepare(download_dir=download_dir, download_config=config, **kwargs)

    def _check_whole(self, max_examples: int | None) -> None:
        """Refuses a dataset that was cut short on purpose, or has lost files or a part of one."""
        problem = prepared_problem(self.info, max_examples)
        if problem:
            raise IncompleteDatasetError(
                f"{self.data_dir} cannot be reused: {problem}; prepare it again with --overwrite, or elsewhere with "
                "another --data_dir."
            )

    def _check_same_graph(self, manual: Path, downloads: Path) -> None:
        prepared = dict(self.info.metadata.items())
        if find_manual_graph(manual, self.builder_config.variant) is None:
            archives = find_archives(manual)
            if archives and archives_digest(archives) == prepared.get("archives_digest"):
                return
        graph, _ = self._find_graph(manual, downloads)
        digest = graph.manifest.digest()
        if digest != prepared.get("manifest_digest"):
            raise AnotherGraphError(
                f"{self.data_dir} was prepared from another graph (manifest digest {prepared.get('manifest_digest')}) "
                f"than {graph.path} ({digest}); prepare this one with another --data_dir, or replace with --overwrite."
            )

    def _find_graph(self, manual: Path, downloads: Path) -> tuple[GraphDirectory, dict[str, str]]:
        """The graph of this config, and what the metadata say of the archives that it was made from, if it was."""
        variant = self.builder_config.variant
        graph = find_manual_graph(manual, variant)
        if graph is not None:
            return graph, {}
        archives = find_archives(manual) if manual.is_dir() else []
        if not archives:
            raise ManualGraphError(f"{manual} holds no graph {variant.name} and no archives; {_remedy(variant)}")
        graph = cached_graph_from_archives(archives, variant, downloads, self._build_graphs)
        return graph, {"archives_digest": archives_digest(archives)}

    def _build_graphs(self, archives: list[Path], folder: Path) -> None:
        """Runs the pipeline for the six variants; imported late, so that graph directories need no pipeline.

        The worker processes of `tfds build --num-processes` are daemons, which may not have child processes of
        `multiprocessing`: the build then runs in an interpreter of its own.
        """
        from beam_pipelines.manual_build import build_all_variants, build_in_interpreter

        run = build_in_interpreter if multiprocessing.current_process().daemon else build_all_variants
        run([str(path) for path in archives], str(folder), list(self._beam_arguments))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        manual, downloads = Path(dl_manager.manual_dir), Path(dl_manager.download_dir)
        graph, origin = self._find_graph(manual, downloads)
        metadata = {**describe_graph(graph.manifest), **origin}
        self.info.metadata.update(metadata)
        self.info.as_proto.description = self._description(metadata)
        rows = {split: graph.manifest.graph.splits[split].rows for split in SPLITS}
        return {split: self._generate_examples(graph, split) for split in SPLITS if rows[split]}

    def _generate_examples(self, graph: GraphDirectory, split: str) -> Any:
        parts = range(graph.manifest.layout.num_parts)
        if not self._uses_beam:
            return (example for part in parts for example in read_examples(graph, split, part))
        import apache_beam as beam

        # Workers open the folder themselves: a manifest can be large.
        folder = str(graph.path)
        return beam.Create([(folder, split, part) for part in parts]) | beam.FlatMapTuple(read_examples_of)

    def _generate_splits(self, dl_manager: Any, download_config: Any) -> list[Any]:
        """As TFDS does, but a split without rows becomes an empty split instead of an error."""
        infos = list(super()._generate_splits(dl_manager, download_config))
        for split in SPLITS:
            if split not in {info.name for info in infos}:
                template = self._get_filename_template(split_name=split)
                empty = {"name": split, "shard_lengths": [], "num_bytes": 0, "filename_template": template}
                infos.append(tfds.core.SplitInfo(**empty))
        return infos

    def _description(self, metadata: dict[str, Any]) -> str:
        """The README, and the true counts once the dataset is prepared."""
        text: str = self.get_metadata().description.strip()
        if "num_nodes" not in metadata:
            return text
        rows = ", ".join(f"{split} {metadata[f'{split}_rows']:,}" for split in SPLITS)
        return (
            f"{text}\n\nThis dataset ({metadata['variant']}): {metadata['num_nodes']:,} nodes, "
            f"{metadata['num_edges']:,} edges; rows: {rows}; "
            f"graph manifest {metadata['manifest_digest']}, canonical URLs by {metadata['canonicalizer']}."
        )


_command_process = os.getpid() if _is_the_command() else 0
"""The process of `tfds build`, 0 where other code uses this module; with `--num-processes` its children prepare."""
if _command_process:
    stop_signals.begin(_NAME, _ADVICE)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Lets a signal unwind what `tfds build` does, and then end the process in words; nothing in other processes."""
    if _command_process not in (0, os.getpid()):
        stop_signals.begin(_NAME, _ADVICE, parent=_command_process)
    try:
        with stop_signals.unwinding():
            yield
    except BaseException:
        stop_signals.end_unwound()
        raise


def describe_graph(manifest: Manifest) -> dict[str, Any]:
    """What `info.metadata` says of a graph."""
    splits = manifest.graph.splits
    return {
        "manifest_digest": manifest.digest(),
        "variant": manifest.variant.name,
        "canonicalizer": manifest.canonicalizer,
        "code_version": manifest.code_version,
        "num_nodes": manifest.graph.num_nodes,
        "num_edges": manifest.graph.num_edges,
        **{f"{split}_rows": splits[split].rows for split in SPLITS},
        **{f"{split}_edges": splits[split].edges for split in SPLITS},
        "test_ground_truth_edges": splits["test"].ground_truth,
    }


def read_examples(graph: GraphDirectory, split: str, part: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (key, example) of the rows in one part of a split."""
    for block in graph.iter_part(split, part):
        tags, cols, gts = block.row_tag.tolist(), block.col_offsets.tolist(), block.gt_offsets.tolist()
        for row, tag in enumerate(tags):
            col_tag, gt_tag = block.col_tag[cols[row] : cols[row + 1]], block.gt_tag[gts[row] : gts[row + 1]]
            yield tag, {"row_tag": tag, "col_tag": col_tag, "gt_tag": gt_tag}


def read_examples_of(folder: str, split: str, part: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """`read_examples` by the folder's name, for Beam workers."""
    yield from read_examples(GraphDirectory.open(folder), split, part)


def _sequence_of_ids() -> Any:
    """`Sequence(int64)` that takes an array as it is.

    TFDS encodes a sequence one number at a time, 1.8 us each. A subclass would do the same, but its name would stand
    in the prepared dataset's `features.json`, and reading that would need this package.
    """
    sequence = tfds.features.Sequence(np.int64)
    vars(sequence)["encode_example"] = _encode_ids
    return sequence


def _encode_ids(ids: Any) -> np.ndarray:
    return np.asarray(ids, dtype=np.int64)


def _with_local_runner(config: tfds.download.DownloadConfig) -> Any:
    """Beam options that name a local runner where none is named: the default one downloads another runner first."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    options = config.beam_options or PipelineOptions([])
    standard = options.view_as(StandardOptions)
    if config.beam_runner is None and standard.runner in _BEAM_DEFAULTS:
        standard.runner = _LOCAL_RUNNER
    return options


def _beam_arguments(config: tfds.download.DownloadConfig) -> tuple[str, ...]:
    """The options as flags, for the pipeline that reads archives."""
    flags = []
    for name, value in sorted(config.beam_options.get_all_options(drop_default=True).items()):
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                flags.append(f"--{name}")
            elif each is not False and each is not None:
                flags.append(f"--{name}={json.dumps(each) if isinstance(each, dict) else each}")
    return tuple(flags)


def _remedy(variant: Variant) -> str:
    return f"run `webgraph build ARCHIVE... --output DIR --variants {variant.name}` and give DIR as --manual_dir."
