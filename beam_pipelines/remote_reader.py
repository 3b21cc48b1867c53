"""A file elsewhere as one stream of bytes: after each failure it goes on where it was, or fails by a name.

What arrives is the file or an error, never a part of it and never another file: its size and its validator (ETag, or
date of change) are those of the first answer throughout; a server that sends the whole file instead of the rest must
send the same bytes again, by hash; and the first bytes must be those of an archive, where that is asked for.
"""

import dataclasses
import io
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Protocol

import xxhash

from beam_pipelines.input_options import RetryOptions, retry_delay

_log = logging.getLogger(__name__)
_HEAD_BYTES = 1 << 12
_READ_BYTES = 1 << 16
_PROGRESS_BYTES = 1 << 16
_MIN_BYTES = 1 << 10  # in RetryOptions.timeout seconds


class RemoteReadError(OSError):
    """A file elsewhere cannot be had.

    Attributes:
      reason: one of a few names, for the report: not_found, forbidden, http_503, short_body, ...
      retries: how often it may be tried again in spite of this; None for as often as the options say.
      retry_after: seconds the server asks to wait.
    """

    def __init__(self, reason: str, message: str, *, retries: int | None = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retries = retries
        self.retry_after = retry_after


@dataclasses.dataclass(kw_only=True)
class Body:
    """An answer that holds data.

    Attributes:
      offset: where in the file its first byte stands; 0 where the server does not know ranges.
      size: of the whole file; None where only the protocol says where it ends.
      validator: what changes when the file does, "" for nothing.
      read: at most so many bytes, none at the end; raises RemoteReadError.
      close: ends the connection.
    """

    offset: int
    size: int | None
    validator: str
    read: Callable[[int], bytes]
    close: Callable[[], None]


class Source(Protocol):
    """Where a file lies."""

    name: str
    """For messages: the URL without its query, which may be a secret."""

    def open(self, offset: int, validator: str) -> Body:
        """Asks for the file from `offset` on, if it still is the one with `validator` ("" if that is not known)."""
        ...

    def size(self) -> int:
        """Asks for the size alone."""
        ...

    def close(self) -> None: ...


@dataclasses.dataclass(kw_only=True)
class Arrived:
    """What of a file is there. `digest` is the running xxh3_128 of those bytes."""

    offset: int = 0
    size: int | None = None
    validator: str = ""
    digest: Any = dataclasses.field(default_factory=xxhash.xxh3_128)


class RemoteReader(io.RawIOBase):
    """Reads a source in order, with retries. `arrived` is how far it is, `retries` how often it tried again."""

    def __init__(
        self,
        source: Source,
        options: RetryOptions,
        *,
        arrived: Arrived | None = None,
        check: Callable[[bytes], str] = lambda head: "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Reads from where `arrived` is; `check` says why a file with these first bytes is refused, or ""."""
        super().__init__()
        self.arrived = arrived or Arrived()
        self.retries = 0
        self._source, self._options, self._check, self._sleep = source, options, check, sleep
        self._random = random.Random(options.seed)
        self._body: Body | None = None
        self._head = b""  # read ahead to be checked, and not given out yet
        self._failures = 0
        self._since_failure = 0
        self._seconds = 0.0
        self._window_bytes, self._window_seconds = 0, 0.0
        self._done = False
        self._failed: RemoteReadError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, but at the end of the file.

        Raises:
          RemoteReadError: the file cannot be had whole.
        """
        view, filled = memoryview(buffer).cast("B"), 0
        while filled < len(view):
            try:
                data = b"" if self._failed else self._receive(len(view) - filled)
            except RemoteReadError as error:
                data, self._failed = b"", error  # what arrived before is given out first
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
        if self._failed is not None and not filled:
            raise self._failed
        return filled

    def close(self) -> None:
        if not self.closed:
            self._drop_body()
            self._source.close()
        super().close()

    def _receive(self, size: int) -> bytes:
        """The next bytes, none at the end."""
        self._done = self._done or self.arrived.offset == self.arrived.size
        data = b"" if self._done else self._persist(lambda: self._next(size))
        self._done = not data
        self.arrived.offset += len(data)
        self.arrived.digest.update(data)
        self._since_failure += len(data)
        if self._since_failure >= _PROGRESS_BYTES:
            self._failures = 0
        return data

    def _persist(self, step: Callable[[], Any]) -> Any:
        """Opens a body where there is none, takes the step, and tries both again after failures that may pass."""
        while True:
            started = time.monotonic()
            try:
                if self._body is None:
                    self._open()
                return step()
            except RemoteReadError as error:
                failed = error
            finally:
                self._seconds += time.monotonic() - started
            self._drop_body()
            self._wait(failed)

    def _wait(self, error: RemoteReadError) -> None:
        allowed = self._options.max_retries if error.retries is None else min(error.retries, self._options.max_retries)
        delay = retry_delay(self._options, self._failures, self._random.random(), error.retry_after)
        if self._failures >= allowed or self._seconds + delay > self._options.max_seconds:
            tries = f" after {self.retries} retries" if self.retries else ""
            raise RemoteReadError(error.reason, f"{self._source.name}: {error}{tries}") from error
        _log.info("%s: %s; trying again in %.1f s", self._source.name, error, delay)
        self._failures += 1
        self._since_failure = 0
        self.retries += 1
        self._seconds += delay
        self._sleep(delay)

    def _open(self) -> None:
        arrived = self.arrived
        self._window_bytes, self._window_seconds = 0, 0.0
        self._body = body = self._source.open(arrived.offset, arrived.validator if arrived.offset else "")
        if not arrived.offset:
            arrived.size, arrived.validator = body.size, body.validator
        elif arrived.size is None:
            arrived.size = body.size
        elif body.size != arrived.size:
            raise RemoteReadError("changed", f"the file had {arrived.size} bytes, and now has {body.size}")
        if body.validator != arrived.validator:
            raise RemoteReadError("changed", f"the file was {arrived.validator}, and now is {body.validator}")
        if body.offset == 0 and arrived.offset:
            self._skip_what_arrived(body)
        elif body.offset != arrived.offset:
            raise RemoteReadError("bad_range", f"asked for bytes from {arrived.offset}, got them from {body.offset}")
        if arrived.offset == 0:
            self._take_head()

    def _skip_what_arrived(self, body: Body) -> None:
        digest, left = xxhash.xxh3_128(), self.arrived.offset
        while left:
            data = self._timed_read(body, min(left, _READ_BYTES))
            if not data:
                raise RemoteReadError("short_body", f"{left} bytes short of what had arrived", retries=None)
            digest.update(data)
            left -= len(data)
        if digest.digest() != self.arrived.digest.digest():
            raise RemoteReadError("changed", "the server sent other bytes than before")

    def _take_head(self) -> None:
        """Reads the first bytes and checks them. An error page may pass as 503 does, so it is asked for again."""
        assert self._body is not None
        self._head = b""
        while len(self._head) < _HEAD_BYTES and (data := self._next(_HEAD_BYTES - len(self._head), ahead=True)):
            self._head += data
        reason = self._check(self._head)
        if reason:
            raise RemoteReadError(reason, f"begins with {self._head[:40]!r}", retries=3)

    def _next(self, size: int, *, ahead: bool = False) -> bytes:
        if self._head and not ahead:
            data, self._head = self._head[:size], self._head[size:]
            return data
        assert self._body is not None
        whole, offset = self.arrived.size, self.arrived.offset + (len(self._head) if ahead else 0)
        if offset == whole:
            return b""
        data = self._timed_read(self._body, max(1, min(size, _READ_BYTES)))
        if not data and whole is not None:
            raise RemoteReadError("short_body", f"ended at byte {offset} of {whole}", retries=None)
        if whole is not None and offset + len(data) > whole:
            raise RemoteReadError("changed", f"goes on after its {whole} bytes")
        return data

    def _timed_read(self, body: Body, size: int) -> bytes:
        started = time.monotonic()
        data = body.read(size)
        self._window_seconds += time.monotonic() - started
        self._window_bytes += len(data)
        if self._window_bytes >= _MIN_BYTES:
            self._window_bytes, self._window_seconds = 0, 0.0
        elif data and self._window_seconds > self._options.timeout:
            message = f"{self._window_bytes} bytes in {self._window_seconds:.0f} s"
            raise RemoteReadError("timeout", message, retries=None)
        return data

    def _drop_body(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body, self._head = None, b""
