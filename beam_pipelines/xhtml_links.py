"""The links of an XHTML document, read by an XML parser up to its first well-formedness error.

A page of type `application/xhtml+xml` is XML (HTML Standard, 14.2, "Parsing XHTML documents"): `<script/>` is an empty
element, `<A>` is no link, and only elements in the namespaces of XHTML, SVG and MathML count. Link paths, selection and
base are those of `html_links`: what stands in a `<template>` is no part of the page, and neither `xml:base` nor
`xlink:href` counts. A document that is not well-formed gives the links before the error, which are what a browser has
built by then. Bytes that the encoding does not allow are such an error (XML 1.0, 4.3.3).

An entity that nobody declares is an error, unless the document has an external subset, which might declare it: then the
reference is skipped (XML 1.0, 4.1). Of external subsets only the entities of HTML are known, to documents with one of
nine public identifiers.

The parser is Expat, through the standard library. It calls a function at each start tag before it looks at what
follows, so that the links before an error are exact, it builds no tree, and no recursion follows nested elements. It
opens neither files nor connections: external entities are asked for through `_external_entity`. It bounds the expansion
of entities to 100 times the input (since 2.4.1). Before 2.7 it follows entities within entities on the stack, however
deep they are; `MAX_ENTITIES` bounds that. lxml would be one more dependency in C that reads hostile input.
"""

import functools
import html.entities
import re
from typing import NamedTuple
from xml.parsers import expat

from beam_pipelines.text_decoding import decode, encoding_of_label
from webgraph.link_selection import LinkSelection

MAX_ENTITIES = 1000
"""Entities that a document may declare; one that declares more is left there, as if it were not well-formed."""
_XHTML = "http://www.w3.org/1999/xhtml"
_NAMESPACES = (_XHTML, "http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML")
_SEPARATOR = "\x01"
"""Between namespace and local name, where Expat puts it: no XML document can have this character."""
_HYPERLINKS = {"a": "href", "area": "href"}
_ALL_LINKS = {
    **_HYPERLINKS,
    "form": "action",
    **dict.fromkeys(("q", "blockquote", "del", "ins"), "cite"),
    **dict.fromkeys(("img", "iframe", "frame", "embed", "audio", "video", "source", "track", "input"), "src"),
}
_BASE = f"{_XHTML}{_SEPARATOR}base"
_TEMPLATE = f"{_XHTML}{_SEPARATOR}template"
_PUBLIC_IDENTIFIERS = frozenset(
    {
        "-//W3C//DTD XHTML 1.0 Transitional//EN",
        "-//W3C//DTD XHTML 1.1//EN",
        "-//W3C//DTD XHTML 1.0 Strict//EN",
        "-//W3C//DTD XHTML 1.0 Frameset//EN",
        "-//W3C//DTD XHTML Basic 1.0//EN",
        "-//W3C//DTD XHTML 1.1 plus MathML 2.0//EN",
        "-//W3C//DTD XHTML 1.1 plus MathML 2.0 plus SVG 1.1//EN",
        "-//W3C//DTD MathML 2.0//EN",
        "-//WAPFORUM//DTD XHTML Mobile 1.0//EN",
    }
)
"""HTML Standard, 14.2: those whose external subset is the entities of HTML. No other external entity is read."""
_DECLARATION = re.compile(
    rb"<\?xml[ \t\r\n]++version[ \t\r\n]*+=[ \t\r\n]*+(?:\"[^\"<>]*+\"|'[^'<>]*+')"
    rb"[ \t\r\n]++encoding[ \t\r\n]*+=[ \t\r\n]*+[\"']([A-Za-z][A-Za-z0-9._:-]*+)[\"']"
)
_UTF_8_MARK = b"\xef\xbb\xbf"
_BYTE_ORDER_MARKS = ((_UTF_8_MARK, "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_WITHOUT_MARK = ((b"\0<\0?", "utf-16be"), (b"<\0?\0", "utf-16le"))
_UTF_16 = {"utf-16be": "utf-16-be", "utf-16le": "utf-16-le"}
"""Python's codecs."""
_NO_CHARACTER = "\uffff"
"""Not allowed in XML, so that the parser stops here."""
_REFERENCE = re.compile(rb"([A-Za-z][A-Za-z0-9]*+);")


class XhtmlLinks(NamedTuple):
    """What `html_links` returns, and whether the document ends in a well-formedness error."""

    base: str
    hrefs: list[str]
    unselected: int
    is_ill_formed: bool


def xml_encoding(document: bytes, charset: str) -> str:
    """Returns the encoding of an XML document: byte order mark, the HTTP charset, the XML declaration, else UTF-8.

    RFC 7303, 3.2. What a label names and nobody knows counts as nothing, and a declaration that can be read as ASCII
    is not in UTF-16, whatever it says. UTF-16 without a mark is known by its `<?` (XML 1.0, appendix F.1).
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if document.startswith(mark):
            return encoding
    if named := encoding_of_label(charset):
        return named
    for start, encoding in _WITHOUT_MARK:
        if document.startswith(start):
            return encoding
    declared = _DECLARATION.match(document)
    found = encoding_of_label(declared[1].decode("ascii")) if declared else None
    return "utf-8" if found is None or found.startswith("utf-16") else found


def xhtml_links(document: bytes, encoding: str, selection: LinkSelection) -> XhtmlLinks:
    """Parses a document up to its end or its first error. Never raises for what it holds.

    Args:
      document: with or without a byte order mark.
      encoding: as `xml_encoding` returns it.
      selection: which links are taken.
    """
    content = _as_utf8(document, encoding)
    reader = _Reader(content, selection)
    try:
        reader.parser.Parse(content, True)
    except (expat.ExpatError, _TooManyEntitiesError):
        return XhtmlLinks(reader.base or "", reader.hrefs, reader.unselected, True)
    return XhtmlLinks(reader.base or "", reader.hrefs, reader.unselected, False)


class _TooManyEntitiesError(Exception):
    pass


class _Reader:
    """Collects links while the parser reads."""

    def __init__(self, content: bytes, selection: LinkSelection) -> None:
        self.base: str | None = None
        self.hrefs: list[str] = []
        self.unselected = 0
        self._content = content
        self._selection = selection
        self._attribute_of = _attributes(selection.all_paths)
        self._num_entities = 0
        self._has_html_entities = False
        self.parser = expat.ParserCreate("utf-8", _SEPARATOR)  # the declaration's encoding no longer counts
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_UNLESS_STANDALONE)
        self.parser.StartElementHandler = self._start_element
        self.parser.EntityDeclHandler = self._declare_entity
        self.parser.ExternalEntityRefHandler = self._external_entity

    def _start_element(self, name: str, attributes: dict[str, str]) -> None:
        wanted = self._attribute_of.get(name)
        if wanted is None or wanted not in attributes:
            if name == _TEMPLATE:
                self._enter_template()
            return
        if name == _BASE:
            if self.base is None:
                self.base = attributes[wanted]
        elif self._selection.drop_nofollow and not self._selection.selects_rel(attributes.get("rel")):
            self.unselected += 1
        else:
            self.hrefs.append(attributes[wanted])

    def _enter_template(self) -> None:
        """Takes no links up to the end of this template. Ends of elements are looked at in templates only."""
        depth = 1

        def start(name: str, attributes: object) -> None:
            nonlocal depth
            depth += 1

        def end(name: str) -> None:
            nonlocal depth
            depth -= 1
            if depth == 0:
                self.parser.StartElementHandler, self.parser.EndElementHandler = self._start_element, None

        self.parser.StartElementHandler, self.parser.EndElementHandler = start, end

    def _declare_entity(self, *_: object) -> None:
        self._num_entities += 1
        if self._num_entities > MAX_ENTITIES:
            raise _TooManyEntitiesError

    def _external_entity(self, context: str | None, base: object, system_id: object, public_id: str | None) -> int:
        """Reads HTML's entities where the document names them (`context` is None for a DTD); skips all others."""
        if context is None and public_id in _PUBLIC_IDENTIFIERS and not self._has_html_entities:
            self._has_html_entities = True
            subset = self.parser.ExternalEntityParserCreate(context, "utf-8")
            subset.EntityDeclHandler = None
            subset.Parse(_html_entities(self._content), True)
        return 1


@functools.cache
def _attributes(all_paths: bool) -> dict[str, str]:
    """The attribute that holds a link, or the base, by namespace and name of its element."""
    links = _ALL_LINKS if all_paths else _HYPERLINKS
    found = {f"{namespace}{_SEPARATOR}{name}": value for namespace in _NAMESPACES for name, value in links.items()}
    return {**found, _BASE: "href"}


def _html_entities(content: bytes) -> bytes:
    """Declarations of the entities that a document can refer to: all 2,125 would take longer than most documents."""
    declarations = _entity_declarations()
    if b"<!ENTITY" in content:  # its entities may be made of pieces
        return b"".join(declarations.values())
    return b"".join(declarations[name] for name in set(_REFERENCE.findall(content)) if name in declarations)


@functools.cache
def _entity_declarations() -> dict[bytes, bytes]:
    """One declaration for each named character of HTML, by name. `&` and `<` are escaped twice (XML 1.0, 4.6)."""
    return {
        name[:-1].encode(): b'<!ENTITY %s "%s">' % (name[:-1].encode(), b"".join(map(_escaped, text)))
        for name, text in html.entities.html5.items()
        if name.endswith(";")
    }


def _escaped(character: str) -> bytes:
    return b"&#38;#%d;" % ord(character) if character in "&<" else b"&#%d;" % ord(character)


def _as_utf8(document: bytes, encoding: str) -> bytes:
    """The document up to the first bytes that its encoding does not allow, where the parser stops.

    It always has a mark, because Expat takes a document that begins with `<` and NUL for UTF-16, whatever it is told.
    """
    if encoding == "utf-8":  # the parser looks for such bytes itself
        return document if document.startswith(_UTF_8_MARK) else _UTF_8_MARK + document
    if codec := _UTF_16.get(encoding):
        try:
            text = document.decode(codec)
        except UnicodeDecodeError as error:
            text = document[: error.start].decode(codec) + _NO_CHARACTER
        return _UTF_8_MARK + text.removeprefix("\ufeff").encode()
    # No other encoding but gb18030 has U+FFFD, so that it stands where the decoder met an error.
    text, error_mark, _ = decode(document, encoding).partition("\ufffd")
    return _UTF_8_MARK + (text + _NO_CHARACTER if error_mark else text).encode("utf-8", "surrogatepass")
