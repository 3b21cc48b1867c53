"""Every linear solver on known answers: b = A x for a chosen x, whole and cut, weighted or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alx_solver.linear_solvers import make_linear_solver
from alx_solver.normal_operator import NormalOperator
from alx_solver.observed import CutEntries, WholeEntries
from alx_solver.options import LINEAR_SOLVERS
from tests.oracles.als import cg

HIGHEST = jax.lax.Precision.HIGHEST
ROWS, WIDTH, DIM = 5, 12, 6


def problem(*, weighted: bool, cut: bool):
    """An operator, and its matrices and right-hand sides in float64. Cut: dense rows of 4, 6 a tile, some padding."""
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(ROWS, WIDTH, DIM))
    embeddings[:, 9:] = 0  # padding
    weights = rng.uniform(0.5, 2, size=(ROWS, WIDTH)) if weighted else np.ones((ROWS, WIDTH))
    gramian = embeddings.reshape(-1, DIM).T @ embeddings.reshape(-1, DIM) * 0.01
    ridge = rng.uniform(0.1, 0.2, size=ROWS)
    matrices = np.einsum("rwd,rw,rwe->rde", embeddings, weights, embeddings) + gramian
    matrices += ridge[:, None, None] * np.eye(DIM)
    vectors = np.einsum("rwd,rw->rd", embeddings, weights)

    single = jnp.asarray(embeddings, jnp.float32)
    single_weights = jnp.asarray(weights, jnp.float32) if weighted else None
    whole = WholeEntries(single, single_weights, HIGHEST)
    if cut:
        pieces = jnp.concatenate([single.reshape(15, 4, DIM), jnp.zeros((3, 4, DIM))]).reshape(3, 6, 4, DIM)
        segments = jnp.asarray([*np.repeat(np.arange(ROWS), 3), 0, 0, 0], jnp.int32).reshape(3, 6)
        piece_weights = None
        if single_weights is not None:
            piece_weights = jnp.concatenate([single_weights.reshape(15, 4), jnp.zeros((3, 4))]).reshape(3, 6, 4)

        def tile(index):
            tile_weights = None if piece_weights is None else piece_weights[index]
            return WholeEntries(pieces[index], tile_weights, HIGHEST), segments[index]

        observed = CutEntries(tile, jnp.int32(0), jnp.int32(3), ROWS, DIM)
    else:
        observed = whole
    operator = NormalOperator(observed, jnp.asarray(gramian, jnp.float32), jnp.asarray(ridge, jnp.float32), HIGHEST)
    return operator, matrices, vectors


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("weighted", [False, True], ids=["binary", "weighted"])
@pytest.mark.parametrize("name", LINEAR_SOLVERS)
def test_solves_the_known_system(name, weighted, cut):
    operator, matrices, vectors = problem(weighted=weighted, cut=cut)
    solver = make_linear_solver(name, steps=1, tolerance=1e-6, max_steps=100)
    assert solver.name == name
    start = jnp.asarray(np.random.default_rng(2).normal(size=(ROWS, DIM)), jnp.float32)
    solution = jax.jit(lambda: solver.solve(operator, start))()
    expected = np.linalg.solve(matrices, vectors[..., None])[..., 0]
    np.testing.assert_allclose(solution, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("name", ["conjugate_gradient", "matrix_free_cg"])
def test_fixed_steps_are_the_textbook_iteration(name, steps):
    operator, matrices, vectors = problem(weighted=True, cut=False)
    start = np.random.default_rng(2).normal(size=(ROWS, DIM))
    solver = make_linear_solver(name, steps=steps, tolerance=None, max_steps=1)
    solution = solver.solve(operator, jnp.asarray(start, jnp.float32))
    expected = [cg(a, b, x, steps) for a, b, x in zip(matrices, vectors, start, strict=True)]
    np.testing.assert_allclose(solution, expected, rtol=1e-3, atol=1e-4)


def test_a_row_at_its_solution_stays_there():
    operator, _, _ = problem(weighted=False, cut=False)
    zero = NormalOperator(
        WholeEntries(jnp.zeros((2, 3, DIM)), None, HIGHEST), operator.background, jnp.zeros(2), HIGHEST
    )
    for tolerance in (None, 1e-6):
        solver = make_linear_solver("matrix_free_cg", steps=3, tolerance=tolerance, max_steps=9)
        np.testing.assert_array_equal(solver.solve(zero, jnp.zeros((2, DIM))), 0)


def test_unknown_name_raises_with_the_valid_ones():
    with pytest.raises(ValueError, match="unknown linear solver 'ldl'; valid: cholesky, lu, qr, conjugate_gradient"):
        make_linear_solver("ldl", steps=1, tolerance=None, max_steps=1)


@pytest.mark.parametrize("precision", [jax.lax.Precision.HIGHEST, jax.lax.Precision.DEFAULT])
def test_the_lowered_solve_asks_for_the_precision(precision):
    """On a CPU all precisions are alike, so the program is read: every dot product names its precision."""
    solver = make_linear_solver("matrix_free_cg", steps=3, tolerance=None, max_steps=1)

    def solve(embeddings, gramian, start):
        observed = WholeEntries(embeddings, None, precision)
        return solver.solve(NormalOperator(observed, gramian, jnp.ones(ROWS), precision), start)

    shapes = [jnp.zeros(shape, jnp.float32) for shape in ((ROWS, WIDTH, DIM), (DIM, DIM), (ROWS, DIM))]
    text = jax.jit(solve).lower(*shapes).as_text()
    dots = [line for line in text.splitlines() if "dot_general" in line]
    assert len(dots) >= 8
    expected = "precision = [HIGHEST, HIGHEST]" if precision == jax.lax.Precision.HIGHEST else "DEFAULT"
    assert all(expected in line for line in dots), dots[0]


def collinear_rows(rows: int = 8, width: int = 84, dim: int = 64):
    """Entries of nearly equal embeddings, as navigation links of a site have; float64, with a warm start."""
    rng = np.random.default_rng(3)
    common = rng.normal(size=(rows, 1, dim)) * 0.3
    embeddings = common + 1e-1 * rng.normal(size=(rows, width, dim))
    return embeddings, 0.09, rng.normal(size=(rows, dim)) * 0.125


def textbook_cg_float32(a, b, x, steps: int):
    """The recurrence with r.r, in float32, as it would be without projecting."""
    a, b, x = a.astype(np.float32), b.astype(np.float32), x.astype(np.float32)
    r = b - a @ x
    p, rr = r, r @ r
    for _ in range(steps):
        ap = a @ p
        step = rr / (p @ ap)
        x, r = x + step * p, r - step * ap
        p, rr = r + (r @ r) / rr * p, r @ r
    return x


@pytest.mark.parametrize("name", ["conjugate_gradient", "matrix_free_cg"])
def test_three_steps_in_float32_stay_true_where_the_textbook_s_recurrence_does_not(name):
    embeddings, ridge, start = collinear_rows()
    rows, _, dim = embeddings.shape
    embeddings = embeddings.astype(np.float32).astype(np.float64)
    matrices = np.einsum("rwd,rwe->rde", embeddings, embeddings) + ridge * np.eye(dim)
    vectors = embeddings.sum(axis=1)
    start = start.astype(np.float32).astype(np.float64)
    expected = np.stack([cg(*system, 3) for system in zip(matrices, vectors, start, strict=True)])

    observed = WholeEntries(jnp.asarray(embeddings, jnp.float32), None, HIGHEST)
    operator = NormalOperator(observed, jnp.zeros((dim, dim), jnp.float32), jnp.full(rows, ridge, jnp.float32), HIGHEST)
    solver = make_linear_solver(name, steps=3, tolerance=None, max_steps=3)
    ours = np.asarray(jax.jit(lambda: solver.solve(operator, jnp.asarray(start, jnp.float32)))())
    textbook = np.stack([textbook_cg_float32(*s, 3) for s in zip(matrices, vectors, start, strict=True)])

    def worst(solutions):
        return (np.linalg.norm(solutions - expected, axis=1) / np.linalg.norm(expected, axis=1)).max()

    assert worst(ours) < 1e-3
    assert worst(textbook) > 1e-2


def block_coordinate_sweep(a, b, x, size: int):
    """One sweep by hand in float64: each block's small system solved with the other dimensions held."""
    x = x.copy()
    dim = len(x)
    for begin in range(0, dim, size):
        block = slice(min(begin, dim - size), min(begin, dim - size) + size)
        x[block] += np.linalg.solve(a[block, block], (b - a @ x)[block])
    return x


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("size", [1, 4, 6, 9])
def test_a_sweep_of_the_subspace_solver_is_a_block_coordinate_step(size, cut):
    operator, matrices, vectors = problem(weighted=True, cut=cut)
    start = np.random.default_rng(2).normal(size=(ROWS, DIM))
    solver = make_linear_solver("subspace", steps=1, tolerance=None, max_steps=1, subspace_block=size)
    solution = np.asarray(jax.jit(lambda: solver.solve(operator, jnp.asarray(start, jnp.float32)))())
    size = min(size, DIM)
    expected = np.stack([block_coordinate_sweep(*row, size) for row in zip(matrices, vectors, start, strict=True)])
    np.testing.assert_allclose(solution, expected, rtol=1e-3, atol=1e-4)

    def energy(x):  # half the row's objective, up to a constant
        return 0.5 * np.einsum("rd,rde,re->r", x, matrices, x) - (vectors * x).sum(axis=1)

    assert (energy(solution) < energy(start)).all()


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_sweeps_of_the_subspace_solver_reach_the_exact_solution(cut):
    operator, matrices, vectors = problem(weighted=True, cut=cut)
    solver = make_linear_solver("subspace", steps=1, tolerance=1e-5, max_steps=500, subspace_block=4)
    solution = jax.jit(lambda: solver.solve(operator, jnp.zeros((ROWS, DIM))))()
    expected = np.linalg.solve(matrices, vectors[..., None])[..., 0]
    np.testing.assert_allclose(solution, expected, rtol=1e-3, atol=1e-4)
