"""The linear system of a row: (H_S' C H_S + alpha H'H + lambda_r I) w = H_S' C 1, for all rows of a tile at once."""

import dataclasses
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32

from alx_solver.observed import ObservedEntries


@runtime_checkable
class LinearSystem(Protocol):
    """What CG needs of a system A x = b."""

    def matvec(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]: ...

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]: ...

    def right_hand_side(self) -> Float32[Array, "rows dim"]: ...

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]: ...


@dataclasses.dataclass(frozen=True)
class NormalOperator:
    """The system as an operator; costs O(n dim + dim^2) a product and forms nothing.

    Attributes:
        observed: the entries.
        background: alpha H'H, the same for all rows.
        ridge: lambda_r.
        precision: of the matrix products.
    """

    observed: ObservedEntries
    background: Float32[Array, "dim dim"]
    ridge: Float32[Array, " rows"]
    precision: jax.lax.Precision

    def _background_product(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return jnp.einsum("rd,de->re", p, self.background, precision=self.precision) + self.ridge[:, None] * p

    def matvec(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        """A p."""
        return self.observed.normal_product(p) + self._background_product(p)

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        """b - A x, in one pass over the entries."""
        return self.observed.residual(x) - self._background_product(x)

    def right_hand_side(self) -> Float32[Array, "rows dim"]:
        """b."""
        return self.observed.right_hand_side()

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
        """p' A p, in half a pass over the entries."""
        return self.observed.energy(p) + jnp.sum(self._background_product(p) * p, axis=-1)

    def block_system(
        self, x: Float32[Array, "rows dim"], errors: Float32[Array, "rows width"] | None, first: Array, size: int
    ) -> tuple[Float32[Array, "rows size"], Float32[Array, "rows size size"]]:
        """(b - A x) and A, both within the dimensions `first .. first + size - 1`."""
        gradient, matrix = self.observed.block(x, errors, first, size)
        columns = jax.lax.dynamic_slice_in_dim(self.background, first, size, axis=1)
        background = jax.lax.dynamic_slice_in_dim(columns, first, size, axis=0)
        block = jax.lax.dynamic_slice_in_dim(x, first, size, axis=1)
        pull = jnp.einsum("rd,de->re", x, columns, precision=self.precision) + self.ridge[:, None] * block
        return gradient - pull, matrix + background + self.ridge[:, None, None] * jnp.eye(size, dtype=jnp.float32)

    def matrix(self) -> Float32[Array, "rows dim dim"]:
        """A."""
        identity = jnp.eye(self.background.shape[0], dtype=jnp.float32)
        return self.observed.matrix() + self.background + self.ridge[:, None, None] * identity


@dataclasses.dataclass(frozen=True)
class MatrixSystem:
    """The same system with A formed."""

    matrix: Float32[Array, "rows dim dim"]
    vector: Float32[Array, "rows dim"]
    precision: jax.lax.Precision

    def matvec(self, p: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return jnp.einsum("rde,re->rd", self.matrix, p, precision=self.precision)

    def residual(self, x: Float32[Array, "rows dim"]) -> Float32[Array, "rows dim"]:
        return self.vector - self.matvec(x)

    def right_hand_side(self) -> Float32[Array, "rows dim"]:
        return self.vector

    def energy(self, p: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
        return jnp.sum(self.matvec(p) * p, axis=-1)
