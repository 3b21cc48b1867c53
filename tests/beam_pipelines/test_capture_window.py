"""Captures leave a window in the order they came in, as if all pages were parsed in this process."""

import dataclasses
import io
from collections.abc import Generator, Sequence
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_pipelines import capture_window, page_blocks, parse_archive
from beam_pipelines.block import encode_block
from beam_pipelines.capture import Capture, NotAPage
from beam_pipelines.capture_window import CaptureWindow
from beam_pipelines.html_links import html_links
from beam_pipelines.html_process import BoundedHtmlParser, Document
from beam_pipelines.html_worker import HtmlLinks
from beam_pipelines.http_response import HtmlPage
from beam_pipelines.parse_archive import ArchiveReport, ParseOptions
from beam_pipelines.record_limits import RecordLimits
from tests.beam_pipelines.archives import (
    http_response,
    links_at,
    many_attributes,
    members,
    open_formatting,
    page,
    warc_record,
    wat_bytes,
    wat_value,
)
from webgraph.link_selection import LinkSelection

_LIMITS = RecordLimits(max_seconds=2, max_parser_bytes=5 << 24)
_OPTIONS = ParseOptions(limits=_LIMITS, num_partitions=2)
_SMALL_OR_LARGE = {"small": 3, "large": 2500}


def _record(kind: str, number: int) -> bytes:
    uri = f"http://a.de/{number}"
    if kind == "not http":
        return warc_record(http_response(page(["/a"] * 2500)), uri="ftp://a.de/")
    if kind == "damaged":
        return warc_record(b"HTTP/x\r\n\r\n", uri=uri)
    if kind == "wat":
        return wat_bytes(wat_value(uri, links_at("A@/href", f"/{number}/a", "/b")))
    body = {"slow": many_attributes(150_000), "costly": open_formatting(3000)}.get(kind) or page(
        f"/{number * link % 97}/{link}" for link in range(_SMALL_OR_LARGE[kind])
    )
    return warc_record(http_response(body), uri=uri)


def _archive(kinds: Sequence[str]) -> bytes:
    return members(_record(kind, number) for number, kind in enumerate(kinds))


def _parse(data: bytes) -> tuple[list[tuple[int, bytes]], dict[str, int]]:
    reports: list[ArchiveReport] = []
    found = parse_archive.parse_archive(io.BytesIO(data), "a", _OPTIONS, reports.append)
    return [(key, encode_block(block)) for key, block in found], reports[0].counts


def _parse_in_process(data: bytes) -> tuple[list[tuple[int, bytes]], dict[str, int]]:
    with mock.patch.object(parse_archive, "is_small", lambda _: True):
        return _parse(data)


@given(
    st.lists(st.sampled_from(["small", "large", "wat", "damaged", "not http"]), max_size=12),
    st.sampled_from([1, 20_000, 200_000, 1 << 22]),
    st.sampled_from([1, 2_000, 1 << 22]),
    st.sampled_from([1, 6_000, 1 << 21]),
)
@settings(max_examples=60, deadline=None)
def test_blocks_and_report_are_those_of_parsing_in_process(
    kinds: list[str], document_bytes: int, capture_bytes: int, block_links: int
) -> None:
    data = _archive(kinds)
    with mock.patch.object(page_blocks, "MAX_BLOCK_LINKS", block_links):
        expected = _parse_in_process(data)
        with (
            mock.patch.object(capture_window, "MAX_DOCUMENT_BYTES", document_bytes),
            mock.patch.object(capture_window, "MAX_CAPTURE_BYTES", capture_bytes),
        ):
            assert _parse(data) == expected


def test_pages_that_are_given_up_are_counted_and_the_others_stay_as_they_are() -> None:
    kinds = ["small", "large", "slow", "large", "small", "costly", "slow", "large", "wat"]
    blocks, counts = _parse(_archive(kinds))
    assert (counts["records_too_slow"], counts["records_html_too_costly"], counts["pages"]) == (2, 1, 6)
    kept = [kind if kind not in ("slow", "costly") else "damaged" for kind in kinds]
    assert blocks == _parse_in_process(_archive(kept))[0]


@pytest.mark.parametrize("error", [GeneratorExit, OSError])
def test_an_archive_that_is_left_in_the_middle_of_a_batch(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one has no answer of its."""
    monkeypatch.setattr(page_blocks, "MAX_BLOCK_LINKS", 1)
    data, other = _archive(["large"] * 4), _archive(["small", *["large"] * 3])
    left = parse_archive.parse_archive(io.BytesIO(data), "a", _OPTIONS, lambda _: None)
    next(left)
    with pytest.raises(error) as caught:  # which holds the frames as they were
        left.throw(error)
    assert _parse(other) == _parse_in_process(other)
    assert caught.traceback


class _Parser(BoundedHtmlParser):
    """Parses in this process, and keeps the lengths of each batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def links(
        self, documents: Sequence[Document], selection: LinkSelection
    ) -> Generator[HtmlLinks | NotAPage, None, None]:
        self.batches += [[len(document.content) for document in documents]] if documents else []
        for document in documents:
            yield html_links(document.content, document.encoding, selection)


@dataclasses.dataclass
class _Pushed:
    """A window with a parser of its own, and what has come out of it."""

    def __post_init__(self) -> None:
        self.parser = _Parser()
        self.window = CaptureWindow(self.parser, LinkSelection(), RecordLimits(), lambda: False)
        self.urls: list[str] = []

    def push(self, *items: Capture | HtmlPage) -> None:
        for item in items:
            self._take(self.window.push(item))

    def finish(self) -> None:
        self._take(self.window.finish())

    def _take(self, found: object) -> None:
        assert isinstance(found, tuple | Generator)
        self.urls += [item.url for item in found]


def _page(url: str, length: int) -> HtmlPage:
    return HtmlPage(url, b"x" * length, "utf-8", False)


def test_documents_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_window, "MAX_DOCUMENT_BYTES", 100)
    pushed = _Pushed()
    lengths = [40, 60, 1, 99, 1, 500, 500, 30]
    pushed.push(*(_page(str(number), length) for number, length in enumerate(lengths)))
    pushed.finish()
    assert pushed.parser.batches == [[40, 60], [1, 99], [1], [500], [500], [30]]
    assert pushed.urls == [str(number) for number in range(len(lengths))]


def test_captures_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_window, "MAX_CAPTURE_BYTES", 10_000)
    pushed = _Pushed()
    pushed.push(Capture("0", "", []))
    assert pushed.urls == ["0"]  # nothing waits, so it does not
    pushed.push(_page("1", 10), Capture("2", "", ["x" * 4000], characters=4000), Capture("3", "", ["/"] * 60))
    assert pushed.urls == ["0"]
    pushed.push(Capture("4", "", ["/"], joined="/" * 1000))
    assert pushed.urls == ["0", "1", "2", "3", "4"]
    pushed.push(Capture("5", "", []))
    assert pushed.urls[-1] == "5"


def test_urls_of_pages_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand pages of 2 KB, each with a URL of 64 KiB, are four megabytes of documents, and 131 of URLs."""
    monkeypatch.setattr(capture_window, "MAX_CAPTURE_BYTES", 10_000)
    pushed = _Pushed()
    pushed.push(*(_page("u" * 3000, 10) for _ in range(7)))
    pushed.finish()
    assert pushed.parser.batches == [[10] * 3, [10] * 3, [10]]


def test_what_takes_too_long_here_is_too_slow() -> None:
    verdicts = iter([False, True])
    window = CaptureWindow(_Parser(), LinkSelection(), RecordLimits(), lambda: next(verdicts))
    assert list(window.push(_page("0", 10))) == []
    assert list(window.push(_page("1", 10))) == []
    assert list(window.finish()) == [Capture("0", "", []), NotAPage("too_slow")]


def test_limits_of_links_hold_for_large_pages() -> None:
    window = CaptureWindow(_Parser(), LinkSelection(), RecordLimits(max_links=2), lambda: False)
    window.push(HtmlPage("0", page(["/a", "/b", "/c"]), "utf-8", True))
    (found,) = window.finish()
    assert found == Capture("0", "", ["/a", "/b"], is_cut=True, over_limit=1, characters=4)
