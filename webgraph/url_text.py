"""The text of a URL that an archive keeps as bytes.

The bytes are UTF-8, as a rule. Where they are not, the URL was written in another charset, which nothing names. Each
byte that is not part of valid UTF-8 is percent-encoded, as it went over the wire, or would have: `/?q=\\xe9` becomes
`/?q=%E9`, which is also what a link in a page of that charset becomes (URL Standard, "percent-encode after encoding").
Replacing such bytes by U+FFFD would make one URL of many.
"""

import re

URL_SPACE = " \t\r\n\v\f"
"""White space around a URL that is none of it. U+00A0 and its like are part of the URL."""
_UNDECODED = re.compile("[\udc80-\udcff]")


def url_text(raw: bytes) -> str:
    """Decodes UTF-8 and percent-encodes every byte that is not part of it. Never raises."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        # "surrogateescape" makes U+DC80 + n of the byte 0x80 + n; no valid UTF-8 decodes to these.
        return _UNDECODED.sub(_percent_encoded, raw.decode("utf-8", "surrogateescape"))


def _percent_encoded(undecoded: re.Match[str]) -> str:
    return f"%{ord(undecoded[0]) - 0xDC00:02X}"
