"""XHTML as XML: what counts as a link, what is an error, and where reading stops."""

import re
import time
from html.entities import html5
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.html_links import html_links
from beam_pipelines.xhtml_links import MAX_ENTITIES, XhtmlLinks, xhtml_links, xml_encoding
from webgraph.link_selection import LinkSelection

_DEFAULT = LinkSelection()
_HTML = '<html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'
_STRICT = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">'
)
_EMPTY = (
    *("script", "title", "textarea", "iframe", "style", "noscript", "noembed", "noframes", "xmp", "plaintext"),
    *("template", "select", "svg", "math", "table", "p", "div", "a", "br", "hr", "img", "input", "meta", "link"),
    *("area", "base", "col", "embed", "source", "track", "wbr", "frame", "frameset", "object", "option"),
)


def _parse(document: str | bytes, charset: str = "", selection: LinkSelection = _DEFAULT) -> XhtmlLinks:
    content = document.encode() if isinstance(document, str) else document
    return xhtml_links(content, xml_encoding(content, charset), selection)


def _good(body: str, doctype: str = "", selection: LinkSelection = _DEFAULT) -> list[str]:
    found = _parse(doctype + _HTML.format(body), selection=selection)
    assert not found.is_ill_formed
    return found.hrefs


@pytest.mark.parametrize("name", _EMPTY)
def test_an_empty_element_swallows_nothing(name: str) -> None:
    assert _good(f'<{name}/><a href="/yes"/><{name} id="x" /><a href="/too">x</a>') == ["/yes", "/too"]


@pytest.mark.parametrize(
    ("body", "links"),
    [
        ('<a href="/1"/><area href="/2"/><img src="/no"/>', ["/1", "/2"]),
        ('<A HREF="/no"/><a HREF="/no"/><A href="/no"/>', []),
        ('<a href=""/><a/>', [""]),
        ("<![CDATA[<a href='/no'/>]]><a href='/yes'/>", ["/yes"]),
        ("<?php <a href='/no'/> ?><a href='/yes'/>", ["/yes"]),
        ("<!-- <a href='/no'/> - -> --><a href='/yes'/>", ["/yes"]),
        ("<script>if (a &lt; b) x = '<a href=\"/yes\"/>'</script>", ["/yes"]),
        ("<noscript><a href='/yes'/></noscript><title><a href='/too'/></title>", ["/yes", "/too"]),
        ("<template><a href='/no'/><template/><template><a href='/no'/></template><a href='/no'/></template>", []),
        ("<template/><a href='/1'/><template><a href='/no'/></template><a href='/2'/>", ["/1", "/2"]),
        ("<a href='/a?b&amp;c&#38;d&#x26;e&lt;&gt;&quot;&apos;'/>", ["/a?b&c&d&e<>\"'"]),
        ("<a href='/a\n\tb\r\nc'/>", ["/a  b c"]),
        ("<a href='/a&#10;&#9;b&#13;'/>", ["/a\n\tb\r"]),
        ("<p>\n<a href='/ä€😀'/></p>", ["/ä€😀"]),
        ('<a xlink:href="/no" xmlns:xlink="http://www.w3.org/1999/xlink"/>', []),
        ('<p xml:base="/no/"><a href="yes"/></p>', ["yes"]),
        ('<svg xmlns="http://www.w3.org/2000/svg"><a href="/yes"/><A href="/no"/></svg>', ["/yes"]),
        ('<math xmlns="http://www.w3.org/1998/Math/MathML"><a href="/yes"/></math>', ["/yes"]),
        ('<p xmlns=""><a href="/no"/></p><p xmlns="urn:x"><a href="/no"/></p><a href="/yes"/>', ["/yes"]),
        (
            '<x:p xmlns:x="http://www.w3.org/1999/xhtml"><x:a href="/yes" x:href="/no"/><x:a x:href="/no"/></x:p>',
            ["/yes"],
        ),
    ],
)
def test_links(body: str, links: list[str]) -> None:
    assert _good(body) == links


def test_a_prefix_for_the_namespace_of_xhtml() -> None:
    html = (
        '<h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:a href="/yes"/><a href="/no"/><h:base href="/b/"/></h:html>'
    )
    assert _parse(html) == ("/b/", ["/yes"], 0, False)


@pytest.mark.parametrize("root", ["<html>", '<html xmlns="http://www.w3.org/1999/xhtml/">', '<html xmlns="urn:x">'])
def test_elements_of_other_namespaces_are_no_links(root: str) -> None:
    assert _parse(f'{root}<base href="/b/"/><a href="/no"/></html>') == ("", [], 0, False)


def test_all_paths_and_nofollow() -> None:
    body = (
        '<a href="/1" rel="x NoFollow"/><a href="/2" rel="next"/><img src="/3"/><form action="/4"/><iframe src="/5"/>'
        '<frame src="/6"/><embed src="/7"/><audio src="/8"/><video src="/9"><source src="/10"/>'
        '<track src="/11"/></video><input src="/12"/><q cite="/13"/><blockquote cite="/14"/><del cite="/15"/>'
        '<ins cite="/16"/><area href="/17"/>'
    )
    found = _parse(_HTML.format(body), selection=LinkSelection(all_paths=True, drop_nofollow=True))
    assert found == ("", [f"/{number}" for number in range(2, 18)], 1, False)


@pytest.mark.parametrize(
    ("body", "base"),
    [
        ('<base href="/b/"/><base href="/no/"/>', "/b/"),
        ('<base target="x"/><base href="/b/"/>', "/b/"),
        ('<base href=""/><base href="/no/"/>', ""),
        ('<svg xmlns="http://www.w3.org/2000/svg"><base href="/no/"/></svg><base href="/b/"/>', "/b/"),
        ('<template><base href="/no/"/></template><base href="/b/"/>', "/b/"),
        ('<BASE href="/no/"/>', ""),
    ],
)
def test_base(body: str, base: str) -> None:
    assert _parse(_HTML.format(body)).base == base


@pytest.mark.parametrize(
    "bad",
    [
        "<a href='/no?x&y'/>",
        "<a href='/no?x&y=1'/>",
        "<a href='/no' href='/no'/>",
        "<a href=/no>",
        "<a href>",
        "<a href='/no'",
        "<a href='<'/>",
        "</p>",
        "<p></div>",
        "<p></P>",
        "<!-- a -- b -->",
        "<!--->",
        "a & b",
        "&nbsp;",
        "<p title='&eacute;'/>",
        "]]>",
        "<?xml version='1.0'?>",
        "<![CDATA[",
        "<p x:y='1'/>",
        "<x:p/>",
        "&#0;",
        "&#xFFFF;",
        "&#x110000;",
        "\x00",
        "\x08",
        "\uffff",
        "<!DOCTYPE html>",
        "<",
    ],
)
def test_links_before_an_error_count(bad: str) -> None:
    assert _parse(_HTML.format(f"<a href='/1'/><p><a href='/2'/></p>{bad}<a href='/no'/>")) == (
        "",
        ["/1", "/2"],
        0,
        True,
    )


@pytest.mark.parametrize(
    "document",
    [
        "",
        " ",
        "text",
        "{}",
        "<!DOCTYPE html>",
        "\n<?xml version='1.0'?>" + _HTML.format("<a href='/no'/>"),
        " <?xml version='1.0'?>" + _HTML.format("<a href='/no'/>"),
        "\0" + _HTML.format("<a href='/no'/>"),
        "<?xml?>" + _HTML.format("<a href='/no'/>"),
        "x" + _HTML.format("<a href='/no'/>"),
    ],
)
def test_nothing_before_an_error_at_the_beginning(document: str) -> None:
    assert _parse(document) == ("", [], 0, True)


def test_an_error_is_where_it_is_seen() -> None:
    """An element that is never closed is known by the end tag after it, which may come after links."""
    assert _parse(_HTML.format("<p><a href='/1'/><br><a href='/2'/></p><a href='/no'/>")) == ("", ["/1", "/2"], 0, True)
    assert _parse(_HTML.format("<a href='/1'><a href='/2'>")) == ("", ["/1", "/2"], 0, True)


def test_what_follows_the_root() -> None:
    assert _parse(_HTML.format("<a href='/1'/>") + "\n<!-- --><?x?>\n") == ("", ["/1"], 0, False)
    assert _parse(_HTML.format("<a href='/1'/>") + "<a href='/no'/>") == ("", ["/1"], 0, True)
    assert _parse(_HTML.format("<a href='/1'/>") + "text") == ("", ["/1"], 0, True)


def test_a_cut_at_every_byte_keeps_the_tags_before_it() -> None:
    document = _HTML.format(
        "<a href='/1'>ä</a><p/><!-- x --><a href='/22'/><![CDATA[x]]><a href='/3' rel=''>x</a>"
    ).encode()
    for length in range(len(document)):
        tags = re.findall(rb"<a href='([^']*)'[^>]*>", document[:length])
        assert _parse(document[:length]) == ("", [tag.decode() for tag in tags], 0, True)
    assert not _parse(document).is_ill_formed


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("standalone", ["", " standalone='yes'", " standalone='no'"])
def test_declarations(version: str, standalone: str) -> None:
    declaration = f"<?xml version='{version}' encoding='utf-8'{standalone}?>\n"
    assert _parse(declaration + _HTML.format("<a href='/ä'/>")) == ("", ["/ä"], 0, False)


@pytest.mark.parametrize(
    ("codec", "declared", "charset"),
    [
        ("utf-8", "", ""),
        ("utf-8-sig", "", ""),
        ("utf-8-sig", "iso-8859-1", "iso-8859-1"),
        ("utf-8", "", "UTF-8"),
        ("utf-8", "iso-8859-1", "utf-8"),
        ("utf-8", "no-such-label", ""),
        ("utf-8", "utf-16", ""),
        ("utf-8", "", "no-such-label"),
        ("latin-1", "iso-8859-1", ""),
        ("latin-1", "ISO-8859-1", ""),
        ("latin-1", "", "iso-8859-1"),
        ("latin-1", "utf-8", "latin1"),
        ("cp1252", "windows-1252", ""),
        ("shift_jis", "shift_jis", ""),
        ("euc_jp", "utf-8", "euc-jp"),
        ("utf-16", "utf-16", ""),
        ("utf-16", "utf-8", "utf-8"),
        ("utf-16-le", "utf-16", ""),
        ("utf-16-be", "utf-16", ""),
        ("utf-16-le", "utf-16", "utf-16le"),
        ("utf-16-be", "utf-16", "utf-16be"),
    ],
)
def test_encodings(codec: str, declared: str, charset: str) -> None:
    href = "/日本" if codec in ("shift_jis", "euc_jp") else "/äé"
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else '<?xml version="1.0"?>'
    document = (declaration + _HTML.format(f"<a href='{href}'/>")).encode(codec)
    assert _parse(document, charset) == ("", [href], 0, False)


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("utf-8", b"\xff"),
        ("utf-8", b"\xc3"),
        ("utf-8", b"\xc0\x80"),
        ("utf-8", b"\xed\xa0\x80"),
        ("utf-8", b"\xf4\x90\x80\x80"),
        ("euc-jp", b"\xff"),
        ("big5", b"\xff"),
    ],
)
def test_bytes_that_the_encoding_does_not_allow_are_an_error(encoding: str, bad: bytes) -> None:
    first, last = _HTML.format("<a href='/1'/>|<a href='/no'/>").encode().split(b"|")
    assert _parse(first + bad + last, encoding) == ("", ["/1"], 0, True)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_half_a_character_of_utf_16_is_an_error(codec: str) -> None:
    document = ("\ufeff" + _HTML.format("<a href='/1'/>\ud800<a href='/no'/>")).encode(codec, "surrogatepass")
    assert _parse(document) == ("", ["/1"], 0, True)
    good = ("\ufeff" + _HTML.format("<a href='/\ufffd'/>")).encode(codec)
    assert _parse(good) == ("", ["/\ufffd"], 0, False)
    assert _parse(good[:-1]) == ("", ["/\ufffd"], 0, True)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-32"])
def test_what_is_not_told_to_be_utf_16_is_not(codec: str) -> None:
    assert _parse(_HTML.format("<a href='/no'/>").encode(codec)) == ("", [], 0, True)


def test_a_second_byte_order_mark_is_an_error() -> None:
    for codec in ("utf-8", "utf-16-le", "utf-16-be"):
        document = _HTML.format("<a href='/1'/>")
        assert not _parse(("\ufeff" + document).encode(codec)).is_ill_formed
        assert _parse(("\ufeff\ufeff" + document).encode(codec)) == ("", [], 0, True)


@pytest.mark.parametrize(
    "public_id",
    [
        "-//W3C//DTD XHTML 1.0 Transitional//EN",
        "-//W3C//DTD XHTML 1.1//EN",
        "-//W3C//DTD XHTML 1.0 Strict//EN",
        "-//W3C//DTD XHTML 1.0 Frameset//EN",
        "-//W3C//DTD XHTML Basic 1.0//EN",
        "-//W3C//DTD XHTML 1.1 plus MathML 2.0//EN",
        "-//W3C//DTD XHTML 1.1 plus MathML 2.0 plus SVG 1.1//EN",
        "-//W3C//DTD MathML 2.0//EN",
        "-//WAPFORUM//DTD XHTML Mobile 1.0//EN",
    ],
)
def test_entities_of_html_by_public_identifier(public_id: str) -> None:
    doctype = f'<!DOCTYPE html PUBLIC "{public_id}" "x.dtd">'
    body = "&nbsp;<a href='/&eacute;?a&amp;b&lt;&AMP;&LT;&NotEqualTilde;'/><b title='&acE;'/>"
    assert _good(body, doctype) == ["/é?a&b<&<≂̸"]
    found = _parse(doctype + _HTML.format("<a href='/1'/>&nosuch;<a href='/2'/>"))
    assert found.hrefs == ["/1", "/2"]  # XML 1.0, 4.1: with an external subset it may be declared, and is skipped


def test_every_entity_of_html() -> None:
    names = [name[:-1] for name in html5 if name.endswith(";")]
    body = "".join(f"<a href='{name}=&{name};'/>" for name in names)
    # Only white space differs: it is normalised where it stands in an entity (XML 1.0, 3.3.3).
    expected = [f"{name}={html5[name + ';'].replace(chr(9), ' ').replace(chr(10), ' ')}" for name in names]
    assert _good(body, _STRICT) == expected


@pytest.mark.parametrize(
    "doctype",
    ["", "<!DOCTYPE html>", '<!DOCTYPE html [<!ENTITY x "y">]>', f"<?xml version='1.0' standalone='yes'?>{_STRICT}"],
)
def test_entities_of_html_are_an_error_where_nothing_declares_them(doctype: str) -> None:
    assert _parse(doctype + _HTML.format("<a href='/1'/>&nbsp;<a href='/no'/>")) == ("", ["/1"], 0, True)


def test_entities_that_the_document_declares() -> None:
    own = '<!ENTITY u "/a"><!ENTITY l "<a href=\'/b\'/>"><!ENTITY nbsp "mine">'
    assert _good("<a href='&u;&u;'/>&l;<a href='&nbsp;'/>", f"<!DOCTYPE html [{own}]>") == ["/a/a", "/b", "mine"]
    strict = _STRICT[:-1] + f'[{own}<!ENTITY d "&#38;eac&#117;te;">]>'
    assert _good("<a href='&u;&nbsp;&eacute;&d;'/>", strict) == ["/amineéé"]
    default = '<!DOCTYPE html [<!ATTLIST a href CDATA "/d">]>'
    assert _good("<a/><a href='/x'/>", default) == ["/d", "/x"]


@pytest.mark.parametrize("reference", ["&x;", "<p>&x;</p>"])
@pytest.mark.parametrize("identifier", ['SYSTEM "{}"', 'PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "{}"'])
def test_nothing_external_is_read(tmp_path: Path, reference: str, identifier: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text('<a xmlns="http://www.w3.org/1999/xhtml" href="/secret"/><!ENTITY s "/secret">')
    name = identifier.format(secret.as_uri())
    general = f"<!DOCTYPE html [<!ENTITY x {name}>]>" + _HTML.format(f"<a href='/1'/>{reference}<a href='/2'/>")
    assert _parse(general) == ("", ["/1", "/2"], 0, False)
    parameter = f"<!DOCTYPE html [<!ENTITY % x {name}>%x;]>" + _HTML.format("<a href='/1'/>&s;<a href='/2'/>")
    assert _parse(parameter) == ("", ["/1", "/2"], 0, False)
    assert _parse(f"<!DOCTYPE html {name}>" + _HTML.format("<a href='/1'/>&s;")) == ("", ["/1"], 0, False)


def _laughs(depth: int, width: int) -> str:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * width}">' for n in range(1, depth))
    return f'<!DOCTYPE html [<!ENTITY e0 "ha">{entities}]>' + _HTML.format(
        f"<a href='/1'/>&e{depth - 1};<a href='/no'/>"
    )


def _quadratic() -> str:
    return f'<!DOCTYPE html [<!ENTITY e "{"x" * 500_000}">]>' + _HTML.format("<a href='/1'/>" + "&e;" * 50_000)


@pytest.mark.parametrize("document", [_laughs(10, 10), _laughs(30, 2), _laughs(4, 1000), _quadratic()])
def test_bombs_of_entities_end_early(document: str) -> None:
    start = time.process_time()
    assert _parse(document) == ("", ["/1"], 0, True)
    assert time.process_time() - start < 60  # without a bound it takes hours


def test_entities_within_entities_stop_at_the_limit() -> None:
    assert _parse(_laughs(MAX_ENTITIES, 1)) == ("", ["/1", "/no"], 0, False)
    assert _parse(_laughs(MAX_ENTITIES + 1, 1)) == ("", [], 0, True)
    assert _parse(_laughs(200_000, 1)) == ("", [], 0, True)  # Expat 2.6 would overflow the stack
    parameters = "".join(f"<!ENTITY % p{n} '&#37;p{n - 1};'>" for n in range(1, 100_000))
    assert _parse(f"<!DOCTYPE html [<!ENTITY % p0 ''>{parameters}%p9;]>" + _HTML.format("")).is_ill_formed
    loop = '<!DOCTYPE html [<!ENTITY a "&b;"><!ENTITY b "&a;">]>'
    assert _parse(loop + _HTML.format("<a href='/1'/>&a;")) == ("", ["/1"], 0, True)


@pytest.mark.parametrize(
    "document",
    [
        _HTML.format("<p>" * 100_000 + "<a href='/1'/>" + "</p>" * 100_000),
        _HTML.format("<a href='/1' " + " ".join(f"a{n}=''" for n in range(1_000_000)) + "/>"),
        _HTML.format("<a href='/1' " + " ".join(f"xmlns:a{n}='u{n}' a{n}:b=''" for n in range(100_000)) + "/>"),
        _HTML.format(f"<a href='/1' title='{'x' * 10_000_000}'/>"),
        _HTML.format("<a href='/1'/>" + f"<!--{'- ' * 5_000_000}-->"),
        _HTML.format("<a href='/1'/>" + "<x/>" * 1_000_000),
        _HTML.format("<template>" * 100_000 + "</template>" * 100_000 + "<a href='/1'/>"),
    ],
    ids=["deep", "attributes", "namespaces", "value", "comment", "elements", "templates"],
)
def test_what_is_large_is_linear(document: str) -> None:
    start = time.process_time()
    assert _parse(document) == ("", ["/1"], 0, False)
    assert time.process_time() - start < 60  # the square of these sizes takes hours


_TEXT = st.text(st.sampled_from("ab <>&'\"é€😀/?=#-"), max_size=6)


@st.composite
def _trees(draw: st.DrawFn, depth: int = 3) -> ElementTree.Element:
    """Elements that HTML's tree construction leaves where they stand: no `<p>`, and no link in a link."""
    element = ElementTree.Element(draw(st.sampled_from(["div", "section", "article"])))
    element.text = draw(_TEXT)
    for _ in range(draw(st.integers(0, 3))):
        if depth and draw(st.booleans()):
            element.append(draw(_trees(depth - 1)))
        else:
            name, attribute = draw(st.sampled_from([("a", "href"), ("q", "cite"), ("img", "src"), ("iframe", "src")]))
            link = ElementTree.SubElement(element, name, {attribute: draw(_TEXT)})
            if draw(st.booleans()):
                link.set("rel", draw(st.sampled_from(["nofollow", "next ugc", "me", ""])))
            link.tail = draw(_TEXT)
            if name in ("a", "q"):
                link.text = draw(_TEXT)
    return element


@given(_trees(), st.booleans(), st.booleans())
def test_polyglot_markup_has_the_same_links_as_html(tree: ElementTree.Element, all_paths: bool, drop: bool) -> None:
    body = "".join(_polyglot(tree))
    selection = LinkSelection(all_paths=all_paths, drop_nofollow=drop)
    document = ("<!DOCTYPE html>" + _HTML.format(f"<base href='/b/'/>{body}")).encode()
    *links, is_ill_formed = xhtml_links(document, "utf-8", selection)
    assert not is_ill_formed
    assert tuple(links) == html_links(document, "utf-8", selection)
    with_text = sum(len(element.attrib) - ("rel" in element.attrib) for element in tree.iter())
    assert not all_paths or len(links[1]) + links[2] == with_text


def _polyglot(element: ElementTree.Element) -> list[str]:
    """Markup that is both: void elements as `<img/>`, all others with an end tag."""
    parts = ElementTree.tostring(element, encoding="unicode", short_empty_elements=False)
    return [parts.replace("></img>", "/>")]


@given(
    st.lists(
        st.sampled_from(
            [
                *"<>/='\"&;![]-? \n",
                "a",
                "href",
                "<a href='/x'/>",
                "</a>",
                "<!--",
                "-->",
                "<![CDATA[",
                "]]>",
                "<?x",
                "?>",
                "<!DOCTYPE a [",
                "<!ENTITY x '&x;'>",
                "&x;",
                "&amp;",
                "\ufffe",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_well_formed_for_us_is_well_formed_for_another_reader(body: str) -> None:
    document = _HTML.format(body)
    try:
        ElementTree.fromstring(document)
        is_good = True
    except ElementTree.ParseError:
        is_good = False
    assert _parse(document).is_ill_formed == (not is_good)
