"""`webgraph crawl` against a hostile server laid out as Common Crawl's: lists, samples, fetches, exit codes."""

import argparse
import dataclasses
import gzip
import json
import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines import crawl_cli
from beam_pipelines.crawl_fetch import fetch_file, fetch_files
from beam_pipelines.crawl_paths import DEFAULT_BASE, CrawlOptions, list_crawl, select_files
from beam_pipelines.input_options import InputOptions, RetryOptions
from beam_pipelines.inputs import InputError
from beam_pipelines.storage import only_one
from tests.beam_pipelines import hostile_server as hostile
from tests.beam_pipelines.archives import members, page_record
from tests.beam_pipelines.hostile_server import HostileServer
from webgraph import stop_signals

_RETRY = RetryOptions(max_retries=3, base_delay=0.001, max_delay=0.002, max_retry_after=0.05, timeout=hostile.PATIENCE)
_NAME = "CC-MAIN-2021-25"
_PATHS = [f"crawl-data/{_NAME}/segments/{n % 3}.{n}/wat/CC-MAIN-2021061{n}-{n:05}.warc.wat.gz" for n in range(8)]
_FILES = [members(page_record(f"http://a.de/{n}/{page}", ["/b"]) for page in range(200)) for n in range(8)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    """A crawl of 8 files; the tests make some of them hostile."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "400")
    with hostile.hostile_server() as running:
        listing = gzip.compress("".join(f"{path}\n" for path in _PATHS).encode())
        running.add(f"/crawl-data/{_NAME}/wat.paths.gz", listing)
        for path, data in zip(_PATHS, _FILES, strict=True):
            running.add(f"/{path}", data)
        yield running


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command with short waits."""
    made = InputOptions(retry=_RETRY, listing=_RETRY)
    monkeypatch.setattr(InputOptions, "with_retries", lambda retries, **given: dataclasses.replace(made, **given))


def _crawl(server: HostileServer, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    crawl_cli.add_command(parser.add_subparsers())
    parsed = parser.parse_args(["crawl", _NAME, "--base", server.url, *arguments])
    code: int = parsed.func(parsed)
    return code


@pytest.mark.usefixtures("fast")
def test_a_crawl_is_listed(server: HostileServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert _crawl(server) == 0
    assert capsys.readouterr().out.splitlines() == [f"{server.url}/{path}" for path in _PATHS]
    assert _crawl(server, "--limit", "3") == 0
    assert capsys.readouterr().out.splitlines() == [f"{server.url}/{path}" for path in _PATHS[:3]]
    assert {command for command, _, _ in server.log} == {"GET"} and len(server.log) == 2


def test_a_sample_repeats_and_does_not_depend_on_the_base(server: HostileServer, tmp_path: Path) -> None:
    folder = tmp_path / "crawl-data" / _NAME
    folder.mkdir(parents=True)
    (folder / "wat.paths.gz").write_bytes(gzip.compress("\n".join(_PATHS).encode()))
    one = list_crawl(CrawlOptions(name=_NAME, base=server.url, limit=3, sample_seed=1), _RETRY)
    again = list_crawl(CrawlOptions(name=_NAME, base=str(tmp_path), limit=3, sample_seed=1), _RETRY)
    assert [url.removeprefix(server.url) for url in one] == [path.removeprefix(str(tmp_path)) for path in again]
    other = list_crawl(CrawlOptions(name=_NAME, base=server.url, limit=3, sample_seed=2), _RETRY)
    assert one != other and len(set(one)) == len(set(other)) == 3


@given(st.lists(st.text(), unique=True), st.integers(1, 20), st.none() | st.integers(0, 2**64 - 1))
def test_laws_of_a_sample(paths: list[str], limit: int, seed: int | None) -> None:
    chosen = select_files(paths, limit, seed)
    assert len(chosen) == min(limit, len(paths))
    assert chosen == [path for path in paths if path in set(chosen)]
    assert set(chosen) <= set(select_files(paths, limit + 1, seed))


@pytest.mark.parametrize("name", ["CC-MAIN-2021-25", "CC-MAIN-2012", "CC-MAIN-2009-2010", "CC-MAIN-2008-2009"])
def test_names_of_crawls(name: str) -> None:
    assert CrawlOptions(name=name).base == DEFAULT_BASE


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "CC-MAIN-2021"}, "'CC-MAIN-2021' is not the name of a crawl"),
        ({"name": "../CC-MAIN-2021-25"}, "is not the name of a crawl"),
        ({"name": "CC-MAIN-2021-25\n"}, "is not the name of a crawl"),
        ({"name": _NAME, "kind": "wet"}, "Unknown kind 'wet'; valid kinds are wat, warc"),
        ({"name": _NAME, "limit": 0}, "limit must be at least 1, got 0"),
        ({"name": _NAME, "sample_seed": 1}, "sample_seed needs a limit"),
        ({"name": _NAME, "limit": 1, "sample_seed": -1}, "sample_seed must be in"),
    ],
)
def test_wrong_crawls(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrawlOptions(**wrong)  # type: ignore[arg-type]


def test_an_unknown_crawl_says_where_crawls_are_listed(server: HostileServer) -> None:
    with pytest.raises(InputError, match=r"status 404.*collinfo\.json lists those there are"):
        list_crawl(CrawlOptions(name="CC-MAIN-2099-99", base=server.url), _RETRY)


@pytest.mark.parametrize("line", ["https://elsewhere.example/a.gz", "a b.gz", "-x.gz", "a//b.gz", "a/.b.gz", "a?b"])
def test_a_list_with_anything_but_plain_paths_is_refused(server: HostileServer, line: str) -> None:
    server.add(f"/crawl-data/{_NAME}/warc.paths.gz", gzip.compress(line.encode()))
    with pytest.raises(InputError, match="is not a path under"):
        list_crawl(CrawlOptions(name=_NAME, kind="warc", base=server.url), _RETRY)


def _make_hostile(server: HostileServer) -> None:
    """Files 0 to 5 can be had, 6 and 7 cannot."""
    scripts = [
        (hostile.slow_down("0"), hostile.slow_down(), hostile.whole),
        (hostile.cut(1000), hostile.reset(2000), hostile.whole),
        (hostile.page(hostile.SLOW_DOWN), hostile.whole),
        (hostile.without_ranges(1000), hostile.without_ranges()),
        (hostile.refuse, hostile.whole),
        (hostile.whole,),
        (hostile.page(hostile.HTML),),
        (hostile.understated(len(_FILES[7]) - 30),),
    ]
    for path, data, script in zip(_PATHS, _FILES, scripts, strict=True):
        server.add(f"/{path}", data, *script)


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.usefixtures("fast")
def test_each_file_is_whole_or_named(
    server: HostileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], connections: int
) -> None:
    _make_hostile(server)
    folder = tmp_path / "crawl"
    assert _crawl(server, "--fetch", str(folder), "--max-connections", str(connections)) == 1
    captured = capsys.readouterr()
    names = [Path(path).name for path in _PATHS]
    assert captured.out.splitlines() == [str(folder / name) for name in names[:6]]
    assert {path.name for path in folder.glob("*.gz")} == set(names[:6])
    for name, data in zip(names[:6], _FILES, strict=False):
        assert (folder / name).read_bytes() == data
    assert f"error_page: {server.url}/{_PATHS[6]}: begins with" in captured.err
    assert f"damaged: {server.url}/{_PATHS[7]}: its compression is damaged (truncated_gzip_member)" in captured.err
    assert "2 of 8 files failed" in captured.err
    assert server.max_connections <= connections


@pytest.mark.usefixtures("fast")
def test_the_same_command_again_asks_only_for_what_is_missing(server: HostileServer, tmp_path: Path) -> None:
    _make_hostile(server)
    assert _crawl(server, "--fetch", str(tmp_path)) == 1
    server.log.clear()
    for path, data in zip(_PATHS, _FILES, strict=True):
        server.add(f"/{path}", data)
    assert _crawl(server, "--fetch", str(tmp_path)) == 0
    asked = [path for command, path, _ in server.log if command == "GET"]
    lengths = [path for command, path, _ in server.log if command == "HEAD"]
    assert sorted(lengths) == sorted(f"/{path}" for path in _PATHS[:6])
    assert sorted(asked) == sorted([f"/crawl-data/{_NAME}/wat.paths.gz", *(f"/{path}" for path in _PATHS[6:])])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(Path(path).name for path in _PATHS)


def test_a_stopped_fetch_goes_on_where_it_was(server: HostileServer, tmp_path: Path) -> None:
    url = server.add("/a.gz", _FILES[0], hostile.cut(5000), hostile.slow_down())
    path = tmp_path / "a.gz"
    failed = fetch_file(url, str(path), _RETRY)
    assert (failed.failure, failed.bytes) == ("http_503", 5000) and not path.exists()
    assert (tmp_path / "a.gz.part").read_bytes() == _FILES[0][:5000]
    server.add("/a.gz", _FILES[0])
    assert fetch_file(url, str(path), _RETRY).failure == ""
    assert path.read_bytes() == _FILES[0]
    assert server.log[-1] == ("GET", "/a.gz", "bytes=5000-")
    assert [left.name for left in tmp_path.iterdir()] == ["a.gz"]


def test_a_killed_fetch_goes_on_where_it_was(server: HostileServer, tmp_path: Path) -> None:
    data = b"".join(_FILES * 10)
    url = server.add("/a.gz", data, hostile.stall(600_000), hostile.whole)
    part = tmp_path / "a.gz.part"
    arguments = (url, str(tmp_path / "a.gz"), _RETRY)
    process = multiprocessing.get_context("fork").Process(target=fetch_file, args=arguments)
    process.start()
    try:
        while not part.exists() or part.stat().st_size < 500_000:
            assert process.is_alive()
            time.sleep(0.02)
    finally:
        process.kill()
        process.join()
    assert not (tmp_path / "a.gz").exists()
    arrived = part.stat().st_size
    assert fetch_file(url, str(tmp_path / "a.gz"), _RETRY).failure == ""
    assert (tmp_path / "a.gz").read_bytes() == data
    assert server.log[-1] == ("GET", "/a.gz", f"bytes={arrived}-")


@pytest.mark.parametrize("number", stop_signals.SIGNALS, ids=lambda number: number.name)
def test_a_fetch_from_a_server_that_sends_nothing_is_told_to_end(
    server: HostileServer, tmp_path: Path, number: signal.Signals
) -> None:
    data = b"".join(_FILES * 10)
    server.add(f"/{_PATHS[0]}", data, hostile.stall(600_000), hostile.whole)
    command = [sys.executable, "-m", "webgraph.cli", "crawl", _NAME, "--base", server.url, "--limit", "1"]
    command += ["--fetch", str(tmp_path)]
    part = tmp_path / f"{Path(_PATHS[0]).name}.part"

    def prepare() -> None:
        signal.signal(number, signal.SIG_DFL)

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=prepare) as process:
        while not part.exists() or part.stat().st_size < 500_000:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        out, errors = process.communicate()
    assert process.returncode == 128 + number
    advice = "run the same command again to go on where it stopped"
    assert (out, errors.decode()) == (b"", f"webgraph crawl: stopped by {number.name}; {advice}.\n")
    assert {path.name for path in tmp_path.iterdir()} == {part.name, f"{part.name}.json"}
    with only_one(str(tmp_path)):  # no lock is left
        pass
    if number == signal.SIGTERM:
        subprocess.run(command, check=True, capture_output=True)
        assert (tmp_path / Path(_PATHS[0]).name).read_bytes() == data
        assert [path.name for path in tmp_path.iterdir()] == [Path(_PATHS[0]).name]


def test_what_an_ended_run_left_beside_a_whole_file_goes(server: HostileServer, tmp_path: Path) -> None:
    url = server.add("/a.gz", _FILES[0])
    path = tmp_path / "a.gz"
    path.write_bytes(_FILES[0])
    (tmp_path / "a.gz.part.json").write_text("{}")
    assert fetch_file(url, str(path), _RETRY).failure == ""
    assert [left.name for left in tmp_path.iterdir()] == ["a.gz"]


@pytest.mark.parametrize("there", [b"", _FILES[0][:-1], _FILES[0][:500], _FILES[0] + b"more", _FILES[1] + _FILES[0]])
@pytest.mark.usefixtures("fast")
def test_a_file_of_another_length_is_not_taken_for_whole(
    server: HostileServer, tmp_path: Path, there: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / Path(_PATHS[0]).name
    path.write_bytes(there)
    assert _crawl(server, "--fetch", str(tmp_path), "--limit", "1") == 1
    captured = capsys.readouterr()
    assert not captured.out and path.read_bytes() == there
    assert f"{path} has {len(there)}; remove that file to have it fetched again" in captured.err
    path.unlink()
    assert _crawl(server, "--fetch", str(tmp_path), "--limit", "1") == 0
    assert path.read_bytes() == _FILES[0]


def test_a_file_is_left_alone_where_the_server_does_not_say_its_length(server: HostileServer, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(_FILES[0])
    fetched = fetch_file(f"{server.url}/not-there/a.gz", str(tmp_path / "a.gz"), _RETRY)
    assert not fetched.failure and fetched.bytes == len(_FILES[0])


def test_a_crawl_in_a_store(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    files.pipe(f"/cc/crawl-data/{_NAME}/wat.paths.gz", gzip.compress("\n".join(_PATHS).encode()))
    files.pipe({f"/cc/{path}": data for path, data in zip(_PATHS, _FILES, strict=True)})
    try:
        urls = list_crawl(CrawlOptions(name=_NAME, base="memory://cc/", limit=2), _RETRY)
        assert urls == [f"memory://cc/{path}" for path in _PATHS[:2]]
        fetched = list(fetch_files(urls, str(tmp_path), InputOptions(retry=_RETRY)))
        assert [Path(file.path).read_bytes() for file in fetched] == _FILES[:2]
    finally:
        files.store.clear()


@pytest.mark.parametrize("left", ["no note", "half a note", "note of another file", "no validator", "too long"])
def test_a_part_of_unknown_origin_is_not_used(server: HostileServer, tmp_path: Path, left: str) -> None:
    url = server.add("/a.gz", _FILES[0])
    size = 10**6 if left == "too long" else 500
    (tmp_path / "a.gz.part").write_bytes(bytes(size))
    note = {
        "url": url + ("x" if left == "note of another file" else ""),
        "size": len(_FILES[0]),
        "validator": "" if left == "no validator" else '"v"',
    }
    if left != "no note":
        text = json.dumps(note)
        (tmp_path / "a.gz.part.json").write_text(text[:20] if left == "half a note" else text)
    assert fetch_file(url, str(tmp_path / "a.gz"), _RETRY).failure == ""
    assert (tmp_path / "a.gz").read_bytes() == _FILES[0]


def test_a_file_that_changed_since_is_begun_anew(server: HostileServer, tmp_path: Path) -> None:
    url = server.add("/a.gz", _FILES[0], hostile.cut(5000), hostile.slow_down())
    assert fetch_file(url, str(tmp_path / "a.gz"), _RETRY).failure == "http_503"
    server.add("/a.gz", _FILES[1])
    assert fetch_file(url, str(tmp_path / "a.gz"), _RETRY).failure == ""
    assert (tmp_path / "a.gz").read_bytes() == _FILES[1]


def test_a_whole_part_needs_no_request(server: HostileServer, tmp_path: Path) -> None:
    url = server.add("/a.gz", _FILES[0])
    (tmp_path / "a.gz.part").write_bytes(_FILES[0])
    note = {"url": url, "size": len(_FILES[0]), "validator": '"v"'}
    (tmp_path / "a.gz.part.json").write_text(json.dumps(note))
    assert fetch_file(url, str(tmp_path / "a.gz"), _RETRY).failure == ""
    assert (tmp_path / "a.gz").read_bytes() == _FILES[0] and not server.log


def test_files_of_one_name_are_refused(server: HostileServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="same name"):
        list(fetch_files([f"{server.url}/a/1.gz", f"{server.url}/b/1.gz"], str(tmp_path)))


@pytest.mark.usefixtures("fast")
def test_a_local_copy_is_not_fetched(server: HostileServer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to fetch"):
        _crawl(server, "--base", str(tmp_path), "--fetch", str(tmp_path / "x"))
