"""Large HTML pages in a process of their own: the links they have in this one, whichever of a batch ends it."""

import os
import signal
from collections.abc import Iterator, Sequence

import pytest

from beam_pipelines import html_process
from beam_pipelines.capture import NotAPage
from beam_pipelines.html_links import html_links
from beam_pipelines.html_process import SMALL_BYTES, SMALL_TAGS, BoundedHtmlParser, is_small
from beam_pipelines.html_worker import HtmlLinks
from beam_pipelines.record_limits import RecordLimits
from tests.beam_pipelines.archives import many_attributes, open_formatting, page
from webgraph.link_selection import LinkSelection

_DEFAULT = LinkSelection()
_LIMITS = RecordLimits(max_seconds=1, max_parser_bytes=3 << 26)
_PAGES = {
    "good": page(f"/{number}&amp;ä" for number in range(5000)),
    "other": b"<base href=/b/>" + page(f"/other/{number}" for number in range(3000)),
    "long": page(f"/{number}" + "u" * 1000 for number in range(3000)),  # its links fill a pipe three times
    "slow": many_attributes(150_000),
    "costly": open_formatting(3000),
}
_FAILURES = {"slow": NotAPage("too_slow"), "costly": NotAPage("html_too_costly")}


@pytest.fixture
def parser() -> Iterator[BoundedHtmlParser]:
    with BoundedHtmlParser(_LIMITS) as made:
        yield made


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """An item for each process that is started."""
    started: list[None] = []
    start = BoundedHtmlParser._start

    def counted(parser: BoundedHtmlParser) -> object:
        started.append(None)
        return start(parser)

    monkeypatch.setattr(BoundedHtmlParser, "_start", counted)
    return started


def _documents(names: Sequence[str]) -> list[tuple[bytes, str]]:
    return [(_PAGES[name], "utf-8") for name in names]


def _in_process(names: Sequence[str]) -> list[HtmlLinks | NotAPage]:
    return [_FAILURES.get(name) or html_links(_PAGES[name], "utf-8", _DEFAULT) for name in names]


@pytest.mark.parametrize(
    ("names", "num_starts"),
    [
        ("", 0),
        ("good", 1),
        ("good other long good", 1),
        ("slow", 1),
        ("costly", 1),
        ("good slow other", 2),
        ("long long slow other", 2),
        ("good costly other", 3),  # asked again in a fresh process, which ends as well
        ("costly other", 2),
        ("slow slow good costly costly slow other", 7),
    ],
)
def test_a_batch(parser: BoundedHtmlParser, starts: list[None], names: str, num_starts: int) -> None:
    assert list(parser.links(_documents(names.split()), _DEFAULT)) == _in_process(names.split())
    assert len(starts) == num_starts


def test_batch_after_batch(parser: BoundedHtmlParser, starts: list[None]) -> None:
    for names in (["long", "good"], ["other"], ["good", "slow"], ["other", "good"]):
        assert list(parser.links(_documents(names), _DEFAULT)) == _in_process(names)
    assert len(starts) == 2


def test_pipes_may_be_small(parser: BoundedHtmlParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_process, "_PIPE_BYTES", 1 << 12)
    names = ["good", "long", "other"] * 2 + ["slow", "other"]
    assert list(parser.links(_documents(names), _DEFAULT)) == _in_process(names)


@pytest.mark.parametrize("num_read", [0, 1, 2])
@pytest.mark.parametrize("name", ["other", "long"])
def test_answers_that_nobody_reads_are_nobody_elses(parser: BoundedHtmlParser, name: str, num_read: int) -> None:
    answers = parser.links(_documents([name] * 3), _DEFAULT)
    assert [next(answers) for _ in range(num_read)] == _in_process([name] * num_read)
    answers.close()
    assert list(parser.links(_documents(["good"]), _DEFAULT)) == _in_process(["good"])


def test_a_process_that_was_killed_between_batches_costs_no_page(parser: BoundedHtmlParser, starts: list[None]) -> None:
    assert list(parser.links(_documents(["good"]), _DEFAULT)) == _in_process(["good"])
    assert parser._child is not None
    os.kill(parser._child.pid, signal.SIGKILL)
    assert list(parser.links(_documents(["other", "good"]), _DEFAULT)) == _in_process(["other", "good"])
    assert len(starts) == 2


def test_encodings_and_the_selection_are_passed_on(parser: BoundedHtmlParser) -> None:
    document = "<a href=/ä rel=nofollow><img src=/ö>" * 3000
    selection = LinkSelection(all_paths=True, drop_nofollow=True)
    encoded = [(document.encode(encoding), encoding) for encoding in ("utf-8", "windows-1252", "utf-16-le")]
    assert list(parser.links(encoded, selection)) == [("", ["/ö"] * 3000, 3000)] * 3
    assert list(parser.links([(encoded[0][0], "no-such" * 100)], _DEFAULT)) == [("", ["/ä"] * 3000, 0)]


def test_what_is_small() -> None:
    assert is_small(b"x" * SMALL_BYTES) and not is_small(b"x" * (SMALL_BYTES + 1))
    assert is_small(b"<b>" * SMALL_TAGS) and not is_small(b"<b>" * (SMALL_TAGS + 1))
    assert is_small(b"")
