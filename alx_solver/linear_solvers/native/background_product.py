"""Products with alpha H'H, of several rows at once, so that they share each read of it."""

from collections.abc import Callable
from typing import Any

from alx_solver.linear_solvers.native.compiled import compiled

BLOCK_ROWS = 4
"""Rows whose products are taken together."""


def make_background_product(dim: int) -> Callable:
    """A function that sets y = p alpha H'H + lambda_r p for `count` rows; all BLOCK_ROWS at once, or one by one."""

    @compiled
    def four_rows(p: Any, background: Any, y: Any) -> None:
        for i in range(0, dim - 3, 4):
            a0, a1, a2, a3 = p[i], p[i + 1], p[i + 2], p[i + 3]
            b0, b1, b2, b3 = p[dim + i], p[dim + i + 1], p[dim + i + 2], p[dim + i + 3]
            c0, c1, c2, c3 = p[2 * dim + i], p[2 * dim + i + 1], p[2 * dim + i + 2], p[2 * dim + i + 3]
            d0, d1, d2, d3 = p[3 * dim + i], p[3 * dim + i + 1], p[3 * dim + i + 2], p[3 * dim + i + 3]
            for j in range(dim):
                g0, g1 = background[i * dim + j], background[(i + 1) * dim + j]
                g2, g3 = background[(i + 2) * dim + j], background[(i + 3) * dim + j]
                y[j] += a0 * g0 + a1 * g1 + a2 * g2 + a3 * g3
                y[dim + j] += b0 * g0 + b1 * g1 + b2 * g2 + b3 * g3
                y[2 * dim + j] += c0 * g0 + c1 * g1 + c2 * g2 + c3 * g3
                y[3 * dim + j] += d0 * g0 + d1 * g1 + d2 * g2 + d3 * g3
        for i in range(dim // 4 * 4, dim):
            for row in range(BLOCK_ROWS):
                for j in range(dim):
                    y[row * dim + j] += p[row * dim + i] * background[i * dim + j]

    @compiled
    def one_row(p: Any, background: Any, y: Any) -> None:
        for i in range(0, dim - 3, 4):
            a0, a1, a2, a3 = p[i], p[i + 1], p[i + 2], p[i + 3]
            for j in range(dim):
                y[j] += (
                    a0 * background[i * dim + j]
                    + a1 * background[(i + 1) * dim + j]
                    + a2 * background[(i + 2) * dim + j]
                    + a3 * background[(i + 3) * dim + j]
                )
        for i in range(dim // 4 * 4, dim):
            for j in range(dim):
                y[j] += p[i] * background[i * dim + j]

    @compiled
    def product(p: Any, background: Any, ridge: Any, y: Any, count: int) -> None:
        for row in range(count):
            for j in range(dim):
                y[row, j] = ridge[row] * p[row, j]
        if count == BLOCK_ROWS:
            four_rows(p.reshape(-1), background, y.reshape(-1))
        else:
            for row in range(count):
                one_row(p[row], background, y[row])

    return product
