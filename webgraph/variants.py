"""The variants of WebGraph: which links take part, and how many outlinks and inlinks a node must have.

The six published variants are defaults, not limits: `Variant(name="at-20", tlds=("at",), min_degree=20)` is as good.
Published figures: TFDS `web_graph` catalogue, https://www.tensorflow.org/datasets/catalog/web_graph.
"""

import dataclasses
import re
from collections.abc import Sequence

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One graph to be made from a crawl.

    Attributes:
      name: folder name of the output; lower-case letters, digits, `_`, `.` and `-`.
      min_degree: K; a kept node has at least K outlinks and at least K inlinks in the TLD-filtered graph.
      tlds: both ends of an edge must lie under one of these top-level domains; empty for the whole web.
      tfrecord_shards: number of published TFRecord files a split.
    """

    name: str
    min_degree: int
    tlds: tuple[str, ...] = ()
    tfrecord_shards: int = 10

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"Variant name {self.name!r} must match {_NAME.pattern}.")
        if self.min_degree < 1:
            raise ValueError(f"min_degree of {self.name} must be at least 1, got {self.min_degree}.")
        if self.tfrecord_shards < 1:
            raise ValueError(f"tfrecord_shards of {self.name} must be at least 1, got {self.tfrecord_shards}.")
        for tld in self.tlds:
            if not _LABEL.fullmatch(tld):
                raise ValueError(
                    f"TLD {tld!r} of {self.name} must be one lower-case ASCII label, such as 'de'; "
                    "an internationalised one is written as 'xn--...'."
                )

    @property
    def published_folder(self) -> str:
        """Folder of this variant in the published layout, e.g. `web_graph_tld_de_min_10`."""
        tld = f"tld_{'_'.join(self.tlds)}_" if self.tlds else ""
        return f"web_graph_{tld}min_{self.min_degree}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedCounts:
    """Figures of the original dataset (crawl CC-MAIN-2021-25); nodes and edges are rounded there."""

    nodes: int
    edges: int
    train: int
    train_t: int
    test: int


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(name="sparse", min_degree=10, tfrecord_shards=1000),
        Variant(name="dense", min_degree=50, tfrecord_shards=1000),
        Variant(name="de-sparse", min_degree=10, tlds=("de",), tfrecord_shards=100),
        Variant(name="de-dense", min_degree=50, tlds=("de",), tfrecord_shards=100),
        Variant(name="in-sparse", min_degree=10, tlds=("in",), tfrecord_shards=10),
        Variant(name="in-dense", min_degree=50, tlds=("in",), tfrecord_shards=10),
    )
}

PUBLISHED: dict[str, PublishedCounts] = {
    "sparse": PublishedCounts(
        nodes=365_400_000, edges=30_000_000_000, train=372_049_054, train_t=410_867_007, test=39_871_321
    ),
    "dense": PublishedCounts(
        nodes=136_500_000, edges=22_000_000_000, train=122_815_749, train_t=136_019_364, test=13_256_496
    ),
    "de-sparse": PublishedCounts(
        nodes=19_700_000, edges=1_190_000_000, train=17_688_633, train_t=19_566_045, test=1_903_443
    ),
    "de-dense": PublishedCounts(nodes=5_700_000, edges=820_000_000, train=5_118_902, train_t=5_672_473, test=553_270),
    "in-sparse": PublishedCounts(nodes=1_500_000, edges=140_000_000, train=1_309_063, train_t=1_445_042, test=140_313),
    "in-dense": PublishedCounts(nodes=500_000, edges=120_000_000, train=443_786, train_t=491_634, test=47_894),
}


def variant_folder(variant: Variant) -> str:
    """Folder of a variant in the output: the published one for the six published variants, else its name."""
    return variant.published_folder if VARIANTS.get(variant.name) == variant else variant.name


def parse_variant(text: str) -> Variant:
    """Reads a variant's name, or a definition `NAME=TLD[+TLD...]:K`, where TLD `*` is the whole web.

    Examples: `de-dense`, `at-20=at:20`, `dach=de+at+ch:10`, `all-5=*:5`.

    Raises:
      ValueError: neither a known name nor a definition.
    """
    if text in VARIANTS:
        return VARIANTS[text]
    match = re.fullmatch(r"([^=]+)=([^:]+):(\d+)", text)
    if not match:
        raise ValueError(
            f"Unknown variant {text!r}; valid names are {', '.join(VARIANTS)}, "
            "and NAME=TLD[+TLD...]:K defines another, e.g. dach=de+at+ch:10 or all-5=*:5."
        )
    name, tlds, min_degree = match.groups()
    labels = () if tlds == "*" else tuple(sorted(set(tlds.split("+"))))
    return Variant(name=name, min_degree=int(min_degree), tlds=labels)


def check_distinct(variants: Sequence[Variant]) -> None:
    """Raises ValueError where there is no variant, more than 63, or two of one name."""
    names = [variant.name for variant in variants]
    if not 1 <= len(names) <= 63:
        raise ValueError(f"Between 1 and 63 variants can be built in one run, got {len(names)}.")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"Variant {name!r} is asked for twice.")
    folders = [variant_folder(variant) for variant in variants]
    for name, folder in zip(names, folders, strict=True):
        if folders.count(folder) > 1:
            raise ValueError(f"Variant {name!r} would share the folder {folder} with another; choose another name.")
    for variant in variants:
        if variant.name in VARIANTS and not _same_rule(variant, VARIANTS[variant.name]):
            raise ValueError(f"{variant.name!r} is a published variant with another rule; choose another name.")


def _same_rule(one: Variant, other: Variant) -> bool:
    return (one.tlds, one.min_degree) == (other.tlds, other.min_degree)
