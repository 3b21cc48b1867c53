"""Pages in several encodings, declared in all ways or in none, truly or not, and pages of several content types."""

from collections.abc import Iterable

from tests.reference_extractor.differences import Difference
from tests.reference_extractor.hostile_pages import HostilePage, Kind

_HTTP_EQUIV = '<meta http-equiv="Content-Type" content="text/html; charset={}">'
_META = "<meta charset={}>"
_LATIN, _RUSSIAN, _CHINESE, _JAPANESE = "äöüß-é", "привет-страница", "中文网页链接", "日本語のページ"

_AGREED = (  # encoding, text, Content-Type, declaration
    ("utf-8", _LATIN, "text/html; charset=utf-8", ""),
    ("utf-8", _LATIN, "TEXT/HTML; CHARSET=UTF-8", ""),
    ("utf-8", _LATIN, "application/xhtml+xml; charset=utf-8", ""),
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


def encoded_pages() -> Iterable[HostilePage]:
    """One page a case, with one link, and text enough that an encoding can be guessed."""
    classes = ((None, _AGREED), (Difference.ENCODING, _ENCODING), (Difference.CONTENT_TYPE, _CONTENT_TYPE))
    for difference, cases in classes:
        for encoding, text, content_type, declaration in cases:
            body = f'<p>{" ".join([text] * 20)}</p><a href="/b0-0/{text}">x</a>'
            document = f"<html><head>{declaration}</head><body>{body}</body></html>".encode(encoding)
            yield HostilePage(document=document, kinds=(Kind(difference=difference),), content_type=content_type)
