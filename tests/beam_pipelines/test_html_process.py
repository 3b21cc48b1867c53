"""Large HTML pages in a process of their own: the links they have in this one, whichever of a batch ends it."""

import fcntl
import gc
import io
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from beam_pipelines import html_process
from beam_pipelines.capture import NotAPage
from beam_pipelines.html_links import html_links
from beam_pipelines.html_process import SMALL_BYTES, SMALL_TAGS, BoundedHtmlParser, Document, is_small, is_small_xml
from beam_pipelines.html_worker import HtmlLinks, read_answer
from beam_pipelines.record_limits import RecordLimits
from tests.beam_pipelines.archives import many_attributes, open_formatting, page
from tests.beam_pipelines.processes import is_running
from webgraph.link_selection import LinkSelection

_DEFAULT = LinkSelection()
# What is costly reaches the limit of memory in a tenth of the second, and what is slow would take a minute, both of
# processor time: a slow or busy machine tells one from the other.
_LIMITS = RecordLimits(max_seconds=1, max_parser_bytes=5 << 24)
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


def _documents(names: Sequence[str]) -> list[Document]:
    return [Document(_PAGES[name], "utf-8") for name in names]


def _in_process(names: Sequence[str]) -> list[HtmlLinks | NotAPage]:
    return [_FAILURES.get(name) or html_links(_PAGES[name], "utf-8", _DEFAULT) for name in names]


def _in_own_process(count: Callable[..., Any], *arguments: Any) -> Any:
    """What a function counts in a process where nothing else opens or closes descriptors, or starts processes."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(count, *arguments).result()


def _num_descriptors() -> int:
    gc.collect()  # those that only wait for it are closed now, and not later
    return len(os.listdir("/proc/self/fd"))


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


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 15,
        struct.pack("<QQ", 0, 5) + b"/a\0b",
        struct.pack("<QQ", 0, 1 << 63),
        struct.pack("<QQ", 0, 1 << 40) + b"x",
        struct.pack("<QQ", 0, 4) + b"\xff\xfe\xc0\x80",
    ],
)
def test_what_is_no_answer(answer: bytes) -> None:
    """A process that a page has taken over, or that was killed while it wrote, ends no more than its page."""
    assert read_answer(io.BytesIO(answer), 1 << 31) is None


def test_a_process_that_talks_nonsense_is_replaced(
    parser: BoundedHtmlParser, starts: list[None], tmp_path: Path
) -> None:
    assert list(parser.links(_documents(["good"]), _DEFAULT)) == _in_process(["good"])
    child = parser._child
    assert child is not None and child.stdout is not None
    nonsense = tmp_path / "nonsense"
    nonsense.write_bytes(b"\xff" * 1000)
    with nonsense.open("rb") as content, child.stdout:
        child.stdout = content
        assert list(parser.links(_documents(["other", "good"]), _DEFAULT)) == _in_process(["other", "good"])
    assert len(starts) == 2


def test_pipes_stay_small_where_the_system_says_so(parser: BoundedHtmlParser, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does to 32 processes of a user who is not root (pipe-user-pages-soft)."""

    def refuse(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    names = ["good", "long", "other", "long"]
    assert list(parser.links(_documents(names), _DEFAULT)) == _in_process(names)


def test_modules_are_not_looked_for_in_the_working_folder(
    parser: BoundedHtmlParser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who gives away a folder may have put them there."""
    Path(tmp_path, "resource.py").write_text("open('was-run', 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert list(parser.links(_documents(["good"]), _DEFAULT)) == _in_process(["good"])
    assert not Path("was-run").exists()


def _descriptors_where_no_process_starts(executable: str, error: type[Exception]) -> tuple[int, int]:
    """Their number before and after."""
    with BoundedHtmlParser(_LIMITS) as parser:
        assert list(parser.links(_documents(["good"]), _DEFAULT)) == _in_process(["good"])
        parser._end()
        before = _num_descriptors()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sys, "executable", executable)
            with pytest.raises(error, match=executable):
                list(parser.links(_documents(["good"]), _DEFAULT))
        after = _num_descriptors()
        assert list(parser.links(_documents(["good"]), _DEFAULT)) == _in_process(["good"])
    return before, after


@pytest.mark.parametrize(("executable", "error"), [("/bin/false", RuntimeError), ("/no/such/python", OSError)])
def test_a_process_that_does_not_start_is_no_pages_fault(executable: str, error: type[Exception]) -> None:
    before, after = _in_own_process(_descriptors_where_no_process_starts, executable, error)
    assert before == after


def _descriptors_and_children() -> list[tuple[int, int]]:
    """Their numbers with a process that has had a page, after others that ended it, and when it is closed."""

    def count() -> tuple[int, int]:
        return _num_descriptors(), len(psutil.Process().children())

    with BoundedHtmlParser(_LIMITS) as parser:
        list(parser.links(_documents(["good"]), _DEFAULT))
        found = [count()]
        for _ in range(3):
            list(parser.links(_documents(["good", "costly", "slow", "good"]), _DEFAULT))
        found.append(count())
        parser.close()
        found.append(count())
    return found


def test_descriptors_and_processes_do_not_add_up() -> None:
    first, later, closed = _in_own_process(_descriptors_and_children)
    assert first == later
    assert (later[1], closed[1]) == (1, 0)  # none is left, nor waits to be reaped
    assert closed[0] < later[0]


def test_a_process_ends_with_the_one_that_asks(tmp_path: Path) -> None:
    """Whatever ends that one, and in the middle of a batch: it is not told."""
    program = """
import sys
from beam_pipelines.html_process import BoundedHtmlParser, Document
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection
parser = BoundedHtmlParser(RecordLimits())
page = (b"<a href=/%s>" % (b"u" * 1000)) * 3000
for _ in parser.links([Document(page, "utf-8")] * 4, LinkSelection()):
    print(parser._child.pid, flush=True)
    sys.stdin.read()
"""
    for number in (signal.SIGTERM, signal.SIGKILL):
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asking:
            assert asking.stdout is not None
            worker = int(asking.stdout.readline())
            asking.send_signal(number)
            assert asking.wait() == -number
        while is_running(worker):
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_ends_a_group_is_left_to_the_one_that_asks(
    parser: BoundedHtmlParser, starts: list[None], number: signal.Signals
) -> None:
    """Else the page under way would be counted as too costly, should the other get the signal a little later."""
    assert list(parser.links(_documents(["good"]), _DEFAULT)) == _in_process(["good"])
    assert parser._child is not None
    os.kill(parser._child.pid, number)
    assert list(parser.links(_documents(["other"]), _DEFAULT)) == _in_process(["other"])
    assert len(starts) == 1


def test_encodings_and_the_selection_are_passed_on(parser: BoundedHtmlParser) -> None:
    document = "<a href=/ä rel=nofollow><img src=/ö>" * 3000
    selection = LinkSelection(all_paths=True, drop_nofollow=True)
    encoded = [Document(document.encode(encoding), encoding) for encoding in ("utf-8", "windows-1252")]
    encoded.append(Document(document.encode("utf-16-le"), "utf-16le"))
    assert list(parser.links(encoded, selection)) == [("", ["/ö"] * 3000, 3000)] * 3


def test_xhtml_is_parsed_as_xml_beside_html(parser: BoundedHtmlParser, starts: list[None]) -> None:
    markup = b'<p xmlns="http://www.w3.org/1999/xhtml"><title/>' + b'<a href="/a"/><img src="/b"/>' * 3000
    xml = [Document(markup + end, "utf-8", is_xml=True) for end in (b"</p>", b"", b"<base href='/b/'/></p>")]
    documents = [*_documents(["good"]), *xml, Document(markup, "utf-8")]
    good = _in_process(["good"])
    expected = [("", ["/a"] * 3000, 0, False), ("", ["/a"] * 3000, 0, True), ("/b/", ["/a"] * 3000, 0, False)]
    assert list(parser.links(documents, _DEFAULT)) == [*good, *expected, ("", [], 0)]
    assert len(starts) == 1


def test_xml_that_takes_too_long_ends_its_process(parser: BoundedHtmlParser) -> None:
    entity = "<!ENTITY e '%s'>" % ("<b/>" * 2000)
    padding = " " * (12 << 20)  # with which a hundredfold expansion takes longer than the limit
    bomb = f"{padding}<!DOCTYPE p [{entity}<!ENTITY f '{'&e;' * 500}'>]><p>{'&f;' * 500}</p>"
    answers = list(parser.links([Document(bomb.encode(), "utf-8", is_xml=True), *_documents(["good"])], _DEFAULT))
    assert answers == [NotAPage("too_slow"), *_in_process(["good"])]


@pytest.mark.parametrize(
    ("document", "encoding", "is_small"),
    [
        (b"<p/>", "utf-8", True),
        (b"<p/>", "iso-8859-1", True),
        (b"<p/>", "utf-16le", False),
        (b"<p/>", "iso-2022-jp", False),
        (b"<p/>" * (SMALL_TAGS + 1), "utf-8", False),
        (b"<!DOCTYPE p [<!ENTITY e 'e'>]><p/>", "utf-8", False),
        (b"<!DOCTYPE p [<!ATTLIST p a CDATA 'e'>]><p/>", "utf-8", False),
    ],
)
def test_what_is_small_xml(document: bytes, encoding: str, is_small: bool) -> None:
    assert is_small_xml(document, encoding) == is_small


def test_what_is_small() -> None:
    assert is_small(b"x" * SMALL_BYTES) and not is_small(b"x" * (SMALL_BYTES + 1))
    assert is_small(b"<b>" * SMALL_TAGS) and not is_small(b"<b>" * (SMALL_TAGS + 1))
    assert is_small(b"")
