"""Which links of a page are its outlinks: by where they stand (link path) and by their `rel`.

A link path names element and attribute as Common Crawl's WAT writer does, e.g. `A@/href`. The default, hyperlinks
that a person follows, is `A@/href` and `AREA@/href`; images, forms, frames, scripts and stylesheets are not outlinks.
"""

import dataclasses

DEFAULT_PATHS = ("A@/href", "AREA@/href")
NOFOLLOW = frozenset({"nofollow", "ugc", "sponsored"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinkSelection:
    """Options of the selection.

    Attributes:
      all_paths: take every link path, not only `A@/href` and `AREA@/href`.
      drop_nofollow: leave out links whose `rel` holds nofollow, ugc or sponsored.
    """

    all_paths: bool = False
    drop_nofollow: bool = False

    def selects_path(self, path: str) -> bool:
        return self.all_paths or path in DEFAULT_PATHS

    def selects_rel(self, rel: str | None) -> bool:
        return not (self.drop_nofollow and rel and not NOFOLLOW.isdisjoint(rel.lower().split()))
