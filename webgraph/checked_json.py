"""Typed access to the fields of a JSON object that somebody else wrote."""

import dataclasses
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class JsonFields:
    """A JSON object. Every method raises ValueError that names the field where it is missing or of another type."""

    fields: dict[str, Any]
    path: str = ""

    def has(self, name: str) -> bool:
        """True where the field is there and not null."""
        return self.fields.get(name) is not None

    def object(self, name: str) -> Self:
        return type(self)(self._get(name, dict, "an object"), f"{self.path}{name}.")

    def objects(self, name: str) -> list[Self]:
        items = self._get(name, list, "a list")
        for item in items:
            if not isinstance(item, dict):
                raise ValueError(f"{self.path}{name} must be a list of objects, got {item!r} in it")
        return [type(self)(item, f"{self.path}{name}[{index}].") for index, item in enumerate(items)]

    def text(self, name: str) -> str:
        value: str = self._get(name, str, "a text")
        return value

    def texts(self, name: str) -> list[str]:
        items: list[str] = self._get(name, list, "a list")
        for item in items:
            if not isinstance(item, str):
                raise ValueError(f"{self.path}{name} must be a list of texts, got {item!r} in it")
        return items

    def flag(self, name: str) -> bool:
        value: bool = self._get(name, bool, "true or false")
        return value

    def count(self, name: str) -> int:
        """A non-negative integer."""
        value = self._get(name, int, "a number of at least 0")
        if isinstance(value, bool) or value < 0:
            raise ValueError(f"{self.path}{name} must be a number of at least 0, got {value!r}")
        return int(value)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._get(name, (int, float), "a number")
        if isinstance(value, bool) or value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{self.path}{name} must be a finite number, got {value!r}")
        return float(value)

    def _get(self, name: str, types: Any, what: str) -> Any:
        if name not in self.fields:
            raise ValueError(f"{self.path}{name} is missing")
        value = self.fields[name]
        if not isinstance(value, types):
            raise ValueError(f"{self.path}{name} must be {what}, got {value!r}")
        return value
