"""A file on the web, as stored: one connection, ranges from where the last one broke, and no status but 200 and 206.

On urllib3, because what matters here is the protocol: which status, which range of which version of the file, how many
bytes were promised, in which encoding, and after which redirects. fsspec's own HTTP file system hides these: it reads
in blocks, without a validator, and passes on what a server sends. (urllib3's `Retry` ends where the body begins, so the
retries are `RemoteReader`'s; `Retry-After` is read by urllib3.)
"""

import re
import urllib.parse
import urllib.request
from importlib.metadata import PackageNotFoundError, metadata

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    InvalidHeader,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
    TimeoutError,
)

from beam_pipelines.input_options import RetryOptions
from beam_pipelines.remote_reader import Body, RemoteReadError
from webgraph import __version__

SCHEMES = ("http", "https")
_MAX_REDIRECTS = 5
_RETRIED = (408, 429, 500, 502, 503, 504)
_FORBIDDEN_RETRIES = 2
"""CloudFront answers 403 to clients that ask too often, and S3 to those who ask for what is not there."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\s*$")
_ENCODED_NAMES = (".gz",)


def user_agent() -> str:
    """Names this software, its version, and where to read about it: its project page, if its package names one."""
    try:
        pages = metadata("alx-webgraph").get_all("Project-URL") or []
    except PackageNotFoundError:
        pages = []
    page = next((page.partition(",")[2].strip() for page in pages), "")
    return f"alx-webgraph/{__version__} ({'+' + page if page else 'link graphs from web archives; see its README.md'})"


class HttpSource:
    """The file at a URL."""

    def __init__(self, url: str, options: RetryOptions) -> None:
        parts = urllib.parse.urlsplit(url)
        self.name = urllib.parse.urlunsplit((*parts[:3], "", ""))
        self._url = url
        self._timeout = urllib3.Timeout(connect=options.timeout, read=options.timeout)
        self._managers: list[urllib3.PoolManager] = []

    def open(self, offset: int, validator: str) -> Body:
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if validator:
                headers["If-Range"] = validator
        response = self._request("GET", headers)
        try:
            self._check_status(response)
            self._check_encoding(response)
            start, size = _place(response)
        except RemoteReadError:
            _hang_up(response)
            raise
        return Body(
            offset=start,
            size=size,
            validator=_validator(response),
            read=lambda count: _read(response, count),
            close=lambda: _hang_up(response),
        )

    def size(self) -> int:
        response = self._request("HEAD", {})
        try:
            self._check_status(response)
            return int(response.headers.get("Content-Length", ""))
        except ValueError:
            raise RemoteReadError("no_length", "the answer does not say how long it is") from None
        finally:
            _hang_up(response)

    def close(self) -> None:
        """Ends the connection. (Clearing a manager of urllib3 would leave that to the garbage collector.)"""
        for manager in self._managers:
            for key in manager.pools.keys():  # noqa: SIM118  # no mapping's iteration
                if (pool := manager.pools.get(key)) is not None:
                    pool.close()
        self._managers.clear()

    def _request(self, method: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Follows redirects, and gives up each connection before it opens the next: one is open at a time."""
        url = self._url
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._request_once(method, url, headers)
            location = response.get_redirect_location()
            if not location:
                return response
            _hang_up(response)
            self.close()
            url = _redirected(url, location)
        raise RemoteReadError("bad_redirect", f"more than {_MAX_REDIRECTS} redirects")

    def _request_once(self, method: str, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        sent = {"User-Agent": user_agent(), "Accept-Encoding": "identity", **headers}
        try:
            return self._manager(url).request(
                method,
                url,
                headers=sent,
                redirect=False,
                retries=False,
                timeout=self._timeout,
                preload_content=False,
                decode_content=False,
            )
        except (HTTPError, OSError) as error:
            raise _as_read_error(error) from error

    def _manager(self, url: str) -> urllib3.PoolManager:
        """One connection, through the proxy that the environment names (HTTPS_PROXY, NO_PROXY), if any."""
        if not self._managers:
            parts = urllib.parse.urlsplit(url)
            proxy = urllib.request.getproxies().get(parts.scheme)
            if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
                self._managers.append(urllib3.ProxyManager(proxy, maxsize=1, block=True))
            else:
                self._managers.append(urllib3.PoolManager(maxsize=1, block=True))
        return self._managers[0]

    def _check_status(self, response: urllib3.BaseHTTPResponse) -> None:
        status = response.status
        if status in (200, 206):
            return
        message = f"HTTP status {status}"
        if status in _RETRIED:
            raise RemoteReadError(f"http_{status}", message, retries=None, retry_after=self._retry_after(response))
        if status in (404, 410):
            raise RemoteReadError("not_found", message)
        if status in (401, 403):
            raise RemoteReadError("forbidden", message, retries=_FORBIDDEN_RETRIES)
        if status == 416:
            raise RemoteReadError("short_body", f"{message}: the file is shorter than the server said", retries=1)
        raise RemoteReadError(f"http_{status}", message)

    def _retry_after(self, response: urllib3.BaseHTTPResponse) -> float:
        try:
            return float(urllib3.Retry().get_retry_after(response) or 0.0)
        except InvalidHeader:
            return 0.0

    def _check_encoding(self, response: urllib3.BaseHTTPResponse) -> None:
        """Refuses what was encoded on its way, but for gzip of a gzip name: many servers name the file's own so."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding in ("identity", "") or (encoding in ("gzip", "x-gzip") and self.name.endswith(_ENCODED_NAMES)):
            return
        raise RemoteReadError("content_encoding", f"sent as {encoding}, though asked for as it is")


def _redirected(url: str, location: str) -> str:
    try:
        target = urllib.parse.urljoin(url, location)
        scheme = urllib.parse.urlsplit(target).scheme
    except ValueError:
        raise RemoteReadError("bad_redirect", "redirected to what is no URL") from None
    if scheme not in SCHEMES or (url.startswith("https:") and scheme != "https"):
        raise RemoteReadError("bad_redirect", f"redirected to {scheme or 'no scheme'}, from {url.partition(':')[0]}")
    return target


def _place(response: urllib3.BaseHTTPResponse) -> tuple[int, int | None]:
    """Where the body begins, and the size of the whole file."""
    if response.status == 206:
        match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if match is None:
            raise RemoteReadError("bad_range", f"status 206 with {response.headers.get('Content-Range')!r}")
        return int(match[1]), int(match[3])
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit():
        return 0, int(length)
    if response.headers.get("Transfer-Encoding", "").lower() == "chunked":
        return 0, None
    raise RemoteReadError("no_length", "the answer does not say how long it is, so a part could pass for the whole")


def _validator(response: urllib3.BaseHTTPResponse) -> str:
    """The strong ETag, or the date of change; a weak ETag does not tell byte for byte (RFC 9110, 13.1.5)."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _read(response: urllib3.BaseHTTPResponse, count: int) -> bytes:
    try:
        data: bytes = response.read1(count)
        return data
    except (HTTPError, OSError) as error:
        raise _as_read_error(error) from error


def _hang_up(response: urllib3.BaseHTTPResponse) -> None:
    response.close()
    response.release_conn()


def _in_words(error: Exception) -> str:
    """What failed of a connection, for people; urllib3 names its objects and the system calls."""
    cause = error.original_error if isinstance(error, ProxyError) else error
    through = "the proxy: " if isinstance(error, ProxyError) else ""
    if isinstance(cause, NameResolutionError):
        return f"{through}no address is known for its host; is there a network?"
    if isinstance(cause, NewConnectionError):
        system = cause.__cause__
        reason = system.strerror if isinstance(system, OSError) and system.strerror else str(cause)
        return f"{through}no connection ({reason})"
    if isinstance(cause, ConnectTimeoutError):
        return f"{through}no connection in the time allowed"
    if isinstance(cause, ReadTimeoutError):
        return f"{through}no answer in the time allowed"
    return f"{through}{type(cause).__name__}: {cause}"


def _as_read_error(error: Exception) -> RemoteReadError:
    message = _in_words(error)
    if isinstance(error, IncompleteRead) or isinstance(error.__cause__, IncompleteRead):
        return RemoteReadError("short_body", message, retries=None)
    if isinstance(error, LocationParseError | InvalidHeader):
        return RemoteReadError("bad_response", message)
    if isinstance(error, SSLError) and "CERTIFICATE" in str(error).upper():
        return RemoteReadError("bad_certificate", message)
    if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
        return RemoteReadError("timeout", message, retries=None)
    return RemoteReadError("connection_lost", message, retries=None)
