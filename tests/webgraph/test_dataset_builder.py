"""`tfds build`: our builder and TFDS's own against the oracle's graphs. Oracle: tests/oracles/graph.py."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

tfds = pytest.importorskip("tensorflow_datasets")

import apache_beam as beam  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from apache_beam.runners.portability.fn_api_runner import FnApiRunner  # noqa: E402
from tensorflow_datasets.structured.web_graph import web_graph  # noqa: E402

from tests.oracles.graph import OracleGraph, build_graph, variant_of  # noqa: E402
from tests.webgraph.graph_files import made_graph, write_graph  # noqa: E402
from webgraph.manifest import Manifest, VariantRecord  # noqa: E402
from webgraph.manual_graphs import ManualGraphError  # noqa: E402
from webgraph.variants import VARIANTS, variant_folder  # noqa: E402
from webgraph.webgraph_dataset_builder import AnotherGraphError, Builder, IncompleteDatasetError  # noqa: E402

_ROOT = Path(__file__).parents[2]


def _graph(seed: int = 1) -> OracleGraph:
    return made_graph(num_pages=60, seed=seed, test_fraction=0.2)


def write_one(folder: Path, name: str, seed: int = 1) -> Manifest:
    """A small graph under a variant's published folder."""
    variant = VARIANTS[name]
    record = VariantRecord(name=name, tlds=variant.tlds, min_degree=variant.min_degree)
    return write_graph(
        folder / variant_folder(variant), _graph(seed), variant=record, tfrecord_shards=10, test_fraction=0.2
    )


def _prepare(data_dir: Path, manual_dir: Path | None, config: str = "in-dense", **options: Any) -> Any:
    builder = Builder(config=config, data_dir=data_dir)
    settings = {"manual_dir": manual_dir} if manual_dir else {}
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(**settings, **options))
    return builder


def _examples(builder: Any, split: str) -> dict[int, tuple[list[int], list[int]]]:
    rows = tfds.as_numpy(builder.as_dataset(split=split))
    return {int(row["row_tag"]): (row["col_tag"].tolist(), row["gt_tag"].tolist()) for row in rows}


def _expected(graph: OracleGraph, split: str) -> dict[int, tuple[list[int], list[int]]]:
    if split == "test":
        return graph.test
    return {row: (cols, []) for row, cols in getattr(graph, split).items()}


def test_examples_and_info(tmp_path: Path) -> None:
    manifest = write_one(tmp_path / "manual", "in-dense")
    graph = _graph()
    _prepare(tmp_path / "data", tmp_path / "manual")
    builder = Builder(config="in-dense", data_dir=tmp_path / "data")  # as tfds.load makes it
    for split in ("train", "train_t", "test"):
        assert _examples(builder, split) == _expected(graph, split)
        assert builder.info.splits[split].num_examples == len(_expected(graph, split))
    info = builder.info
    assert info.full_name == "webgraph/in-dense/1.0.0"
    assert dict(info.metadata.items())["manifest_digest"] == manifest.digest()
    assert info.metadata["num_edges"] == graph.num_edges
    assert f"{len(graph.urls):,} nodes, {graph.num_edges:,} edges" in info.description
    assert "2112.02194" in info.citation
    assert str(info.features["col_tag"].feature.np_dtype) in ("<class 'numpy.int64'>", "int64")
    assert "webgraph" not in (Path(builder.data_dir) / "features.json").read_text()


def test_beam_gives_the_same_and_runs_locally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_one(tmp_path / "manual", "in-dense")
    runners = []
    run = FnApiRunner.run_pipeline
    monkeypatch.setattr(FnApiRunner, "run_pipeline", lambda self, *args: runners.append(self) or run(self, *args))
    options = PipelineOptions(["--job_name=made"])
    builder = _prepare(tmp_path / "data", tmp_path / "manual", beam_options=options)
    assert len(runners) == 1
    for split in ("train", "train_t", "test"):
        assert _examples(builder, split) == _expected(_graph(), split)
    assert "--job_name=made" in builder._beam_arguments


def test_own_builder_of_tfds_reads_our_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_one(tmp_path / "out", "in-dense")
    monkeypatch.setattr(web_graph.WebGraph, "WEB_GRAPH_HOMEPAGE", str(tmp_path / "out"))
    theirs = web_graph.WebGraph(config="in-dense", data_dir=tmp_path / "data")
    theirs.download_and_prepare(download_config=tfds.download.DownloadConfig(beam_runner=FnApiRunner()))
    ours = _prepare(tmp_path / "data", tmp_path / "out")
    for split in ("train", "train_t", "test"):
        assert _examples(theirs, split) == _examples(ours, split) == _expected(_graph(), split)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    first, second = (write_one(tmp_path / name, "in-dense", seed) for name, seed in (("one", 1), ("two", 2)))
    _prepare(tmp_path / "data", tmp_path / "one")
    assert _examples(_prepare(tmp_path / "data", tmp_path / "one"), "test") == _graph(1).test
    with pytest.raises(AnotherGraphError, match=rf"{first.digest()}.*{second.digest()}.*--data_dir"):
        _prepare(tmp_path / "data", tmp_path / "two")
    assert _examples(_prepare(tmp_path / "data", None), "test") == _graph(1).test
    mode = tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS
    replaced = _prepare(tmp_path / "data", tmp_path / "two", download_mode=mode)
    assert _examples(replaced, "test") == _graph(2).test
    assert Builder(config="in-dense", data_dir=tmp_path / "data").info.metadata["manifest_digest"] == second.digest()
    with pytest.raises(ManualGraphError, match="holds no graph in-dense and no archives"):
        _prepare(tmp_path / "data", tmp_path)


def test_archives_are_built_once_for_all_six(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crawl = tmp_path / "crawl"
    (crawl / "sub").mkdir(parents=True)
    for name in ("b.warc.gz", "sub/a.warc.wat.gz", ".hidden.warc", "notes.txt"):
        (crawl / name).write_bytes(name.encode())
    built: list[list[str]] = []

    def build(self: Builder, archives: list[Path], folder: Path) -> None:
        built.append([path.name for path in archives])
        for name in VARIANTS:
            write_one(folder, name, seed=len(archives))

    monkeypatch.setattr(Builder, "_build_graphs", build)
    for config in ("in-dense", "de-sparse", "in-dense"):
        builder = _prepare(tmp_path / "data", crawl, config)
        assert _examples(builder, "test") == _graph(2).test
    assert built == [["b.warc.gz", "a.warc.wat.gz"]]
    (crawl / "b.warc.gz").rename(crawl / "c.warc.gz")
    _prepare(tmp_path / "data", crawl)
    (crawl / "d.warc.gz").write_bytes(b"more")
    with pytest.raises(AnotherGraphError):
        _prepare(tmp_path / "data", crawl)
    assert len(built) == 2


def test_pipeline_is_run_on_archives(tmp_path: Path) -> None:
    build_graph_module = pytest.importorskip("beam_pipelines.build_graph")
    from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl

    assert callable(build_graph_module.build)
    crawl = write_synthetic_crawl(tmp_path / "crawl", SyntheticCrawlOptions(num_pages=150, seed=3, num_files=2))
    builder = _prepare(tmp_path / "data", tmp_path / "crawl" / "wat", "sparse")
    nodes, edges = variant_of(crawl.outlinks(), (), 10)
    assert len(nodes) > 50
    graph = build_graph(nodes, edges)
    for split in ("train", "train_t", "test"):
        expected = _expected(graph, split)
        assert builder.info.splits[split].num_examples == len(expected)
        assert not expected or _examples(builder, split) == expected
    assert len(list((tmp_path / "data" / "downloads").glob("webgraph-*/web_graph_*/manifest.json"))) == 6


def test_split_without_rows_is_empty(tmp_path: Path) -> None:
    graph = made_graph(num_pages=30, test_fraction=0.0)
    variant = VariantRecord(name="in-dense", tlds=("in",), min_degree=50)
    write_graph(tmp_path / "manual", graph, variant=variant, test_fraction=0.0)
    _prepare(tmp_path / "data", tmp_path / "manual")
    builder = Builder(config="in-dense", data_dir=tmp_path / "data")
    assert builder.info.splits["test"].num_examples == 0
    assert _examples(builder, "train") == _expected(graph, "train")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["webgraph"], ["--imports", "webgraph.webgraph_dataset_builder", "webgraph/in-dense"]],
    ids=["checkout, all six", "installed"],
)
def test_command_line(tmp_path: Path, arguments: list[str]) -> None:
    for name in VARIANTS:
        write_one(tmp_path / "manual", name)
    installed = "--imports" in arguments
    command = [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", "build", *arguments]
    command += ["--manual_dir", str(tmp_path / "manual"), "--data_dir", str(tmp_path / "data")]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)} if installed else dict(os.environ)
    folder = tmp_path if installed else _ROOT
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    prepared = {path.parts[-3] for path in (tmp_path / "data").glob("webgraph/*/1.0.0/dataset_info.json")}
    assert prepared == ({"in-dense"} if installed else set(VARIANTS))


def test_no_runner_of_beam_downloads_another() -> None:
    from webgraph.webgraph_dataset_builder import _with_local_runner

    for flags in ([], ["--runner=DirectRunner"]):
        options = _with_local_runner(tfds.download.DownloadConfig(beam_options=PipelineOptions(flags)))
        assert isinstance(beam.Pipeline(options=options).runner, FnApiRunner)
    flags = ["--runner=DataflowRunner", "--project=p"]
    options = _with_local_runner(tfds.download.DownloadConfig(beam_options=PipelineOptions(flags)))
    assert options.get_all_options()["runner"] == "DataflowRunner"


def test_a_dataset_cut_short_on_purpose_is_not_reused_as_the_whole(tmp_path: Path) -> None:
    write_one(tmp_path / "manual", "in-dense")
    rows = len(_expected(_graph(), "train"))
    for _ in range(2):  # the same command again is served
        _prepare(tmp_path / "data", tmp_path / "manual", max_examples_per_split=5)
    for manual in (tmp_path / "manual", None):
        with pytest.raises(IncompleteDatasetError, match=rf"train has 5 of the {rows} rows .*--overwrite"):
            _prepare(tmp_path / "data", manual)
    with pytest.raises(IncompleteDatasetError, match="train has 5"):
        _prepare(tmp_path / "data", tmp_path / "manual", max_examples_per_split=6)
    mode = tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS
    replaced = _prepare(tmp_path / "data", tmp_path / "manual", download_mode=mode)
    assert _examples(replaced, "train") == _expected(_graph(), "train")
    assert _examples(_prepare(tmp_path / "data", None, max_examples_per_split=5), "test") == _graph().test


@pytest.mark.parametrize(
    ("file_format", "damage", "message"),
    [
        ("tfrecord", "cut", "bytes, not"),
        ("tfrecord", "gone", "is missing"),
        ("array_record", "gone", "is missing"),  # its sizes do not follow from the metadata
    ],
)
def test_a_dataset_that_lacks_bytes_is_not_reused(tmp_path: Path, damage: str, message: str, file_format: str) -> None:
    write_one(tmp_path / "manual", "in-dense")
    builder = Builder(config="in-dense", data_dir=tmp_path / "data", file_format=file_format)
    settings = tfds.download.DownloadConfig(manual_dir=tmp_path / "manual")
    builder.download_and_prepare(download_config=settings)
    builder.download_and_prepare(download_config=settings)
    shard = Path(builder.info.splits["train"].filepaths[0])
    if damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(IncompleteDatasetError, match=message):
        builder.download_and_prepare(download_config=settings)


@pytest.mark.slow
def test_several_processes_build_archives_once(tmp_path: Path) -> None:
    from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl

    write_synthetic_crawl(tmp_path / "crawl", SyntheticCrawlOptions(num_pages=150, seed=3, num_files=1))
    command = [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", "build", "webgraph"]
    command += ["--imports", "webgraph.webgraph_dataset_builder", "--num-processes", "3"]
    command += ["--manual_dir", str(tmp_path / "crawl" / "wat"), "--data_dir", str(tmp_path / "data")]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    prepared = {path.parts[-3] for path in (tmp_path / "data").glob("webgraph/*/1.0.0/dataset_info.json")}
    assert prepared == set(VARIANTS)
    assert len(list((tmp_path / "data" / "downloads").glob("webgraph-*/web_graph_*/manifest.json"))) == 6
    assert not list((tmp_path / "data" / "downloads").glob("webgraph-*/.work"))


def test_a_build_in_its_own_interpreter_says_why_it_failed(tmp_path: Path) -> None:
    manual_build = pytest.importorskip("beam_pipelines.manual_build")
    with pytest.raises(RuntimeError, match="not_found"):
        manual_build.build_in_interpreter([str(tmp_path / "none.warc")], str(tmp_path / "out"), [])
