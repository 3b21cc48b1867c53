"""The whole pipeline on a synthetic crawl, against its true graph and plain sets and dicts."""

import random
from collections import Counter
from pathlib import Path

import pytest

from beam_pipelines.build_graph import build
from beam_pipelines.build_report import BuildReport, total_counts
from beam_pipelines.options import Partitioning
from tests.beam_pipelines.archives import arc_file, http_response, page
from tests.beam_pipelines.graphs import NAMES, build_files, content, options, read_graph
from tests.oracles.graph import build_graph, variant_of
from webgraph.graph_directory import GraphDirectory
from webgraph.synthetic_crawl import SyntheticCrawl, SyntheticCrawlOptions, write_synthetic_crawl
from webgraph.variants import parse_variant

_FEW = ("all-3=*:3", "de-3=de:3")


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> SyntheticCrawl:
    made = SyntheticCrawlOptions(num_pages=1200, seed=5, num_files=4, recapture_fraction=0.2)
    return write_synthetic_crawl(tmp_path_factory.mktemp("crawl") / "made", made)


@pytest.fixture(scope="module")
def outlinks(crawl: SyntheticCrawl) -> dict[str, set[str]]:
    return crawl.outlinks()


@pytest.fixture(scope="module")
def built(crawl: SyntheticCrawl, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuildReport]:
    """All variants from the WAT files, as a user gets them."""
    output = tmp_path_factory.mktemp("built") / "out"
    return output, build_files(crawl.wat_paths, output)


@pytest.fixture(scope="module")
def few(crawl: SyntheticCrawl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants from the WAT files, that other builds are compared with."""
    output = tmp_path_factory.mktemp("few") / "out"
    build_files(crawl.wat_paths, output, options(_FEW))
    return output


@pytest.mark.parametrize("name", NAMES)
def test_graphs_equal_the_oracle(built: tuple[Path, BuildReport], outlinks: dict[str, set[str]], name: str) -> None:
    variant = parse_variant(name)
    nodes, edges = variant_of(outlinks, variant.tlds, variant.min_degree)
    assert name == "in-dense" or (len(nodes) > 20 and len(edges) > 100)  # else the test says little
    folder = built[1].folders[NAMES.index(name)]
    assert read_graph(folder) == build_graph(nodes, edges)
    graph = GraphDirectory.open(folder).manifest.graph
    assert (graph.num_nodes, graph.num_edges) == (len(nodes), len(edges))


def test_published_variants_equal_the_crawls_own_counts(built: tuple[Path, BuildReport], crawl: SyntheticCrawl) -> None:
    for manifest in built[1].manifests[:6]:
        expected = crawl.variants[manifest.variant.name]
        assert (manifest.graph.num_nodes, manifest.graph.num_edges) == (expected.nodes, expected.edges)


def test_counts_of_the_parse_stage_are_the_crawls(built: tuple[Path, BuildReport], crawl: SyntheticCrawl) -> None:
    found, true = total_counts(built[1].archives), crawl.counts
    assert found["records_in"] == true.wat_records
    assert found["pages"] == true.html_captures
    assert found["records_status_not_200"] == true.not_200
    assert found["records_not_html"] == true.not_html
    assert found["links_in"] == true.links
    assert found["links_not_http"] == true.not_http_links
    assert found["links_not_a_url"] == true.not_url_links
    assert "bytes_skipped" not in found


def test_what_goes_into_a_stage_comes_out_or_is_counted(
    built: tuple[Path, BuildReport], crawl: SyntheticCrawl, outlinks: dict[str, set[str]]
) -> None:
    parsed = Counter(total_counts(built[1].archives))
    records = sum(value for name, value in parsed.items() if name.startswith("records_") and name != "records_in")
    assert parsed["records_in"] == parsed["pages"] + records
    links = ("links_not_http", "links_not_a_url", "links_to_self", "links_duplicate", "links_out")
    assert parsed["links_in"] == sum(parsed[name] for name in links)
    counts = built[1].manifests[0].counts
    merge, filtered = Counter(counts["merge"]), Counter(counts["filter"])
    assert merge["captures_in"] == parsed["pages"]
    assert merge["captures_in"] == merge["pages_out"] + merge["captures_merged"]
    assert merge["pages_out"] == crawl.counts.pages == filtered["pages_in"]
    assert merge["edges_in"] == parsed["links_out"]
    assert merge["edges_in"] == merge["edges_out"] + merge["edges_merged"]
    assert merge["edges_out"] == crawl.counts.edges == filtered["edges_in"]
    dropped = ("edges_outside_tlds", "edges_to_uncrawled", "edges_end_not_kept")
    assert filtered["edges_in"] == filtered["edges_out"] + sum(filtered[name] for name in dropped)
    assert filtered["pages_in"] == filtered["pages_out"] + filtered["pages_not_kept"]
    uncrawled = sum(link not in outlinks for links in outlinks.values() for link in links)
    assert filtered["edges_to_uncrawled"] == uncrawled


def test_nothing_but_the_graphs_is_left(built: tuple[Path, BuildReport]) -> None:
    output, report = built
    assert sorted(path.name for path in output.iterdir()) == sorted(Path(folder).name for folder in report.folders)
    assert not [path for path in output.rglob("*") if ".tmp" in path.name or path.name.startswith("part-")]


def test_warc_files_give_the_same_graphs(crawl: SyntheticCrawl, few: Path, tmp_path: Path) -> None:
    build_files(crawl.warc_paths, tmp_path / "out", options(_FEW))
    assert content(tmp_path / "out", manifests=False) == content(few, manifests=False)


def test_warc_and_wat_files_mixed_give_the_same_graphs(crawl: SyntheticCrawl, few: Path, tmp_path: Path) -> None:
    mixed = [crawl.warc_paths[0], crawl.wat_paths[1], crawl.warc_paths[2], crawl.wat_paths[2], crawl.wat_paths[3]]
    build_files(mixed, tmp_path / "out", options(_FEW))
    assert content(tmp_path / "out", manifests=False) == content(few, manifests=False)


@pytest.mark.parametrize(("num_partitions", "key_bits"), [(3, 64), (8, 16), (1, 1)])
def test_bytes_depend_on_neither_order_nor_partitions_nor_width_of_keys(
    crawl: SyntheticCrawl, few: Path, tmp_path: Path, num_partitions: int, key_bits: int
) -> None:
    paths = list(crawl.wat_paths)
    random.Random(num_partitions).shuffle(paths)
    partitioning = Partitioning(num_partitions=num_partitions, key_bits=key_bits)
    build_files(paths, tmp_path / "out", options(_FEW, partitioning=partitioning))
    assert content(tmp_path / "out") == content(few)


def test_bytes_do_not_depend_on_names_of_folders(crawl: SyntheticCrawl, few: Path, tmp_path: Path) -> None:
    paths = []
    for number, path in enumerate(crawl.wat_paths):
        paths.append(tmp_path / f"{9 - number}" / path.name)
        paths[-1].parent.mkdir()
        paths[-1].write_bytes(path.read_bytes())
    build_files(paths, tmp_path / "out", options(_FEW))
    assert content(tmp_path / "out") == content(few)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2])
def test_several_processes_give_the_same_bytes(crawl: SyntheticCrawl, few: Path, tmp_path: Path, workers: int) -> None:
    build(
        [str(path) for path in crawl.wat_paths],
        str(tmp_path / "out"),
        options=options(_FEW, partitioning=Partitioning(num_partitions=3)),
        beam_args=["--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"],
    )
    assert content(tmp_path / "out") == content(few)


def _core(outlinks: dict[str, set[str]], tlds: tuple[str, ...], k: int) -> tuple[set[str], set[tuple[str, str]]]:
    """The K-core: nodes with fewer than K outlinks or inlinks are dropped until there is none."""
    _, edges = variant_of(outlinks, tlds, 1)
    while True:
        outs, ins = Counter(source for source, _ in edges), Counter(target for _, target in edges)
        kept = {node for node in outs if outs[node] >= k and ins[node] >= k}
        still = {(source, target) for source, target in edges if source in kept and target in kept}
        if still == edges:
            return kept, edges
        edges = still


@pytest.mark.parametrize("num_partitions", [1, 3])
def test_until_stable_is_the_core(
    crawl: SyntheticCrawl, outlinks: dict[str, set[str]], tmp_path: Path, num_partitions: int
) -> None:
    names = ("all-10=*:10", "de-20=de:20", "none=in:500")
    chosen = options(names, until_stable=True, partitioning=Partitioning(num_partitions=num_partitions))
    report = build_files(crawl.wat_paths, tmp_path / "out", chosen)
    for name, folder, manifest in zip(names, report.folders, report.manifests, strict=True):
        variant = parse_variant(name)
        nodes, edges = _core(outlinks, variant.tlds, variant.min_degree)
        assert read_graph(folder) == build_graph(nodes, edges)
        assert manifest.variant.until_stable
        once = variant_of(outlinks, variant.tlds, variant.min_degree)[0]
        assert name == "none=in:500" or len(nodes) < len(once)  # one pass is not enough here
    filtered = Counter(report.manifests[0].counts["filter"])
    dropped = ("edges_outside_tlds", "edges_to_uncrawled", "edges_end_not_kept")
    assert filtered["edges_in"] == filtered["edges_out"] + sum(filtered[name] for name in dropped)
    assert filtered["pages_in"] == filtered["pages_out"] + filtered["pages_not_kept"]


def test_arc_files(tmp_path: Path) -> None:
    urls = [f"http://www.a.de/{number}" for number in range(8)]
    pages = [(url, http_response(page(urls))) for url in urls]
    (tmp_path / "a.arc").write_bytes(arc_file(pages))
    report = build_files([tmp_path / "a.arc"], tmp_path / "out", options(("all-3=*:3",)))
    edges = {(one, other) for one in urls for other in urls if one != other}
    assert read_graph(report.folders[0]) == build_graph(set(urls), edges)


def test_a_graph_may_be_empty(crawl: SyntheticCrawl, tmp_path: Path) -> None:
    report = build_files(crawl.wat_paths[:1], tmp_path / "out", options(("none=museum:3",)))
    graph = read_graph(report.folders[0])
    assert graph.urls == [] and graph.train == graph.test == {}


def test_graphs_without_tfrecords(crawl: SyntheticCrawl, few: Path, tmp_path: Path) -> None:
    build_files(crawl.wat_paths, tmp_path / "out", options(_FEW, tfrecord_shards=0))
    files = content(tmp_path / "out", manifests=False)
    assert files == {name: data for name, data in content(few, manifests=False).items() if ".tfr-" not in name}
