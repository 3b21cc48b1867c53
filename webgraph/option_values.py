"""Values of options as plain Python: what NumPy or a JSON file gives becomes `int`, `float`, `str` or a tuple of them.

An option that was given as `np.int64(4)` or `np.float32(1e-3)` would compare and compute like a number, and fail only
where it is written as JSON, after the work is done. So every dataclass of options converts its values when it is made,
by the types of its fields, and refuses what has another type: text for a number, `True` for 1, an array of one number.
Imports no NumPy: its scalars are registered with `numbers`.
"""

import dataclasses
import numbers
import os
import types
import typing
from typing import Any

_SHOWN = 60


def plain_integer(name: str, value: Any) -> int:
    """An integer as `int`.

    Raises:
      ValueError: it is none; a truth value is none, nor is a float without a fraction.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name} must be an integer, got {_shown(value)}")
    return int(value)


def plain_number(name: str, value: Any) -> float:
    """A real number as `float`, NaN and infinity included.

    Raises:
      ValueError: it is none, or an integer beyond the range of a float.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} must be a number, got {_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number that a float can hold, got {_shown(value)}") from None


def plain_text(name: str, value: Any) -> str:
    """Text, or a path as text.

    Raises:
      ValueError: it is neither.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise ValueError(f"{name} must be text, got {_shown(value)}")
    return str(text)


def make_plain(options: Any) -> None:
    """Converts the fields of a frozen dataclass, as the first step of its `__post_init__`.

    Fields of the types int, float, str, bool, tuples of one of them and dataclasses are checked, each with or without
    `| None`; fields of other types stay as they are.

    Raises:
      ValueError: a value of another type; the message names the field.
    """
    for field in dataclasses.fields(options):
        value = _plain(field.name, getattr(options, field.name), field.type)
        object.__setattr__(options, field.name, value)


_PLAIN = {int: plain_integer, float: plain_number, str: plain_text}


def _plain(name: str, value: Any, kind: Any) -> Any:
    if isinstance(kind, types.UnionType):
        others = [each for each in typing.get_args(kind) if each is not types.NoneType]
        if len(others) > 1 or value is None:
            return value
        kind = others[0]
    if kind in _PLAIN:
        return _PLAIN[kind](name, value)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return tuple(_plain(f"each of {name}", each, item) for each in _items(name, value))
    if isinstance(kind, type) and (kind is bool or dataclasses.is_dataclass(kind)) and not isinstance(value, kind):
        raise ValueError(f"{name} must be of type {kind.__name__}, got {_shown(value)}")
    return value


def _items(name: str, value: Any) -> list[Any]:
    """The items of a sequence; text, and what has no order, is none."""
    try:
        if isinstance(value, str | bytes | dict | set | frozenset):
            raise TypeError
        return list(value)
    except TypeError:
        raise ValueError(f"{name} must be a sequence, got {_shown(value)}") from None


def _shown(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not write integers of thousands of digits
        return f"a value of type {type(value).__name__}"
    return f"{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'} (of type {type(value).__name__})"
