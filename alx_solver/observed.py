"""The observed entries of a tile as a linear operator: sum of c h h' over a row's entries, never formed unless asked.

With E the embeddings of a row's entries, [n, dim], and c their confidences: `normal_product` is E' (c E p),
`residual` E' (c (1 - E x)), `energy` p' E' (c E p), `matrix` E' c E. `WholeEntries` holds the embeddings of whole rows
(in cache); `CutEntries` gathers those of a group of long rows again at every use, tile by tile, and adds partial sums.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Int32


@runtime_checkable
class ObservedEntries(Protocol):
    """What a normal operator needs of the observed entries; `rows` are those solved together."""

    def normal_product(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]: ...

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]: ...

    def right_hand_side(self) -> Float32[Array, "rows dim"]: ...

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]: ...

    def matrix(self) -> Float32[Array, "rows dim dim"]: ...

    def errors(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows width"] | None: ...

    def errors_after(
        self, errors: Float32[Array, "rows width"] | None, delta: Float32[Array, "rows size"], first: Int32[Array, ""]
    ) -> Float32[Array, "rows width"] | None: ...

    def block(
        self,
        x: Float32[Array, "rows dim"],
        errors: Float32[Array, "rows width"] | None,
        first: Int32[Array, ""],
        size: int,
    ) -> tuple[Float32[Array, "rows size"], Float32[Array, "rows size size"]]: ...


@dataclasses.dataclass(frozen=True)
class WholeEntries:
    """Entries of whole rows; padding has zero embeddings."""

    embeddings: Float32[Array, "rows width dim"]
    weights: Float32[Array, "rows width"] | None
    precision: jax.lax.Precision

    def predict(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows width"]:
        """E p, zero at padding."""
        return jnp.einsum("rwd,rd->rw", self.embeddings, p, precision=self.precision)

    def weighted(self, scores: Float32[Array, "rows width"]) -> Float32[Array, "rows width"]:
        return scores if self.weights is None else scores * self.weights

    def combine(self, scores: Float32[Array, "rows width"]) -> Float32[Array, "rows dim"]:
        """E' s."""
        return jnp.einsum("rwd,rw->rd", self.embeddings, scores, precision=self.precision)

    def normal_product(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self.combine(self.weighted(self.predict(p)))

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self.combine(self.weighted(1.0 - self.predict(x)))

    def right_hand_side(self) -> Float32[Array, "rows dim"]:
        return self.combine(self.weighted(jnp.ones(self.embeddings.shape[:2], jnp.float32)))

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
        scores = self.predict(p)
        return jnp.sum(self.weighted(scores) * scores, axis=-1)

    def matrix(self) -> Float32[Array, "rows dim dim"]:
        left = self.embeddings if self.weights is None else self.embeddings * self.weights[..., None]
        return jnp.einsum("rwd,rwe->rde", left, self.embeddings, precision=self.precision)

    def errors(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows width"]:
        """1 - E x, kept by a caller that changes x a few dimensions at a time."""
        return 1.0 - self.predict(x)

    def _dimensions(self, first: Int32[Array, ""], size: int) -> "WholeEntries":
        block = jax.lax.dynamic_slice_in_dim(self.embeddings, first, size, axis=2)
        return WholeEntries(block, self.weights, self.precision)

    def errors_after(
        self, errors: Float32[Array, "rows width"] | None, delta: Float32[Array, "rows size"], first: Int32[Array, ""]
    ) -> Float32[Array, "rows width"] | None:
        """The errors after dimensions from `first` on changed by `delta`."""
        assert errors is not None
        return errors - self._dimensions(first, delta.shape[-1]).predict(delta)

    def block(
        self,
        x: Float32[Array, "rows dim"],
        errors: Float32[Array, "rows width"] | None,
        first: Int32[Array, ""],
        size: int,
    ) -> tuple[Float32[Array, "rows size"], Float32[Array, "rows size size"]]:
        """E_B' c (1 - E x) and E_B' c E_B of the dimensions B from `first` on."""
        dimensions = self._dimensions(first, size)
        known = self.errors(x) if errors is None else errors
        return dimensions.combine(self.weighted(known)), dimensions.matrix()


@dataclasses.dataclass(frozen=True)
class CutEntries:
    """Entries of a group of long rows, over tiles `first .. last - 1`."""

    tile: Callable[[Int32[Array, ""]], tuple[WholeEntries, Int32[Array, " dense_rows"]]]  # embeddings, segment ids
    first: Int32[Array, ""]
    last: Int32[Array, ""]
    num_slots: int
    dim: int

    def _sum(
        self,
        partial: Callable[[WholeEntries, Int32[Array, " dense_rows"]], Float[Array, "dense_rows ..."]],
        shape: tuple[int, ...],
    ) -> Float[Array, "rows ..."]:
        """Partial results of dense rows, summed by slot over the tiles of the group."""

        def add(index: Int32[Array, ""], total: Float[Array, "rows ..."]) -> Float[Array, "rows ..."]:
            entries, segment_ids = self.tile(index)
            return total.at[segment_ids].add(partial(entries, segment_ids))

        return jax.lax.fori_loop(self.first, self.last, add, jnp.zeros((self.num_slots, *shape), jnp.float32))

    def normal_product(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self._sum(lambda entries, segments: entries.normal_product(p[segments]), (self.dim,))

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self._sum(lambda entries, segments: entries.residual(x[segments]), (self.dim,))

    def right_hand_side(self) -> Float32[Array, "rows dim"]:
        return self._sum(lambda entries, segments: entries.right_hand_side(), (self.dim,))

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
        return self._sum(lambda entries, segments: entries.energy(p[segments]), ())

    def matrix(self) -> Float32[Array, "rows dim dim"]:
        return self._sum(lambda entries, segments: entries.matrix(), (self.dim, self.dim))

    def errors(self, x: Float32[Array, "rows dim"]) -> None:
        """Not kept: as many as there are entries."""

    def errors_after(
        self, errors: Float32[Array, "rows width"] | None, delta: Float32[Array, "rows size"], first: Int32[Array, ""]
    ) -> None:
        """Not kept."""

    def block(
        self,
        x: Float32[Array, "rows dim"],
        errors: Float32[Array, "rows width"] | None,
        first: Int32[Array, ""],
        size: int,
    ) -> tuple[Float32[Array, "rows size"], Float32[Array, "rows size size"]]:
        def joined(entries: WholeEntries, segments: Int32[Array, " dense_rows"]) -> Float32[Array, "rows size_1 size"]:
            gradient, matrix = entries.block(x[segments], None, first, size)
            return jnp.concatenate([gradient[:, None], matrix], axis=1)

        both = self._sum(joined, (size + 1, size))
        return both[:, 0], both[:, 1:]
