"""The prescan for an encoding: cases of the standard's steps, and the steps themselves as an oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_pipelines.meta_prescan import PRESCAN_BYTES, declared_encoding, encoding_in_content
from tests.oracles.meta_prescan import prescan


@pytest.mark.parametrize(
    ("document", "encoding"),
    [
        (b"<meta charset=big5>", "big5"),
        (b"<META CHARSET=BIG5>", "big5"),
        (b"<meta charset=' Shift_JIS\n'>", "shift_jis"),
        (b"<meta/charset=euc-kr/>", None),  # the value is `euc-kr/`
        (b"<meta/charset=euc-kr />", "euc-kr"),
        (b"<meta =charset=big5 charset=gbk>", "gbk"),
        (b"<metacharset=big5>", None),
        (b"<meta charset=utf-7>", None),
        (b"<meta charset=nonsense content='text/html; charset=big5' http-equiv=content-type>", None),
        (b"<meta charset=nonsense><meta charset=big5>", "big5"),
        (b"<meta charset=utf-16le>", "utf-8"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<meta charset=hz-gb-2312>", "replacement"),
        (b"<meta charset=big5 charset=gbk>", "big5"),
        (b"<meta content='text/html; charset=big5'>", None),
        (b"<meta content='text/html; charset=big5' http-equiv=refresh>", None),
        (b"<meta content='text/html; charset=big5' HTTP-EQUIV=Content-Type>", "big5"),
        (b"<meta http-equiv=content-type content=charset=big5>", "big5"),
        (b"<meta http-equiv=content-type content=charset=big5 charset=gbk>", "gbk"),
        (b"<meta name=a content='charset=big5'><meta charset=gbk>", "gbk"),
        (b"<!-- <meta charset=big5> --><meta charset=gbk>", "gbk"),
        (b"<!--><meta charset=big5>-->", "big5"),
        (b"<!---><meta charset=big5>-->", "big5"),
        (b"<!-- <meta charset=big5>", None),
        (b"<! <meta charset=big5><meta charset=gbk>", "gbk"),
        (b"<?php <meta charset=big5>?><meta charset=gbk>", "gbk"),
        (b"</ <meta charset=big5><meta charset=gbk>", "gbk"),
        (b"<a title='<meta charset=big5>'><meta charset=gbk>", "gbk"),
        (b"<a title=<meta charset=big5><meta charset=gbk>", "gbk"),
        (b"<script>'<meta charset=big5>'</script>", "big5"),
        (b"<1 <meta charset=big5>", "big5"),
        (b"<title>charset=big5</title>", None),
        (b"<meta charset='big5", None),
        (b"<meta charset=big5", None),
        (b"<p <meta charset=big5", None),
        (b"", None),
        (b"x" * (PRESCAN_BYTES - 19) + b"<meta charset=big5>", "big5"),
        (b"x" * (PRESCAN_BYTES - 18) + b"<meta charset=big5>", None),
        (b'<?xml version="1.0" encoding="iso-8859-2"?><p>', "iso-8859-2"),
        (b"<?xml encoding \n= 'euc-jp'?><meta charset=big5>", "big5"),
        (b"<?xml encoding = 'euc-jp'?><p>", "euc-jp"),
        (b"<?xml encoding='utf-16'?><p>", "utf-8"),
        (b"<?xml encoding='euc jp'?><p>", None),
        (b"<?xml encoding=\"euc-jp'?><p>", None),
        (b"<?xml version='1.0'?><p encoding='big5'>", None),
        (b"<?xml encodings encoding='big5'?>", None),
        (b" <?xml encoding='big5'?>", None),
        (b"<\0?\0x\0m\0l\0", "utf-16le"),
        (b"\0<\0?\0x\0m\0l", "utf-16be"),
    ],
)
def test_declarations(document: bytes, encoding: str | None) -> None:
    assert declared_encoding(document) == encoding


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("text/html; charset=big5", "big5"),
        ("CHARSET = big5", "big5"),
        ("charset=big5;x", "big5"),
        ("charset=big5 x", "big5"),
        ("charset='big5'x", "big5"),
        ('charset="big5"', "big5"),
        ("charset='big5", None),
        ("charset=\"big5'", None),
        ("charset charset=big5", "big5"),
        ("charset=;charset=big5", None),
        ("charset=''", None),
        ("charset='x; charset=big5", None),
        ("charse", None),
    ],
)
def test_content(content: str, encoding: str | None) -> None:
    assert encoding_in_content(content) == encoding


_PIECES = tuple(
    b"<meta |<META/|charset=|content=|http-equiv=content-type |big5|'gbk'|\"euc-kr\" |>| |<!--|-->|<a |</p|<script>"
    b"|<!|<?xml |encoding=|utf-16|x-user-defined|;|x|=|'text/html; charset=shift_jis'|/".split(b"|")
)


@given(st.lists(st.sampled_from(_PIECES) | st.binary(max_size=2), max_size=14).map(b"".join))
def test_reads_what_the_steps_of_the_standard_read(document: bytes) -> None:
    assert declared_encoding(document) == prescan(document)
