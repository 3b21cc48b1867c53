"""A file from a hostile server: byte for byte the file, or an error with a name; and how long is waited between."""

import dataclasses
import gzip
import random
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.http_source import HttpSource, user_agent
from beam_pipelines.input_options import InputOptions, RetryOptions, retry_delay
from beam_pipelines.open_archive import archive_problem, archive_sizes, open_archive
from beam_pipelines.remote_reader import RemoteReader, RemoteReadError
from tests.beam_pipelines import hostile_server as hostile
from tests.beam_pipelines.archives import members, page_record
from tests.beam_pipelines.hostile_server import Behaviour, HostileServer
from webgraph import __version__

RETRY = RetryOptions(
    max_retries=6, base_delay=0.001, max_delay=0.004, max_retry_after=0.3, timeout=hostile.PATIENCE, seed=1
)
_RANDOM = random.Random(7)
FILE = members(page_record(f"http://a.de/{_RANDOM.random()}", [f"/{_RANDOM.random()}"]) for _ in range(250))
OTHER = members([page_record("http://b.de/", ["/other"])]) + FILE[: len(FILE) - 500]


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with hostile.hostile_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _read(url: str, retry: RetryOptions = RETRY) -> bytes:
    with open_archive(url, retry) as stream:
        return stream.read()


WHOLE: dict[str, tuple[Behaviour, ...]] = {
    "behaves": (hostile.whole,),
    "503 burst": (hostile.slow_down(),) * 5 + (hostile.whole,),
    "503 burst with Retry-After": (hostile.slow_down("0"), hostile.slow_down("soon"), hostile.whole),
    "429 and 500s": (*(hostile.status(code) for code in (429, 500, 502, 504)), hostile.whole),
    "403 that passes": (hostile.status(403, hostile.ACCESS_DENIED), hostile.whole),
    "cut short": (hostile.cut(10_000), hostile.cut(1), hostile.cut(0), hostile.cut(9_000), hostile.whole),
    "reset": (hostile.refuse, hostile.reset(12_345), hostile.reset(0), hostile.whole),
    "503 in the middle": (hostile.cut(20_000), hostile.slow_down(), hostile.slow_down(), hostile.whole),
    "an error page that passes": (hostile.page(hostile.SLOW_DOWN), hostile.page(hostile.HTML), hostile.whole),
    "no ranges": (hostile.without_ranges(15_000), hostile.without_ranges(9_000), hostile.without_ranges()),
    "no ranges, no ETag": (hostile.without_ranges(15_000, etag=""), hostile.without_ranges(etag="")),
    "no ETag": (hostile.without_validator(15_000), hostile.without_validator()),
    "chunked": (hostile.chunked,),
    "named encoding": (hostile.named_encoded,),
    "a redirect": (hostile.redirect("/moved"),),
    "every connection is short": tuple(hostile.cut(30_000) for _ in range(40)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_can_be_had_arrives_whole(server: HostileServer, name: str) -> None:
    server.add("/moved", FILE)
    url = server.add(f"/whole/{name.replace(' ', '-')}.gz", FILE, *WHOLE[name])
    with open_archive(url, RETRY) as stream:
        assert stream.read() == FILE


FAILED: dict[str, tuple[str, tuple[Behaviour, ...]]] = {
    "404": ("not_found", (hostile.status(404),)),
    "410": ("not_found", (hostile.status(410),)),
    "403": ("forbidden", (hostile.status(403, hostile.ACCESS_DENIED),)),
    "400": ("http_400", (hostile.status(400),)),
    "204": ("http_204", (hostile.status(204, b""),)),
    "503 for ever": ("http_503", (hostile.slow_down(),)),
    "503 for ever, with Retry-After": ("http_503", (hostile.slow_down("1"), hostile.slow_down())),
    "503 after the middle": ("http_503", (hostile.cut(20_000), hostile.slow_down())),
    "404 after the middle": ("not_found", (hostile.cut(20_000), hostile.status(404))),
    "cut short for ever": ("short_body", (hostile.cut(20_000), hostile.cut(0))),
    "reset for ever": ("connection_lost", (hostile.reset(100),)),
    "no answer": ("connection_lost", (hostile.refuse,)),
    "XML under a gzip name": ("error_page", (hostile.page(hostile.SLOW_DOWN),)),
    "HTML under a gzip name": ("error_page", (hostile.page(b"\xef\xbb\xbf \n" + hostile.HTML),)),
    "HTML, compressed": ("error_page", (hostile.page(gzip.compress(hostile.HTML)),)),
    "text": ("not_an_archive", (hostile.page(b"Service unavailable"),)),
    "compressed twice": ("content_encoding", (hostile.encoded,)),
    "overstated length": ("short_body", (hostile.overstated(100),)),
    "no length": ("no_length", (hostile.without_length,)),
    "replaced": ("changed", (hostile.cut(20_000), hostile.other_file(OTHER))),
    "replaced, no ranges": ("changed", (hostile.cut(20_000), hostile.without_ranges(etag='"x"'))),
    "replaced by an error page": ("changed", (hostile.cut(20_000), hostile.page(hostile.SLOW_DOWN))),
    "another range": ("bad_range", (hostile.cut(20_000), hostile.other_range)),
    "drip": ("timeout", (hostile.drip,)),
    "silence": ("timeout", (hostile.silence,)),
    "a loop": ("bad_redirect", (hostile.redirect("?again"),)),
    "redirect to a file": ("bad_redirect", (hostile.redirect("file:///etc/passwd"),)),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_file_that_cannot_be_had_fails_by_name(server: HostileServer, name: str) -> None:
    reason, script = FAILED[name]
    timeout = hostile.IMPATIENCE if reason == "timeout" else hostile.PATIENCE
    retry = dataclasses.replace(RETRY, max_retries=2, max_retry_after=0.01, timeout=timeout)
    url = server.add(f"/failed/{name.replace(' ', '-').replace(',', '')}.gz", FILE, *script)
    with pytest.raises(RemoteReadError, match=f"^{url}: ") as failed:
        _read(url, retry)
    assert failed.value.reason == reason


def test_a_server_that_says_nothing_for_a_while_is_asked_again(server: HostileServer) -> None:
    """Often, because here the good server as well is given little time to answer."""
    url = server.add("/silent.gz", FILE, hostile.silence, hostile.silence, hostile.whole)
    assert _read(url, dataclasses.replace(RETRY, max_retries=1000, timeout=hostile.IMPATIENCE)) == FILE
    assert server.requests["/silent.gz"] >= 3


def test_the_same_bytes_replace_a_file_without_a_validator_only_if_they_are_the_same(server: HostileServer) -> None:
    same_length = FILE[:5_000] + bytes([FILE[5_000] ^ 1]) + FILE[5_001:]
    url = server.add("/a.gz", FILE, hostile.without_ranges(20_000, etag=""), hostile.page(same_length))
    with pytest.raises(RemoteReadError, match="other bytes") as failed:
        _read(url)
    assert failed.value.reason == "changed"


def test_only_what_is_missing_is_asked_for_again(server: HostileServer) -> None:
    url = server.add("/ranges.gz", FILE, hostile.cut(20_000), hostile.reset(10_000), hostile.whole)
    assert _read(url) == FILE
    first, second, third = (asked for _, path, asked in server.log if path == "/ranges.gz")
    assert (first, second) == ("", "bytes=20000-")
    assert 20_000 <= int(third.removeprefix("bytes=").removesuffix("-")) <= 30_000  # a reset drops what is under way


def test_an_uncompressed_file_that_was_compressed_on_its_way_is_refused(server: HostileServer) -> None:
    url = server.add("/a.warc", page_record("http://a.de/", ["/b"]), hostile.encoded)
    with pytest.raises(RemoteReadError, match="sent as gzip") as failed:
        _read(url)
    assert failed.value.reason == "content_encoding"


def test_a_server_that_is_gone(server: HostileServer) -> None:
    with hostile.hostile_server() as gone:
        url = gone.add("/a.gz", FILE)
    with pytest.raises(RemoteReadError, match="after 2 retries") as failed:
        _read(url, RetryOptions(max_retries=2, base_delay=0.001, max_delay=0.001, timeout=hostile.PATIENCE))
    assert failed.value.reason == "connection_lost"


def test_secrets_of_a_url_are_not_in_messages(server: HostileServer) -> None:
    url = server.add("/gone.gz", b"", hostile.status(404)) + "?X-Amz-Signature=secret"
    with pytest.raises(RemoteReadError, match=r"gone\.gz: HTTP status 404$") as failed:
        _read(url)
    assert "secret" not in str(failed.value)


def _delays(url: str, retry: RetryOptions) -> list[float]:
    delays: list[float] = []
    with RemoteReader(HttpSource(url, retry), retry, sleep=delays.append) as reader:
        assert reader.read() == FILE
    return delays


@pytest.mark.parametrize("when", [lambda: "7", lambda: hostile.date_in(8)], ids=["seconds", "date"])
def test_retry_after_is_respected_up_to_a_bound(server: HostileServer, when: Callable[[], str]) -> None:
    started = time.monotonic()
    script = (hostile.slow_down(when()), hostile.slow_down("1000000"), hostile.slow_down(), hostile.whole)
    retry = RetryOptions(base_delay=0.5, max_delay=1.0, max_retry_after=60.0, seed=3)
    first, second, third = _delays(server.add("/after.gz", FILE, *script), retry)
    server.requests.clear()
    assert 6 - (time.monotonic() - started) <= first <= 8.5  # a date comes nearer while the machine is busy
    assert 60 <= second <= 60.5
    assert 0.5 <= third <= 1.5


def test_waiting_repeats_under_a_seed_and_differs_without(server: HostileServer) -> None:
    def delays(seed: int | None) -> list[float]:
        url = server.add("/seed.gz", FILE, *[hostile.slow_down()] * 4, hostile.whole)
        server.requests.clear()
        return _delays(url, RetryOptions(seed=seed))

    assert delays(5) == delays(5) != delays(6)
    assert delays(None) != delays(None)


def test_the_time_for_one_file_has_an_end(server: HostileServer) -> None:
    waited: list[float] = []
    retry = RetryOptions(max_retries=1000, max_seconds=100.0, seed=1)
    url = server.add("/never.gz", FILE, hostile.slow_down("30"))
    reader = RemoteReader(HttpSource(url, retry), retry, sleep=waited.append)
    with reader, pytest.raises(RemoteReadError, match="HTTP status 503"):
        reader.read()
    assert 60 <= sum(waited) <= 100


def test_progress_begins_a_new_row_of_retries(server: HostileServer) -> None:
    data = FILE * 8
    retry = RetryOptions(max_retries=1, base_delay=0.0, max_delay=0.0, timeout=hostile.PATIENCE)
    url = server.add("/long.gz", data, *[hostile.cut(70_000)] * (len(data) // 70_000 + 1))
    assert _read(url, retry) == data


@given(
    failures=st.integers(0, 2000),
    share=st.floats(0, 1, exclude_max=True),
    retry_after=st.floats(0, 1e9),
)
def test_laws_of_the_delay(failures: int, share: float, retry_after: float) -> None:
    options = RetryOptions()
    delay = retry_delay(options, failures, share, retry_after)
    assert options.base_delay <= delay <= options.base_delay + max(options.max_delay, options.max_retry_after)
    assert delay >= min(retry_after, options.max_retry_after)
    assert delay <= retry_delay(options, failures + 1, share, retry_after)


def test_all_requests_name_the_software(server: HostileServer) -> None:
    _read(server.add("/agent.gz", FILE))
    assert server.agents == {user_agent()}
    assert user_agent().startswith(f"alx-webgraph/{__version__} (")


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (FILE[:100], ""),
        (b"WARC/1.0\r\n", ""),
        (b"\r\nWARC/1.0\r\n", ""),
        (b"\x28\xb5\x2f\xfd", ""),
        (b"filedesc://a.arc 0.0.0.0", ""),
        (b"", ""),  # the parser calls it empty_file
        (b"\x1f\x8b\x08\x00", ""),  # and this one no_record
        (b"<?xml", "error_page"),
        (b"{}", "not_an_archive"),
    ],
)
def test_first_bytes(head: bytes, problem: str) -> None:
    assert archive_problem(head) == problem


def test_sizes_are_asked_for_few_files(server: HostileServer) -> None:
    urls = [server.add(f"/sizes/{number}.gz", bytes(number % 2 * 1000 + 500)) for number in range(64)]
    sizes = archive_sizes(urls, RETRY)
    asked = [path for command, path, _ in server.log if command == "HEAD" and path.startswith("/sizes/")]
    assert len(asked) == 16
    assert set(sizes) == set(urls) and set(sizes.values()) <= set(range(500, 1501))
    nowhere = archive_sizes([server.url + "/nowhere.gz"], RETRY)
    assert list(nowhere.values()) == [1 << 28]


@pytest.mark.parametrize("wrong", [{"max_retries": -1}, {"base_delay": -1.0}, {"timeout": 0.0}, {"max_seconds": 0.0}])
def test_wrong_options(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_connections must be at least 1, got 0"):
        InputOptions(max_connections=0)
