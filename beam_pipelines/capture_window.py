"""Captures in the order of the archive, while large HTML pages among them wait to be parsed many at once.

A large page is held back, and with it the captures after it, until the documents held are of `MAX_DOCUMENT_BYTES` or
the captures of `MAX_CAPTURE_BYTES`, or the archive ends. So what comes out is a function of what goes in, whatever the
windows are; only when it does depends on them.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from beam_pipelines.capture import Capture, NotAPage, within_limits
from beam_pipelines.html_process import BoundedHtmlParser, Document
from beam_pipelines.html_worker import HtmlLinks
from beam_pipelines.http_response import HtmlPage
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_selection import LinkSelection

MAX_DOCUMENT_BYTES = 1 << 22
"""Of documents that wait; one that is larger waits alone. They lie in memory twice: here, and shared with the process
that parses them."""
MAX_CAPTURE_BYTES = 1 << 22
"""Of captures that wait behind them, and the last of them, as `_held_bytes` estimates, and of what pages have beside
their documents: many small ones may have a long URL each."""
_CAPTURE_BYTES = 1 << 9
_LINK_BYTES = 1 << 6
"""What objects take without their characters."""


class CaptureWindow:
    """Parses large pages in batches, and gives out captures in the order they came in.

    Args:
      html: parses large pages.
      selection: which of their links are outlinks.
      limits: what one of them may cost.
      is_over: whether one took too much time of this process, since the last call.
    """

    def __init__(
        self, html: BoundedHtmlParser, selection: LinkSelection, limits: RecordLimits, is_over: Callable[[], bool]
    ) -> None:
        self._html = html
        self._selection = selection
        self._limits = limits
        self._is_over = is_over
        self._start()

    def _start(self) -> None:
        self._held: list[Capture | HtmlPage] = []
        self._document_bytes = self._capture_bytes = 0

    def push(self, found: Capture | HtmlPage) -> Iterable[Capture | NotAPage]:
        """Takes a capture or a large page in, and returns what is ready before the next one is pushed."""
        if isinstance(found, Capture):
            if not self._held:
                return (found,)
            self._held.append(found)
            self._capture_bytes += _held_bytes(found)
            return self._parse(self._take()) if self._capture_bytes >= MAX_CAPTURE_BYTES else ()
        document_bytes = self._document_bytes + len(found.document)
        is_full = document_bytes > MAX_DOCUMENT_BYTES or self._capture_bytes >= MAX_CAPTURE_BYTES
        before = self._take() if is_full else []
        self._held.append(found)
        self._document_bytes += len(found.document)
        self._capture_bytes += _CAPTURE_BYTES + len(found.url)
        return self._parse(before)

    def finish(self) -> Iterable[Capture | NotAPage]:
        """Returns what is still held."""
        return self._parse(self._take())

    def _take(self) -> list[Capture | HtmlPage]:
        held = self._held
        self._start()
        return held

    def _parse(self, held: Sequence[Capture | HtmlPage]) -> Iterator[Capture | NotAPage]:
        documents = [Document(item.document, item.encoding, item.is_xml) for item in held if isinstance(item, HtmlPage)]
        with contextlib.closing(self._html.links(documents, self._selection)) as answers:
            for item in held:
                yield item if isinstance(item, Capture) else self._captured(item, next(answers))

    def _captured(self, page: HtmlPage, links: HtmlLinks | NotAPage) -> Capture | NotAPage:
        found = links if isinstance(links, NotAPage) else within_limits(page.capture(*links), self._limits)
        return NotAPage("too_slow") if self._is_over() else found


def _held_bytes(capture: Capture) -> int:
    """About what a capture takes in memory."""
    characters = capture.characters + len(capture.joined) + len(capture.url) + len(capture.base)
    return _CAPTURE_BYTES + characters + _LINK_BYTES * len(capture.hrefs)
