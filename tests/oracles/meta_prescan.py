"""HTML Standard, 13.2.3.2, "prescan a byte stream to determine its encoding", byte by byte as its steps go."""

from tests.oracles.encoding_standard import labels

_SPACES = (0x09, 0x0A, 0x0C, 0x0D, 0x20)


class _Abort(Exception):
    """The position pointer goes beyond the bytes."""


def prescan(data: bytes) -> str | None:
    data = data[:1024]
    if data.startswith(b"<\0?\0x\0"):
        return "utf-16le"
    if data.startswith(b"\0<\0?\0x"):
        return "utf-16be"
    try:
        return _Prescan(data).run()
    except _Abort:
        return _xml(data)


def _label(label: str) -> str | None:
    return labels().get(label.strip("\t\n\f\r ").lower())


class _Prescan:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def byte(self, offset: int = 0) -> int:
        if self.position + offset >= len(self.data):
            raise _Abort
        return self.data[self.position + offset]

    def run(self) -> str | None:
        while True:
            self.byte()
            rest = self.data[self.position :]
            after_solidus = rest[2:3] if rest[1:2] == b"/" else rest[1:2]
            if rest.startswith(b"<!--"):
                end = self.data.find(b"-->", self.position + 2)
                if end < 0:
                    raise _Abort
                self.position = end + 2
            elif rest[:5].lower() == b"<meta" and rest[5:6] and rest[5] in (*_SPACES, 0x2F):
                self.position += 5
                if encoding := self.meta():
                    return encoding
            elif rest[:1] == b"<" and after_solidus.isalpha():
                while self.byte() not in (*_SPACES, 0x3E):
                    self.position += 1
                while self.attribute():
                    pass
            elif rest[:2] in (b"<!", b"</", b"<?"):
                while self.byte() != 0x3E:
                    self.position += 1
            self.position += 1

    def meta(self) -> str | None:
        seen: list[str] = []
        got_pragma, need_pragma, charset = False, None, None
        while attribute := self.attribute():
            name, value = attribute
            if name in seen:
                continue
            seen.append(name)
            if name == "http-equiv":
                got_pragma = got_pragma or value == "content-type"
            elif name == "content":
                encoding = _extracted(value)
                if encoding and charset is None:
                    charset, need_pragma = encoding, True
            elif name == "charset":
                charset, need_pragma = _label(value) or "failure", False
        if need_pragma is None or (need_pragma and not got_pragma) or charset == "failure":
            return None
        return {"utf-16be": "utf-8", "utf-16le": "utf-8", "x-user-defined": "windows-1252"}.get(charset, charset)

    def attribute(self) -> tuple[str, str] | None:
        while self.byte() in (*_SPACES, 0x2F):
            self.position += 1
        if self.byte() == 0x3E:
            return None
        name = ""
        while True:
            byte = self.byte()
            if byte == 0x3D and name:
                break
            if byte in _SPACES:
                while self.byte() in _SPACES:
                    self.position += 1
                if self.byte() != 0x3D:
                    return name, ""
                break
            if byte in (0x2F, 0x3E):
                return name, ""
            name += chr(byte).lower() if byte < 0x80 else chr(byte)
            self.position += 1
        self.position += 1
        while self.byte() in _SPACES:
            self.position += 1
        return name, self.value()

    def value(self) -> str:
        value = ""
        quote = self.byte()
        if quote in (0x22, 0x27):
            while True:
                self.position += 1
                if self.byte() == quote:
                    self.position += 1
                    return value
                value += chr(self.byte()).lower() if self.byte() < 0x80 else chr(self.byte())
        while self.byte() not in (*_SPACES, 0x3E):
            value += chr(self.byte()).lower() if self.byte() < 0x80 else chr(self.byte())
            self.position += 1
        return value


def _extracted(value: str) -> str | None:
    position = 0
    while True:
        position = value.find("charset", position)
        if position < 0:
            return None
        position += len("charset")
        while value[position : position + 1] in tuple("\t\n\f\r "):
            position += 1
        if value[position : position + 1] == "=":
            break
    position += 1
    while value[position : position + 1] in tuple("\t\n\f\r "):
        position += 1
    rest = value[position:]
    if rest[:1] in ("'", '"'):
        end = rest.find(rest[0], 1)
        return _label(rest[1:end]) if end > 0 else None
    end = min((rest.find(end) for end in ";\t\n\f\r " if end in rest), default=len(rest))
    return _label(rest[:end])


def _xml(data: bytes) -> str | None:
    end = data.find(b">")
    at = data.find(b"encoding", 5)
    if not data.startswith(b"<?xml") or end < 0 or not 0 <= at < end:
        return None
    at += len(b"encoding")
    while data[at] <= 0x20:
        at += 1
    if data[at] != 0x3D:
        return None
    at += 1
    while data[at] <= 0x20:
        at += 1
    quote = data[at]
    close = data.find(quote, at + 1)
    if quote not in (0x22, 0x27) or not 0 <= close < end or any(byte <= 0x20 for byte in data[at + 1 : close]):
        return None
    encoding = labels().get(data[at + 1 : close].decode("latin-1").lower())
    return "utf-8" if encoding in ("utf-16be", "utf-16le") else encoding
