"""WAT records: known answers, fields of any type, and JSON of any kind."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines.archive_records import Record
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.parse_archive import ParseOptions, parse_archive
from beam_pipelines.wat import is_wat_record, keeps_references, parse_wat_record
from tests.beam_pipelines.archives import links_at, members, warc_record, wat_bytes, wat_record, wat_value
from webgraph.link_keys import link_keys
from webgraph.link_selection import LinkSelection

_DEFAULT = LinkSelection()


def _parse(value: Any, selection: LinkSelection = _DEFAULT, **keywords: str) -> Capture | NotAPage:
    return parse_wat_record(wat_record(value, **keywords), selection)


def test_links_as_written_in_order() -> None:
    links = [
        *links_at("A@/href", "/a", "/a", ""),
        *links_at("IMG@/src", "/i.png"),
        *links_at("AREA@/href", "#x"),
        {"path": "STYLE/#text", "href": "/s.css"},
        {},
    ]
    found = _parse(wat_value("http://a.de/", links, base="/b/"))
    assert found == Capture("http://a.de/", "/b/", ["/a", "/a", "", "#x"], 3)


def test_all_paths() -> None:
    links = [*links_at("A@/href", "/a"), *links_at("IMG@/src", "/i"), {"path": "STYLE/#text", "href": "/s.css"}]
    found = _parse(wat_value("http://a.de/", links), LinkSelection(all_paths=True))
    assert found == Capture("http://a.de/", "", ["/a", "/i", "/s.css"], 0)


def test_nofollow() -> None:
    links = [{"path": "A@/href", "url": rel, "rel": rel} for rel in ("nofollow", "noopener", "x UGC", "sponsored")]
    value = wat_value("http://a.de/", links)
    assert _parse(value, LinkSelection(drop_nofollow=True)) == Capture("http://a.de/", "", ["noopener"], 3)
    found = _parse(value)
    assert isinstance(found, Capture)
    assert len(found.hrefs) == 4


def test_angle_brackets_and_a_missing_target() -> None:
    found = _parse(wat_value("<http://a.de/x>", []))
    assert found == Capture("http://a.de/x", "", [], 0)
    found = _parse(wat_value("", []), uri="<http://header.de/>")
    assert found == Capture("http://header.de/", "", [], 0)


@pytest.mark.parametrize(
    ("date", "url", "base"),
    [
        ("2019-07-31T23:59:59Z", "/?a=1&b=\u00e4", "/&/"),
        ("2013-05-01T00:00:00Z", "/?a=1&b=\u00e4", "/&/"),
        ("2019-08-01T00:00:00Z", "/?a=1&amp;b=&auml;", "/&amp;/"),
        ("2024-01-01T00:00:00Z", "/?a=1&amp;b=&auml;", "/&amp;/"),
    ],
)
def test_entities_stand_in_files_before_august_2019(date: str, url: str, base: str) -> None:
    value = wat_value("http://a.de/", links_at("A@/href", "/?a=1&amp;b=&auml;"), base="/&amp;/")
    assert _parse(value, date=date) == Capture("http://a.de/", base, [url], 0)


def test_entities_are_replaced_as_in_an_attribute() -> None:
    value = wat_value("http://a.de/", links_at("A@/href", "/?a=1&copy=2&amp;b=&#1;", "/&" * 3), base="/?a&copy=")
    assert _parse(value, date="2018-01-01T00:00:00Z") == Capture(
        "http://a.de/", "/?a&copy=", ["/?a=1&copy=2&b=\x01", "/&/&/&"], 0
    )


@pytest.mark.parametrize(
    ("info", "has_references"),
    [
        ("software: ia-web-commons.3.0.2-20251114013206\r\nip: 127.0.0.1\r\n", True),
        ("ip: 127.0.0.1\r\nSoftware:ia-web-commons.1.1.8\r\n", True),
        ("Software-Info: ia-web-commons.1.1.10-SNAPSHOT-20240513081836\r\n", False),
        ("software: Heritrix/3.4\r\n", False),
        ("", False),
    ],
)
def test_warcinfo_tells_the_extractor(info: str, has_references: bool) -> None:
    record = Record({"warc-type": "warcinfo"}, info.encode(), len(info))
    assert keeps_references(record) is has_references


def test_references_are_replaced_behind_a_warcinfo_of_the_internet_archive() -> None:
    records = []
    for host, field in (("a.de", b"software"), ("b.de", b"Software-Info")):
        records.append(warc_record(field + b": ia-web-commons.1.1.10\r\n", kind="warcinfo"))
        records.append(wat_bytes(wat_value(f"http://{host}/", links_at("A@/href", "/?a&amp;b"))))
    blocks = list(parse_archive(io.BytesIO(members(records)), "a", ParseOptions(), lambda report: None))
    found = {int(key) for _, block in blocks for key in block["target_key"]}
    assert found == set(link_keys([b"http://a.de/?a&b", b"http://b.de/?a&amp;b"])[0].tolist())


def test_a_record_about_an_arc_record() -> None:
    value = wat_value("http://a.de/", links_at("A@/href", "/a"))
    del value["Envelope"]["WARC-Header-Metadata"]
    value["Envelope"]["ARC-Header-Metadata"] = {"Target-URI": "http://arc.de/", "Date": "20240101000000"}
    assert _parse(value) == Capture("http://arc.de/", "", ["/a"], 0)
    value["Envelope"]["Container"] = value["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["Headers"] = 1
    value["Envelope"]["Payload-Metadata"]["HTTP-Response-Metadata"]["HTML-Metadata"]["Links"].append(1)
    assert _parse(value) == Capture("http://arc.de/", "", ["/a"], 0)


def test_nul_is_replaced_as_the_html_standard_says() -> None:
    value = wat_value("http://a.de/", links_at("A@/href", "\0/a", "/b", "\\u0000"), base="/\0/")
    assert _parse(value) == Capture("http://a.de/", "/\ufffd/", ["\ufffd/a", "/b", "\\u0000"], 0)


@pytest.mark.parametrize("status", ["200", 200])
def test_pages_are_answered_with_200(status: Any) -> None:
    assert isinstance(_parse(wat_value("http://a.de/", [], status=status)), Capture)


@pytest.mark.parametrize("status", ["404", 301, "", None, "2000", ["200"], " 200"])
def test_other_statuses_are_no_pages(status: Any) -> None:
    assert _parse(wat_value("http://a.de/", [], status=status)) == NotAPage("status_not_200")


def _without(*keys: str) -> dict[str, Any]:
    value = wat_value("http://a.de/", links_at("A@/href", "/a"))
    parent = value
    for key in keys[:-1]:
        parent = parent[key]
    del parent[keys[-1]]
    return value


_HTTP = ("Envelope", "Payload-Metadata", "HTTP-Response-Metadata")


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (("Envelope",), "not_a_response"),
        (("Envelope", "WARC-Header-Metadata"), "not_a_response"),
        (("Envelope", "WARC-Header-Metadata", "WARC-Type"), "not_a_response"),
        (("Envelope", "Payload-Metadata"), "not_http"),
        (_HTTP, "not_http"),
        ((*_HTTP, "Response-Message"), "status_not_200"),
        ((*_HTTP, "HTML-Metadata"), "not_html"),
    ],
)
def test_missing_fields(missing: tuple[str, ...], reason: str) -> None:
    assert _parse(_without(*missing)) == NotAPage(reason)


@pytest.mark.parametrize("key", ["Links", "Head"])
def test_pages_without_links_or_head_are_pages(key: str) -> None:
    found = _parse(_without(*_HTTP, "HTML-Metadata", key))
    assert found == Capture("http://a.de/", "", [] if key == "Links" else ["/a"], 0)


def test_requests_are_no_pages() -> None:
    assert _parse(wat_value("http://a.de/", [], kind="request")) == NotAPage("not_a_response")


@pytest.mark.parametrize(
    ("links", "hrefs"),
    [
        ([{"path": "A@/href", "url": 3}, *links_at("A@/href", "/a")], ["", "/a"]),
        ([None, "x", 7, [], *links_at("A@/href", "/a")], ["/a"]),
        ([{"path": ["A@/href"], "url": "/b"}, *links_at("A@/href", "/a")], ["/a"]),
        ([{"path": "A@/href", "url": "/a", "rel": ["nofollow"]}], ["/a"]),
        ({"path": "A@/href", "url": "/a"}, []),
        ("A@/href", []),
    ],
)
def test_fields_of_other_types_are_passed_over(links: Any, hrefs: list[str]) -> None:
    found = _parse(wat_value("http://a.de/", links))
    assert isinstance(found, Capture)
    assert found.hrefs == hrefs


@pytest.mark.parametrize("base", [7, ["/b/"], {"a": 1}])
def test_a_base_of_another_type_is_none(base: Any) -> None:
    assert _parse(wat_value("http://a.de/", links_at("A@/href", "/a"), base=base)) == Capture(
        "http://a.de/", "", ["/a"], 0
    )


_VALID = json.dumps(wat_value("http://a.de/", links_at("A@/href", "/a"))).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        _VALID[:-1],
        _VALID + b"}",
        b"<html>",
        b"\xff\xfe{}",
        b'{"Envelope": 3, ',  # the type is wrong before the syntax is
        b'{"Envelope": {"WARC-Header-Metadata": {"WARC-Type": [] }',
    ],
)
def test_broken_json_is_damage(body: bytes) -> None:
    assert _parse(body) == NotAPage("broken_json", is_damage=True)


@pytest.mark.parametrize("start", [b"[", b'{"Envelope":', b'{"Envelope": 3, "x":' + b"[" * 20])
def test_json_that_is_too_deep(start: bytes) -> None:
    assert _parse(start * 2000) == NotAPage("json_too_deep", is_damage=True)


def test_bytes_that_are_not_utf_8_are_percent_encoded() -> None:
    found = _parse(_VALID.replace(b'"/a"', b'"/\xff"'))
    assert found == Capture("http://a.de/", "", ["/%FF"], 0)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"\xe9", "%E9"),
        (b"\xc3\xa9\xe9", "\u00e9%E9"),
        (b"\xe2\x82", "%E2%82"),
        (b"\xed\xa0\x80", "%ED%A0%80"),
        (b"\\ud800", "\ufffd"),
        (b"\\udce9", "\ufffd"),
        (b"\\ud800\xe9", "\ufffd%E9"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        (b"\\ude00\\ud83d", "\ufffd\ufffd"),
        (b"\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
        (b"\\\\ud800", "\\ud800"),
        (b"\\\\\\ud800", "\\\ufffd"),
    ],
)
def test_urls_of_a_record_that_is_not_quite_utf_8(written: bytes, text: str) -> None:
    """Raw bytes are percent-encoded; halves of a character become U+FFFD, as in a URL parser."""
    value = json.dumps(wat_value("http://a.de/@", links_at("A@/href", "/@"))).encode()
    found = _parse(value.replace(b"@", written).replace(b"A" + written + b"/href", b"A@/href"))
    assert found == Capture(f"http://a.de/{text}", "", [f"/{text}"], 0)


def test_a_page_url_in_the_header_of_an_arc_record() -> None:
    value = wat_value("", links_at("A@/href", "/a"))
    value["Envelope"]["ARC-Header-Metadata"] = {"Target-URI": "http://a.de/@"}
    del value["Envelope"]["WARC-Header-Metadata"]
    found = _parse(json.dumps(value).encode().replace(b"de/@", b"de/\xe9"))
    assert isinstance(found, Capture) and found.url == "http://a.de/%E9"


def test_a_page_url_keeps_white_space_that_is_not_ascii() -> None:
    found = _parse(json.dumps(wat_value(" http://a.de/\u3000\r\n", [])).encode())
    assert isinstance(found, Capture) and found.url == "http://a.de/\u3000"


@pytest.mark.parametrize("length", range(0, len(_VALID), 5))
def test_json_cut_anywhere_is_damage(length: int) -> None:
    assert _parse(_VALID[:length]) == NotAPage("broken_json", is_damage=True)


@pytest.mark.parametrize("body", [b"null", b"[]", b"3", b'"Envelope"', b"{}", b'{"Envelope": []}'])
def test_other_json_is_no_page(body: bytes) -> None:
    assert _parse(body) == NotAPage("not_a_response")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["200", "response", "A@/href"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=4,
)


@given(st.data())
@settings(max_examples=300)
def test_any_value_in_any_field(data: st.DataObject) -> None:
    value = wat_value("http://a.de/", links_at("A@/href", "/a"), base="/b/")
    parent: Any = value
    while True:
        key = data.draw(st.sampled_from(sorted(parent)) if isinstance(parent, dict) else st.just(0))
        if not isinstance(parent[key], dict | list) or data.draw(st.booleans()):
            parent[key] = data.draw(_JSON)
            break
        parent = parent[key]
        if not parent:
            break
    found = _parse(value)
    assert isinstance(found, Capture | NotAPage)
    if isinstance(found, Capture):
        assert all(isinstance(text, str) for text in (found.url, found.base, *found.hrefs))


def test_which_records_are_wat() -> None:
    assert is_wat_record(wat_record({}))
    for name, value in (("content-type", "application/warc-fields"), ("warc-type", "warcinfo")):
        record = wat_record({})
        record.headers[name] = value
        assert not is_wat_record(record)
