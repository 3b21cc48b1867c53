"""Graphs from archives on a hostile server: those of the same files here, byte for byte, or of fewer files, by name."""

import dataclasses
import gzip
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_pipelines import cli
from beam_pipelines.build_graph import build
from beam_pipelines.damage import BuildError
from beam_pipelines.input_options import InputOptions, RetryOptions
from beam_pipelines.options import BuildOptions, Tolerance
from beam_pipelines.parse_archive import ParseOptions
from beam_pipelines.parsed_files import BLOCKS_SUFFIX, parse_to_files, parsed_name
from tests.beam_pipelines import hostile_server as hostile
from tests.beam_pipelines.graphs import content, options
from tests.beam_pipelines.hostile_server import Behaviour, Handler, HostileServer
from webgraph.manifest import MANIFEST_FILE
from webgraph.synthetic_crawl import SyntheticCrawl, SyntheticCrawlOptions, write_synthetic_crawl

_RETRY = RetryOptions(max_retries=3, base_delay=0.001, max_delay=0.002, max_retry_after=0.05, timeout=hostile.PATIENCE)
_NAME = "CC-MAIN-2021-25"
_VARIANTS = ("all-3=*:3", "de-3=de:3")


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> SyntheticCrawl:
    made = SyntheticCrawlOptions(num_pages=400, seed=3, num_files=6)
    return write_synthetic_crawl(tmp_path_factory.mktemp("crawl") / "made", made)


@pytest.fixture
def server(crawl: SyntheticCrawl, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "400")
    with hostile.hostile_server() as running:
        listing = "".join(f"crawl-data/{_NAME}/wat/{path.name}\n" for path in crawl.wat_paths)
        running.add(f"/crawl-data/{_NAME}/wat.paths.gz", gzip.compress(listing.encode()))
        for path in crawl.wat_paths:
            running.add(f"/crawl-data/{_NAME}/wat/{path.name}", path.read_bytes())
        yield running


def _serve(server: HostileServer, crawl: SyntheticCrawl, scripts: list[tuple[Behaviour, ...]]) -> list[str]:
    return [
        server.add(f"/crawl-data/{_NAME}/wat/{path.name}", path.read_bytes(), *script)
        for path, script in zip(crawl.wat_paths, scripts, strict=True)
    ]


def _options(**changes: object) -> BuildOptions:
    return dataclasses.replace(options(_VARIANTS), inputs=InputOptions(max_connections=1, retry=_RETRY), **changes)  # type: ignore[arg-type]


def _without_manifests(output: Path) -> dict[str, bytes]:
    return {name: data for name, data in content(output).items() if not name.endswith(MANIFEST_FILE)}


_PASSING: list[tuple[Behaviour, ...]] = [
    (hostile.slow_down("0"), hostile.slow_down(), hostile.whole),
    (hostile.cut(1000), hostile.cut(3000), hostile.whole),
    (hostile.reset(2000), hostile.refuse, hostile.whole),
    (hostile.page(hostile.SLOW_DOWN), hostile.whole),
    (hostile.without_ranges(1500), hostile.without_ranges()),
    (hostile.redirect("/moved"),),
]
_LASTING: list[tuple[Behaviour, ...]] = [
    (hostile.whole,),
    (hostile.cut(20_000), hostile.slow_down()),
    (hostile.page(hostile.SLOW_DOWN),),
    (hostile.cut(20_000), hostile.other_file(b"WARC/1.0\r\n" * 100)),
    (hostile.understated(20_000),),
    (hostile.whole,),
]


def test_graphs_from_a_hostile_server_are_those_from_the_files(
    server: HostileServer, crawl: SyntheticCrawl, tmp_path: Path
) -> None:
    urls = _serve(server, crawl, _PASSING)
    server.add("/moved", crawl.wat_paths[5].read_bytes())
    build(urls, str(tmp_path / "remote"), options=_options())
    build([str(path) for path in crawl.wat_paths], str(tmp_path / "local"), options=_options())
    assert content(tmp_path / "remote") == content(tmp_path / "local")
    assert server.max_connections == 1


def test_a_file_that_fails_puts_nothing_into_the_graph(
    server: HostileServer, crawl: SyntheticCrawl, tmp_path: Path
) -> None:
    assert all(path.stat().st_size > 25_000 for path in crawl.wat_paths)  # so that much of them is parsed before
    urls = _serve(server, crawl, _LASTING)
    with pytest.raises(BuildError, match="4 of 6 files failed") as failed:
        build(urls, str(tmp_path / "remote"), options=_options())
    reasons = {archive.name: archive.failure for archive in failed.value.archives if archive.failure}
    names = [path.name for path in crawl.wat_paths[1:5]]
    assert reasons == dict(zip(names, ("http_503", "error_page", "changed", "truncated"), strict=True))
    assert not list(tmp_path.rglob(MANIFEST_FILE))

    server.requests.clear()
    tolerant = _options(tolerance=Tolerance(max_failed_fraction=0.7))
    build(urls, str(tmp_path / "remote"), options=tolerant)
    good = [str(crawl.wat_paths[number]) for number in (0, 5)]
    build(good, str(tmp_path / "local"), options=_options())
    assert _without_manifests(tmp_path / "remote") == _without_manifests(tmp_path / "local")
    assert len(_without_manifests(tmp_path / "local")) > 10
    assert server.max_connections == 1


def _once_all_are_used(connections: int) -> Behaviour:
    """Answers once there are as many connections as may be, and a little later, so that one more would be seen."""

    def behave(handler: Handler, data: bytes) -> None:
        while handler.server.max_connections < connections:
            time.sleep(0.01)
        time.sleep(0.05)
        hostile.whole(handler, data)

    return behave


def _parse(url: str, folder: str, connections: int) -> str:
    inputs = InputOptions(max_connections=connections, retry=_RETRY)
    return parse_to_files(url, folder, ParseOptions(), inputs).failure


@pytest.mark.parametrize("connections", [1, 2])
def test_all_processes_together_keep_to_the_limit(
    server: HostileServer, crawl: SyntheticCrawl, tmp_path: Path, connections: int
) -> None:
    urls = _serve(server, crawl, [(hostile.cut(1000), _once_all_are_used(connections))] * 6)
    with multiprocessing.get_context("fork").Pool(4) as processes:
        failures = processes.starmap(_parse, [(url, str(tmp_path), connections) for url in urls], chunksize=1)
    assert failures == [""] * 6
    assert server.max_connections == connections
    assert all((tmp_path / (parsed_name(url) + BLOCKS_SUFFIX)).exists() for url in urls)


def test_the_published_recipe_is_a_preset(
    server: HostileServer,
    crawl: SyntheticCrawl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = InputOptions(retry=_RETRY, listing=_RETRY)
    monkeypatch.setattr(InputOptions, "with_retries", lambda retries, **given: dataclasses.replace(made, **given))
    _serve(server, crawl, _PASSING)
    server.add("/moved", crawl.wat_paths[5].read_bytes())
    remote, local = str(tmp_path / "remote"), str(tmp_path / "local")
    assert cli.main(["--crawl", _NAME, "--crawl-base", server.url, "--output", remote]) == 0
    assert cli.main([*map(str, crawl.wat_paths), "--output", local]) == 0
    assert content(tmp_path / "remote") == content(tmp_path / "local")
    assert len(list((tmp_path / "remote").glob(f"*/{MANIFEST_FILE}"))) == 6
    assert crawl.wat_paths[0].name in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give either archives"),
        (["a.gz", "--crawl", _NAME], "Give either archives"),
        (["a.gz", "--limit", "3"], "--limit and --sample-seed choose files of a --crawl"),
        (["--crawl", "CC-MAIN"], "is not the name of a crawl"),
        (["--crawl", _NAME, "--limit", "0"], "limit must be at least 1"),
        (["--crawl", _NAME, "--max-connections", "0"], "max_connections must be at least 1, got 0"),
        (["--crawl", "CC-MAIN-2099-01"], "status 404"),
    ],
)
def test_wrong_use_of_a_crawl(
    server: HostileServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert cli.main([*arguments, "--crawl-base", server.url, "--output", str(tmp_path / "out")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_limit_takes_the_first_files(server: HostileServer, crawl: SyntheticCrawl, tmp_path: Path) -> None:
    flags = ["--variants", "all-3=*:3", "--tfrecord-shards", "none"]
    two = ["--crawl", _NAME, "--crawl-base", server.url, "--limit", "2"]
    assert cli.main([*two, *flags, "--output", str(tmp_path / "remote")]) == 0
    assert cli.main([*map(str, crawl.wat_paths[:2]), *flags, "--output", str(tmp_path / "local")]) == 0
    assert content(tmp_path / "remote") == content(tmp_path / "local")
