"""Common Crawl's layout: which files a crawl has, and which of them a run takes.

`BASE/crawl-data/CRAWL/KIND.paths.gz` lists the files of a crawl, one path a line, each under BASE again
(commoncrawl.org, "Get started"). The pages of one segment, captured within hours, are spread pseudo-randomly over its
files, and the list goes by segments: a sample of files taken at random is a better sample of the crawl than its first
files (Common Crawl's group, "Long time baseline web graph", April 2021).
"""

import dataclasses
import re

import xxhash

from beam_pipelines.input_options import RetryOptions
from beam_pipelines.inputs import InputError, read_manifest
from beam_pipelines.storage import is_local, join

DEFAULT_BASE = "https://data.commoncrawl.org/"
KINDS = ("wat", "warc")
CRAWL_LIST = "https://index.commoncrawl.org/collinfo.json"
_CRAWL = re.compile(r"CC-MAIN-(\d{4}-\d{2}|2012|2008-2009|2009-2010)")
_NO_CONNECTION = ("connection_lost", "timeout", "bad_certificate")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrawlOptions:
    """Which files of which crawl.

    Attributes:
      name: such as CC-MAIN-2021-25, the crawl of the published dataset.
      kind: `wat` or `warc`.
      base: what the crawl's paths stand under, a URL or a folder.
      limit: how many files, the first ones of the list; None for all.
      sample_seed: take them at random instead, by a hash of path and seed.
    """

    name: str
    kind: str = "wat"
    base: str = DEFAULT_BASE
    limit: int | None = None
    sample_seed: int | None = None

    def __post_init__(self) -> None:
        if not _CRAWL.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} is not the name of a crawl; they look like CC-MAIN-2021-25 ({CRAWL_LIST})."
            )
        if self.kind not in KINDS:
            raise ValueError(f"Unknown kind {self.kind!r}; valid kinds are {', '.join(KINDS)}.")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, got {self.limit}.")
        if self.sample_seed is not None and not 0 <= self.sample_seed < 1 << 64:
            raise ValueError(f"sample_seed must be in [0, 2**64), got {self.sample_seed}.")
        if self.sample_seed is not None and self.limit is None:
            raise ValueError("sample_seed needs a limit: how many files are taken.")


def list_crawl(options: CrawlOptions, retry: RetryOptions = RetryOptions()) -> list[str]:  # noqa: B008  # frozen
    """Returns the URLs (paths, where the base is a folder) of the files, in the order of the crawl's list.

    Raises:
      InputError: the list cannot be had, or is not one.
    """
    listing = _under(options.base, f"crawl-data/{options.name}/{options.kind}.paths.gz")
    try:
        found = read_manifest(listing, options.base, retry)
    except InputError as error:
        if getattr(error.__cause__, "reason", "") in _NO_CONNECTION:
            raise
        raise InputError(f"{error} If there is no such crawl: {CRAWL_LIST} lists those there are.") from error
    prefix = _under(options.base, "")
    for path in found:
        if not path.startswith(prefix) or not _PATH.fullmatch(path[len(prefix) :]):
            raise InputError(f"{listing} lists {path!r}, which is not a path under {options.base}.")
    return select_files(found, options.limit, options.sample_seed)


def select_files(paths: list[str], limit: int | None, sample_seed: int | None = None) -> list[str]:
    """Returns `limit` of the paths in their order: the first ones, or those of the least xxh3_64(path; sample_seed)."""
    if limit is None or limit >= len(paths):
        return paths
    if sample_seed is None:
        return paths[:limit]
    ranked = sorted(paths, key=lambda path: (xxhash.xxh3_64_intdigest(_unbased(path).encode(), sample_seed), path))
    chosen = set(ranked[:limit])
    return [path for path in paths if path in chosen]


def _unbased(path: str) -> str:
    """A path as the crawl lists it, so that a sample does not depend on the base."""
    return path[path.find("crawl-data/") :] if "crawl-data/" in path else path


def _under(base: str, path: str) -> str:
    return join(base, path) if is_local(base) else f"{base.rstrip('/')}/{path}"
