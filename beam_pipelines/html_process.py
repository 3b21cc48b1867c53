"""HTML parsing with bounded time and memory: pages that could cost much are parsed in a process of their own.

The HTML Standard's tree construction is not linear. Formatting elements that are left open are made anew in each block
that follows (13.2.4.3), so that 30 KB of tags become a million elements; block elements look for an open `<p>` through
all open elements; each attribute of a tag is compared with those before. A parser in C cannot be stopped. So a page of
more than `SMALL_BYTES` or `SMALL_TAGS` goes to a child process (`html_worker`), which has a limit of memory (RLIMIT_AS)
and, for each page, of processor time (ITIMER_PROF); where the child dies, only that page is lost, whatever killed it.
Smaller pages are parsed here, since their worst case is small. Large pages are asked for many at once, since two
processes that wake each other for every page take a tenth longer. The child starts at the first batch, which takes
0.1 s, and stays for the archives that follow.

XHTML takes the same ways. Its parser is linear but for entities and defaults of attributes, so that a page which
declares any always goes to the child.
"""

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from typing import IO, NamedTuple

import numpy as np

from beam_pipelines.capture import NotAPage
from beam_pipelines.html_worker import HtmlLinks, SharedPage, read_answer, write_batch
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection
from webgraph.stop_signals import held

SMALL_BYTES = 1 << 16
SMALL_TAGS = 2000
_SMALL_XML_ENCODINGS = ("utf-8", "iso-8859-1", "windows-1252")
"""In which what `is_small_xml` looks for is not written in any other way."""
_LESS_THAN = ord("<")
_PIPE_BYTES = 1 << 20
_WORKER = "beam_pipelines.html_worker"


def is_small(document: bytes) -> bool:
    """Whether nothing that a document of this size and so many tags may hold costs much."""
    return len(document) <= SMALL_BYTES and _num_tags(document) <= SMALL_TAGS


def is_small_xml(document: bytes, encoding: str) -> bool:
    """Whether nothing that a document of XML may hold costs much: `is_small`, and it has no entities and defaults."""
    return (
        encoding in _SMALL_XML_ENCODINGS
        and is_small(document)
        and b"<!ENTITY" not in document
        and b"<!ATTLIST" not in document
    )


class Document(NamedTuple):
    """A page as it is to be parsed; `is_xml` where it is XHTML."""

    content: bytes
    encoding: str
    is_xml: bool = False


class BoundedHtmlParser:
    """`html_links` and `xhtml_links` of many pages within limits. One thread at a time; `close` ends its process."""

    def __init__(self, limits: RecordLimits) -> None:
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._bell = self._life = -1
        self._shared: IO[bytes] | None = None

    def __enter__(self) -> "BoundedHtmlParser":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def links(
        self, documents: Sequence[Document], selection: LinkSelection
    ) -> Generator[HtmlLinks | NotAPage, None, None]:
        """Yields what `html_links` or `xhtml_links` returns for each, in order and each before the next is read.

        Where a document needs more than the limits allow, it is `NotAPage` of "too_slow" or "html_too_costly".
        """
        if not documents:
            return
        pages = self._share(documents)
        done = 0
        try:
            while done < len(pages):
                is_fresh, first = self._child is None, done
                for answer in self._ask(pages[done:], selection):
                    done += 1
                    yield answer
                if done == len(pages):
                    return
                if self._end() == -signal.SIGPROF:
                    done += 1
                    yield NotAPage("too_slow")
                elif is_fresh and done == first:  # else what pages before have left in memory may have decided
                    done += 1
                    yield NotAPage("html_too_costly")
        finally:
            if done < len(pages):  # nobody is to get these answers for those to other pages
                self._end()

    def _share(self, documents: Sequence[Document]) -> list[SharedPage]:
        """Writes the documents one after the other into the file that the child reads."""
        self._shared = self._shared or _memory_file()
        pages, start = [], 0
        for content, encoding, is_xml in documents:
            _write_whole(self._shared.fileno(), content, start)
            pages.append(SharedPage(start, len(content), encoding, is_xml))
            start += len(content)
        return pages

    def _ask(self, pages: Sequence[SharedPage], selection: LinkSelection) -> Iterator[HtmlLinks]:
        """Yields the answers to the pages before the one that ends the process, or to all."""
        child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None
        try:
            write_batch(child.stdin, pages, selection)
        except BrokenPipeError:
            return
        os.read(self._bell, 1)  # nothing where the process has ended, whose answers lie in the pipe all the same
        for page in pages:
            answer = read_answer(child.stdout, self._limits.max_parser_bytes, is_xml=page.is_xml)
            if answer is None:
                return
            yield answer

    def _start(self) -> "subprocess.Popen[bytes]":
        assert self._shared is not None
        shared = self._shared.fileno()
        limits = [str(self._limits.max_seconds), str(self._limits.max_parser_bytes)]
        path = os.pathsep.join(path or os.getcwd() for path in sys.path)
        heard, bell = os.pipe()
        ended, life = os.pipe()
        try:
            with held():
                self._child = child = subprocess.Popen(
                    # -P: what lies in the folder that this process happens to be in is none of its modules
                    [sys.executable, "-P", "-m", _WORKER, *limits, str(shared), str(bell), str(ended)],
                    pass_fds=[shared, bell, ended],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": path},
                )
                self._bell, self._life = heard, life
        except BaseException:
            if self._child is None:
                os.close(heard)
                os.close(life)
            raise
        finally:
            os.close(bell)
            os.close(ended)
        for pipe in (child.stdin, child.stdout):
            _enlarge(pipe)
        if not os.read(heard, 1):  # it is no page's fault, nor may it look like one
            raise RuntimeError(
                f"The process that parses large HTML pages ended with code {self._end()} before it had any; "
                f"see whether {sys.executable} can import {_WORKER}, and whether there is memory for it."
            )
        return child

    def _end(self) -> int:
        """Ends the process, if there is one, whatever it does, and returns how it ended."""
        child, self._child = self._child, None
        if child is None:
            return 0
        child.kill()  # of no effect where it has ended
        os.close(self._bell)
        os.close(self._life)
        with contextlib.suppress(BrokenPipeError):
            child.communicate()
        return child.wait()

    def close(self) -> None:
        """Ends the process, if there is one, and frees the memory that was shared with it."""
        self._end()
        if self._shared is not None:
            self._shared.close()
            self._shared = None


_idle: dict[tuple[int, RecordLimits], list[BoundedHtmlParser]] = {}
"""Parsers that wait for an archive, by process, since a fork copies this, and limits."""


@contextlib.contextmanager
def bounded_html_parser(limits: RecordLimits) -> Iterator[BoundedHtmlParser]:
    """A parser that another archive of this process has left, or a new one; what fails leaves none."""
    idle = _idle.setdefault((os.getpid(), limits), [])
    try:
        parser = idle.pop()
    except IndexError:
        parser = BoundedHtmlParser(limits)
    try:
        yield parser
    except BaseException:  # answers may be under way, to pages that nobody asks about any more
        parser.close()
        raise
    idle.append(parser)


@atexit.register
def close_idle() -> None:
    """Ends the processes that wait for an archive."""
    for (process, _), parsers in _idle.items():
        for parser in parsers if process == os.getpid() else ():
            parser.close()


def _num_tags(document: bytes) -> int:
    """How many tags there are, at most; in half of the time that `bytes.count` takes where they are dense."""
    return int(np.count_nonzero(np.frombuffer(document, np.uint8) == _LESS_THAN))


def _enlarge(pipe: IO[bytes] | None) -> None:
    """Makes a pipe hold more where the system allows it: it does not once a user's pipes have 64 MiB together."""
    if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _memory_file() -> IO[bytes]:
    """A file without a name, in memory where the system can: a pipe would take ten times the system's time."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("html"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _write_whole(descriptor: int, content: bytes, start: int) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, memoryview(content)[written:], start + written)
