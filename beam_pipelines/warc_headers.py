"""The headers of a WARC record (ISO 28500, section 4): `WARC/1.x`, and lines `Name: value`, which may be folded.

Values are UTF-8. Bytes of a value that are not are percent-encoded, so that two page URLs which differ in such bytes
stay two (`webgraph.url_text`). Around a value only ASCII white space is dropped: U+00A0 and its like belong to a URL.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from webgraph.url_text import url_text

_FOLD = (b" ", b"\t")
_LINE_STARTS = {
    name.lower(): f"\n{name}: ".encode()
    for name in ("WARC-Type", "WARC-Target-URI", "WARC-Date", "Content-Type", "Content-Length")
}
"""How nearly all writers spell the headers that are read here."""


class WarcHeaders(Mapping[str, str]):
    """The headers of a WARC record by lower-case name. Of several, the first in the usual spelling, if any, counts.

    The usual ones are found where they stand; all lines are parsed only for what is spelled in another way or missing.

    Args:
      head: the record from `WARC/` to the empty line.
    """

    __slots__ = ("_head",)

    def __init__(self, head: bytes) -> None:
        self._head = head

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        head, start = self._head, _LINE_STARTS.get(name)
        if start is not None and (at := head.find(start)) >= 0:
            at += len(start)
            end = head.find(b"\n", at)
            if end >= 0 and not head.startswith(_FOLD, end + 1):
                return url_text(head[at:end].strip())
        return parse_warc_headers(head).get(name, default)

    def has_usual(self, name: str, value: bytes) -> bool:
        """Whether a header is there in the usual spelling, and is `value`, with its end of line. In less than half of
        the time of looking it up; where it is not so, it may still have that value.
        """
        head, start = self._head, _LINE_STARTS[name]
        at = head.find(start)
        if at < 0:
            return False
        at += len(start)
        return head.startswith(value, at) and not head.startswith(_FOLD, at + len(value))

    def __iter__(self) -> Iterator[str]:
        return iter(parse_warc_headers(self._head))

    def __len__(self) -> int:
        return len(parse_warc_headers(self._head))


def parse_warc_headers(head: bytes) -> dict[str, str]:
    """Returns all headers by lower-case name, the first of several."""
    headers: dict[str, bytes] = {}
    name = ""
    for line in head.split(b"\n")[1:]:
        if line.startswith(_FOLD):
            if name:
                headers[name] = headers[name] + b" " + line.strip()
            continue
        written, colon, value = line.partition(b":")
        name = url_text(written.strip().lower()) if colon else ""
        if name in headers:
            name = ""  # its folded lines are not those of the first one
        elif name:
            headers[name] = value.strip()
    return {name: url_text(value.strip()) for name, value in headers.items()}
