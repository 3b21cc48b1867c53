"""The encoding that a document declares in its first bytes.

HTML Standard, 13.2.3.2, "prescan a byte stream to determine its encoding", with "get an attribute" and "get an XML
encoding"; and "algorithm for extracting a character encoding from a meta element".

The algorithm looks at tags and comments only, not at what an element holds: a declaration in a script counts, one in a
comment does not.
"""

import re
from collections.abc import Iterator

from beam_pipelines.text_decoding import encoding_of_label

PRESCAN_BYTES = 1024
"""How far in a document a declaration may stand."""
_SPACES = b"\t\n\f\r "
_NO_SPACE_OR_SLASH = re.compile(rb"[^\t\n\f\r /]")
_NO_SPACE = re.compile(rb"[^\t\n\f\r ]")
_TAG_NAME_END = re.compile(rb"[\t\n\f\r >]")
_NAME_END = re.compile(rb"[\t\n\f\r />=]")
_MARKUP = re.compile(rb"<(?:(!--)|(meta)[\t\n\f\r /]|(/?[a-z])|[!/?])", re.IGNORECASE)
_CHARSET = re.compile(
    r"charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:\"([^\"]*)\"|'([^']*)'|(?![\"'])([^\t\n\f\r ;]*))", re.IGNORECASE
)
_UNMATCHED_QUOTE = re.compile(r"charset[\t\n\f\r ]*=[\t\n\f\r ]*[\"']", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"encoding[\x00-\x20]*=[\x00-\x20]*(?:\"([^\x00-\x20\"]*)\"|'([^\x00-\x20']*)')")
_UTF_16_XML = ((b"<\0?\0x\0", "utf-16le"), (b"\0<\0?\0x", "utf-16be"))


class _OutOfBytesError(Exception):
    """The bytes end within a tag or comment."""


def declared_encoding(document: bytes) -> str | None:
    """Returns the standard's name of the encoding that a document declares, or None where it declares none."""
    head = document[:PRESCAN_BYTES]
    for start, encoding in _UTF_16_XML:
        if head.startswith(start):
            return encoding
    lower = head.lower()  # names and values count in lower case only
    if b"charset" in lower:
        try:
            for encoding in _meta_encodings(lower):
                return encoding
        except _OutOfBytesError:
            pass
    return _as_declared(_xml_encoding(head))


def _as_declared(encoding: str | None) -> str | None:
    """What could be read as ASCII is not in UTF-16."""
    return "utf-8" if encoding in ("utf-16le", "utf-16be") else encoding


def _meta_encodings(head: bytes) -> Iterator[str]:
    position = 0
    while markup := _MARKUP.search(head, position):
        comment, meta, tag = markup.groups()
        if comment:
            position = _find(head, b"-->", markup.start() + 2)
        elif meta:
            position, encoding = _read_meta(head, markup.end() - 1)
            if encoding:
                yield encoding
        elif tag:
            position = _search(_TAG_NAME_END, head, markup.end())
            while attribute := _read_attribute(head, position):
                position = attribute[0]
            position = _search(_NO_SPACE_OR_SLASH, head, position)
        else:
            position = _find(head, b">", markup.end() - 1)
        position += 1


def _read_meta(head: bytes, position: int) -> tuple[int, str | None]:
    """Returns where the tag ends, and the encoding that it declares."""
    attributes: dict[bytes, bytes] = {}
    encoding, needs_pragma = None, False
    while attribute := _read_attribute(head, position):
        position, name, value = attribute
        if name in attributes:
            continue
        attributes[name] = value
        if name == b"charset":
            encoding, needs_pragma = encoding_of_label(value.decode("latin-1")) or "", False
        elif name == b"content" and encoding is None:
            encoding = encoding_in_content(value.decode("latin-1"))
            needs_pragma = encoding is not None
    if needs_pragma and attributes.get(b"http-equiv") != b"content-type":
        encoding = None
    encoding = "windows-1252" if encoding == "x-user-defined" else _as_declared(encoding)
    return _search(_NO_SPACE_OR_SLASH, head, position), encoding


def _read_attribute(head: bytes, position: int) -> tuple[int, bytes, bytes] | None:
    """Returns where the attribute ends, its name and its value; None at the end of the tag."""
    start = _search(_NO_SPACE_OR_SLASH, head, position)
    if head[start] == ord(">"):
        return None
    end = _search(_NAME_END, head, start + 1)  # a first `=` is part of the name
    name, position = head[start:end], end
    if head[end] in _SPACES:
        position = _search(_NO_SPACE, head, end)
    if head[position] != ord("="):
        return position, name, b""
    position = _search(_NO_SPACE, head, position + 1)
    if head[position] in b"\"'":
        end = _find(head, head[position : position + 1], position + 1)
        return end + 1, name, head[position + 1 : end]
    if head[position] == ord(">"):
        return position, name, b""
    end = _search(_TAG_NAME_END, head, position)
    return end, name, head[position:end]


def encoding_in_content(content: str) -> str | None:
    """Returns the encoding that the `content` of a `<meta>` names, or None."""
    found = _CHARSET.search(content)
    unmatched = _UNMATCHED_QUOTE.search(content)
    if found is None or (unmatched is not None and unmatched.start() < found.start()):
        return None
    return encoding_of_label(next(value for value in found.groups() if value is not None))


def _xml_encoding(head: bytes) -> str | None:
    if not head.startswith(b"<?xml"):
        return None
    declaration = head[: head.find(b">") + 1]
    found = _XML_ENCODING.match(declaration, max(0, declaration.find(b"encoding")))
    return encoding_of_label((found[1] or found[2] or b"").decode("latin-1")) if found else None


def _search(pattern: "re.Pattern[bytes]", head: bytes, position: int) -> int:
    found = pattern.search(head, position)
    if found is None:
        raise _OutOfBytesError
    return found.start()


def _find(head: bytes, text: bytes, position: int) -> int:
    found = head.find(text, position)
    if found < 0:
        raise _OutOfBytesError
    return found
