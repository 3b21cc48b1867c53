"""The steps of CG for a block of rows: `cg_fixed_steps` (`cg_iteration.py`), pass by pass over gathered embeddings."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from alx_solver.linear_solvers.native.background_product import BLOCK_ROWS, make_background_product
from alx_solver.linear_solvers.native.compiled import allocating, compiled, quotient, vector_operations
from alx_solver.linear_solvers.native.number_formats import load_and_store


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a kernel is compiled for: its loops over `dim` are of constant length."""

    kind: str  # "whole" or "cut"
    dim: int
    steps: int
    is_weighted: bool
    row_dtype: str
    col_dtype: str
    buffer_numbers: int

    @property
    def name(self) -> str:
        weights = "weighted" if self.is_weighted else "binary"
        dtypes = f"{self.row_dtype}_{self.col_dtype}"
        return f"alx_native_cg_{self.kind}_{self.dim}_{self.steps}_{weights}_{dtypes}_{self.buffer_numbers}"


def make_entry_passes(dim: int, is_weighted: bool) -> tuple[Callable, Callable]:
    """Two functions over a row's entries: y += sum of c (offset + sign e.p) e; and the sum of c (e.p)^2."""
    dot, add_scaled = vector_operations(dim)

    @compiled
    def scores(embeddings: Any, e: int, p: Any) -> Any:
        e0, e1, e2, e3 = embeddings[e], embeddings[e + 1], embeddings[e + 2], embeddings[e + 3]
        s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for j in range(dim):
            s0 += e0[j] * p[j]
            s1 += e1[j] * p[j]
            s2 += e2[j] * p[j]
            s3 += e3[j] * p[j]
        return s0, s1, s2, s3

    @compiled
    def add_products(
        embeddings: Any, weights: Any, length: int, p: Any, y: Any, offset: np.float32, sign: np.float32
    ) -> None:
        for e in range(0, length - 3, 4):
            s0, s1, s2, s3 = scores(embeddings, e, p)
            s0, s1, s2, s3 = offset + sign * s0, offset + sign * s1, offset + sign * s2, offset + sign * s3
            if is_weighted:
                s0, s1, s2, s3 = s0 * weights[e], s1 * weights[e + 1], s2 * weights[e + 2], s3 * weights[e + 3]
            e0, e1, e2, e3 = embeddings[e], embeddings[e + 1], embeddings[e + 2], embeddings[e + 3]
            for j in range(dim):
                y[j] += s0 * e0[j] + s1 * e1[j] + s2 * e2[j] + s3 * e3[j]
        for e in range(length // 4 * 4, length):
            score = offset + sign * dot(embeddings[e], p)
            add_scaled(score * weights[e] if is_weighted else score, embeddings[e], y)

    @compiled
    def energy(embeddings: Any, weights: Any, length: int, p: Any) -> Any:
        total = np.float32(0)
        for e in range(0, length - 3, 4):
            s0, s1, s2, s3 = scores(embeddings, e, p)
            if is_weighted:
                total += s0 * s0 * weights[e] + s1 * s1 * weights[e + 1]
                total += s2 * s2 * weights[e + 2] + s3 * s3 * weights[e + 3]
            else:
                total += s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3
        for e in range(length // 4 * 4, length):
            score = dot(embeddings[e], p)
            total += score * score * weights[e] if is_weighted else score * score
        return total

    return add_products, energy


def make_block_solver(variant: Variant) -> Callable:
    """A function that solves `count` rows whose starts are in `x`, and leaves their solutions there."""
    dim, steps = variant.dim, variant.steps
    background_product = make_background_product(dim)
    add_products, energy = make_entry_passes(dim, variant.is_weighted)
    dot, add_scaled = vector_operations(dim)
    _, load, _ = load_and_store(variant.col_dtype)

    @compiled
    def gather(collected: Any, ids: Any, embeddings: Any) -> None:
        for e in range(len(ids)):
            load(collected[np.uint32(ids[e])], embeddings[e])

    @compiled
    def add_all_products(entries: Any, row: int, p: Any, y: Any, offset: np.float32, sign: np.float32) -> None:
        collected, ids, weights, lengths, embeddings = entries
        length, most = lengths[row], embeddings.shape[1]
        for first in range(0, length, most):
            part = min(most, length - first)
            if length > most:
                gather(collected, ids[row, first : first + part], embeddings[row])
            add_products(embeddings[row], weights[row, first:], part, p, y, offset, sign)

    @compiled
    def whole_energy(entries: Any, row: int, p: Any) -> Any:
        collected, ids, weights, lengths, embeddings = entries
        length, most, total = lengths[row], embeddings.shape[1], np.float32(0)
        for first in range(0, length, most):
            part = min(most, length - first)
            if length > most:
                gather(collected, ids[row, first : first + part], embeddings[row])
            total += energy(embeddings[row], weights[row, first:], part, p)
        return total

    @compiled
    def solve(count: int, entries: Any, ridge: Any, background: Any, x: Any, work: Any) -> None:
        collected, ids, _, lengths, embeddings = entries
        r, directions, products, energies = work
        one, zero = np.float32(1), np.float32(0)
        background_product(x, background, ridge, r, count)
        for row in range(count):  # r = b - A x
            if lengths[row] <= embeddings.shape[1]:
                gather(collected, ids[row, : lengths[row]], embeddings[row])
            for j in range(dim):
                r[row, j] = -r[row, j]
            add_all_products(entries, row, x[row], r[row], one, -one)
        for step in range(steps):
            p, ap = directions[step], products[step]
            for row in range(count):
                for j in range(dim):
                    p[row, j] = r[row, j]
                for before in range(step):  # conjugate to each direction before
                    part = quotient(dot(r[row], products[before, row]), energies[before, row])
                    add_scaled(-part, directions[before, row], p[row])
            background_product(p, background, ridge, ap, count)
            for row in range(count):
                if step < steps - 1:
                    add_all_products(entries, row, p[row], ap[row], zero, one)
                    energies[step, row] = dot(p[row], ap[row])
                    size = quotient(dot(r[row], p[row]), energies[step, row])
                    add_scaled(-size, ap[row], r[row])
                else:  # the last step needs p.Ap only
                    size = quotient(dot(r[row], p[row]), dot(p[row], ap[row]) + whole_energy(entries, row, p[row]))
                add_scaled(size, p[row], x[row])

    return solve


def make_work_space(variant: Variant) -> Callable:
    """A function that makes the start and the vectors of a block's CG."""
    dim, steps = variant.dim, variant.steps

    @allocating
    def make() -> Any:
        x, r = np.zeros((BLOCK_ROWS, dim), np.float32), np.zeros((BLOCK_ROWS, dim), np.float32)
        directions = np.zeros((steps, BLOCK_ROWS, dim), np.float32)
        products = np.zeros((steps, BLOCK_ROWS, dim), np.float32)
        return x, (r, directions, products, np.zeros((steps, BLOCK_ROWS), np.float32))

    return make
