"""An HTML document and, beside it, what Common Crawl's extractor says of it (`HTML-Metadata`).

Both are written from the same calls, in document order, so that neither is derived from the other by parsing.
"""

import html
from typing import Any

from webgraph.synthetic_crawl.addresses import Address
from webgraph.synthetic_crawl.hrefs import Base, spell_href

_DECOYS = (
    '<!-- <a href="/in-a-comment.html">not a link</a> -->',
    "<script>var shown = '<a href=\"/in-a-script.html\">not a link</a>';</script>",
    '<a name="top">An anchor, not a link</a>',
)


class Document:
    """Collects one page's links, as HTML, as WAT metadata, and as the canonical URLs that they mean."""

    def __init__(self, *, title: str, base: Base, base_href: str | None) -> None:
        self.targets: list[str] = []  # canonical, of A and AREA links, in order, repeated as written
        self.num_not_http = 0
        self.num_not_a_url = 0
        self._base = base
        self._html = [
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n',
            f'<base href="{base_href}">\n' if base_href is not None else "",
            '<link rel="stylesheet" href="/style.css" type="text/css">\n</head><body>\n',
        ]
        self._head: dict[str, Any] = {"Metas": [{"charset": "utf-8"}], "Title": title}
        if base_href is not None:
            self._head["Base"] = base_href
        self._head["Link"] = [{"path": "LINK@/href", "url": "/style.css", "rel": "stylesheet", "type": "text/css"}]
        self._links: list[dict[str, str]] = []

    def add_link(self, target: Address, code: int, *, nofollow: bool = False) -> None:
        """An `<a href>` to a page; `code` in 0..255 picks how it is written."""
        href = spell_href(target, self._base, code)
        self.targets.append(target.url)
        self._anchor(href, target.title, "nofollow" if nofollow else None)

    def add_area(self, target: Address, code: int) -> None:
        """An `<area href>` of an image map, which counts as a link too."""
        href = spell_href(target, self._base, code)
        self.targets.append(target.url)
        self._html.append(f'<map name="m"><area shape="default" href="{html.escape(href)}"></map>\n')
        self._links.append({"path": "AREA@/href", "url": href})

    def add_link_to_base(self, href: str) -> None:
        """A link that is empty or only a fragment: it means the base itself."""
        self.targets.append(self._base.url)
        self._anchor(href, "Top", None)

    def add_non_http(self, href: str) -> None:
        """A link of another scheme, which no crawl follows."""
        self.num_not_http += 1
        self._anchor(href, "Contact", None)

    def add_broken(self, href: str) -> None:
        """A link that is no URL."""
        self.num_not_a_url += 1
        self._anchor(href, "Broken", None)

    def add_unselected(self) -> None:
        """Links that the default selection does not take: an image, a form, a frame."""
        self._html.append('<img src="/images/logo.png" alt="Logo"><form action="/search" method="get"></form>\n')
        self._html.append('<iframe src="https://video.example.com/embed?v=1&amp;t=2"></iframe>\n')
        self._links.append({"path": "IMG@/src", "url": "/images/logo.png", "alt": "Logo"})
        self._links.append({"path": "FORM@/action", "url": "/search", "method": "get"})
        self._links.append({"path": "IFRAME@/src", "url": "https://video.example.com/embed?v=1&t=2"})

    def add_decoy(self, number: int) -> None:
        """Text that looks like a link and is none."""
        self._html.append(_DECOYS[number % len(_DECOYS)] + "\n")

    def add_empty_anchor(self) -> None:
        """A self-closing anchor, for which Common Crawl's extractor writes an empty object."""
        self._html.append('<a name="here"/></a>\n')
        self._links.append({})

    def body(self) -> bytes:
        """The HTML in UTF-8."""
        return ("".join(self._html) + "</body></html>\n").encode()

    def metadata(self) -> dict[str, Any]:
        """The value of `HTML-Metadata`."""
        return {"Head": self._head, "Links": self._links} if self._links else {"Head": self._head}

    def _anchor(self, href: str, text: str, rel: str | None) -> None:
        written = html.escape(href)
        if rel is None:
            self._html.append(f'<li><a href="{written}">{text}</a>\n')
            self._links.append({"path": "A@/href", "url": href, "text": text})
        else:
            self._html.append(f"<li><A rel={rel} HREF='{written}'>{text}</A>\n")
            self._links.append({"path": "A@/href", "url": href, "rel": rel, "text": text})
