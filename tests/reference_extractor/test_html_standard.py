"""Our HTML path beside html5lib, an independent parser written from the HTML Standard, on hostile pages.

So it is our path that follows the standard where the extractor differs. html5lib knows no `<template>`, and drops what
stands in `<select>`, as earlier versions of the standard did.
"""

from xml.etree.ElementTree import Element

import html5lib

from beam_pipelines.html_links import html_links
from tests.reference_extractor.hostile_pages import hostile_page
from webgraph.link_selection import LinkSelection

_NUM_PAGES = 2000
_HTML = "{http://www.w3.org/1999/xhtml}"
_LINKS = (f"{_HTML}a", f"{_HTML}area", "{http://www.w3.org/2000/svg}a", "{http://www.w3.org/1998/Math/MathML}a")


def _parse(document: str) -> tuple[str, list[str]]:
    """The base and the links, clones of misnested ones among them, in document order."""
    tree: Element = html5lib.parse(document, treebuilder="etree")
    bases = [base.attrib["href"] for base in tree.iter(f"{_HTML}base") if "href" in base.attrib]
    return next(iter(bases), ""), [
        link.attrib["href"] for link in tree.iter() if link.tag in _LINKS and "href" in link.attrib
    ]


def test_links_and_base_are_those_of_html5lib() -> None:
    compared = links = 0
    for seed in range(_NUM_PAGES):
        document = hostile_page(seed).document.decode()
        if "<template" in document or "<select" in document:
            continue
        base, hrefs, _ = html_links(document.encode(), "utf-8", LinkSelection())
        assert (base, hrefs) == _parse(document), document
        compared, links = compared + 1, links + len(hrefs)
    assert compared > 0.7 * _NUM_PAGES and links > compared
