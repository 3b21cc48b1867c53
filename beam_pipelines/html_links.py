"""The links of an HTML document, as the HTML Standard reads it (parsed by Lexbor, through selectolax).

Link paths are those of Common Crawl's WAT writer, so that one selection serves both sources. The base is the first
`<base>` with an `href` (HTML Standard, "document base URL"); scripting is off, so links in `<noscript>` count. In SVG
and MathML `<a href>` counts, `<a xlink:href>` does not, and `<base>` is no base: it is no HTML element there.
"""

from resiliparse.parse.encoding import detect_encoding
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from beam_pipelines.meta_prescan import declared_encoding
from beam_pipelines.text_decoding import decode, encoding_of_label
from webgraph.link_selection import LinkSelection

_HYPERLINKS = "a[href], area[href]"
_ALL_LINKS = (
    "a[href], area[href], img[src], form[action], iframe[src], frame[src], embed[src], audio[src], video[src], "
    "source[src], track[src], input[src], q[cite], blockquote[cite], del[cite], ins[cite]"
)
_BASE = "base[href]:not(svg base:not(foreignobject base, desc base), math base)"
_ATTRIBUTE_OF = {
    "a": "href",
    "area": "href",
    "form": "action",
    "q": "cite",
    "blockquote": "cite",
    "del": "cite",
    "ins": "cite",
}  # and of all others `src`
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_GUESSES = {
    "big5hkscs": "big5",
    "cp949": "euc-kr",
    "cp932": "shift_jis",
    "euc_jp": "euc-jp",
    "euc_kr": "euc-kr",
    "iso2022_jp": "iso-2022-jp",
    "iso8859-11": "windows-874",
    "mac-cyrillic": "x-mac-cyrillic",
    "mac-roman": "macintosh",
}
"""The standard's encodings for Python's names that are no labels of theirs."""


def html_encoding(document: bytes, charset: str) -> str:
    """Returns the encoding of a document: byte order mark, then the HTTP charset, then `<meta>`, then a guess.

    HTML Standard, "determining the character encoding"; names are the Encoding Standard's, in lower case. A label that
    the standard does not know counts as nothing. Where nothing is declared, UTF-8 is recognised by its pattern, which
    the guess often takes for something else, and what cannot be guessed is windows-1252.

    Args:
      document: whole.
      charset: the HTTP header's, or "".
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if document.startswith(mark):
            return encoding
    if found := encoding_of_label(charset) or declared_encoding(document):
        return found
    if _is_mostly_utf8(document):
        return "utf-8"
    guess = detect_encoding(document, from_html_meta=False)
    if guess is None or guess == "utf-8":  # what cannot be guessed comes back as UTF-8
        return "windows-1252"
    return _GUESSES.get(guess) or encoding_of_label(guess) or "windows-1252"


def html_links(document: bytes, encoding: str, selection: LinkSelection) -> tuple[str, list[str], int]:
    """Parses a document.

    Returns:
      The base as written ("" without one), the selected links in document order, and how many others there are.

    Raises:
      ValueError: the parser rejects the document.
    """
    try:
        tree = LexborHTMLParser(decode(document, encoding))
    except SelectolaxError as error:
        raise ValueError(str(error)) from error
    hrefs, unselected = [], 0
    for element in tree.css(_ALL_LINKS if selection.all_paths else _HYPERLINKS):
        attributes = element.attributes
        name = _ATTRIBUTE_OF.get(element.tag or "", "src")
        if name not in attributes:  # `a[href]` selects SVG's `<a xlink:href>` too, whose local name is the same
            continue
        if selection.drop_nofollow and not selection.selects_rel(attributes.get("rel")):
            unselected += 1
            continue
        # An attribute without a value, `<a href>`, is the empty string, a link to the page itself.
        hrefs.append(attributes[name] or "")
    base = tree.css_first(_BASE)
    return (base.attributes["href"] or "" if base else ""), hrefs, unselected


def _is_mostly_utf8(document: bytes) -> bool:
    """Whether at most half of what is not ASCII is no UTF-8. A page may be cut within a character, or have bad ones."""
    text = document.decode("utf-8", "replace")
    return len(text) - len(text.encode("ascii", "ignore")) >= 2 * text.count("\ufffd")
