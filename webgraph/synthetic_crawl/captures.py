"""What a crawler fetched from one host: pages, some of them twice, redirects, errors and files that are no pages."""

import dataclasses
import gzip
from collections.abc import Iterator
from typing import Any

import numpy as np

from webgraph.synthetic_crawl.addresses import Address, make_address
from webgraph.synthetic_crawl.documents import Document
from webgraph.synthetic_crawl.hosts import Host
from webgraph.synthetic_crawl.hrefs import BROKEN_HREFS, NON_HTTP_HREFS, Base, spell_target_uri
from webgraph.synthetic_crawl.options import SyntheticCrawlOptions
from webgraph.synthetic_crawl.site_graph import HostLinks

_BROKEN_PROBABILITY = 0.15
_NON_HTTP_PROBABILITY = 0.4
_BASE_LINK_PROBABILITY = 0.25
_NOFOLLOW_PROBABILITY = 0.03
_PAGES_WITH_BASE = 17  # one page in so many has a <base href>
_PAGES_WITHOUT_LINKS = 97  # one page in so many has no links
_PAGES_WITH_EMPTY_ANCHOR = 41
_RECAPTURES_GONE = 0.1  # share of the second captures that are answered with 404
_REASONS = {200: "OK", 301: "Moved Permanently", 404: "Not Found"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Capture:
    """One response: what was asked for, what came back, and what a WAT record says of its HTML."""

    target_uri: str
    file_index: int
    status: int
    content_type: str
    body: bytes  # as sent, so perhaps compressed
    content_encoding: str | None = None
    location: str | None = None
    html_metadata: dict[str, Any] | None = None  # None where the body is no HTML
    document: Document | None = None

    @property
    def reason(self) -> str:
        """The reason phrase of the status line."""
        return _REASONS[self.status]

    @property
    def is_page(self) -> bool:
        """Whether its links count: HTML with status 200."""
        return self.status == 200 and self.document is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PageCaptures:
    """All captures of one canonical URL."""

    url: str
    captures: tuple[Capture, ...]


def host_captures(host: Host, hosts: list[Host], options: SyntheticCrawlOptions) -> Iterator[PageCaptures]:
    """Everything fetched from one host, in a fixed order."""
    links = HostLinks(host, hosts, options)
    every = max(1, round(1 / options.other_response_fraction)) if options.other_response_fraction else 0
    for page in range(host.size):
        yield _page_captures(links, page, options)
        serial = host.index + page
        if every and serial % every == every - 1:
            yield _other_response(links, page, serial // every, options)


def _page_captures(links: HostLinks, page: int, options: SyntheticCrawlOptions) -> PageCaptures:
    host, rng = links.host, links.rng
    address = links.address(host, page)
    targets = [] if page % _PAGES_WITHOUT_LINKS == _PAGES_WITHOUT_LINKS - 1 else links.first_links(page)
    file_index = (host.index + page) % options.num_files
    document = _write_document(links, address, page, targets)
    captures = [_html_capture(host, address.url, file_index, 200, document)]
    if rng.random() < options.recapture_fraction:
        target_uri = spell_target_uri(address, int(rng.integers(4)))
        status = 404 if rng.random() < _RECAPTURES_GONE else 200
        document = _write_document(links, address, page, links.later_links(page, targets) if targets else [])
        captures.append(_html_capture(host, target_uri, (file_index + 1) % options.num_files, status, document))
    return PageCaptures(url=address.url, captures=tuple(captures))


def _html_capture(
    host: Host, target_uri: str, file_index: int, status: int, document: Document, location: str | None = None
) -> Capture:
    body = document.body()
    return Capture(
        target_uri=target_uri,
        file_index=file_index,
        status=status,
        content_type="text/html; charset=utf-8",
        body=gzip.compress(body, compresslevel=6, mtime=0) if host.gzip_bodies else body,
        content_encoding="gzip" if host.gzip_bodies else None,
        location=location,
        html_metadata=document.metadata(),
        document=document,
    )


def _write_document(links: HostLinks, address: Address, page: int, targets: list[Address]) -> Document:
    """Writes a page's HTML; a page without targets has no links at all."""
    rng = links.rng
    base, base_href = _choose_base(address, page)
    document = Document(title=f"{address.title} of {links.host.display_name}", base=base, base_href=base_href)
    document.add_decoy(page)
    if not targets:
        return document
    codes = rng.integers(256, size=len(targets)).tolist()
    nofollow = (rng.random(len(targets)) < _NOFOLLOW_PROBABILITY).tolist()
    document.add_unselected()
    for target, code, is_nofollow in zip(targets[:-1], codes, nofollow, strict=False):
        document.add_link(target, code, nofollow=is_nofollow)
    _add_odd_links(document, rng, page)
    document.add_area(targets[-1], codes[-1])
    return document


def _add_odd_links(document: Document, rng: np.random.Generator, page: int) -> None:
    broken, non_http, to_base = rng.random(3).tolist()
    which = int(rng.integers(60))
    if broken < _BROKEN_PROBABILITY:
        document.add_broken(BROKEN_HREFS[which % len(BROKEN_HREFS)])
    if non_http < _NON_HTTP_PROBABILITY:
        document.add_non_http(NON_HTTP_HREFS[which % len(NON_HTTP_HREFS)])
    if to_base < _BASE_LINK_PROBABILITY:
        document.add_link_to_base("#top" if which % 2 else "")
    if page % _PAGES_WITH_EMPTY_ANCHOR == 7:
        document.add_empty_anchor()


def _choose_base(address: Address, page: int) -> tuple[Base, str | None]:
    """The base of a page's links and the `<base href>` that says so, if any."""
    if page % _PAGES_WITH_BASE != _PAGES_WITH_BASE - 2:
        return Base.of_page(address), None
    if page % 3 == 0:
        directory, name, href = "/", "", "/"
    elif page % 3 == 1:
        directory, name = "/archive/2/", "index.html"
        href = f"{address.origin}{directory}{name}"
    else:
        directory, name, href = f"{address.directory}older/", "", "older/"
    url = f"{address.origin}{directory}{name}"
    return Base(address.scheme, address.authority, directory, name, url), href


def _other_response(links: HostLinks, page: int, kind: int, options: SyntheticCrawlOptions) -> PageCaptures:
    """A redirect, an error or a file, numbered after a page beside it."""
    host = links.host
    file_index = (host.index + page + 2) % options.num_files
    target = links.address(host, page)
    if kind % 3 == 2:
        address = make_address(host, "/files/", f"report-{page}.pdf", "", "Report")
        body = b"%PDF-1.4\n" + f"% report {page}: <a href='/in-a-file.html'>not a link</a>\n".encode() * 4
        capture = Capture(
            target_uri=address.url, file_index=file_index, status=200, content_type="application/pdf", body=body
        )
        return PageCaptures(url=address.url, captures=(capture,))
    name = f"moved-{page}.html" if kind % 3 == 0 else f"missing-{page}.html"
    address = make_address(host, "/old/", name, "", "Old page")
    document = Document(title="Old page", base=Base.of_page(address), base_href=None)
    document.add_link(target, 100)
    status, location = (301, target.url) if kind % 3 == 0 else (404, None)
    capture = _html_capture(host, address.url, file_index, status, document, location)
    return PageCaptures(url=address.url, captures=(capture,))
