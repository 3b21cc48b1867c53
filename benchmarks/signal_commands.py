"""The commands that `signal_moments` stops: how each is started, which moments it has, and what must be left.

Each works in a folder of its own. A moment is a test of what lies there, asked every few milliseconds.
"""

import dataclasses
import gzip
import hashlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import scipy.sparse

from webgraph.synthetic_crawl import SyntheticCrawlOptions, write_synthetic_crawl
from webgraph.tfrecord import read_records

CRAWL = "CC-MAIN-2021-25"
_EPOCHS = "3"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stoppable:
    """A command.

    Attributes:
      words: of the command line, whose output goes to `folder / "out"`.
      moments: by name, whether it has come, given the folder of the trial.
      name: how its sentence begins.
      digest: what of its output must be the same after a rerun as in an undisturbed run.
      unfinished: names of what has a final name and is not whole.
      locked: where its lock is, "" where it has none.
      has_workers: whether it forks workers of its own.
    """

    words: Callable[[Path], list[str]]
    moments: dict[str, Callable[[Path], bool]]
    name: str
    digest: Callable[[Path], str]
    unfinished: Callable[[Path], list[str]]
    locked: str = ""
    has_workers: bool = False


def any_of(*patterns: str) -> Callable[[Path], bool]:
    """Whether a file matches in the folder of the trial."""
    return lambda folder: any(next(folder.glob(pattern), None) is not None for pattern in patterns)


def digest_of_files(folder: Path) -> str:
    """Of names and bytes of all files under a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def build_command(crawl: Path) -> Stoppable:
    """`webgraph build` of a made crawl, in two workers and many partitions."""
    archives = [str(path) for path in sorted((crawl / "wat").glob("*.gz"))]
    flags = ["--variants", "all-3=*:3,all-5=*:5", "--num-partitions", "60", "--num-workers", "2"]
    script = str(Path(sys.executable).with_name("webgraph"))
    return Stoppable(
        name="webgraph build",
        words=lambda folder: [script, "build", *archives, *flags, "--output", str(folder / "out")],
        moments={
            "first fork": any_of("out/.work"),
            "parse": any_of("out/.work/parsed/*"),
            "shuffle": any_of("out/.work/spills/*/*.out"),
            "write": any_of("out/.work/graphs/*/*"),
            "last renames": any_of("out/.work/publish", "out/*/manifest.json"),
        },
        digest=lambda folder: digest_of_files(folder / "out"),
        unfinished=lambda folder: [
            path.name
            for path in (folder / "out").glob("*")
            if path.name != ".work" and not (path / "manifest.json").exists()
        ],
        locked="out",
        has_workers=True,
    )


def train_command(matrix: Path) -> Stoppable:
    """`alx train --resume`, a few epochs of a small matrix: most of it is imports and compilation."""
    script = str(Path(sys.executable).with_name("alx"))
    flags = ["--resume", "--dim", "16", "--epochs", _EPOCHS, "--devices", "1"]
    return Stoppable(
        name="alx train",
        words=lambda folder: [script, "train", str(matrix), *flags, "--output", str(folder / "out")],
        moments={
            "compilation": any_of("out/run.json"),
            "first epoch done": lambda folder: bool(_lines(folder / "out" / "metrics.jsonl")),
            "checkpoint": any_of("out/checkpoint/.writing-*"),
            "last rename": any_of(f"out/checkpoint/.writing-epoch-0000000{_EPOCHS}*"),
            "summary": any_of("out/summary.json*"),
        },
        digest=lambda folder: _manifests(folder / "out" / "checkpoint") + _without_seconds(folder),
        unfinished=lambda folder: [
            path.name
            for path in (folder / "out" / "checkpoint").glob("epoch-*")
            if not (path / "manifest.json").exists()
        ],
    )


def tune_command(matrix: Path, sampler: str) -> Stoppable:
    """`alx tune --resume` with a sampler."""
    script = str(Path(sys.executable).with_name("alx"))
    flags = ["--resume", "--dim", "8", "--epochs", "2", "--sampler", sampler, "--devices", "1"]
    flags += ["--regularizations", "0.01", "0.1", "--unobserved-weights", "0.01", "--trials", "2"]
    return Stoppable(
        name="alx tune",
        words=lambda folder: [script, "tune", str(matrix), *flags, "--output", str(folder / "out")],
        moments={
            "compilation": any_of("out/tune.json"),
            "second trial": lambda folder: bool(_lines(folder / "out" / "trials.jsonl")),
            "best": any_of("out/best.json*"),
        },
        digest=lambda folder: json.dumps(
            [{**line, "seconds": 0} for line in map(json.loads, _lines(folder / "out" / "trials.jsonl"))]
        ),
        unfinished=lambda folder: [],
    )


def fetch_command(crawl: Path) -> Stoppable:
    """`webgraph crawl --fetch` from a server here that takes its time."""
    server = _SlowServer(crawl)
    script = str(Path(sys.executable).with_name("webgraph"))
    base = f"http://127.0.0.1:{server.port}/"
    truth = {path.name: path.read_bytes() for path in (crawl / "wat").glob("*.gz")}
    return Stoppable(
        name="webgraph crawl",
        words=lambda folder: [script, "crawl", CRAWL, "--base", base, "--fetch", str(folder / "out")],
        moments={
            "listing": any_of("out"),
            "fetching": any_of("out/*.part"),
            "last file": lambda folder: len(list((folder / "out").glob("*.gz"))) == len(truth) - 1,
        },
        digest=lambda folder: digest_of_files(folder / "out"),
        unfinished=lambda folder: [
            path.name for path in (folder / "out").glob("*.gz") if path.read_bytes() != truth[path.name]
        ],
        locked="out",
    )


def tfds_command(crawl: Path) -> Stoppable:
    """`tfds build webgraph` of one variant, from archives: our pipeline, then TFDS's writing."""
    words = [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", "build"]
    words += ["--imports", "webgraph.webgraph_dataset_builder", "webgraph/sparse", "--manual_dir", str(crawl / "wat")]

    def command(folder: Path) -> list[str]:
        return [*words, "--data_dir", str(folder / "out"), "--download_dir", str(folder / "downloads")]

    return Stoppable(
        name="tfds build webgraph",
        words=command,
        moments={
            "any": any_of("downloads/*.lock"),
            "our parse": any_of("downloads/webgraph-*/.work/parsed/*"),
            "our write": any_of("downloads/webgraph-*/.work/graphs/*"),
            "TFDS writing": any_of("out/webgraph/sparse/*incomplete*"),
        },
        digest=lambda folder: digest_of_files(folder / "downloads") + _examples(folder / "out"),
        unfinished=lambda folder: [
            str(path) for path in (folder / "out").glob("webgraph/*/1.0.0") if not (path / "dataset_info.json").exists()
        ],
        has_workers=True,
    )


def make_inputs(folder: Path) -> tuple[Path, Path]:
    """A made crawl and a small matrix."""
    crawl = folder / "crawl"
    write_synthetic_crawl(crawl, SyntheticCrawlOptions(num_pages=1200, seed=5, num_files=3))
    chosen = np.random.default_rng(3)
    rows, cols = chosen.integers(0, 1500, 30_000), chosen.integers(0, 1200, 30_000)
    matrix = scipy.sparse.coo_array((np.ones(30_000, np.float32), (rows, cols)), shape=(1500, 1200)).tocsr()
    matrix.data[:] = 1
    scipy.sparse.save_npz(folder / "matrix.npz", matrix)
    return crawl, folder / "matrix.npz"


def clear(folder: Path) -> None:
    """Makes the folder of a trial new."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1] if path.exists() else []


def _manifests(checkpoints: Path) -> str:
    """Those of checkpoints, in which the digests of the tables stand; Orbax's files have times in them."""
    return "".join(path.read_text() for path in sorted(checkpoints.glob("*/manifest.json")))


def _examples(prepared: Path) -> str:
    """Digest of a prepared dataset's rows: TFDS gives the three features of an example in an order that varies."""
    total = hashlib.sha256()
    for path in sorted(prepared.rglob("*.tfrecord-*")):
        rows = read_records(path)
        for column in (rows.row_tag, rows.col_offsets, rows.col_tag, rows.gt_offsets, rows.gt_tag):
            total.update(column.tobytes())
    return total.hexdigest()


def _without_seconds(folder: Path) -> str:
    lines = [json.loads(line) for line in _lines(folder / "out" / "metrics.jsonl")]
    return json.dumps([{key: value for key, value in line.items() if "seconds" not in key} for line in lines])


class _SlowServer:
    """Gives the files of a crawl, half of each at once and the rest slowly."""

    def __init__(self, crawl: Path) -> None:
        names = sorted(path.name for path in (crawl / "wat").glob("*.gz"))
        listing = gzip.compress("".join(f"crawl-data/{name}\n" for name in names).encode())

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                data = listing if name == "wat.paths.gz" else (crawl / "wat" / name).read_bytes()
                start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
                self.send_response(206 if "Range" in self.headers else 200)
                if "Range" in self.headers:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()[:16]}"')
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                step = max(1, len(data) // 20)
                for at in range(start, len(data), step):
                    self.wfile.write(data[at : at + step])
                    self.wfile.flush()
                    time.sleep(0.1 if name != "wat.paths.gz" else 0.02)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
