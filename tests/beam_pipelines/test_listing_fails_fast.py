"""A list that cannot be had: said in one sentence within seconds; tried again as often as asked. Loopback alone."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from beam_pipelines import http_source
from beam_pipelines.crawl_paths import CrawlOptions, list_crawl
from beam_pipelines.input_options import LISTING, InputOptions, RetryOptions
from beam_pipelines.inputs import InputError, expand_inputs
from tests.beam_pipelines import hostile_server as hostile
from tests.beam_pipelines.hostile_server import HostileServer

_RETRY = RetryOptions(max_retries=2, base_delay=0.001, max_delay=0.002, timeout=0.3)
_LIST = "/crawl-data/CC-MAIN-2021-25/wat.paths.gz"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hostile.hostile_server() as running:
        yield running


def _listing(base: str) -> str:
    with pytest.raises(InputError) as raised:
        list_crawl(CrawlOptions(name="CC-MAIN-2021-25", base=base), _RETRY)
    return str(raised.value)


def test_refused_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused
        said = _listing(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert "no connection (Connection refused) after 2 retries. Try again later, or give --retries N" in said
    assert "no such crawl" not in said


def test_a_server_that_never_answers(server: HostileServer) -> None:
    server.add(_LIST, b"", hostile.silence)
    assert "no answer in the time allowed after 2 retries. Try again later" in _listing(server.url)


def test_a_server_that_is_overloaded(server: HostileServer) -> None:
    server.add(_LIST, b"", hostile.slow_down())
    assert "HTTP status 503 after 2 retries. Try again later" in _listing(server.url)


def test_no_such_crawl(server: HostileServer) -> None:
    said = _listing(server.url)
    assert "HTTP status 404." in said and "If there is no such crawl" in said and "--retries" not in said


def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NameResolutionError("example.org", HTTPConnection("example.org"), socket.gaierror(-2, "unknown"))

    monkeypatch.setattr(http_source.HttpSource, "_manager", lambda self, url: type("M", (), {"request": fail}))
    assert "no address is known for its host; is there a network? after 2 retries" in _listing("http://example.org")
    assert issubclass(NameResolutionError, NewConnectionError)


def test_a_list_that_is_a_url_fails_as_fast(server: HostileServer, tmp_path: Path) -> None:
    url = server.add("/wat.paths", b"", hostile.slow_down("3600"))
    with pytest.raises(InputError, match="503"):
        expand_inputs([url], retry=LISTING)  # what the server asks to wait is beyond what a list may take
    assert server.requests["/wat.paths"] == 1


def test_the_flag_is_for_archives_and_lists() -> None:
    assert InputOptions.with_retries(None) == InputOptions()
    asked = InputOptions.with_retries(7, max_connections=2)
    assert (asked.retry.max_retries, asked.listing.max_retries, asked.max_connections) == (7, 7, 2)
    none = InputOptions.with_retries(0)
    assert none.retry.max_retries == none.listing.max_retries == 0
    assert LISTING.max_seconds + LISTING.timeout <= 10
    with pytest.raises(ValueError, match="max_retries must be at least 0"):
        InputOptions.with_retries(-1)
