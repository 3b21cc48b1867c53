"""The conjugate gradient iteration itself, for all rows of a tile at once.

Hestenes and Stiefel (1952), in the form that `implicit` uses for ALS (Takacs, Pilaszy, Tikk, "Applications of the
conjugate gradient method for implicit feedback collaborative filtering", RecSys 2011), started at x:

    r = p = b - A x;   repeat:  a = r.p / p.Ap;  x += a p;  r -= a Ap;  p = r - sum over q before of (r.Aq / q.Aq) q

In exact arithmetic a = r.r / p.Ap and only the last q counts, with r.Aq / q.Aq = -(new r.r) / (old r.r): the textbook's
form. In float32 that form fails on rows whose entries have nearly equal embeddings, a site's navigation links: the
first step leaves a residual near rounding error in their common direction, the next p is then not conjugate to the
first, and later steps undo it (embeddings were off by up to their own size after three steps). Projecting costs a few
products of length d, and no pass over the entries.

The last of a fixed number of steps needs only p.Ap, half a pass over the entries. A row with r = 0 stays as it is.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from alx_solver.normal_operator import LinearSystem


def _quotient(numerator: Float32[Array, " rows"], denominator: Float32[Array, " rows"]) -> Float32[Array, " rows"]:
    """numerator / denominator, 0 where the denominator is not positive."""
    positive = denominator > 0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)


def _dot(x: Float32[Array, "rows dim"], y: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
    return jnp.sum(x * y, axis=-1)


def _norm2(x: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
    return _dot(x, x)


def cg_fixed_steps(system: LinearSystem, start: Float32[Array, "rows dim"], steps: int) -> Float32[Array, "rows dim"]:
    """`steps` steps (at least 1) from `start`, each direction made conjugate to all before it."""
    x, r = start, system.residual(start)
    p = r
    before: list[tuple[Float32[Array, "rows dim"], Float32[Array, "rows dim"], Float32[Array, " rows"]]] = []
    for _ in range(steps - 1):
        ap = system.matvec(p)
        energy = _dot(p, ap)
        step = _quotient(_dot(r, p), energy)
        x, r = x + step[:, None] * p, r - step[:, None] * ap
        before.append((p, ap, energy))
        p = r
        for q, aq, q_energy in before:
            p = p - _quotient(_dot(r, aq), q_energy)[:, None] * q
    return x + _quotient(_dot(r, p), system.energy(p))[:, None] * p


def relative_residual_reached(
    system: LinearSystem, tolerance: float
) -> Callable[[Float32[Array, "rows dim"]], Bool[Array, " rows"]]:
    """A function of the residual: which rows have |b - A x| <= tolerance |b|."""
    target = tolerance**2 * _norm2(system.right_hand_side())
    return lambda residual: _norm2(residual) <= target


def cg_to_tolerance(
    system: LinearSystem, start: Float32[Array, "rows dim"], tolerance: float, max_steps: int
) -> Float32[Array, "rows dim"]:
    """Steps until |r| <= tolerance |b| in every row, or `max_steps`; a row that is done does not move any more.

    Each direction is made conjugate to the one before only: what that leaves is mended by further steps.
    """
    target = tolerance**2 * _norm2(system.right_hand_side())
    r = system.residual(start)
    State = tuple[
        Int32[Array, ""],
        Float32[Array, "rows dim"],
        Float32[Array, "rows dim"],
        Float32[Array, "rows dim"],
        Float32[Array, " rows"],
    ]

    def unfinished(state: State) -> Bool[Array, ""]:
        return (state[0] < max_steps) & jnp.any(state[4] > target)

    def advance(state: State) -> State:
        count, x, r, p, rr = state
        ap = system.matvec(p)
        energy = _dot(p, ap)
        step = jnp.where(rr > target, _quotient(_dot(r, p), energy), 0.0)
        x, r = x + step[:, None] * p, r - step[:, None] * ap
        return count + 1, x, r, r - _quotient(_dot(r, ap), energy)[:, None] * p, _norm2(r)

    return jax.lax.while_loop(unfinished, advance, (jnp.int32(0), start, r, r, _norm2(r)))[1]


def conjugate_gradient(
    system: LinearSystem,
    start: Float32[Array, "rows dim"],
    *,
    steps: int,
    tolerance: float | None,
    max_steps: int,
) -> Float32[Array, "rows dim"]:
    """A fixed number of steps, or to a tolerance if one is given."""
    if tolerance is None:
        return cg_fixed_steps(system, start, steps)
    return cg_to_tolerance(system, start, tolerance, max_steps)
