"""`python -m beam_pipelines.build_graph` from bad input, bad options and interrupted runs, to exit codes and words."""

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from beam_pipelines.cli import main
from tests.beam_pipelines.archives import (
    links_at,
    members,
    page_record,
    warc_record,
    wat_bytes,
    wat_value,
)
from tests.beam_pipelines.graphs import content, read_graph
from tests.oracles.graph import build_graph
from webgraph.manifest import MANIFEST_FILE

_URLS = [f"https://www.a.de/{number}" for number in range(8)]
_EDGES = {(one, other) for one in _URLS for other in _URLS if one != other}
_FLAGS = ["--variants", "all-3=*:3", "--tfrecord-shards", "1"]
_XML_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'
_HTML_ERROR = b"<html><head><title>503 Service Unavailable</title></head><body></body></html>\n"


def _good(folder: Path, name: str = "good.warc.gz") -> str:
    path = folder / name
    path.write_bytes(members(page_record(url, _URLS) for url in _URLS))
    return str(path)


def _write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def _run(tmp_path: Path, *arguments: str) -> int:
    return main([*arguments, "--output", str(tmp_path / "out"), *_FLAGS])


def _check_graph(tmp_path: Path) -> None:
    assert read_graph(tmp_path / "out" / "all-3") == build_graph(set(_URLS), _EDGES)


def _words(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Standard output and error as one line each, as wide as they like."""
    captured = capsys.readouterr()
    return " ".join(captured.out.split()), " ".join(captured.err.split())


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


def test_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, _good(tmp_path)) == 0
    _check_graph(tmp_path)
    out, _ = _words(capsys)
    assert "good.warc.gz" in out and "all-3" in out and "56" in out


_BAD_FILES = {
    "empty_file": b"",
    "no_record-html": _HTML_ERROR,
    "no_record-xml": _XML_ERROR,
    "no_record-gzip_of_html": gzip.compress(_HTML_ERROR),
    "no_record-png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "no_record-gzip_header": b"\x1f\x8b\x08\x00",
}


@pytest.mark.parametrize("kind", _BAD_FILES)
def test_a_failed_file_fails_the_run_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    bad = _write(tmp_path, "bad.warc.gz", _BAD_FILES[kind])
    assert _run(tmp_path, _good(tmp_path), bad) == 1
    reason = kind.partition("-")[0]
    _, err = _words(capsys)
    assert f"error: 1 of 2 files failed: bad.warc.gz ({reason})" in err
    assert "--max-failed-fraction" in err
    assert not (tmp_path / "out" / "all-3").exists()


@pytest.mark.parametrize("kind", ["empty_file", "no_record-xml", "no_record-gzip_header"])
def test_failed_files_can_be_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    bad = _write(tmp_path, "bad.warc.gz", _BAD_FILES[kind])
    flags = ("--max-failed-fraction", "0.5", "--max-bad-fraction", "1")
    assert _run(tmp_path, _good(tmp_path), bad, *flags) == 0
    _check_graph(tmp_path)
    assert kind.partition("-")[0] in _words(capsys)[0]


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing.warc.gz")
    assert _run(tmp_path, _good(tmp_path), missing) == 1
    assert "1 of 2 files failed: missing.warc.gz (not_found)" in _words(capsys)[1]
    assert _run(tmp_path, _good(tmp_path), missing, "--max-failed-fraction", "0.5") == 0
    _check_graph(tmp_path)


def test_a_folder_in_place_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder.warc.gz").mkdir()
    assert _run(tmp_path, _good(tmp_path), str(tmp_path / "folder.warc.gz")) == 2
    assert "folder.warc.gz is a folder, not an archive; to read the files in it, give" in _words(capsys)[1]


def test_a_truncated_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = members(page_record(url, _URLS) for url in _URLS)
    more = members(page_record(f"https://www.b.de/{number}", []) for number in range(3))
    bad = _write(tmp_path, "cut.warc.gz", whole + more[:-30])
    assert _run(tmp_path, bad) == 1
    _, err = _words(capsys)
    assert "bytes were damaged and skipped, most in cut.warc.gz" in err and "--max-bad-fraction" in err
    assert not (tmp_path / "out" / "all-3").exists()
    assert _run(tmp_path, bad, "--max-bad-fraction", "0.2") == 0
    _check_graph(tmp_path)


def test_broken_json_is_skipped_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wats = [wat_bytes(wat_value(url, links_at("A@/href", *_URLS)), url) for url in _URLS]
    broken = warc_record(b'{"Envelope": {', kind="metadata", headers=[("Content-Type", "application/json")])
    path = _write(tmp_path, "a.warc.wat.gz", members([wats[0], broken, *wats[1:]]))
    assert _run(tmp_path, path) == 1
    assert "damaged and skipped, most in a.warc.wat.gz" in _words(capsys)[1]
    assert _run(tmp_path, path, "--max-bad-fraction", "0.2") == 0
    _check_graph(tmp_path)
    assert "broken json │ 1" in _words(capsys)[0]


def test_links_that_are_no_urls_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = ["http://[IP-Adresse]/", "http://[IP", "mailto:x@y.de", "javascript:void(0)", "https://exa mple.de/"]
    path = _write(tmp_path, "a.warc.gz", members(page_record(url, [*_URLS, *odd]) for url in _URLS))
    assert _run(tmp_path, path) == 0
    _check_graph(tmp_path)
    out, _ = _words(capsys)
    assert "not a url │ 24" in out
    assert "not http │ 16" in out


def test_no_page_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.warc.gz", members([warc_record(b"x", kind="resource")]))
    assert _run(tmp_path, path) == 1
    assert "error: No archive holds an HTML page that was answered with status 200." in _words(capsys)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants", "nope"], "Unknown variant 'nope'; valid names are sparse"),
        (["--variants", "dense,dense"], "Variant 'dense' is asked for twice"),
        (["--test-fraction", "1"], "test_fraction must be in [0, 1), got 1.0"),
        (["--seed", "-1"], "seed must be in [0, 2**64), got -1"),
        (["--max-bad-fraction", "2"], "max_bad_fraction must be in [0, 1], got 2.0"),
        (["--max-failed-fraction", "-1"], "max_failed_fraction must be in [0, 1], got -1.0"),
        (["--num-partitions", "0"], "num_partitions must be at least 1, got 0"),
        (["--key-bits", "65"], "key_bits must be in [1, 64], got 65"),
        (["--tfrecord-shards", "-1"], "tfrecord_shards must be at least 0, got -1"),
    ],
)
def test_wrong_options(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main([_good(tmp_path), "--output", str(tmp_path / "out"), *_FLAGS, *arguments]) == 2
    assert f"error: {message}" in _words(capsys)[1]
    assert not (tmp_path / "out").exists()


def test_wrong_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, str(tmp_path / "*.wat.gz")) == 2
    assert "error: No file matches" in _words(capsys)[1]
    assert _run(tmp_path, _write(tmp_path, "wat.paths", b"\n# none\n")) == 2
    assert "wat.paths lists no path" in _words(capsys)[1]


@pytest.mark.parametrize("arguments", [[], ["a.warc.gz"], ["a.warc.gz", "--output"], ["--seed", "x"]])
def test_missing_arguments_are_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "Exit codes: 0 done; 1 the run failed" in capsys.readouterr().out


def test_output_is_replaced_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = _good(tmp_path)
    assert _run(tmp_path, good) == 0
    before = content(tmp_path / "out")
    assert _run(tmp_path, good) == 1
    assert "all-3 exists; choose another --output, or give --overwrite to replace it." in _words(capsys)[1]
    assert content(tmp_path / "out") == before
    assert _run(tmp_path, _write(tmp_path, "bad.warc.gz", b""), "--overwrite") == 1
    assert {name: data for name, data in content(tmp_path / "out").items() if not name.startswith(".")} == before
    assert _run(tmp_path, good, "--overwrite", "--seed", "1") == 0
    _check_rows = read_graph(tmp_path / "out" / "all-3")
    assert _check_rows == build_graph(set(_URLS), _EDGES, seed=1)


def test_flags_change_the_graph(tmp_path: Path) -> None:
    assert _run(tmp_path, _good(tmp_path), "--test-fraction", "0.9", "--seed", "3") == 0
    graph = read_graph(tmp_path / "out" / "all-3")
    assert graph == build_graph(set(_URLS), _EDGES, seed=3, test_fraction=0.9)
    assert len(graph.test) > 3


def test_globs_and_lists_of_paths(tmp_path: Path) -> None:
    for number, url in enumerate(_URLS):
        _write(tmp_path, f"{number}.warc.gz", members([page_record(url, _URLS)]))
    listing = "".join(f"{number}.warc.gz\n" for number in range(4))
    paths = _write(tmp_path, "warc.paths.gz", gzip.compress(listing.encode()))
    assert _run(tmp_path, paths, str(tmp_path / "[4-7].warc.gz"), str(tmp_path / "0.warc.gz")) == 0
    _check_graph(tmp_path)


def _manifests(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(MANIFEST_FILE) if ".work" not in path.parts]


def test_a_killed_run_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    good, output = _good(tmp_path), tmp_path / "out"
    command = [sys.executable, "-m", "beam_pipelines.build_graph", good, "--output", str(output), *_FLAGS]
    # Many partitions make the run long enough to be killed in the middle of its second stage.
    process = subprocess.Popen([*command, "--num-partitions", "300"], cwd=Path(__file__).parents[2])
    try:
        while not list(output.glob(".work/parsed/*.json")):
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not _manifests(output)
    assert not (output / "all-3").exists()
    assert _run(tmp_path, good) == 0
    _check_graph(tmp_path)
    assert not (output / ".work").exists()
