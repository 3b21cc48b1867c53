"""Why a page's outlinks through WARC and through WAT differ, each with the clause that says who is right.

That is our HTML path but for `CONTENT_LENGTH`. Clauses are of the HTML Standard where no other standard is named.
`docs/warc-and-wat.md` tells each class by its name.
"""

import enum


class Difference(enum.Enum):
    """A class of pages that differ, and the clause."""

    COMMENT = "13.2.5.43 to 13.2.5.52, comments"
    UNCLOSED_LINK = '13.2.6.4.7, "in body": a start tag whose tag name is "a"'
    SCRIPT_TEXT = "13.2.5.3, 13.2.5.4 and 13.2.5.15 to 13.2.5.31, text of style and script"
    TEXT_ONLY = "13.2.5.2, 13.2.5.3 and 13.2.5.5, elements whose content is text"
    TEMPLATE = "4.12.3, template contents are not in the document"
    DECLARATION = "13.2.5.6, 13.2.5.41, 13.2.5.42 and 13.2.5.53, tag open, bogus comments, DOCTYPE"
    TAG = "13.2.5.6 to 13.2.5.8 and 13.2.5.32 to 13.2.5.40, names and attributes of tags"
    WHITE_SPACE = "13.2.5.8, 13.2.5.32 and 13.2.5.38, tab, line feed, form feed and space alone"
    FOREIGN = "13.2.6.5, SVG and MathML; 13.2.5.69, CDATA sections"
    BASE = "4.2.3, the first base element with an href in the document"
    ESCAPE_SEQUENCE = "Encoding Standard, decoders: escape sequences are of ISO-2022-JP alone"
    ENCODING = "13.2.3.2, determining the character encoding; Encoding Standard, labels"
    CONTENT_TYPE = "MIME Sniffing Standard, unknown types; Fetch Standard, extract a MIME type"
    XHTML = "14.2, parsing XHTML documents"
    CONTENT_ENCODING = "RFC 9110, 8.4, content encodings; RFC 9112, 7.1, chunked"
    CONTENT_LENGTH = "RFC 9112, 6.3, message body length: it ends at Content-Length"
    EMPTY_LINE = "RFC 9112, 2.1: a message begins with its start line"
