"""HTML parsing with bounded time and memory: pages that could cost much are parsed in a process of their own.

The HTML Standard's tree construction is not linear. Formatting elements that are left open are made anew in each block
that follows (13.2.4.3), so that 30 KB of tags become a million elements; block elements look for an open `<p>` through
all open elements; each attribute of a tag is compared with those before. A parser in C cannot be stopped. So a page of
more than `SMALL_BYTES` or `SMALL_TAGS` goes to a child process, which has a limit of memory (RLIMIT_AS) and, for each
page, of processor time (ITIMER_PROF); where the child dies, only that page is lost, whatever killed it. Smaller pages
are parsed here, since their worst case is small. The child starts at the first large page, which takes 0.1 s, and stays
for the archives that follow.
"""

import atexit
import contextlib
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np

from beam_pipelines.html_links import html_links
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection

SMALL_BYTES = 1 << 16
SMALL_TAGS = 2000
_REQUEST = struct.Struct("<QB??")
"""Bytes of the document, which stands in a file that both processes share, and of the name of its encoding, which
follows; and the selection."""
_LESS_THAN = ord("<")
_ANSWER = struct.Struct("<qQ")
"""Number of unselected links, or one of the failures below, and bytes; base and links follow, joined by NUL, which the
tokenizer leaves in no attribute (HTML 13.2.5.36 to 13.2.5.38)."""
_TOO_COSTLY = -1
_PIPE_BYTES = 1 << 20


class HtmlTooCostlyError(Exception):
    """A page needs more than its limits; `reason` is "too_slow" or "html_too_costly"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BoundedHtmlParser:
    """`html_links` within limits. One thread at a time; `close` ends its process."""

    def __init__(self, limits: RecordLimits) -> None:
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._document: IO[bytes] | None = None
        self._is_asked = False

    def __enter__(self) -> "BoundedHtmlParser":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def links(self, document: bytes, encoding: str, selection: LinkSelection) -> tuple[str, list[str], int]:
        """As `html_links`.

        Raises:
          ValueError: the parser rejects the document.
          HtmlTooCostlyError: it needs more time or memory than the limits allow.
        """
        if len(document) <= SMALL_BYTES and _num_tags(document) <= SMALL_TAGS:
            return html_links(document, encoding, selection)
        if self._is_asked:  # something interrupted the last call: its answer is not this one's
            self.close()
        is_fresh = self._child is None
        answer = self._ask(document, encoding, selection)
        if answer is None and not is_fresh:  # what pages before have left in memory must not decide
            answer = self._ask(document, encoding, selection)
        if answer is None:
            raise HtmlTooCostlyError("html_too_costly")
        return answer

    def _ask(self, document: bytes, encoding: str, selection: LinkSelection) -> tuple[str, list[str], int] | None:
        """Returns the answer, or None where there was not enough memory, and then ends the process."""
        child = self._child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None and self._document is not None
        self._is_asked = True
        try:
            _write_whole(self._document, document)
            _write_request(child.stdin, len(document), encoding, selection)
            answer = _read_answer(child.stdout)
        except BrokenPipeError:
            answer = None
        self._is_asked = False
        if answer is not None and answer[2] != _TOO_COSTLY:
            return answer
        if self.close() == -signal.SIGPROF:
            raise HtmlTooCostlyError("too_slow")
        return None

    def _start(self) -> "subprocess.Popen[bytes]":
        self._document = _memory_file()
        shared = self._document.fileno()
        limits = [str(self._limits.max_seconds), str(self._limits.max_parser_bytes)]
        return subprocess.Popen(
            [sys.executable, "-m", "beam_pipelines.html_process", *limits, str(shared)],
            pass_fds=[shared],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            pipesize=_PIPE_BYTES,
        )

    def close(self) -> int:
        """Ends the process, if there is one, and returns how it ended."""
        child, self._child = self._child, None
        if child is None:
            return 0
        if self._document is not None:
            self._document.close()
        if self._is_asked:
            child.kill()
            self._is_asked = False
        with contextlib.suppress(BrokenPipeError):
            child.communicate()
        return child.returncode


_idle: dict[tuple[int, RecordLimits], list[BoundedHtmlParser]] = {}
"""Parsers that wait for an archive, by process, since a fork copies this, and limits."""


@contextlib.contextmanager
def bounded_html_parser(limits: RecordLimits) -> Iterator[BoundedHtmlParser]:
    """A parser that another archive of this process has left, or a new one."""
    idle = _idle.setdefault((os.getpid(), limits), [])
    try:
        parser = idle.pop()
    except IndexError:
        parser = BoundedHtmlParser(limits)
    try:
        yield parser
    finally:
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


def _memory_file() -> IO[bytes]:
    """A file without a name, in memory where the system can: a pipe would take ten times the system's time."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("html"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _write_whole(file: IO[bytes], content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(file.fileno(), memoryview(content)[written:], written)


def _read_whole(descriptor: int, length: int) -> bytes:
    content = os.pread(descriptor, length, 0)
    while 0 < len(content) < length and (more := os.pread(descriptor, length - len(content), len(content))):
        content += more
    return content


def _write_request(stream: IO[bytes], length: int, encoding: str, selection: LinkSelection) -> None:
    name = encoding.encode("utf-8", "replace")[:255]
    stream.write(_REQUEST.pack(length, len(name), selection.all_paths, selection.drop_nofollow) + name)
    stream.flush()


def _read_answer(stream: IO[bytes]) -> tuple[str, list[str], int] | None:
    """Returns base, links and how many others there are, or None where the stream ended."""
    head = stream.read(_ANSWER.size)
    if len(head) < _ANSWER.size:
        return None
    unselected, length = _ANSWER.unpack(head)
    content = stream.read(length)
    if len(content) < length:
        return None
    base, *hrefs = content.decode("utf-8", "surrogatepass").split("\0")
    return base, hrefs, unselected


def _serve(max_seconds: float, max_bytes: int, shared: int) -> None:
    """Answers until the input ends. The timer kills this process when a page takes too long.

    Args:
      shared: descriptor of the file that documents stand in.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = max_bytes if hard == resource.RLIM_INFINITY else min(max_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(head := requests.read(_REQUEST.size)) == _REQUEST.size:
        length, name_length, all_paths, drop_nofollow = _REQUEST.unpack(head)
        encoding, document = requests.read(name_length).decode("utf-8"), _read_whole(shared, length)
        selection = LinkSelection(all_paths=all_paths, drop_nofollow=drop_nofollow)
        signal.setitimer(signal.ITIMER_PROF, max_seconds)
        try:
            base, hrefs, unselected = html_links(document, encoding, selection)
            content = "\0".join((base, *hrefs)).encode("utf-8", "surrogatepass")
        except (ValueError, MemoryError):  # the parser rejects no document: it fails where it gets no memory
            content, unselected = b"", _TOO_COSTLY
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(_ANSWER.pack(unselected, len(content)))
        answers.write(content)
        answers.flush()


if __name__ == "__main__":
    _serve(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
