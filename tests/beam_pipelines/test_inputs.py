"""What a run reads: manifests, globs and URLs, here, on the web and in a store; and what a manifest must not list."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from beam_pipelines import fsspec_source
from beam_pipelines.input_options import RetryOptions
from beam_pipelines.inputs import InputError, expand_inputs
from beam_pipelines.open_archive import archive_name, archive_sizes, open_archive
from beam_pipelines.remote_reader import RemoteReadError
from tests.beam_pipelines import hostile_server as hostile
from tests.beam_pipelines.archives import members, page_record
from tests.beam_pipelines.hostile_server import HostileServer

_RETRY = RetryOptions(max_retries=3, base_delay=0.001, max_delay=0.002, timeout=hostile.PATIENCE)
_FILE = members(page_record(f"http://a.de/{number}", ["/b"]) for number in range(50))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hostile.hostile_server() as running:
        yield running


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """fsspec's file system in this process, as a store."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def test_a_manifest_on_the_web_lists_paths_under_its_folder(server: HostileServer) -> None:
    lines = b"# a comment\n\nwat/2.gz\nhttps://example.org/3.gz\ns3://bucket/4.gz\nwat/2.gz\n"
    url = server.add("/cc/wat.paths.gz", gzip.compress(lines), hostile.slow_down(), hostile.whole)
    listed = [f"{server.url}/cc/wat/2.gz", "https://example.org/3.gz", "s3://bucket/4.gz"]
    assert expand_inputs([url], retry=_RETRY) == sorted(listed)
    server.requests.clear()
    based = expand_inputs([url, "a.gz"], base="https://data.example.org/", retry=_RETRY)
    assert "https://data.example.org/wat/2.gz" in based and "a.gz" in based


def test_a_query_is_no_part_of_a_name(server: HostileServer) -> None:
    url = server.add("/cc/wat.paths", b"1.gz\n") + "?token=x[1]*"
    assert expand_inputs([url], retry=_RETRY) == [f"{server.url}/cc/1.gz"]
    assert expand_inputs(["https://example.org/a.gz?token=x*"]) == ["https://example.org/a.gz?token=x*"]
    assert archive_name("https://example.org/cc/a.gz?token=/x") == "a.gz"
    assert archive_name("/cc/a?b.gz") == "a?b.gz"


@pytest.mark.parametrize(
    "line", ["/etc/passwd", "file:///etc/passwd", "file:/etc/passwd", "~/.ssh/id_rsa", "../../etc/passwd", "a/../../b"]
)
def test_a_manifest_from_elsewhere_cannot_name_local_files(server: HostileServer, tmp_path: Path, line: str) -> None:
    url = server.add("/cc/wat.paths", f"a.gz\n{line}\n".encode())
    for base in (None, str(tmp_path)):
        with pytest.raises(InputError, match=r"may list"):
            expand_inputs([url], base=base, retry=_RETRY)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("memory://a.gz", "it may list http, https, s3, gs URLs"),
        ("ftp://example.org/a.gz", "it may list http"),
        ("nothing://a.gz", "it may list http"),
        ("s3://a.gz::https://example.org/a.zip", "chained URLs are not read"),
        ("file:///etc/passwd", "it may list http"),
        ("https://me:word@example.org/a.gz", r"user name or password are not read: https://\.\.\.@example\.org/a\.gz"),
    ],
)
def test_urls_that_no_manifest_may_list(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "wat.paths").write_text(line + "\n")
    with pytest.raises(InputError, match=message):
        expand_inputs([str(tmp_path / "wat.paths")])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nothing://a.gz", "no storage is called nothing://"),
        ("zip://a.gz::https://example.org/a.zip", "chained URLs are not read"),
        ("file:///etc/passwd", "give a local file as a plain path"),
        ("https://me:word@example.org/a.gz", "user name or password"),
    ],
)
def test_urls_that_are_no_input(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand_inputs([url])


def test_a_local_manifest_lists_local_files(tmp_path: Path) -> None:
    (tmp_path / "wat.paths").write_text("a.gz\n/b.gz\nhttps://example.org/c.gz\n")
    listed = expand_inputs([str(tmp_path / "wat.paths")])
    assert listed == sorted([str(tmp_path / "a.gz"), "/b.gz", "https://example.org/c.gz"])


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (hostile.status(404), "HTTP status 404"),
        (hostile.page(hostile.HTML), "begins with b'<!DOCTYPE"),
        (hostile.slow_down(), "HTTP status 503 after 3 retries"),
        (hostile.page(b"\x1f\x8b" + bytes(100)), "cannot be read as lines"),
    ],
)
def test_a_manifest_that_cannot_be_had(server: HostileServer, behaviour: hostile.Behaviour, message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand_inputs([server.add("/cc/wat.paths.gz", b"", behaviour)], retry=_RETRY)


def test_a_manifest_bomb_is_refused(server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beam_pipelines.inputs._MAX_MANIFEST_BYTES", 1 << 20)
    for name, content in (("b.paths.gz", gzip.compress(b"a\n" * (4 << 20))), ("b.paths", b"a\n" * (1 << 20))):
        with pytest.raises(InputError, match="has more than 1048576 bytes"):
            expand_inputs([server.add("/" + name, content)], retry=_RETRY)


def test_a_store(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe({"/cc/1.gz": _FILE, "/cc/2.gz": b"", "/cc/all.paths": b"1.gz\n"})
    assert expand_inputs(["memory://cc/*.gz"]) == ["memory://cc/1.gz", "memory://cc/2.gz"]
    assert expand_inputs(["memory://cc/all.paths"]) == ["memory://cc/1.gz"]
    with pytest.raises(InputError, match="No file matches"):
        expand_inputs(["memory://cc/*.none"])
    with open_archive("memory://cc/1.gz", _RETRY) as stream:
        assert stream.read() == _FILE
    assert archive_sizes(["memory://cc/1.gz"], _RETRY) == {"memory://cc/1.gz": len(_FILE)}
    for missing in ("memory://cc/none.gz", "memory://cc"):
        with pytest.raises(RemoteReadError, match=missing) as failed, open_archive(missing, _RETRY) as stream:
            stream.read()
        assert failed.value.reason == "not_found"


class _Flaky:
    """An open file that fails now and then."""

    failures = 3

    def __init__(self, opened: fsspec.spec.AbstractBufferedFile) -> None:
        self._opened, self._left = opened, 2
        self.seek, self.close = opened.seek, opened.close

    def read(self, count: int) -> bytes:
        if self._left == 0 and _Flaky.failures:
            _Flaky.failures -= 1
            raise ConnectionError("lost")
        self._left -= 1
        return bytes(self._opened.read(min(count, 1000)))


def test_a_store_that_fails_now_and_then(memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe({"/cc/1.gz": _FILE})
    opened = type(memory).open
    monkeypatch.setattr(type(memory), "open", lambda *args, **options: _Flaky(opened(*args, **options)))
    _Flaky.failures = 3
    with open_archive("memory://cc/1.gz", _RETRY) as stream:
        assert stream.read() == _FILE
    assert _Flaky.failures == 0
    _Flaky.failures = 100
    with (
        pytest.raises(RemoteReadError, match="lost after 3 retries"),
        open_archive("memory://cc/1.gz", _RETRY) as stream,
    ):
        stream.read()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec_source.fsspec, "get_filesystem_class", missing)
    for scheme, extra in (("s3", "s3"), ("gs", "gcs")):
        with pytest.raises(InputError, match=rf"{scheme}:// needs a package .* pip install 'alx-webgraph\[{extra}\]'"):
            expand_inputs([f"{scheme}://bucket/a.gz"])
