"""What a build wrote, as plain lists and sets, to compare with an oracle or another build."""

from collections.abc import Sequence
from pathlib import Path

from beam_pipelines.build_graph import build
from beam_pipelines.build_report import BuildReport
from beam_pipelines.options import BuildOptions, GraphOptions, OutputOptions, Partitioning
from tests.oracles.graph import OracleGraph
from webgraph.graph_directory import GraphDirectory
from webgraph.manifest import MANIFEST_FILE
from webgraph.row_block import RowBlock
from webgraph.variants import parse_variant

NAMES = (
    "sparse",
    "dense",
    "de-sparse",
    "de-dense",
    "in-sparse",
    "in-dense",
    "all-3=*:3",
    "de-3=de:3",
    "two-3=de+in:3",
)


def options(
    names: Sequence[str] = NAMES,
    *,
    until_stable: bool = False,
    partitioning: Partitioning = Partitioning(),  # noqa: B008  # frozen
    tfrecord_shards: int = 2,
) -> BuildOptions:
    """Options of a build of named variants, with few TFRecord files."""
    return BuildOptions(
        graph=GraphOptions(variants=tuple(map(parse_variant, names)), until_stable=until_stable),
        output=OutputOptions(tfrecord_shards=tfrecord_shards),
        partitioning=partitioning,
    )


def build_files(paths: Sequence[Path], output: Path, build_options: BuildOptions | None = None) -> BuildReport:
    """Runs a build."""
    return build([str(path) for path in paths], str(output), options=build_options or options())


def content(output: Path, *, manifests: bool = True) -> dict[str, bytes]:
    """All files of a build by relative name."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and (manifests or path.name != MANIFEST_FILE)
    }


def read_graph(folder: str | Path) -> OracleGraph:
    """A written graph in the oracle's form."""
    directory = GraphDirectory.open(folder)
    nodes = directory.read_nodes()
    assert nodes.node_id.tolist() == list(range(directory.num_nodes))
    test = directory.read_rows("test")
    truth = _lists(test.row_tag.tolist(), test.gt_offsets.tolist(), test.gt_tag.tolist())
    history = _rows(test)
    return OracleGraph(
        urls=nodes.url.to_pylist(),
        train=_rows(directory.read_rows("train")),
        train_t=_rows(directory.read_rows("train_t")),
        test={row: (history[row], truth[row]) for row in history},
        out_degree=nodes.out_degree.tolist(),
        in_degree=nodes.in_degree.tolist(),
    )


def _rows(block: RowBlock) -> dict[int, list[int]]:
    return _lists(block.row_tag.tolist(), block.col_offsets.tolist(), block.col_tag.tolist())


def _lists(tags: list[int], offsets: list[int], values: list[int]) -> dict[int, list[int]]:
    return {tag: values[offsets[row] : offsets[row + 1]] for row, tag in enumerate(tags)}
