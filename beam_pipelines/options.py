"""Options of a build, one small dataclass a concern."""

import dataclasses
from typing import Any

from beam_pipelines.input_options import InputOptions
from beam_pipelines.machine import MachineOptions
from beam_pipelines.record_limits import RecordLimits
from webgraph.link_keys import KEY_BITS
from webgraph.link_selection import LinkSelection
from webgraph.split import SplitOptions
from webgraph.variants import VARIANTS, Variant, check_distinct


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """What the graphs are.

    Attributes:
      variants: the graphs to build from one pass over the archives.
      until_stable: repeat the degree rule until nothing changes (the K-core) instead of once, as published.
      selection: which links of a page are outlinks.
      split: test rows and hold-out.
    """

    variants: tuple[Variant, ...] = tuple(VARIANTS.values())
    until_stable: bool = False
    selection: LinkSelection = LinkSelection()
    split: SplitOptions = SplitOptions()

    def __post_init__(self) -> None:
        check_distinct(self.variants)

    @property
    def min_degrees(self) -> list[int]:
        return [variant.min_degree for variant in self.variants]

    def as_dict(self) -> dict[str, Any]:
        """What a manifest records besides variant and split."""
        return {"until_stable": self.until_stable, "selection": dataclasses.asdict(self.selection)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written.

    Attributes:
      tfrecord_shards: number of TFRecord files a split; None for each variant's own, 0 for no TFRecords.
      overwrite: replace graph directories that exist.
    """

    tfrecord_shards: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.tfrecord_shards is not None and self.tfrecord_shards < 0:
            raise ValueError(f"tfrecord_shards must be at least 0, got {self.tfrecord_shards}.")

    def shards_of(self, variant: Variant) -> int | None:
        """The number of TFRecord files a split of a variant, None for none."""
        return variant.tfrecord_shards if self.tfrecord_shards is None else self.tfrecord_shards or None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tolerance:
    """When damage fails a run.

    Attributes:
      max_bad_fraction: bytes skipped of bytes read.
      max_failed_fraction: failed files of files.
    """

    max_bad_fraction: float = 0.01
    max_failed_fraction: float = 0.0

    def __post_init__(self) -> None:
        for name in ("max_bad_fraction", "max_failed_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Partitioning:
    """How the work is spread. No option here changes a byte of the output.

    Attributes:
      num_partitions: parts that pages are spread over by key; None to choose by the size of the input.
      key_bits: width of link keys; narrower ones are for tests of collisions.
    """

    num_partitions: int | None = None
    key_bits: int = KEY_BITS

    def __post_init__(self) -> None:
        if self.num_partitions is not None and self.num_partitions < 1:
            raise ValueError(f"num_partitions must be at least 1, got {self.num_partitions}.")
        if not 1 <= self.key_bits <= KEY_BITS:
            raise ValueError(f"key_bits must be in [1, {KEY_BITS}], got {self.key_bits}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Everything `build` needs besides inputs, output and Beam's own options."""

    graph: GraphOptions = GraphOptions()
    output: OutputOptions = OutputOptions()
    tolerance: Tolerance = Tolerance()
    partitioning: Partitioning = Partitioning()
    inputs: InputOptions = InputOptions()
    machine: MachineOptions = MachineOptions()
    limits: RecordLimits = RecordLimits()

    def as_json(self) -> dict[str, Any]:
        """What decides the bytes of the output, besides the archives and how they are parsed."""
        return {"graph": dataclasses.asdict(self.graph), "tfrecord_shards": self.output.tfrecord_shards}
