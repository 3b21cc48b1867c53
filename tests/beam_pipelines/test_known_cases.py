"""Bad input that readers of web archives have met, each case by where it was met (project#thread, or a standard)."""

import functools
import gzip
import io
import json
import zlib
from collections import Counter
from typing import Any

import brotli
import pytest
import zstandard

from beam_pipelines.archive_records import Record, Skipped, read_records
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions, parse_archive
from tests.beam_pipelines.archives import (
    arc_file,
    http_response,
    links_at,
    members,
    page,
    page_record,
    warc_record,
    wat_bytes,
    wat_value,
)
from webgraph.canonical_url import BaseUrl, canonicalize, node_sort_key

_PAGES = [page_record(f"http://a.de/{number}", [f"/to-{number}"]) for number in range(3)]
_URLS = [f"http://a.de/{number}" for number in range(3)]
_HTML = b"<html><a href=/a>x</a>"


def _parse(data: bytes) -> tuple[list[str], Counter[str], str]:
    """The URLs of the pages, sorted, the counts and the failure."""
    reports: list[ArchiveReport] = []
    blocks = list(parse_archive(io.BytesIO(data), "a", ParseOptions(), reports.append))
    counts = Counter(reports[0].counts)
    records = sum(value for name, value in counts.items() if name.startswith("records_") and name != "records_in")
    assert counts["records_in"] == counts["pages"] + records
    links = sum(value for name, value in counts.items() if name.startswith("links_"))
    assert 2 * counts["links_in"] + counts["links_unselected"] == links  # in = out + dropped
    urls = sorted(url.as_py().decode() for _, block in blocks for url in block["page_url"])
    return urls, counts, reports[0].failure


def _message(*headers: str, body: bytes = _HTML, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "".join(f"{line}\r\n" for line in (status, *headers)).encode("latin-1") + b"\r\n" + body


def _one(message: bytes, uri: str = "http://a.de/") -> Counter[str]:
    record = warc_record(message, uri=uri)
    return _parse(record if len(record) > 1 << 20 else members([record]))[1]


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


_MEMBERS = [members([record]) for record in _PAGES]
_ZSTD = [zstandard.ZstdCompressor(write_checksum=True).compress(record) for record in _PAGES]
_GARBAGE = b"<Error><Code>SlowDown</Code></Error>"

_ARCHIVES: dict[str, tuple[bytes, list[str], str]] = {
    "cs336#13, warcio#144: an error page in place of an archive": (_GARBAGE, [], "garbage"),
    "cc_net#45: an error page of a store, gzipped": (gzip.compress(_GARBAGE), [], "garbage"),
    "resiliparse#6: cut gzip": (b"".join(_MEMBERS)[:-120], _URLS[:2], "truncated_gzip_member"),
    "resiliparse#6: gzip cut in the text of a page": (b"".join(_MEMBERS)[:-40], _URLS, "truncated_gzip_member"),
    "resiliparse#6: cut at the last byte": (b"".join(_MEMBERS)[:-1], _URLS, "truncated_gzip_member"),
    "warcio PR#99: a corrupt member in the middle": (
        _MEMBERS[0] + _flip(_MEMBERS[1], 60) + _MEMBERS[2],
        [_URLS[0], _URLS[2]],
        "bad_gzip_member",
    ),
    "cc-index-table#31: a checksum that is wrong": (
        _MEMBERS[0] + _flip(_MEMBERS[1], len(_MEMBERS[1]) - 6) + _MEMBERS[2],
        [_URLS[0], _URLS[2]],
        "bad_gzip_member",
    ),
    "the first header of the file is corrupt": (
        _flip(_MEMBERS[0], 0) + _MEMBERS[1] + _MEMBERS[2],
        _URLS[1:],
        "garbage_between_members",
    ),
    "pywb#48, warc-specifications#47: one member for the whole file": (gzip.compress(b"".join(_PAGES)), _URLS, ""),
    "warcio PR#65: several members a record": (
        b"".join(members([record[:50], record[50:99], record[99:]]) for record in _PAGES),
        _URLS,
        "",
    ),
    "warcat-rs#5: gzip under .warc, and no compression under .warc.gz": (b"".join(_PAGES), _URLS, ""),
    "warcio#131: one newline between records": (b"".join(record[:-2] for record in _PAGES), _URLS, ""),
    "warcreate#122: Content-Length too small": (
        _PAGES[0].replace(b"Content-Length: 1", b"Content-Length: ") + _PAGES[1] + _PAGES[2],
        _URLS,
        "wrong_content_length",
    ),
    "bitextor PR#104: Content-Length too large": (
        _PAGES[0].replace(b"Content-Length: ", b"Content-Length: 1") + _PAGES[1] * 9 + b"X" * 3 + _PAGES[2],
        _URLS,
        "wrong_content_length garbage",
    ),
    "bitextor PR#104: Content-Length beyond the file": (
        _PAGES[0].replace(b"Content-Length: ", b"Content-Length: 9") + _PAGES[1] + _PAGES[2],
        _URLS,
        "wrong_content_length",
    ),
    "warcio#122: a record without an end": (
        _PAGES[0] + b"WARC/1.0\r\nWARC-Type: response\r\n",
        _URLS[:1],
        "truncated_record",
    ),
    "resiliparse#13: empty records": (warc_record(b"") + b"".join(_PAGES), _URLS, ""),
    "resiliparse PR#26: the last record without empty lines": (b"".join(_PAGES)[:-4], _URLS, ""),
    "webarchive-commons#88, PR#150: warcinfo and metadata without name and target": (
        b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 3\r\n\r\na:b\r\n\r\n"
        b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 3\r\n\r\na:b\r\n\r\n" + b"".join(_PAGES),
        _URLS,
        "",
    ),
    "archive-commons#2: a WAT with one CRLF after the block": (
        members([wat_bytes(wat_value(url, []), url)[:-2] for url in _URLS]),
        _URLS,
        "",
    ),
    "webarchive-discovery PR#198, warcio#152: in brackets": (
        page_record("<http://a.de/0>", []),
        _URLS[:1],
        "",
    ),
    "warcio 1.7.0: a space in the target": (page_record("http://a.de/x y", []), ["http://a.de/x%20y"], ""),
    "a target that is percent-encoded": (
        page_record("http://a.de/p%C3%A4th%20x", []),
        ["http://a.de/p%C3%A4th%20x"],
        "",
    ),
    "ia-web-commons#27: a target that lost its non-ASCII": (
        wat_bytes(wat_value("http://a.de/stra", links_at("A@/href", "/a")), "http://a.de/stra\u00dfe"),
        ["http://a.de/stra"],
        "",
    ),
    "December 2024: WARC-Protocol twice": (
        warc_record(_message(), uri=_URLS[0], headers=[("WARC-Protocol", "h2"), ("WARC-Protocol", "tls/1.3")]),
        _URLS[:1],
        "",
    ),
    "a record without a type": (b"WARC/1.0\r\nContent-Length: 2\r\n\r\nhi\r\n\r\n" + b"".join(_PAGES), _URLS, ""),
    "ISO 28500: a version in lower case": (b"".join(_PAGES).replace(b"WARC/1.0", b"warc/1.0"), _URLS, ""),
    "headers that are cut off": (_PAGES[0][:40] + b"\r\n" + b"".join(_PAGES[1:]), _URLS[1:], "truncated_record"),
    "a record that its member ends too early": (
        members([_PAGES[0][:-20], *_PAGES[1:]]),
        _URLS,
        "truncated_record",
    ),
    "a target of non-ASCII": (page_record("http://a.de/ä", []), ["http://a.de/%C3%A4"], ""),
    "arc2warc-conversion: ARC": (arc_file([(url, http_response(_HTML)) for url in _URLS]), _URLS, ""),
    "an ARC file in one member": (
        gzip.compress(arc_file([(url, http_response(_HTML)) for url in _URLS])),
        _URLS,
        "",
    ),
    "garbage between members": (_GARBAGE.join(_MEMBERS), _URLS, "garbage_between_members"),
    "garbage between records": (b"".join(record + _GARBAGE + b"\r\n" for record in _PAGES), _URLS, "garbage"),
    "gzip twice, as a server adds one": (gzip.compress(b"".join(_MEMBERS)), _URLS, ""),
    "gzip a hundred times": (
        functools.reduce(lambda data, _: gzip.compress(data), range(100), _PAGES[0]),
        [],
        "nested_too_deep",
    ),
    "zstandard, a frame a record": (b"".join(_ZSTD), _URLS, ""),
    "zstandard, a corrupt frame": (
        _ZSTD[0] + _flip(_ZSTD[1], len(_ZSTD[1]) - 2) + _ZSTD[2],
        [_URLS[0], _URLS[2]],
        "bad_zstd_frame",
    ),
    "a header that names no length": (
        b"WARC/1.0\r\nWARC-Type: response\r\n\r\n" + b"".join(_PAGES),
        _URLS,
        "garbage",
    ),
}


@pytest.mark.parametrize("case", _ARCHIVES)
def test_archive(case: str) -> None:
    data, urls, reasons = _ARCHIVES[case]
    found, counts, failure = _parse(data)
    assert sorted(set(found)) == urls
    skipped = [name.removeprefix("stretches_skipped_") for name in counts if name.startswith("stretches_skipped_")]
    assert sorted(skipped) == sorted(reasons.split())
    assert bool(failure) == (not counts["records_in"])
    assert counts["bytes_skipped"] <= len(data)


def test_zstandard_with_a_dictionary_in_front() -> None:
    """The IIPC's Zstandard compression for WARC files 1.0."""
    dictionary = zstandard.ZstdCompressionDict(_PAGES[0] * 4, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compress = zstandard.ZstdCompressor(dict_data=dictionary).compress
    for content in (dictionary.as_bytes(), zstandard.ZstdCompressor().compress(dictionary.as_bytes())):
        head = b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content
        data = head + b"".join(map(compress, _PAGES))
        assert _parse(data)[0] == _URLS
        assert sum(item.raw_bytes for item in read_records(io.BytesIO(data))) <= len(data)


_MESSAGES: dict[str, bytes] = {
    "warcio#73: brotli": _message("Content-Encoding: br", body=brotli.compress(_HTML)),
    "MarginaliaSearch#287: gzip inside the record": _message("Content-Encoding: gzip", body=gzip.compress(_HTML)),
    "deflate": _message("Content-Encoding: deflate", body=zlib.compress(_HTML)),
    "zstd": _message("Content-Encoding: zstd", body=zstandard.ZstdCompressor().compress(_HTML)),
    "two content encodings": _message("Content-Encoding: gzip, br", body=brotli.compress(gzip.compress(_HTML))),
    "an encoding that the body does not have": _message("Content-Encoding: zstd"),
    "chunked": _message("Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(_HTML), _HTML)),
    "chunked, and undone": _message("Transfer-Encoding: chunked"),
    "chunked, and cut": _message("Transfer-Encoding: chunked", body=b"fff\r\n" + _HTML),
    "cut gzip": _message("Content-Encoding: gzip", body=gzip.compress(_HTML + b" " * 99)[:-9]),
    "news-crawl#42, jwarc#70: HTTP/2": _message(status="HTTP/2 200"),
    "jwarc#50: a header name with spaces": _message("Power by: Auto Capri", "Content-Type: text/html"),
    "warcat#19: LF only": b"HTTP/1.1 200 OK\nLocation: //a.de/\nContent-Type: text/html\n\n" + _HTML,
    "browsertrix-crawler#607: doubled header values": _message("Content-Type: text/html, text/html"),
    "nutch#5: an empty line before the payload, August 2018": b"\r\n" + _message("Content-Type: text/html"),
    "nutch#5: an empty line more after the headers": _message("Content-Type: text/html", body=b"\r\n" + _HTML),
    "cc-pyspark PR#9: a payload cut at its limit": _message(body=_HTML + b"<a href='/cut"),
    "warc2text#74: 20 MB": _message(body=_HTML + b" " * 21_000_000),
    "no charset": _message("Content-Type: text/html"),
    "news-please PR#198, pwa-technologies#1059: a charset that lies": _message(
        "Content-Type: text/html; charset=utf-8", body=_HTML + b"\xe4\xff"
    ),
    "a charset that there is none of": _message("Content-Type: text/html; charset=x-user"),
    "cc-pyspark: a Location that is no UTF-8": _message("Location: /\xe4", "Content-Type: text/html"),
    "no content type": _message(),
}  # fmt: skip


@pytest.mark.parametrize("case", _MESSAGES)
def test_http_message(case: str) -> None:
    counts = _one(_MESSAGES[case])
    assert (counts["pages"], counts["links_in"]) == (1, 1)
    assert counts["bytes_skipped"] == 0
    assert counts["limits_hit_body_cut"] == ("20 MB" in case)


def _wat(links: Any, **keywords: Any) -> dict[str, Any]:
    return wat_value("http://a.de/", links, **keywords)


def _with_headers(headers: Any) -> dict[str, Any]:
    value = _wat(links_at("A@/href", "/a"))
    value["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["Headers"] = headers
    return value


def _with(name: str, value: Any) -> dict[str, Any]:
    wat = _wat(links_at("A@/href", "/a"))
    wat["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"][name] = value
    return wat


def _with_protocols(names: list[str]) -> dict[str, Any]:
    wat = _wat(links_at("A@/href", "/a"))
    wat["Envelope"]["WARC-Header-Metadata"]["WARC-Protocol"] = names
    return wat


_WATS: dict[str, Any] = {
    "cc-pyspark PR#46: a header value is a list": _with_headers({"Link": ["<a>", "<b>"], "Content-Type": "text/html"}),
    "cc-pyspark PR#46: a header value is a string": _with_headers({"Link": "<a>"}),
    "ia-web-commons: a self-closing anchor is an empty list": _wat([[], {}, *links_at("A@/href", "/a")]),
    "ia-web-commons: an empty object": _wat([{}, *links_at("A@/href", "/a")]),
    "duplicates": _wat(links_at("A@/href", "/a", "/a", "/a")),
    "wrong types": _wat([3, None, "x", {"path": 3}, {"path": "A@/href", "url": "/a"}]),
    "ia-web-commons#48: a whole data: URL": _wat(links_at("A@/href", "data:image/png;base64," + "A" * 9000, "/a")),
    "ia-web-commons#40: a lone content meta": _with("Head", {"Metas": [{"content": "//x"}, {}]}),
    "ia-web-commons#12: 100 kB of CSS": _wat(
        [{"path": "STYLE/#text", "href": "url(" * 25_000}, *links_at("A@/href", "/a")]
    ),
    "December 2024: a list of protocols": _with_protocols(["h2", "tls/1.3"]),
}


@pytest.mark.parametrize("case", _WATS)
def test_wat_record(case: str) -> None:
    _, counts, _ = _parse(members([wat_bytes(_WATS[case])]))
    assert (counts["pages"], counts["links_out"]) == (1, 1)


def test_cc_pyspark_invalid_json_costs_one_record() -> None:
    good = wat_bytes(_wat(links_at("A@/href", "/a")))
    broken = warc_record(b'{"Envelope": {', kind="metadata", headers=[("Content-Type", "application/json")])
    _, counts, _ = _parse(members([good, broken, good]))
    assert (counts["pages"], counts["records_broken_json"]) == (2, 1)
    assert counts["bytes_skipped_broken_json"] == len(members([broken]))


@pytest.mark.parametrize("missing", ["Envelope", "WARC-Header-Metadata", "Payload-Metadata"])
def test_cc_pyspark_a_missing_key(missing: str) -> None:
    text = json.dumps(_wat([])).replace(f'"{missing}"', '"other"').encode()
    record = warc_record(text, kind="metadata", headers=[("Content-Type", "application/json")])
    assert _parse(members([record]))[1]["pages"] == 0


def test_ia_web_commons_14_escaped_entities_before_august_2019() -> None:
    value = _wat(links_at("A@/href", "/?a&amp;b", "/&#" + "9" * 5000 + ";"))
    headers = [("Content-Type", "application/json"), ("WARC-Date", "2018-01-01T00:00:00Z")]
    record = warc_record(json.dumps(value).encode(), kind="metadata", headers=headers)
    _, counts, _ = _parse(members([record]))
    assert (counts["pages"], counts["links_out"]) == (1, 2)


def test_cc_webgraph_12_a_page_of_16_000_links() -> None:
    counts = _one(http_response(page(f"/{number}" for number in range(16_000))))
    assert (counts["links_in"], counts["links_out"]) == (16_000, 16_000)


_LINKS: dict[str, tuple[str, str | None]] = {
    "pythondotorg#938": ("http://google.com]", None),
    "linkchecker#204, pylinkvalidator#14, mf2py#79": ("http://[IP-Adresse", None),
    "wpull#197": ("http://[http//w.on24.com/x", None),
    "crawler-commons#303: a host percent-encoded": ("https://example%2Ecom/", "https://example.com/"),
    "crawler-commons#303: and outside ASCII": (
        "https://www.0251-sachverst%c3%a4ndiger.de/",
        "https://www.xn--0251-sachverstndiger-ozb.de/",
    ),
    "crawler-commons#263: a lone percent": ("http://a.de/90%+of", "http://a.de/90%+of"),
    "crawler-commons#559": ("http://a.de/p%2d1/?q=f", "http://a.de/p%2d1/?q=f"),
    "cc-pyspark#35: a long s": ("http://po\u017ftgres.de/", "http://postgres.de/"),
    "cc-pyspark#35: dotless i in a top-level domain": ("http://app.\u0131o/", "http://app.xn--o-eka/"),
    "cc-pyspark#35: dotless i": ("http://oynayam\u0131yor.top/", "http://xn--oynayamyor-3ub.top/"),
    "cc-pyspark 0091314: a newline at the end": ("http://a.de\n", "http://a.de/"),
    "cc-webgraph#24: an underscore": ("http://a_b.de/", "http://a_b.de/"),
    "cc-webgraph#1: a public suffix as a host": ("http://co.uk/", "http://co.uk/"),
    "crawler-commons#308: an empty query": ("http://example.com?", "http://example.com/?"),
    "crawler-commons#308: a URL in a query": ("http://a.de/?u=http://b.de/?c", "http://a.de/?u=http://b.de/?c"),
    "Norconex/crawler#311: a session after the host": (
        "http://a.de;jsessionid=AB12",
        "http://a.de;jsessionid=ab12/",
    ),
    "Norconex#303, #574: dot segments": ("http://a.de/x/../../y/./././z", "http://a.de/y/z"),
    "Norconex#135: a view of a calendar": ("http://a.de/cal?view=2024-01", "http://a.de/cal?view=2024-01"),
    "Norconex#163: three slashes": ("http:///host", "http://host/"),
    "Norconex#163: no slash at the end": ("http://a.de/x", "http://a.de/x"),
    "Norconex#163: a slash at the end": ("http://a.de/x/", "http://a.de/x/"),
    "Norconex#163: https": ("https://a.de/x", "https://a.de/x"),
    "hyphe#206: this machine": ("http://localhost/", "http://localhost/"),
    "hyphe#206: a private address": ("http://192.168.0.1/", "http://192.168.0.1/"),
}


@pytest.mark.parametrize("case", _LINKS)
def test_link(case: str) -> None:
    written, canonical = _LINKS[case]
    assert canonicalize(written) == canonical
    assert canonicalize(written, BaseUrl("http://base.de/")) == canonical


def test_cc_webgraph_33_a_hyphen_sorts_after_a_dot() -> None:
    """A host's subdomains follow it; another name with a hyphen does not come between them."""
    urls = ["http://b.de/", "http://www.b.de/", "http://b-c.de/"]
    assert sorted(reversed(urls), key=node_sort_key) == urls


def test_a_wrong_length_is_said_with_the_bytes_it_cost() -> None:
    broken = _PAGES[0].replace(b"Content-Length: 1", b"Content-Length: ")
    found = list(read_records(io.BytesIO(broken + _PAGES[1])))
    assert [type(item) for item in found] == [Skipped, Record, Record]
    assert isinstance(found[1], Record) and found[1].raw_bytes == len(broken)
    assert sum(item.raw_bytes for item in found) == len(broken + _PAGES[1])
