"""A server on this machine that does to a client what servers do: throttles, hangs up, lies, and sends error pages.

Each path has a file and a script: what the server does to its first request, its second, and so on, the last for ever.
It counts requests and connections.
"""

import contextlib
import dataclasses
import gzip
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import xxhash

PATIENCE = 600.0
"""Seconds for `RetryOptions.timeout` where the server answers: a machine that is busy is no server that is silent."""
IMPATIENCE = 0.3
"""Seconds for `RetryOptions.timeout` where the server says nothing, or next to nothing, for ever."""

SLOW_DOWN = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code><Message>Reduce.</Message></Error>'
ACCESS_DENIED = SLOW_DOWN.replace(b"SlowDown", b"AccessDenied")
HTML = b"<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body>Try later</body></html>"


class Handler(BaseHTTPRequestHandler):
    """One connection. `behaviours` below answer through its methods."""

    protocol_version = "HTTP/1.1"
    server: "HostileServer"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.log.append((self.command, path, self.headers.get("Range") or ""))
            self.server.agents.add(self.headers.get("User-Agent") or "")
            count = self.server.requests[path] = self.server.requests[path] + (self.command == "GET")
        data, script = self.server.files.get(path, (b"", (status(404),)))
        behaviour = (
            whole if self.command == "HEAD" and path in self.server.files else script[min(count, len(script)) - 1]
        )
        behaviour(self, data)

    def give(
        self,
        code: int,
        body: bytes,
        headers: Sequence[tuple[str, str]] = (),
        *,
        length: int | None = None,
    ) -> None:
        """Sends an answer; `length` is what Content-Length says in place of the truth, -1 for no such header."""
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        if length != -1:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
            self.wfile.flush()

    def reset(self) -> None:
        """Ends the connection by a reset in place of an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wfile.close()
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the server has a log of its own."""

    def setup(self) -> None:
        with self.server.lock:
            self.server.sockets.add(self.request)
            live = sum(_is_open(other) for other in self.server.sockets)
            self.server.max_connections = max(self.server.max_connections, live)
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):  # reset
            pass
        finally:
            with self.server.lock:
                self.server.sockets.discard(self.request)


def _is_open(connection: socket.socket) -> bool:
    """Whether the client still holds its end; the thread of a connection learns of that later."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


Behaviour = Callable[[Handler, bytes], None]


class HostileServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves `files`, path to (content, script)."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.files: dict[str, tuple[bytes, tuple[Behaviour, ...]]] = {}
        self.requests: Counter[str] = Counter()
        self.log: list[tuple[str, str, str]] = []
        self.agents: set[str] = set()
        self.sockets: set[socket.socket] = set()
        self.max_connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, path: str, data: bytes, *script: Behaviour) -> str:
        """Puts a file at a path, and returns its URL. Without a script the server behaves."""
        self.files[path] = (data, script or (whole,))
        return self.url + path

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients hang up on purpose."""


@contextlib.contextmanager
def hostile_server() -> Iterator[HostileServer]:
    """Runs a server in a thread."""
    with HostileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What of a file was asked for. Without ranges, or if it is no more the file that was asked for: all."""

    start: int
    is_range: bool


def _etag(data: bytes) -> str:
    return f'"{xxhash.xxh3_64_hexdigest(data)}"'


def _asked(handler: Handler, etag: str) -> _Asked:
    header, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
    if header is None or (condition is not None and condition != etag):
        return _Asked(0, False)
    return _Asked(int(header.removeprefix("bytes=").partition("-")[0]), True)


def _serve(handler: Handler, data: bytes, *, etag: str | None = None, stop: int | None = None) -> None:
    """Sends what was asked for, or its first `stop` bytes under a Content-Length that promises all."""
    tag = _etag(data) if etag is None else etag
    asked = _asked(handler, tag)
    headers = [("ETag", tag)] if tag else []
    if asked.start >= len(data) > 0:
        handler.give(416, b"", [("Content-Range", f"bytes */{len(data)}")])
        return
    body = data[asked.start :]
    if asked.is_range:
        headers.append(("Content-Range", f"bytes {asked.start}-{len(data) - 1}/{len(data)}"))
    handler.give(206 if asked.is_range else 200, body[:stop], headers, length=len(body))


def whole(handler: Handler, data: bytes) -> None:
    """Behaves: ranges, ETag, Content-Length."""
    _serve(handler, data)


def status(code: int, body: bytes = SLOW_DOWN, *headers: tuple[str, str]) -> Behaviour:
    return lambda handler, data: handler.give(code, body, [("Content-Type", "application/xml"), *headers])


def slow_down(retry_after: str | None = None) -> Behaviour:
    """503 with the page of S3, and perhaps the time to wait."""
    return status(503, SLOW_DOWN, *([] if retry_after is None else [("Retry-After", retry_after)]))


def date_in(seconds: float) -> str:
    """An HTTP date from now."""
    return formatdate(time.time() + seconds, usegmt=True)


def page(body: bytes) -> Behaviour:
    """An error page with status 200, whatever the path."""
    return lambda handler, data: handler.give(200, body)


def cut(size: int) -> Behaviour:
    """Promises all that was asked for, sends `size` bytes, and ends the connection in good order."""

    def behave(handler: Handler, data: bytes) -> None:
        _serve(handler, data, stop=size)
        handler.close_connection = True

    return behave


def reset(size: int) -> Behaviour:
    """Sends `size` bytes of what was asked for, and resets the connection."""

    def behave(handler: Handler, data: bytes) -> None:
        _serve(handler, data, stop=size)
        time.sleep(0.01)  # a reset overtakes what was sent
        handler.reset()

    return behave


def refuse(handler: Handler, data: bytes) -> None:
    """Resets the connection without an answer."""
    handler.reset()


def without_ranges(size: int | None = None, *, etag: str | None = None) -> Behaviour:
    """Sends all from the start, whatever was asked for; ends after `size` bytes."""

    def behave(handler: Handler, data: bytes) -> None:
        tag = _etag(data) if etag is None else etag
        handler.give(200, data[:size], [("ETag", tag)] if tag else [], length=len(data))
        handler.close_connection = size is not None

    return behave


def without_validator(size: int | None = None) -> Behaviour:
    """Knows ranges, and does not tell versions apart; ends after `size` bytes."""

    def behave(handler: Handler, data: bytes) -> None:
        _serve(handler, data, etag="", stop=size)
        handler.close_connection = size is not None

    return behave


def other_file(data: bytes) -> Behaviour:
    """The file was replaced by another one."""
    return lambda handler, _: whole(handler, data)


def other_range(handler: Handler, data: bytes) -> None:
    """Sends another range than was asked for."""
    headers = [("Content-Range", f"bytes 1-{len(data) - 1}/{len(data)}"), ("ETag", _etag(data))]
    handler.give(206, data[1:], headers)


def overstated(extra: int) -> Behaviour:
    """Promises more than there is."""

    def behave(handler: Handler, data: bytes) -> None:
        if _asked(handler, _etag(data)).start >= len(data):
            handler.give(416, b"", [("Content-Range", f"bytes */{len(data)}")])
        else:
            handler.give(200, data, [("ETag", _etag(data))], length=len(data) + extra)
        handler.close_connection = True

    return behave


def understated(size: int) -> Behaviour:
    """Promises, and sends, no more than `size` bytes, as if that were all."""
    return lambda handler, data: handler.give(200, data[:size], [("ETag", _etag(data))])


def without_length(handler: Handler, data: bytes) -> None:
    """Lets the end of the connection be the end of the file."""
    handler.give(200, data, length=-1)
    handler.close_connection = True


def chunked(handler: Handler, data: bytes) -> None:
    """Does not say how long the file is, but where it ends."""
    chunks = [data[start : start + 1000] for start in range(0, len(data), 1000)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    handler.give(200, body, [("Transfer-Encoding", "chunked")], length=-1)


def drip(handler: Handler, data: bytes) -> None:
    """Sends a byte now and then."""
    handler.give(200, b"", [("ETag", _etag(data))], length=len(data))
    try:
        for position in range(len(data)):
            handler.wfile.write(data[position : position + 1])
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        handler.close_connection = True


def silence(handler: Handler, data: bytes) -> None:
    """Says nothing, however long the client waits."""
    with contextlib.suppress(OSError):
        while handler.connection.recv(1 << 10):
            pass
    handler.close_connection = True


def stall(size: int) -> Behaviour:
    """Sends `size` bytes of what was asked for, and then nothing, however long the client waits."""

    def behave(handler: Handler, data: bytes) -> None:
        _serve(handler, data, stop=size)
        silence(handler, data)

    return behave


def redirect(location: str, code: int = 302) -> Behaviour:
    return lambda handler, data: handler.give(code, b"", [("Location", location)])


def encoded(handler: Handler, data: bytes) -> None:
    """Compresses what it sends, though it was not asked to."""
    handler.give(200, gzip.compress(data, mtime=0), [("Content-Encoding", "gzip")])


def named_encoded(handler: Handler, data: bytes) -> None:
    """Calls the file's own compression an encoding, as many servers do."""
    handler.give(200, data, [("Content-Encoding", "x-gzip"), ("ETag", _etag(data))])
