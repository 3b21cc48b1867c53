"""A half-step whose tiles come chunk by chunk, in the order of the unstreamed one and with the same program for a
tile, so that its bytes are the same.

    once          gramian, and the embeddings that the exchange collects for the first stage
    each chunk    its tiles solved, the solutions put into the place of their class
    each stage    what the exchange brings for the next one
    at the end    summed rows, and the table written by one gather from all solutions

Chunks arrive ahead (`chunk_reader.py`); one is given to the devices only when the one before the last is done, so
that no more than three are there.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Float32, Int32

from alx_solver.dense_batching import DenseBatches, WholeTiles
from alx_solver.exchange import ExchangePlan
from alx_solver.exchange.moves import as_bits, from_bits, pick_rows, stack_rows
from alx_solver.gramian import sharded_gramian
from alx_solver.half_step import ShardSolver
from alx_solver.linear_solvers import LinearSolver
from alx_solver.mesh import REPLICATED, SHARDED, put_sharded, row_sharding
from alx_solver.objective import ShardErrors
from alx_solver.options import MemoryOptions
from alx_solver.ownership import RowRanges
from alx_solver.regularization import RegularizationRule
from alx_solver.side import PlannedSide
from alx_solver.streaming.chunk_reader import read_ahead
from alx_solver.streaming.chunk_store import ChunkStore, DiskStore, HostStore
from alx_solver.streaming.chunks import Chunk, ChunkPlace, chunks_of, cut_groups_of, whole_tiles_of
from alx_solver.streaming.placement import Placement


@dataclasses.dataclass(frozen=True)
class _ClassShape:
    """Of the solutions of a class, and of the errors of its tiles, on a device.

    Attributes:
        solutions: tiles and rows of whole rows, groups and slots of cut ones.
        chunk: tiles or groups of a chunk: room beyond the end for what pads the last one.
        tiles: of the class.
        chunk_tiles: of a chunk.
    """

    solutions: tuple[int, int]
    chunk: int
    tiles: int
    chunk_tiles: int


@dataclasses.dataclass(frozen=True)
class StreamedSide:
    """A half-step ready to run, its tiles elsewhere; as `Side`, but for `batches`.

    Attributes:
        mesh: the devices.
        ranges: owners of the rows that it solves.
        plan: of the exchange, on the host.
        exchange_arrays: what the exchange needs on the devices.
        rule: their lambda_r.
        store: the chunks.
        resident: what stays on the devices: positions, and the tiles of summed rows.
        classes: shapes of the classes, cut rows last.
        shard_solver: the work of one device.
        stored_entries: entries of all tiles, padding included.
        processed_entries: those of them that an epoch reads.
    """

    mesh: Mesh
    ranges: RowRanges
    plan: ExchangePlan
    exchange_arrays: Any
    rule: RegularizationRule
    store: ChunkStore
    resident: DenseBatches
    classes: tuple[_ClassShape, ...]
    shard_solver: ShardSolver
    stored_entries: int
    processed_entries: int

    def solve(self, row_table: jax.Array, col_table: jax.Array) -> jax.Array:
        """The row table solved given the column table; the given row table's memory is taken."""
        programs = _solve_programs(self.mesh, self.shard_solver)
        background = programs.background(col_table, self.rule)
        dim, dtype = row_table.shape[1], row_table.dtype
        size = self.mesh.size
        solved = [
            _zeros(self.mesh, (size, shape.solutions[0] + shape.chunk, shape.solutions[1], dim), dtype)
            for shape in self.classes
        ]
        done: list[jax.Array] = []
        for place, chunk, collected in self._collected_chunks(col_table):
            solved[place.index], token = programs.solve(
                row_table, collected, background, chunk, solved[place.index], self.rule
            )
            _wait_for_all_but_one(done, token)
        counts = tuple(shape.solutions[0] for shape in self.classes)
        return programs.finish(counts, row_table, col_table, solved, self.resident, background, self.rule)

    def errors_and_gramians(self, row_table: jax.Array, col_table: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Squared errors of every tile, in the order of the unstreamed objective, and both gramians."""
        errors = ShardErrors(self.plan.device, self.shard_solver.precision, self.plan.padding_position)
        programs = _error_programs(self.mesh, errors)
        sums = [_zeros(self.mesh, (self.mesh.size, s.tiles + s.chunk_tiles), jnp.float32) for s in self.classes]
        done: list[jax.Array] = []
        for place, chunk, collected in self._collected_chunks(col_table):
            sums[place.index], token = programs.add(row_table, collected, chunk, sums[place.index])
            _wait_for_all_but_one(done, token)
        counts = tuple(shape.tiles for shape in self.classes)
        return programs.finish(counts, row_table, col_table, sums, self.resident)

    def _collected_chunks(self, col_table: jax.Array) -> Iterator[tuple[ChunkPlace, Chunk, jax.Array]]:
        """The chunks with the embeddings that they gather from, stage by stage."""
        device, stage = self.plan.device, 0
        exchange = _exchange_programs(self.mesh, device)
        collected = exchange.collect(col_table, self.exchange_arrays)
        incoming = None
        for place, chunk in read_ahead(self.mesh, self.store):
            while stage < place.stage:
                if incoming is None:
                    incoming = exchange.fetch(col_table, self.exchange_arrays, jnp.int32(stage + 1))
                collected, incoming, stage = exchange.store(collected, incoming), None, stage + 1
            if incoming is None and stage + 1 < device.num_stages:
                incoming = exchange.fetch(col_table, self.exchange_arrays, jnp.int32(stage + 1))
            yield place, chunk, collected


def stream_side(
    mesh: Mesh,
    planned: PlannedSide,
    row_ranges: RowRanges,
    *,
    name: str,
    placement: Placement,
    memory: MemoryOptions,
    solver: LinearSolver,
    rule: RegularizationRule,
    precision: jax.lax.Precision,
) -> StreamedSide:
    """Cuts the tiles of a half-step into chunks and puts them where they are kept.

    Args:
        mesh: the devices.
        planned: the half-step, on the host.
        row_ranges: owners of the rows that it solves.
        name: of the folder of its chunks within the memory's.
        placement: host or disk, and the size of chunks.
        memory: names the folder.
        solver: of the linear systems.
        rule: lambda_r of its rows.
        precision: of matrix products.

    Raises:
        ValueError: chunks are smaller than a tile or a group of long rows.
    """
    batches, plan = planned.batches, planned.plan
    chunks = chunks_of(batches, placement.chunk_bytes)
    if placement.where == "disk":
        assert memory.directory is not None
        store: ChunkStore = DiskStore(Path(memory.directory) / f"process-{jax.process_index()}" / name, chunks)
    else:
        store = HostStore(chunks)
    return StreamedSide(
        mesh=mesh,
        ranges=row_ranges,
        plan=dataclasses.replace(plan, arrays=(), entry_positions=plan.entry_positions[:0]),
        exchange_arrays=put_sharded(mesh, plan.arrays),
        rule=rule,
        store=store,
        resident=put_sharded(mesh, batches._replace(whole=(), cut=None)),
        classes=_class_shapes(batches, placement.chunk_bytes),
        shard_solver=ShardSolver(plan.device, solver, precision),
        stored_entries=batches.stored_entries,
        processed_entries=batches.processed_entries,
    )


def _class_shapes(batches: DenseBatches, chunk_bytes: int) -> tuple[_ClassShape, ...]:
    shapes = []
    for tiles in batches.whole:
        chunk = whole_tiles_of(tiles, chunk_bytes)
        shapes.append(_ClassShape(tiles.rows.shape[1:], chunk, tiles.ids.shape[1], chunk))
    if batches.cut is not None:
        groups, tiles_of_chunk = cut_groups_of(batches.cut, chunk_bytes)
        shapes.append(_ClassShape(batches.cut.rows.shape[1:], groups, batches.cut.ids.shape[1], tiles_of_chunk))
    return tuple(shapes)


def _wait_for_all_but_one(done: list[jax.Array], token: jax.Array) -> None:
    done.append(token)
    if len(done) > 1:
        jax.block_until_ready(done.pop(0))


def _zeros(mesh: Mesh, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return jnp.zeros(shape, dtype, device=row_sharding(mesh))


@dataclasses.dataclass(frozen=True)
class _Programs:
    background: Callable
    solve: Callable
    finish: Callable


@dataclasses.dataclass(frozen=True)
class _ErrorPrograms:
    add: Callable
    finish: Callable


@dataclasses.dataclass(frozen=True)
class _ExchangePrograms:
    collect: Callable
    fetch: Callable
    store: Callable


@functools.lru_cache(maxsize=64)
def _exchange_programs(mesh: Mesh, device: Any) -> _ExchangePrograms:
    def local(arrays: Any) -> Any:
        return jax.tree.map(lambda array: array[0], arrays)

    return _ExchangePrograms(
        collect=_mapped(
            mesh,
            lambda shard, arrays: from_bits(device.collect(as_bits(shard), local(arrays)), shard.dtype),
            (SHARDED, SHARDED),
        ),
        fetch=_mapped(
            mesh,
            lambda shard, arrays, stage: from_bits(device.fetch(as_bits(shard), local(arrays), stage), shard.dtype),
            (SHARDED, SHARDED, REPLICATED),
        ),
        store=_mapped(
            mesh,
            lambda collected, incoming: from_bits(device.store(as_bits(collected), as_bits(incoming)), collected.dtype),
            (SHARDED, SHARDED),
            donate=(0,),
        ),
    )


@functools.lru_cache(maxsize=64)
def _solve_programs(mesh: Mesh, shard_solver: ShardSolver) -> _Programs:
    def solve(
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "collected dim"],
        background: Float32[Array, "dim dim"],
        stacked: Chunk,
        stacked_solved: Float[Array, "1 tiles rows dim"],
        rule: RegularizationRule,
    ) -> tuple[Float[Array, "1 tiles rows dim"], Int32[Array, " 1"]]:
        tiles, base, _ = jax.tree.map(lambda array: array[0], stacked)
        operator, stage = shard_solver.operator_of(background, rule), jnp.int32(0)
        into = jnp.zeros((*tiles.rows.shape, row_shard.shape[1]), row_shard.dtype)
        if isinstance(tiles, WholeTiles):
            done = shard_solver.solve_whole(tiles, stage, row_shard, collected, operator, into)
        else:
            done = shard_solver.solve_cut(tiles, stage, row_shard, collected, operator, into)
        return jax.lax.dynamic_update_slice(stacked_solved[0], done, (base, 0, 0))[None], base[None]

    def finish(
        counts: tuple[int, ...],
        row_shard: Float[Array, "capacity dim"],
        col_shard: Float[Array, "col_capacity dim"],
        stacked_solved: list[Float[Array, "1 tiles rows dim"]],
        stacked: DenseBatches,
        background: Float32[Array, "dim dim"],
        rule: RegularizationRule,
    ) -> Float[Array, "capacity dim"]:
        resident: DenseBatches = jax.tree.map(lambda array: array[0], stacked)
        dim = row_shard.shape[1]
        solved = [each[0, :count] for each, count in zip(stacked_solved, counts, strict=True)]
        if resident.summed is not None:
            operator = shard_solver.operator_of(background, rule)
            solved.append(shard_solver.solve_summed(resident.summed, row_shard, col_shard, operator))
        solved.append(jnp.zeros((1, dim), row_shard.dtype))
        flat = stack_rows([each.reshape(-1, dim) for each in solved])
        return pick_rows(flat, resident.positions)

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
    def finish_all(counts: tuple[int, ...], *arguments: Any) -> jax.Array:
        specs = (SHARDED, SHARDED, SHARDED, SHARDED, REPLICATED, REPLICATED)
        return _shard_map(mesh, functools.partial(finish, counts), specs)(*arguments)

    return _Programs(
        background=_mapped(mesh, shard_solver.background, (SHARDED, REPLICATED), REPLICATED),
        solve=_mapped(
            mesh, solve, (SHARDED, SHARDED, REPLICATED, SHARDED, SHARDED, REPLICATED), (SHARDED, SHARDED), donate=(4,)
        ),
        finish=finish_all,
    )


@functools.lru_cache(maxsize=64)
def _error_programs(mesh: Mesh, errors: ShardErrors) -> _ErrorPrograms:
    def add(
        row_shard: Float[Array, "capacity dim"],
        collected: Float[Array, "collected dim"],
        stacked: Chunk,
        stacked_sums: Float32[Array, "1 tiles"],
    ) -> tuple[Float32[Array, "1 tiles"], Int32[Array, " 1"]]:
        tiles, _, base = jax.tree.map(lambda array: array[0], stacked)
        into = jnp.zeros(tiles.ids.shape[0], jnp.float32)
        of_tiles = errors.whole if isinstance(tiles, WholeTiles) else errors.cut
        found = of_tiles(tiles, jnp.int32(0), row_shard, collected, into)
        return jax.lax.dynamic_update_slice(stacked_sums[0], found, (base,))[None], base[None]

    def finish(
        counts: tuple[int, ...],
        row_shard: Float[Array, "capacity dim"],
        col_shard: Float[Array, "col_capacity dim"],
        stacked_sums: list[Float32[Array, "1 tiles"]],
        stacked: DenseBatches,
    ) -> tuple[Float32[Array, "1 tiles"], Float32[Array, "dim dim"], Float32[Array, "dim dim"]]:
        resident: DenseBatches = jax.tree.map(lambda array: array[0], stacked)
        sums = [each[0, :count] for each, count in zip(stacked_sums, counts, strict=True)]
        if resident.summed is not None:
            sums.append(errors.summed(resident.summed, row_shard, col_shard))
        every = jnp.concatenate([*sums, jnp.zeros(1, jnp.float32)])
        gramians = sharded_gramian(row_shard, errors.precision), sharded_gramian(col_shard, errors.precision)
        return every[None], *gramians

    @functools.partial(jax.jit, static_argnums=0)
    def finish_all(counts: tuple[int, ...], *arguments: Any) -> Any:
        specs = (SHARDED, SHARDED, SHARDED, SHARDED)
        return _shard_map(mesh, functools.partial(finish, counts), specs, (SHARDED, REPLICATED, REPLICATED))(*arguments)

    return _ErrorPrograms(
        add=_mapped(mesh, add, (SHARDED, SHARDED, SHARDED, SHARDED), (SHARDED, SHARDED), donate=(3,)),
        finish=finish_all,
    )


def _shard_map(mesh: Mesh, function: Callable, in_specs: Any, out_specs: Any = SHARDED) -> Callable:
    return jax.shard_map(function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)


def _mapped(
    mesh: Mesh, function: Callable, in_specs: Any, out_specs: Any = SHARDED, donate: tuple[int, ...] = ()
) -> Callable:
    return jax.jit(_shard_map(mesh, function, in_specs, out_specs), donate_argnums=donate)
