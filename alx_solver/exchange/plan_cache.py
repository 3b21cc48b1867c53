"""Exchange plans kept on disk, so that a run on the same data and devices need not make them again.

A plan is one `.npz` file (arrays, and a JSON text for the rest; no pickle) named by the xxh3 digest of all that it
follows from: the matrix, the owners, the exchange and its options, the solver's costs, and `FORMAT`. It is written
under a temporary name and renamed. The digest stands in the file too, so that a file which was copied or renamed is not
taken for the plan of other data. A file that cannot be read is an error in words, never silently another plan.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from alx_solver.exchange.interface import Exchange, ExchangePlan, ExchangeRequest
from alx_solver.exchange.original import OriginalArrays, OriginalOnDevice
from alx_solver.exchange.rounds import Round
from alx_solver.exchange.routed import RoutedArrays, RoutedOnDevice
from alx_solver.exchange.staged import StagedArrays, StagedOnDevice
from alx_solver.exchange.table import TableOnDevice

FORMAT = 2
_DEVICES: dict[str, tuple[type, type]] = {
    "table": (TableOnDevice, tuple),
    "routed": (RoutedOnDevice, RoutedArrays),
    "staged": (StagedOnDevice, StagedArrays),
    "original": (OriginalOnDevice, OriginalArrays),
}
_ROUND_FIELDS = ("rounds", "resident")
_ARRAY_FIELDS = ("entry_positions", "summed_rows", "row_stage")


class PlanCacheError(ValueError):
    """A kept plan is damaged; the message names the file."""


def cached_plan(exchange: Exchange, request: ExchangeRequest) -> ExchangePlan:
    """The plan of an exchange, from `request.options.plan_cache` if it is there, else made and kept there.

    Raises:
        PlanCacheError: the kept file cannot be read.
    """
    if request.options.plan_cache is None:
        return exchange.plan(request)
    key = plan_key(exchange, request)
    path = Path(request.options.plan_cache) / f"exchange-{key}.npz"
    if path.exists():
        return read_plan(path, key)
    plan = exchange.plan(request)
    write_plan(path, plan, key)
    return plan


def plan_key(exchange: Exchange, request: ExchangeRequest) -> str:
    """Hex digest of everything that a plan follows from."""
    options = dataclasses.replace(request.options, plan_cache=None)
    ranges = (request.row_ranges, request.col_ranges)
    described = (
        FORMAT,
        exchange.name,
        request.matrix.digest,
        [(each.starts.tolist(), each.capacity) for each in ranges],
        request.embedding_bytes,
        dataclasses.astuple(request.summed_row_cost),
        dataclasses.astuple(options),
    )
    return xxhash.xxh3_128_hexdigest(repr(described).encode())


def write_plan(path: Path, plan: ExchangePlan, key: str) -> None:
    """Writes a plan, which follows from what `key` is a digest of; a crash leaves nothing under the final name."""
    kind = next(name for name, (device, _) in _DEVICES.items() if isinstance(plan.device, device))
    described = {
        "key": key,
        "kind": kind,
        "name": plan.name,
        "device": {field.name: getattr(plan.device, field.name) for field in dataclasses.fields(plan.device)},  # type: ignore[arg-type]
        "padding_position": plan.padding_position,
        "moved_bytes": plan.moved_bytes,
        "held_rows": plan.held_rows,
    }
    arrays = {name: getattr(plan, name) for name in _ARRAY_FIELDS}
    arrays |= {f"device_{index}": array for index, array in enumerate(plan.arrays)}
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_name(f".writing-{os.getpid()}-{path.name}")
    np.savez(writing, described=np.array(json.dumps(described)), **arrays)
    os.replace(writing, path)


def read_plan(path: Path, key: str) -> ExchangePlan:
    """The inverse of `write_plan`.

    Raises:
        PlanCacheError: it is not such a file, damaged (a ZIP file has a checksum of each array), or of another key.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        described = json.loads(str(arrays.pop("described")))
        if described["key"] != key:
            raise ValueError("it was made from other data or options")
        device_type, arrays_type = _DEVICES[described["kind"]]
        device = device_type(**{name: _device_field(name, value) for name, value in described["device"].items()})
        on_devices = [arrays[f"device_{index}"] for index in range(len(arrays) - len(_ARRAY_FIELDS))]
        return ExchangePlan(
            name=described["name"],
            device=device,
            arrays=arrays_type(*on_devices) if on_devices else (),
            padding_position=described["padding_position"],
            moved_bytes=described["moved_bytes"],
            held_rows=described["held_rows"],
            **{name: arrays[name] for name in _ARRAY_FIELDS},
        )
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen kinds on damaged bytes
        reason = str(error) or type(error).__name__
        raise PlanCacheError(f"{path}: not a readable exchange plan ({reason}); remove it to plan again") from error


def _device_field(name: str, value: Any) -> Any:
    if name not in _ROUND_FIELDS:
        return value
    return tuple(Round(capacity, tuple((sender, receiver) for sender, receiver in pairs)) for capacity, pairs in value)
