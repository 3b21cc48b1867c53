"""Options of reading archives that lie elsewhere, and how long to wait before a request is tried again."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetryOptions:
    """How often, how long and how patiently one file is asked for.

    Attributes:
      max_retries: of one file, in a row; 64 KiB that arrive begin a new row.
      base_delay: seconds; no request follows a failed one sooner.
      max_delay: seconds; to what the back-off grows.
      max_retry_after: seconds; a server's `Retry-After` is respected up to this.
      timeout: seconds in which a connection must stand, and in which 1 KiB must arrive at the least.
      max_seconds: of one file, spent on waiting for the server and between requests.
      seed: of the jitter; None for another one each time.
    """

    max_retries: int = 20
    base_delay: float = 1.0
    max_delay: float = 60.0
    max_retry_after: float = 300.0
    timeout: float = 60.0
    max_seconds: float = 6 * 3600.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise ValueError(f"max_retries must be at least 0, got {self.max_retries}.")
        for name in ("base_delay", "max_delay", "max_retry_after"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}.")
        for name in ("timeout", "max_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)}.")


LISTING = RetryOptions(max_retries=2, timeout=4.0, max_seconds=6.0)
"""Of a small file that a user waits for: without a network it fails within about ten seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputOptions:
    """How archives are read that are not local files.

    Attributes:
      max_connections: files read at a time by all processes of a build on one machine, a connection each.
      retry: when a request for an archive is tried again.
      listing: the same of a list of archives, which a user waits for.
    """

    max_connections: int = 4
    retry: RetryOptions = RetryOptions()
    listing: RetryOptions = LISTING

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError(f"max_connections must be at least 1, got {self.max_connections}.")

    @classmethod
    def with_retries(cls, retries: int | None, **options: Any) -> "InputOptions":
        """Options where archives and lists alike are tried again `retries` times; None for the defaults of each."""
        if retries is None:
            return cls(**options)
        retry = RetryOptions(max_retries=retries)
        return cls(retry=retry, listing=retry if retries else dataclasses.replace(LISTING, max_retries=0), **options)


def retry_delay(options: RetryOptions, failures: int, share: float, retry_after: float) -> float:
    """Seconds to wait after a failed request.

    base_delay + share * min(max_delay, base_delay * 2^failures), and not less than the server asks for. The second
    term is "full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter"); the first keeps to what Common
    Crawl asks of clients, to retry no more than once a second (status.commoncrawl.org).

    Args:
      failures: in a row before this one.
      share: uniform in [0, 1).
      retry_after: seconds the server asks for, 0 for none.
    """
    backoff = options.base_delay + share * min(options.max_delay, options.base_delay * 2 ** min(failures, 60))
    return max(backoff, min(retry_after, options.max_retry_after) + share * options.base_delay if retry_after else 0.0)
