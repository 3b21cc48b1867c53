"""Pages in several character encodings, declared in all ways or in none, truly or not, and in several HTTP messages."""

import gzip
import zlib
from collections.abc import Callable, Iterable

import brotli

from tests.reference_extractor.differences import Difference
from tests.reference_extractor.hostile_pages import HostilePage, Kind

_HTTP_EQUIV = '<meta http-equiv="Content-Type" content="text/html; charset={}">'
_META = "<meta charset={}>"
_LATIN, _RUSSIAN, _CHINESE, _JAPANESE = "äöüß-é", "привет-страница", "中文网页链接", "日本語のページ"

_AGREED = (  # encoding, text, Content-Type, declaration
    ("utf-8", _LATIN, "text/html; charset=utf-8", ""),
    ("utf-8", _LATIN, "TEXT/HTML; CHARSET=UTF-8", ""),
    ("utf-8", _LATIN, "text/plain; charset=utf-8", ""),
    ("utf-8", _LATIN, "text/html", _HTTP_EQUIV.format("utf-8")),
    ("utf-8", _LATIN, "text/html", _META.format("utf-8")),
    ("utf-8", _LATIN, "text/html", _META.format("utf-16")),
    ("utf-8", _LATIN, "text/html; charset=no-such", ""),
    ("utf-8", _CHINESE, "text/html", ""),
    ("cp1252", _LATIN, "text/html; charset=iso-8859-1", ""),
    ("cp1252", _LATIN, "text/html; charset=latin1", ""),
    ("cp1251", _RUSSIAN, "text/html; charset=windows-1251", ""),
    ("cp1251", _RUSSIAN, "text/html", _META.format("windows-1251")),
    ("cp1251", _RUSSIAN, "text/html; charset=x-cp1251", ""),  # Java has no such label, and guesses right
    ("koi8-r", _RUSSIAN, "text/html; charset=no-such", _HTTP_EQUIV.format("koi8-r")),
    ("gbk", _CHINESE, "text/html; charset=gb2312", ""),
    ("gbk", _CHINESE, "text/html", _META.format("gb2312")),
    ("shift_jis", _JAPANESE, "text/html; charset=x-sjis", ""),
    ("euc_jp", _JAPANESE, "text/html; charset=euc-jp", _META.format("utf-8")),
    ("iso2022_jp", _JAPANESE, "text/html; charset=iso-2022-jp", ""),
    ("utf-16", _LATIN, "text/html", ""),
)
_ENCODING = (
    ("cp1252", _LATIN, 'text/html; charset="windows-1252"', ""),  # quotes
    ("cp1252", _LATIN, "text/html; charset=windows-1252; x=y", ""),  # another parameter
    ("cp1252", _LATIN, "text/html; charset=us-ascii", ""),  # a label of windows-1252
    ("cp1252", _LATIN, "text/html", _META.format("iso-8859-1")),  # not http-equiv
    ("cp1252", _LATIN, "text/html", ""),  # nothing: the default
    ("cp949", "똠방", "text/html; charset=euc-kr", ""),  # larger on the web
    ("utf-8-sig", _LATIN, "text/html; charset=iso-8859-1", ""),  # the byte order mark is stronger
    ("utf-16", _LATIN, "text/html; charset=utf-8", ""),
)
_CONTENT_TYPE = (
    ("utf-8", _LATIN, None, ""),
    ("utf-8", _LATIN, "*/*", ""),
    ("utf-8", _LATIN, "application/vnd.html+xml; charset=utf-8", ""),
    ("utf-8", _LATIN, "text/plain\r\nContent-Type: text/html; charset=utf-8", ""),
)
_XHTML = (("utf-8", _LATIN, "application/xhtml+xml; charset=utf-8", ""),)  # without its namespace there are no links


def encoded_pages() -> Iterable[HostilePage]:
    """One page a case, with one link, and text enough that an encoding can be guessed."""
    classes = (
        (None, _AGREED),
        (Difference.ENCODING, _ENCODING),
        (Difference.CONTENT_TYPE, _CONTENT_TYPE),
        (Difference.XHTML, _XHTML),
    )
    for difference, cases in classes:
        for encoding, text, content_type, declaration in cases:
            headers = () if content_type is None else (f"Content-Type: {content_type}",)
            document = _document(text, declaration).encode(encoding)
            yield HostilePage(document=document, kinds=(Kind(difference=difference),), headers=headers)
    for difference, encode, header, prefix in _MESSAGES:
        headers = ("Content-Type: text/html; charset=utf-8", header)
        document = encode(_document(_LATIN, "").encode())
        yield HostilePage(document=document, kinds=(Kind(difference=difference),), headers=headers, prefix=prefix)


def _document(text: str, declaration: str) -> str:
    body = f'<p>{" ".join([text] * 20)}</p><a href="/b0-0/{text}">x</a>'
    return f"<html><head>{declaration}</head><body>{body}</body></html>"


def _chunked(body: bytes) -> bytes:
    parts = [body[start : start + 16] for start in range(0, len(body), 16)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


_MESSAGES: tuple[tuple[Difference | None, Callable[[bytes], bytes], str, bytes], ...] = (
    (None, bytes, "Content-Encoding: gzip", b""),  # undone by the crawler
    (None, bytes, "Transfer-Encoding: chunked", b""),
    (None, bytes, "Content-Length: 100000", b""),
    (None, bytes, "Content-Length: none", b""),
    (Difference.CONTENT_ENCODING, gzip.compress, "Content-Encoding: gzip", b""),
    (Difference.CONTENT_ENCODING, zlib.compress, "Content-Encoding: deflate", b""),
    (Difference.CONTENT_ENCODING, brotli.compress, "Content-Encoding: br", b""),
    (Difference.CONTENT_ENCODING, _chunked, "Transfer-Encoding: chunked", b""),
    (Difference.CONTENT_LENGTH, bytes, "Content-Length: 100", b""),
    (Difference.CONTENT_LENGTH, bytes, "Content-Length: 0", b""),
    (Difference.EMPTY_LINE, bytes, "X: y", b"\r\n"),
)
