"""Seeds for the fuzzers: small whole inputs, made here, and real ones where the shared data are."""

import gzip
import json
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import brotli
import zstandard

from tests.beam_pipelines.archives import (
    arc_file,
    http_response,
    links_at,
    members,
    page,
    page_record,
    wat_bytes,
    wat_value,
)
from tests.fuzz.targets.graph_directory import write_sound_graph
from tests.shared_data import shared_data_folder

_URLS = ("http://a.de/1", "https://www.b.in/x?y=z#f", "//c.com/", "../up", "?q", "mailto:x@y", "http://[::1]:80/%7e")
_MAX_SEED_BYTES = 1 << 16


def write_seeds(name: str, folder: Path) -> None:
    """Writes the seeds of a target into a folder, one a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_SEEDS[name]()):
        (folder / f"seed-{number:04}").write_bytes(seed)


def _shared(*patterns: str) -> Iterator[bytes]:
    for pattern in patterns:
        for path in sorted(shared_data_folder().glob(pattern)):
            if path.stat().st_size <= _MAX_SEED_BYTES:
                yield path.read_bytes()


def _wats() -> list[bytes]:
    links = links_at("A@/href", *_URLS) + links_at("IMG@/src", "i.png")
    value = wat_value("http://a.de/", links, base="http://a.de/b/")
    odd = wat_value("<http://a.de/>", [{"path": 1}], status=200)
    return [json.dumps(value).encode(), b"\n" + json.dumps(odd).encode()]


def _responses() -> list[bytes]:
    body = page([*_URLS, "ä"])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=%s\r\n%s\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    base = b'<base href="/b/"><a rel="nofollow ugc" href=x><area href><img src=y><form action=z><q cite=w><noscript><a>'
    xhtml = (
        b'<!DOCTYPE p [<!ENTITY e "x">]><p xmlns="http://www.w3.org/1999/xhtml"><base href="/b/"/><a href="&e;"/></p>'
    )
    return [
        http_response(body),
        head % (b"utf-8", b"Content-Encoding: gzip\r\n") + gzip.compress(body, mtime=0),
        head % (b"latin-1", b"Content-Encoding: deflate\r\n") + zlib.compress(body),
        head % (b"utf-16", b"Transfer-Encoding: chunked\r\n") + chunked,
        head % (b"utf-8", b"Content-Encoding: gzip\r\n")
        + gzip.compress(body, mtime=0)[:-4]
        + gzip.compress(b"", mtime=0),
        head % (b"utf-8", b"Content-Encoding: br\r\n") + brotli.compress(body),
        head % (b"utf-8", b"Content-Encoding: zstd\r\n") + 2 * zstandard.compress(body),
        head % (b'"a,b"', b"Transfer-Encoding: gzip, chunked\r\n")
        + b"5\r\n\x1f\x8b\x08\0\0\r\n9\r\n"
        + gzip.compress(body)[5:],
        b"windows-1252\n" + base,
        b"\n\xef\xbb\xbf" + base,
        b"\n<meta charset=shift_jis>" + base,
        b"\n" + xhtml,
        head.replace(b"text/html", b"application/xhtml+xml") % (b"utf-8", b"") + xhtml,
    ]


def _archives() -> Iterator[bytes]:
    records = [page_record(url, _URLS) for url in ("http://a.de/", "http://b.in/")] + [
        wat_bytes(json.loads(_wats()[0]))
    ]
    yield b"".join(records)
    yield members(records)
    yield b"".join(zstandard.ZstdCompressor().compress(record) for record in records)
    yield arc_file([("http://a.de/", http_response(page(_URLS)))])
    yield from _shared("malformed/*", "archives/*.gz")


def _urls() -> Iterator[bytes]:
    yield from (url.encode() for url in _URLS)
    for name in ("urltestdata.json", "toascii.json"):
        path = shared_data_folder() / "urls" / name
        for case in json.loads(path.read_bytes()) if path.exists() else ():
            if isinstance(case, dict):
                yield "".join(char for char in case["input"] if char.isascii()).encode()


def _graph_files() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        for number, file in enumerate(write_sound_graph(Path(scratch, "graph")).files):
            yield bytes([number]) + Path(scratch, "graph", file.name).read_bytes()


def _manifests() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        yield write_sound_graph(Path(scratch, "graph")).to_bytes()


def _records() -> Iterator[bytes]:
    for content in _graph_files():
        if content[1:5] != b"PAR1":
            yield content[1:]
            yield content[13:200]


_SEEDS = {
    "records": _archives,
    "archive": _archives,
    "wat": _wats,
    "html": _responses,
    "canonical_url": _urls,
    "manifest": _manifests,
    "tfrecord": _records,
    "graph_directory": _graph_files,
}
TARGETS = tuple(_SEEDS)

_WAT_WORDS = (
    *(b"Envelope", b"Payload-Metadata", b"HTTP-Response-Metadata", b"HTML-Metadata", b"Links", b"Head", b"Base"),
    *(
        b"Response-Message",
        b"Status",
        b"WARC-Header-Metadata",
        b"WARC-Type",
        b"response",
        b"WARC-Target-URI",
        b"A@/href",
    ),
    *(
        b"path",
        b"url",
        b"href",
        b"rel",
        b"null",
        b"1e999",
        b'{"',
        b'":',
        b"[",
        b"]",
        b"}",
        b"&amp;",
        b"\\ud800",
        b"\\u0000",
    ),
)
_HTML_WORDS = (
    *(
        b"<base href=",
        b"<a href=",
        b"</a>",
        b"<area href>",
        b"<template>",
        b"<svg>",
        b"<math>",
        b"<!--",
        b"-->",
        b"<title>",
    ),
    *(
        b"<meta charset=",
        b"<noscript>",
        b"<script>",
        b"<![CDATA[",
        b"&amp;",
        b"&#x110000;",
        b"<q cite=",
        b" rel=nofollow",
    ),
    *(b"HTTP/1.1 200 OK\r\n", b"Content-Type: text/html; charset=", b"Content-Encoding: gzip", b"Content-Encoding: br"),
    *(b"Transfer-Encoding: chunked", b"utf-16", b"iso-2022-jp", b"\r\n\r\n", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"),
)
_RECORD_WORDS = (
    *(
        b"WARC/1.0\r\n",
        b"WARC/1.1\n",
        b"WARC-Type: response",
        b"WARC-Type: metadata",
        b"WARC-Target-URI: <http://a.de/>",
    ),
    *(
        b"Content-Length: ",
        b"Content-Type: application/json",
        b"\r\n\r\n",
        b"\r\n ",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd",
    ),
    *(
        b"http://a.de/ 127.0.0.1 20100101000000 text/html 2\n",
        b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 9\n",
    ),
)
DICTIONARIES = {
    "wat": _WAT_WORDS,
    "html": _HTML_WORDS,
    "records": _RECORD_WORDS,
    "archive": (*_RECORD_WORDS, *_HTML_WORDS, *_WAT_WORDS),
}
