"""The stages of a build on an engine, each from files to files, and the manifests at the end."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import webgraph
from beam_pipelines import storage
from beam_pipelines.build_work import BuildWork
from beam_pipelines.damage import BuildError
from beam_pipelines.engine import Engine
from beam_pipelines.filter_steps import DegreeOptions
from beam_pipelines.options import BuildOptions
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions
from beam_pipelines.parsed_files import BLOCKS_SUFFIX, REPORT_SUFFIX, parsed_name
from beam_pipelines.progress import StageProgress
from beam_pipelines.storage import join
from beam_pipelines.write_steps import PART_REPORTS, GraphPlan
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
    """One build's stages, over files in `work`; what is done there already is not done again."""

    def __init__(self, work: BuildWork, options: BuildOptions, engine: Engine, progress: StageProgress) -> None:
        self._work = work
        self._options = options
        self._engine = engine
        self._progress = progress

    def parse(self, sizes: Mapping[str, int], options: ParseOptions) -> list[ArchiveReport]:
        """Parses archives, `sizes` in bytes by path, and returns the reports in order of name and digest."""
        folder = self._work.parsed
        missing = self._work.unparsed(list(sizes))
        with self._progress.parsing(folder, sizes):
            if missing:
                self._engine.parse(missing, folder, options, self._options.inputs)
        reports = [
            ArchiveReport(**storage.read_json(join(folder, parsed_name(path) + REPORT_SUFFIX))) for path in sizes
        ]
        return sorted(reports, key=lambda report: (report.name, report.digest))

    def filter(self, paths: Sequence[str], num_partitions: int) -> Filtered:
        """Applies the degree rule once, or until nothing changes if that is asked for."""
        options = DegreeOptions(min_degrees=tuple(self._options.graph.min_degrees), num_partitions=num_partitions)
        parsed = [join(self._work.parsed, parsed_name(path)) + BLOCKS_SUFFIX for path in paths]
        parsed = [path for path in parsed if storage.exists(path)]
        folder = self._folder("round-0")
        with self._progress.counting("Filtering by degree", (folder, "*.json"), None, "partitions"):
            self._work.once("round-0", lambda: self._engine.filter(parsed, folder, options))
        result = _read_filtered(folder)
        if not self._options.graph.until_stable:
            return result
        for number in range(1, _MAX_ROUNDS):
            before, result = result, self._filter_again(number, result, options)
            if result.nodes == before.nodes:
                return result
        raise BuildError(f"The degree rule did not become stable in {_MAX_ROUNDS} rounds.")

    def _filter_again(self, number: int, before: Filtered, options: DegreeOptions) -> Filtered:
        folder = self._folder(f"round-{number}")

        def run() -> None:
            self._engine.filter_again(before.partitions, before.folder, folder, options)

        label = f"Filtering by degree, round {number + 1}"
        with self._progress.counting(label, (folder, "*.json"), None, "partitions"):
            self._work.once(f"round-{number}", run)
        return _read_filtered(folder, before.counts)

    def write(self, filtered: Filtered, archives: Sequence[ArchiveReport], num_partitions: int) -> list[Manifest]:
        """Writes all graphs, without their final names, and their manifests."""
        variants = self._options.graph.variants
        layouts = tuple(
            choose_layout(nodes, edges, self._options.output.shards_of(variant))
            for variant, nodes, edges in zip(variants, filtered.nodes, filtered.edges, strict=True)
        )
        folders = tuple(self._folder("graphs", variant_folder(variant)) for variant in variants)
        plan = GraphPlan(
            layouts=layouts,
            folders=folders,
            split=self._options.graph.split,
            num_partitions=num_partitions,
            num_nodes=filtered.counts["filter"].get("pages_out", 0),
        )
        pattern = join(self._work.folder, "graphs"), f"*/{PART_REPORTS}"
        with self._progress.counting("Writing graphs", pattern, len(plan.part_keys()), "parts"):
            self._work.once("graphs", lambda: self._engine.write(filtered.partitions, filtered.folder, plan))
        return [self._write_manifest(index, plan, filtered, archives) for index in range(len(variants))]

    def _folder(self, *names: str) -> str:
        folder = join(self._work.folder, *names)
        storage.make_folder(folder)
        return folder

    def _write_manifest(
        self, index: int, plan: GraphPlan, filtered: Filtered, archives: Sequence[ArchiveReport]
    ) -> Manifest:
        variant, folder = self._options.graph.variants[index], plan.folders[index]
        reports = storage.list_files(folder, PART_REPORTS)
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
        storage.write_file(join(folder, MANIFEST_FILE), manifest.to_bytes())
        return manifest


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
    paths = storage.list_files(folder, "*.json")
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
