"""Pages of hostile markup, from a seed, each made of blocks, so that a link tells from which markup it is.

The links of block 2 are `/b2-0`, `/b2-1` ... A block is of a kind: in which class of differences it may fall, if in
any, and whether the extractor may overrun its end.
"""

import dataclasses
import random
import re

from tests.reference_extractor.differences import Difference


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Markup with `@` for a link and `~` for white space of HTML; `difference` is None where all readers agree."""

    difference: Difference | None
    markup: tuple[str, ...] = ()
    overruns: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostilePage:
    """A document as it is transferred, the kinds of its blocks, in order, its headers, and what stands before them."""

    document: bytes
    kinds: tuple[Kind, ...]
    headers: tuple[str, ...] = ("Content-Type: text/html; charset=utf-8",)
    prefix: bytes = b""

    @property
    def message(self) -> bytes:
        head = "\r\n".join(("HTTP/1.1 200 OK", *self.headers, "", ""))
        return self.prefix + head.encode() + self.document

    def explain(self, url: str) -> Difference | None:
        """Returns why one reader may have this outlink and another not, or None where nothing says so."""
        found = _BLOCK_OF_LINK.search(url)
        if found is None:  # a link made of pieces of tags, or of nothing
            return next((kind.difference for kind in self.kinds if kind.difference is Difference.TAG), None)
        own = self.kinds[int(found[1])]
        before = self.kinds[: int(found[1])]
        return own.difference or next((kind.difference for kind in reversed(before) if kind.overruns), None)


_BLOCK_OF_LINK = re.compile(r"/b(\d+)-")
_ENDINGS = ("", "", "?a=1&amp;b=2", "?a=1&copy=2&lang=en", "&#47;&auml;", "/ä", "#f", "%20%", "?", "/&#x2F;&nbsp;x")
_SPACES = (" ", "\n", "\t", "\r\n", "\f", "  ")


def _kind(difference: Difference | None, markup: str, *, overruns: bool = False) -> Kind:
    return Kind(difference=difference, markup=tuple(markup.strip("\n").split("\n")), overruns=overruns)


AGREED = _kind(
    None,
    """
<a~href="@">x</a>
<A~HREF='@'~>x</A>
<a~href=@>x</a>
<a~href~=~"@"~>x</a>
<area~href=@>
<map><AREA~shape=rect~href="@"/></map>
<a~title="x"href="@">x</a>
<a~title="a>b"~href="@">x</a>
<a~onclick='a"b'~href='@'>x</a>
<a~href="@"~href="@">x</a>
<a~href=@~HREF=@>x</a>
<a~href="~@~">x</a>
<a~href="@~x">x</a>
<a~href=@/>x</a>
<a~href="@"/>x
<a~href="@"~/~rel=x>x</a>
<a~href=@'x>x</a>
<a~href=@"x>x</a>
<a~name=x></a><a~href="@">x</a>
</a><a~href="@">x</a></a>
<a~href="@"><div>x</div></a>
<b><p><a~href="@"><b>x</p></a></b>
<a~href="@"><img~src=@~alt="<a href=x>"></a>
<a~href="@\x01\x7f">x</a>
<a~href="@\x00">x</a>
<a~href="javascript:@">x</a><a~href='mailto:@'>x</a>
<a~href='http://[@'>x</a>
<a~href="//e.test@">x</a>
<ab~href="@">x</ab><a:b~href="@">x</a:b>
< a~href="@">x</a>
<<a~href="@">x</a>
</ a><a~href="@">x</a>
</><a~href="@">x</a>
<!><a~href="@">x</a>
<!-- <a~href="@">x</a> --><a~href="@">x</a>
<!-- a -- b --><a~href="@">x</a>
<!----><a~href="@">x</a>
<!--><a~href="@">x</a>
<script>document.write('<a~href="@">x</a>');</script><a~href="@">x</a>
<style>a { content: "@" }</style><a~href="@">x</a>
<noscript><a~href="@">x</a></noscript>
<select><option><a~href="@">x</a></select>
<button><a~href="@">x</a></button>
<table><tr><a~href="@">x</a><td><a~href=@>x</a></table>
<svg><a~href="@">x</a></svg><math><a~href="@">x</a></math>
<svg><a~xlink:href="@">x</a></svg>
<meta~http-equiv=refresh~content="0;url=@">
<meta~charset=koi8-r><a~href="@">x</a>
<link~href="@"><q~cite=@>x</q><form~action=@></form>
<iframe~src="@"></iframe>
<body><html><head><a~href="@">x</a></head></html>
<frameset><frame~src=@></frameset><a~href="@">x</a>""",
)
_TEMPLATED = (
    _kind(
        Difference.UNCLOSED_LINK,
        """
<a~href="@">x<a~href="@">y</a>
<p><a~href="@">x</p>
<li><a~href=@>x<li><a~href=@>y</a>
<a~href="@"><table><td><a~href=@>x</a></table>""",
    ),
    _kind(
        Difference.TEXT_ONLY,
        """
<textarea><a~href="@">x</a></textarea>
<TITLE><a~href="@">x</a></TITLE>
<xmp><a~href="@">x</a></xmp>
<iframe~src=x><a~href="@">x</a></iframe>
<noframes><a~href="@">x</a></noframes>
<noembed><area~href="@"></noembed>
<plaintext><a~href="@">x</a></plaintext>
<title>x
<textarea>x
<xmp><a~href=@>x</a>""",
        overruns=True,
    ),
    _kind(
        Difference.TEMPLATE,
        """
<template><a~href="@">x</a></template><a~href="@">x</a>
<template><area~href=@>""",
        overruns=True,
    ),
    _kind(
        Difference.DECLARATION,
        """
<![CDATA[<a~href="@">x</a>]]>
<!a <a~href="@">x</a>>
<!DOCTYPE x [ <!ENTITY x "<a~href='@'>x</a>"> ]>
<%~"<a~href='@'>x</a>"~%>
<?php echo "<a~href='@'>x</a>"; ?>
<?x "<a~href=@>x</a>" ?>
<?x '""",
        overruns=True,
    ),
    _kind(Difference.TAG, "<a~href=>x</a>\n<a~href>x</a>"),
    _kind(
        Difference.WHITE_SPACE,
        """
<a\x0bhref="@">x</a>
<a\u2003href="@">x</a>
<a~href=@\u3000b>x</a>
<a\x1chref=@>x</a>""",
    ),
    _kind(
        Difference.FOREIGN,
        """
<svg><style><a~href="@">x</a></style></svg>
<svg><script><a~href="@">x</a></script></svg>
<svg><title><a~href="@">x</a></title></svg>
<svg><![CDATA[<a~href="@">x</a>]]></svg>""",
    ),
    _kind(
        Difference.BASE,
        """
<base~href="http://e.test/"><a~href=@>x</a>
<base~href="http://e.test/"><base~href="http://f.test/">
<base~href><base~href=http://f.test/>
<template><base~href="http://e.test/"></template>
<svg><base~href="http://e.test/"></base></svg>
<textarea><base~href="http://e.test/"></textarea>
<iframe><base~href="http://e.test/"></iframe>""",
    ),
    _kind(Difference.ESCAPE_SEQUENCE, '\x1b$B<a~href="@">x</a>\n\x1b$@x\n\x1b(J<a~href="@">x</a>', overruns=True),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Soup:
    """A kind of block that is made of pieces drawn at random: a start, some in the middle, an end, and a link."""

    kind: Kind
    starts: tuple[str, ...]
    pieces: tuple[str, ...]
    ends: tuple[str, ...]

    def draw(self, rng: random.Random) -> str:
        middle = "".join(rng.choice(self.pieces) for _ in range(rng.randint(0, 8)))
        return f'{rng.choice(self.starts)}{middle}{rng.choice(self.ends)}<a href="@">x</a>'


_LINK = '<a href="@">x</a>'
_SOUPS = (
    _Soup(
        kind=Kind(difference=Difference.COMMENT, overruns=True),
        starts=("<!-", "<!--", "<!---", "<!-----", "<!-- "),
        pieces=("-", "--", "---", " ", ">", "->", "a", "!", "<!--", "--!", "</style", _LINK, "'"),
        ends=("-->", "--->", "----->", "--!>", "-- >", "->"),
    ),
    _Soup(
        kind=Kind(difference=Difference.SCRIPT_TEXT, overruns=True),
        starts=("<script>", "<SCRIPT type=x>", "<style>", "<script><!--", "<script src=x />"),
        pieces=("'", '"', "\\", "//", "/*", "*/", "\n", "<!--", "-->", "<script>", "</b", "a", _LINK, "<\\/a>"),
        ends=("</script>", "</style>", "</script >", "\n</SCRIPT>"),
    ),
    _Soup(
        kind=Kind(difference=Difference.TAG, overruns=True),
        starts=("<a", "<a ", "<a/", "<area ", "<a x=", '<a title="'),
        pieces=(
            "a",
            " ",
            "href",
            "=",
            'href="@"',
            "href=@",
            " href='@' ",
            "'",
            '"',
            "/",
            "<",
            "<b ",
            "`",
            "\n",
            "x=y ",
        ),
        ends=(">x</a>", " >x</a>", "/>", ">", '">x</a>', "</a>"),
    ),
)


def hostile_page(seed: int) -> HostilePage:
    """A page of one to six blocks; half of the blocks are of the kind on which all readers agree."""
    rng = random.Random(seed)
    kinds, lines = [], []
    for block in range(rng.randint(1, 6)):
        kind, markup = _draw(rng)
        kinds.append(kind)
        lines.append(_with_links(markup, block, rng))
    document = "<!DOCTYPE html>\n<html><head></head><body>\n{}\n<p>x</p></body></html>".format("\n".join(lines))
    return HostilePage(document=document.encode(), kinds=tuple(kinds))


def _draw(rng: random.Random) -> tuple[Kind, str]:
    choice = rng.random()
    if choice < 0.75:
        kind = AGREED if choice < 0.5 else rng.choice(_TEMPLATED)
        return kind, rng.choice(kind.markup)
    soup = rng.choice(_SOUPS)
    return soup.kind, soup.draw(rng)


def _with_links(markup: str, block: int, rng: random.Random) -> str:
    first, *others = re.sub("~", lambda _: rng.choice(_SPACES), markup).split("@")
    links = (f"/b{block}-{number}{rng.choice(_ENDINGS)}{other}" for number, other in enumerate(others))
    return first + "".join(links)
