"""The stages of a build, each a Beam pipeline from files to files, and the manifests at the end."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

import webgraph
from beam_pipelines import storage
from beam_pipelines.damage import BuildError
from beam_pipelines.filter_pages import DegreeOptions, FilterAgain, FilterPages
from beam_pipelines.open_archive import archive_sizes
from beam_pipelines.options import BuildOptions
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions
from beam_pipelines.parse_archives import BLOCKS_SUFFIX, REPORT_SUFFIX, ParseArchives, parsed_name
from beam_pipelines.partitioning import choose_num_partitions, choose_num_ranges
from beam_pipelines.progress import StageProgress
from beam_pipelines.runner import pipeline_options
from beam_pipelines.storage import join
from beam_pipelines.write_graphs import GraphPlan, WriteGraphs
from webgraph.canonical_url import CANONICALIZER
from webgraph.graph_layout import SPLITS, choose_layout
from webgraph.manifest import MANIFEST_FILE, FileRecord, GraphCounts, Manifest, SplitCounts, VariantRecord
from webgraph.variants import variant_folder

_MAX_ROUNDS = 1000


@dataclasses.dataclass(frozen=True)
class Filtered:
    """The result of the degree rule: where it lies, its counts, and the nodes and edges of each variant."""

    folder: str
    partitions: tuple[int, ...]
    counts: dict[str, dict[str, int]]
    nodes: tuple[int, ...]
    edges: tuple[int, ...]


class BuildStages:
    """One build's stages, over files in `work`."""

    def __init__(self, work: str, options: BuildOptions, beam_args: Sequence[str], progress: StageProgress) -> None:
        self._work = work
        self._options = options
        self._beam_args = beam_args
        self._progress = progress
        self._num_partitions = options.partitioning.num_partitions or 1

    def parse(self, paths: Sequence[str]) -> list[ArchiveReport]:
        """Runs `ParseArchives` and returns the reports in order of name and digest."""
        sizes = archive_sizes(paths, self._options.inputs.retry)
        if self._options.partitioning.num_partitions is None:
            self._num_partitions = choose_num_partitions(sum(sizes.values()))
        folder = join(self._work, "parsed")
        options = ParseOptions(
            selection=self._options.graph.selection,
            tlds_of_variants=tuple(variant.tlds for variant in self._options.graph.variants),
            num_partitions=self._num_partitions,
            key_bits=self._options.partitioning.key_bits,
        )
        with self._progress.parsing(folder, sizes):
            self._pipeline(folder, "inputs.json", paths, ParseArchives(folder, options, self._options.inputs))
        reports = [
            ArchiveReport(**storage.read_json(join(folder, parsed_name(path) + REPORT_SUFFIX))) for path in paths
        ]
        return sorted(reports, key=lambda report: (report.name, report.digest))

    def filter(self, paths: Sequence[str]) -> Filtered:
        """Runs `FilterPages`, and `FilterAgain` until nothing changes if that is asked for."""
        options = DegreeOptions(min_degrees=tuple(self._options.graph.min_degrees), num_partitions=self._num_partitions)
        parsed = [join(self._work, "parsed", parsed_name(path)) + BLOCKS_SUFFIX for path in paths]
        parsed = [path for path in parsed if storage.exists(path)]
        folder = join(self._work, "round-0")
        with self._watch("Filtering by degree", folder):
            self._pipeline(folder, "parsed.json", parsed, FilterPages(folder, options))
        result = _read_filtered(folder)
        if not self._options.graph.until_stable:
            return result
        for number in range(1, _MAX_ROUNDS):
            folder = join(self._work, f"round-{number}")
            again = FilterAgain(result.folder, folder, options)
            with self._watch(f"Filtering by degree, round {number + 1}", folder):
                self._pipeline(folder, "partitions.json", result.partitions, again)
            before, result = result, _read_filtered(folder, result.counts)
            if result.nodes == before.nodes:
                return result
        raise BuildError(f"The degree rule did not become stable in {_MAX_ROUNDS} rounds.")

    def write(self, filtered: Filtered, archives: Sequence[ArchiveReport]) -> list[Manifest]:
        """Runs `WriteGraphs` and writes the manifests."""
        variants = self._options.graph.variants
        layouts = tuple(
            choose_layout(nodes, edges, self._options.output.shards_of(variant))
            for variant, nodes, edges in zip(variants, filtered.nodes, filtered.edges, strict=True)
        )
        folders = tuple(join(self._work, "graphs", variant_folder(variant)) for variant in variants)
        plan = GraphPlan(
            layouts=layouts,
            folders=folders,
            split=self._options.graph.split,
            num_partitions=self._num_partitions,
            num_ranges=choose_num_ranges(filtered.counts["filter"].get("pages_out", 0)),
        )
        for folder in folders:
            storage.make_folder(folder)
        pattern = join(self._work, "graphs", "*", "part-*.json")
        with self._progress.counting("Writing graphs", pattern, len(plan.part_keys()), "parts"):
            self._pipeline(
                join(self._work, "graphs"),
                "partitions.json",
                filtered.partitions,
                WriteGraphs(filtered.folder, plan),
            )
        return [self._write_manifest(index, plan, filtered, archives) for index in range(len(variants))]

    def _write_manifest(
        self, index: int, plan: GraphPlan, filtered: Filtered, archives: Sequence[ArchiveReport]
    ) -> Manifest:
        variant, folder = self._options.graph.variants[index], plan.folders[index]
        reports = storage.list_files(join(folder, "part-*.json"))
        parts = [storage.read_json(path) for path in reports]
        splits: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
        for part in parts:
            for name, counts in part["splits"].items():
                splits[name].update(counts)
        manifest = Manifest(
            variant=VariantRecord(
                name=variant.name,
                tlds=variant.tlds,
                min_degree=variant.min_degree,
                until_stable=self._options.graph.until_stable,
            ),
            split=self._options.graph.split,
            canonicalizer=CANONICALIZER,
            code_version=webgraph.__version__,
            inputs=tuple(archive.as_dict() for archive in archives),
            options=self._options.graph.as_dict(),
            counts=filtered.counts,
            graph=GraphCounts(
                num_nodes=filtered.nodes[index],
                num_edges=filtered.edges[index],
                splits={name: SplitCounts(**_zero_filled(counts)) for name, counts in splits.items()},
            ),
            layout=plan.layouts[index],
            files=tuple(FileRecord(**file) for part in parts for file in part["files"]),
        )
        FileSystems.delete(reports)
        storage.write_file(join(folder, MANIFEST_FILE), manifest.to_bytes())
        return manifest

    def _watch(self, label: str, folder: str) -> Any:
        return self._progress.counting(label, join(folder, "*.json"), None, "partitions")

    def _pipeline(
        self,
        folder: str,
        name: str,
        items: Iterable[Any],
        transform: beam.PTransform,
    ) -> None:
        """Runs a pipeline over items that workers read from a file, so that the job itself stays small."""
        listing = join(self._work, f"{os.path.basename(folder)}-{name}")
        storage.make_folder(self._work)
        storage.make_folder(folder)
        storage.write_json(listing, list(items))
        with beam.Pipeline(options=pipeline_options(self._beam_args)) as pipeline:
            listed = pipeline | "Listing" >> beam.Create([listing]) | "ReadListing" >> beam.FlatMap(storage.read_json)
            listed | transform  # applies it


def _add_round(before: dict[str, int], later: dict[str, int]) -> Counter[str]:
    """The counts of the degree rule after one more round: what went in at first, what is out now, all that was dropped.

    A later round takes in the edges that the round before put out, and again every page of its partitions.
    """
    total = Counter(before)
    total["edges_end_not_kept"] += later["edges_end_not_kept"]
    for name in ("edges_out", "pages_out", "pages_not_kept"):
        total[name] = later[name]
    return total


def _zero_filled(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in ("rows", "history", "ground_truth")}


def _read_filtered(folder: str, before: dict[str, dict[str, int]] | None = None) -> Filtered:
    """Reads what a round of the degree rule wrote. Of later rounds, only what they drop is added to the counts."""
    paths = storage.list_files(join(folder, "*.json"))
    reports = [storage.read_json(path) for path in paths]
    counts: dict[str, Counter[str]] = {"merge": Counter(), "filter": Counter()}
    for report in reports:
        for stage, values in report["counts"].items():
            counts[stage].update(values)
    if before is not None:
        counts["merge"] = Counter(before["merge"])
        counts["filter"] = _add_round(before["filter"], counts["filter"])
    return Filtered(
        folder=folder,
        partitions=tuple(int(path.rpartition("/")[2].removesuffix(".json")) for path in paths),
        counts={stage: dict(sorted(values.items())) for stage, values in counts.items()},
        nodes=tuple(map(sum, zip(*(report["nodes"] for report in reports), strict=True))),
        edges=tuple(map(sum, zip(*(report["edges"] for report in reports), strict=True))),
    )
