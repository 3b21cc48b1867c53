"""The conjugate gradient iteration itself, for all rows of a tile at once.

Hestenes and Stiefel (1952), in the form that `implicit` uses for ALS (Takacs, Pilaszy, Tikk, "Applications of the
conjugate gradient method for implicit feedback collaborative filtering", RecSys 2011), started at x:

    r = p = b - A x;   repeat:  a = r.r / p.Ap;  x += a p;  r' = r - a Ap;  p = r' + (r'.r' / r.r) p

The last of a fixed number of steps needs only p.Ap, half a pass over the entries. A row with r = 0 stays as it is.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from alx_solver.normal_operator import LinearSystem


def _quotient(numerator: Float32[Array, " rows"], denominator: Float32[Array, " rows"]) -> Float32[Array, " rows"]:
    """numerator / denominator, 0 where the denominator is not positive."""
    positive = denominator > 0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1.0), 0.0)


def _norm2(x: Float32[Array, "rows dim"]) -> Float32[Array, " rows"]:
    return jnp.sum(x * x, axis=-1)


def cg_fixed_steps(system: LinearSystem, start: Float32[Array, "rows dim"], steps: int) -> Float32[Array, "rows dim"]:
    """`steps` steps (at least 1) from `start`."""
    x, r = start, system.residual(start)
    p, rr = r, _norm2(r)
    for _ in range(steps - 1):
        ap = system.matvec(p)
        step = _quotient(rr, jnp.sum(p * ap, axis=-1))
        x, r = x + step[:, None] * p, r - step[:, None] * ap
        new_rr = _norm2(r)
        p, rr = r + _quotient(new_rr, rr)[:, None] * p, new_rr
    return x + _quotient(rr, system.energy(p))[:, None] * p


def cg_to_tolerance(
    system: LinearSystem, start: Float32[Array, "rows dim"], tolerance: float, max_steps: int
) -> Float32[Array, "rows dim"]:
    """Steps until |r| <= tolerance |b| in every row, or `max_steps`; a row that is done does not move any more."""
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
        step = jnp.where(rr > target, _quotient(rr, jnp.sum(p * ap, axis=-1)), 0.0)
        x, r = x + step[:, None] * p, r - step[:, None] * ap
        new_rr = _norm2(r)
        return count + 1, x, r, r + _quotient(new_rr, rr)[:, None] * p, new_rr

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
