"""Secret digits that a caller keyed in: tools get them by reference, and they are stored nowhere else."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from agent.bounds import BoundedTable

MOST = 20
"""Secrets kept in one call."""
_REFERENCE = re.compile(r"secret-[1-9][0-9]{0,3}")


class Secret:
    """A parameter of a tool: digits that the model never sees. It gives a reference, `reveal` gives the digits."""

    def __init__(self, reference: str, digits: str = "") -> None:
        self.reference = reference
        self._digits = digits

    def reveal(self) -> str:
        """The digits."""
        return self._digits

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    __str__ = __repr__

    @classmethod
    def _read(cls, value: object) -> "Secret":
        if isinstance(value, str) and _REFERENCE.fullmatch(value):
            return cls(value)
        raise ValueError("give the reference that collect_digits has returned, such as secret-1; never digits")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(lambda one: one.reference)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        return {"type": "string", "pattern": _REFERENCE.pattern}


class Vault:
    """The secrets of one call; they are gone with it."""

    def __init__(self) -> None:
        self._kept = BoundedTable[str, str]("secrets of a call", MOST)
        self._count = 0

    def __repr__(self) -> str:
        return f"Vault({len(self._kept)})"

    def keep(self, digits: str) -> str:
        """Keep `digits`; returns their reference. Beyond `MOST` the oldest are forgotten."""
        self._count += 1
        reference = f"secret-{self._count}"
        self._kept[reference] = digits
        return reference

    def resolve(self, value: Any) -> Any:
        """`value`; if it is a `Secret`, one with its digits. Raises `KeyError` for an unknown reference."""
        return Secret(value.reference, self._kept[value.reference]) if isinstance(value, Secret) else value

    def scrub(self, value: Any) -> Any:
        """`value`, JSON, with references in place of secrets: tools may repeat what they were given."""
        return _changed(value, self._masked) if self._kept else value

    def _masked(self, text: str) -> str:
        for reference, digits in self._kept.items():
            if len(digits) >= 3:
                text = re.sub(r"[\s-]?".join(digits), reference, text)
        return text


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = str(value)
        return value if (changed := change(text)) == text else changed
    if isinstance(value, dict):
        return {change(str(name)): _changed(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_changed(inner, change) for inner in value]
    return value
