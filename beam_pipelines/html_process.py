"""HTML parsing with bounded time and memory: pages that could cost much are parsed in a process of their own.

The HTML Standard's tree construction is not linear. Formatting elements that are left open are made anew in each block
that follows (13.2.4.3), so that 30 KB of tags become a million elements; block elements look for an open `<p>` through
all open elements; each attribute of a tag is compared with those before. A parser in C cannot be stopped. So a page of
more than `SMALL_BYTES` or `SMALL_TAGS` goes to a child process, which has a limit of memory (RLIMIT_AS) and, for each
page, of processor time (ITIMER_PROF); where the child dies, only that page is lost, whatever killed it. Smaller pages
are parsed here, since their worst case is small. The child starts at the first large page and ends with the archive.
"""

import contextlib
import os
import resource
import signal
import struct
import subprocess
import sys
from typing import IO, Any

import msgspec

from beam_pipelines.html_links import html_links
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection

SMALL_BYTES = 1 << 16
SMALL_TAGS = 2000
_LENGTH = struct.Struct("<Q")


class HtmlTooCostlyError(Exception):
    """A page needs more than its limits; `reason` is "too_slow" or "html_too_costly"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BoundedHtmlParser:
    """`html_links` within limits. A context manager: it ends its process."""

    def __init__(self, limits: RecordLimits) -> None:
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "BoundedHtmlParser":
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def links(self, document: bytes, encoding: str, selection: LinkSelection) -> tuple[str, list[str], int]:
        """As `html_links`.

        Raises:
          ValueError: the parser rejects the document.
          HtmlTooCostlyError: it needs more time or memory than the limits allow.
        """
        if len(document) <= SMALL_BYTES and document.count(b"<") <= SMALL_TAGS:
            return html_links(document, encoding, selection)
        child = self._child
        if child is None:
            limits = [str(self._limits.max_seconds), str(self._limits.max_parser_bytes)]
            child = self._child = subprocess.Popen(
                [sys.executable, "-m", "beam_pipelines.html_process", *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        assert child.stdin is not None and child.stdout is not None
        try:
            _write(child.stdin, (document, encoding, selection.all_paths, selection.drop_nofollow))
            answer = _read(child.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            returncode = self._end()
            raise HtmlTooCostlyError("too_slow" if returncode == -signal.SIGPROF else "html_too_costly")
        found, failure = answer
        if found is None:
            raise HtmlTooCostlyError(failure)
        return tuple(found)

    def _end(self) -> int:
        """Ends the process, if there is one, and returns how it ended."""
        child, self._child = self._child, None
        if child is None:
            return 0
        with contextlib.suppress(BrokenPipeError):
            child.communicate()
        return child.returncode


def _write(stream: IO[bytes], value: Any) -> None:
    content = msgspec.msgpack.encode(value)
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    """Returns the next value, or None where the stream ended."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return msgspec.msgpack.decode(content) if len(content) == length else None


def _serve(max_seconds: float, max_bytes: int) -> None:
    """Answers until the input ends. The timer kills this process when a page takes too long."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = max_bytes if hard == resource.RLIM_INFINITY else min(max_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    while (request := _read(sys.stdin.buffer)) is not None:
        document, encoding, all_paths, drop_nofollow = request
        selection = LinkSelection(all_paths=all_paths, drop_nofollow=drop_nofollow)
        signal.setitimer(signal.ITIMER_PROF, max_seconds)
        try:
            answer: tuple[Any, str] = (html_links(document, encoding, selection), "")
        except (ValueError, MemoryError):  # the parser rejects no document: it fails where it gets no memory
            answer = (None, "html_too_costly")
        signal.setitimer(signal.ITIMER_PROF, 0)
        _write(sys.stdout.buffer, answer)


if __name__ == "__main__":
    _serve(float(sys.argv[1]), int(sys.argv[2]))
