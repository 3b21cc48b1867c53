"""The process that parses large HTML pages, batch after batch, until a page ends it: the other end of `html_process`.

It imports little, since each page that ends it costs a start. It answers page by page into a pipe, where answers
outlive it, and tells by another one, the bell, that they can be read: once a batch, since each time that two processes
wake each other their caches are cold.
"""

import contextlib
import fcntl
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from typing import IO, NamedTuple

from beam_pipelines.html_links import html_links
from beam_pipelines.xhtml_links import XhtmlLinks, xhtml_links
from webgraph.link_selection import LinkSelection
from webgraph.stop_signals import SIGNALS

HtmlLinks = tuple[str, list[str], int] | XhtmlLinks
"""Base, links, and how many were not selected: what `html_links` and `xhtml_links` return."""
_BATCH = struct.Struct("<Q??")
"""Number of pages, which follow, and the selection."""
_PAGE = struct.Struct("<QQ?B")
"""Where the document begins in the shared file, its bytes, whether it is XML, and the bytes of the name of its
encoding, which follows."""
_ANSWER = struct.Struct("<QQ?")
"""Number of unselected links, bytes, and whether the page is ill-formed XML; base and links follow, joined by NUL,
which the tokenizer leaves in no attribute (HTML 13.2.5.36 to 13.2.5.38), and which XML cannot have."""
_MAX_NAME_BYTES = 255


class SharedPage(NamedTuple):
    """A page to be parsed: where its document lies in the file that both processes have, and its encoding and kind."""

    start: int
    length: int
    encoding: str
    is_xml: bool = False


def write_batch(stream: IO[bytes], pages: Sequence[SharedPage], selection: LinkSelection) -> None:
    """Asks for the links of pages; the worker reads all of it before it answers."""
    parts = [_BATCH.pack(len(pages), selection.all_paths, selection.drop_nofollow)]
    for page in pages:
        name = page.encoding.encode("utf-8", "replace")[:_MAX_NAME_BYTES]
        parts += (_PAGE.pack(page.start, page.length, page.is_xml, len(name)), name)
    stream.write(b"".join(parts))
    stream.flush()


def read_answer(stream: IO[bytes], max_bytes: int, *, is_xml: bool = False) -> HtmlLinks | None:
    """Returns the next page's links, or None where the worker has ended, or what it says is no answer.

    Args:
      max_bytes: the memory that the worker may take: more than what it can have to say.
      is_xml: whether the page is, so that the answer is that of `xhtml_links`.
    """
    head = stream.read(_ANSWER.size)
    if len(head) < _ANSWER.size:
        return None
    unselected, length, is_ill_formed = _ANSWER.unpack(head)
    content = stream.read(length) if length <= max_bytes else b""
    if len(content) < length:
        return None
    try:
        base, *hrefs = content.decode("utf-8", "surrogatepass").split("\0")
    except UnicodeDecodeError:
        return None
    return XhtmlLinks(base, hrefs, unselected, is_ill_formed) if is_xml else (base, hrefs, unselected)


def _read_batch(stream: IO[bytes]) -> tuple[list[SharedPage], LinkSelection] | None:
    head = stream.read(_BATCH.size)
    if len(head) < _BATCH.size:
        return None
    count, all_paths, drop_nofollow = _BATCH.unpack(head)
    pages = []
    for _ in range(count):
        start, length, is_xml, name_length = _PAGE.unpack(stream.read(_PAGE.size))
        encoding = stream.read(name_length).decode("utf-8", "replace")
        pages.append(SharedPage(start, length, encoding, is_xml))
    return pages, LinkSelection(all_paths=all_paths, drop_nofollow=drop_nofollow)


def _read_document(shared: int, page: SharedPage) -> bytes:
    content = os.pread(shared, page.length, page.start)
    while len(content) < page.length:
        more = os.pread(shared, page.length - len(content), page.start + len(content))
        if not more:
            break
        content += more
    return content


def _links(document: bytes, page: SharedPage, selection: LinkSelection) -> tuple[str, list[str], int, bool]:
    if page.is_xml:
        return xhtml_links(document, page.encoding, selection)
    return *html_links(document, page.encoding, selection), False


class _Answers:
    """Writes answers; rings the bell where a batch is done, or the pipe is full and the other side has to read."""

    def __init__(self, pipe: int, bell: int) -> None:
        self._pipe = pipe
        self._bell = bell
        self._is_rung = False
        os.set_blocking(pipe, False)

    def write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            try:
                rest = rest[os.write(self._pipe, rest) :]
            except BlockingIOError:
                self._ring()

    def _ring(self) -> None:
        if not self._is_rung:
            os.write(self._bell, b"\0")
            self._is_rung = True
            os.set_blocking(self._pipe, True)

    def end_batch(self) -> None:
        self._ring()
        self._is_rung = False
        os.set_blocking(self._pipe, False)


def _mind_signals(life: int) -> None:
    """Leaves to the parent what a whole group gets, and ends with the parent, also amid a page.

    Where the system can, it sends SIGIO when the pipe `life` has lost its writer, which ends a parser at once.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked by the parent until here
    if hasattr(os, "O_ASYNC"):
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        with contextlib.suppress(OSError):
            fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)


def _serve(max_seconds: float, max_bytes: int, shared: int, bell: int, life: int) -> None:
    """Answers until the input ends. The timer kills this process when a page takes too long.

    Args:
      shared: descriptor of the file that documents lie in.
      bell: descriptor of the pipe that says that this process is ready, and then when answers can be read.
      life: descriptor of a pipe that only the parent writes to, which it never does.
    """
    _mind_signals(life)
    os.write(bell, b"\0")  # ready
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = max_bytes if hard == resource.RLIM_INFINITY else min(max_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    answers = _Answers(sys.stdout.fileno(), bell)
    while batch := _read_batch(sys.stdin.buffer):
        pages, selection = batch
        for page in pages:
            document = _read_document(shared, page)
            signal.setitimer(signal.ITIMER_PROF, max_seconds)
            # Where there is no memory it raises, which ends this process.
            base, hrefs, unselected, is_ill_formed = _links(document, page, selection)
            content = "\0".join((base, *hrefs)).encode("utf-8", "surrogatepass")
            signal.setitimer(signal.ITIMER_PROF, 0)
            answers.write(_ANSWER.pack(unselected, len(content), is_ill_formed))
            answers.write(content)
        answers.end_batch()


if __name__ == "__main__":
    _serve(float(sys.argv[1]), *map(int, sys.argv[2:]))
