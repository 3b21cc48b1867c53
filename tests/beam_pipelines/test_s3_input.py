"""s3:// through s3fs, against a server of moto on this machine."""

import json
from collections.abc import Iterator

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from beam_pipelines.fsspec_source import FsspecSource
from beam_pipelines.input_options import RetryOptions
from beam_pipelines.inputs import expand_inputs
from beam_pipelines.open_archive import archive_sizes, open_archive
from beam_pipelines.remote_reader import RemoteReadError
from tests.beam_pipelines.archives import members, page_record

_RETRY = RetryOptions(max_retries=1, base_delay=0.001, max_delay=0.002, timeout=600.0)
_FILE = members(page_record(f"http://a.de/{number}", ["/b"]) for number in range(500))
_OTHER = _FILE[:-100]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket with two archives, a list of them, and an object that is none; read without credentials."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    writer = fsspec.filesystem("s3", key="key", secret="secret", endpoint_url=endpoint, skip_instance_cache=True)
    if not writer.exists("crawls"):
        writer.mkdir("crawls", acl="public-read")
    listing = b"wat/1.wat.gz\nwat/2.wat.gz\n"
    writer.pipe({"crawls/wat/1.wat.gz": _FILE, "crawls/wat/2.wat.gz": _OTHER, "crawls/wat.paths": listing})
    monkeypatch.setitem(fsspec.config.conf, "s3", json.loads(f'{{"anon": true, "endpoint_url": "{endpoint}"}}'))
    yield "s3://crawls"
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_lists_and_globs(bucket: str) -> None:
    expected = [f"{bucket}/wat/1.wat.gz", f"{bucket}/wat/2.wat.gz"]
    assert expand_inputs([f"{bucket}/wat.paths"], retry=_RETRY) == expected
    assert expand_inputs([f"{bucket}/wat/*.gz"]) == expected


def test_an_object_arrives_whole(bucket: str) -> None:
    with open_archive(f"{bucket}/wat/1.wat.gz", _RETRY) as stream:
        assert stream.read() == _FILE
    sizes = archive_sizes([f"{bucket}/wat/1.wat.gz"], _RETRY)
    assert sizes == {f"{bucket}/wat/1.wat.gz": len(_FILE)}


def test_a_missing_object_is_named(bucket: str) -> None:
    with open_archive(f"{bucket}/none.gz", _RETRY) as stream, pytest.raises(RemoteReadError, match="none") as failed:
        stream.read()
    assert failed.value.reason == "not_found"


def test_an_object_that_is_replaced_fails(bucket: str, endpoint: str) -> None:
    writer = fsspec.filesystem("s3", key="key", secret="secret", endpoint_url=endpoint, skip_instance_cache=True)
    source = FsspecSource(f"{bucket}/wat/1.wat.gz")
    before = source.open(0, "")
    writer.pipe({"crawls/wat/1.wat.gz": _OTHER})
    after = source.open(0, "")
    assert before.validator and before.validator != after.validator
    assert (before.size, after.size) == (len(_FILE), len(_OTHER))
