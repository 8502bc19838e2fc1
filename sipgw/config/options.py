"""Turns a TOML table into frozen option dataclasses, and says exactly what is wrong when it cannot.

Any floor declares its options as a plain frozen dataclass; this module needs nothing from it but the type hints.
A `str` field that its dataclass hides from the repr is a secret: it must be a ``${NAME}`` reference. In a list that is
hidden so, each text must hold one: ``"Authorization: Bearer ${TOKEN}"``.
`float` fields take a number of seconds or a duration with its unit: ``"600ms"``, ``"8s"``, ``"30m"``, ``"1h"``.
"""

import contextlib
import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from sipgw.config.renamed import new_name

T = TypeVar("T")

DEFAULT_FILE = Path("sipgw.toml")
"""The configuration that is used unless another is named."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_REFERENCE = re.compile(r"\$\{(\w+)\}")


class OptionError(Exception):
    """A value in the configuration cannot be used.

    `path` is where: a tuple of table names, list positions and the key, outermost first. `problem` is one clause.
    """

    def __init__(self, path: tuple[str | int, ...], problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


def build(
    kind: type[T],
    table: Mapping[str, Any],
    environment: Mapping[str, str],
    path: tuple[str | int, ...] = (),
    base: T | None = None,
) -> T:
    """Make a `kind` from `table`; every key must be one of its fields. What `table` leaves out is as in `base`.

    ``${NAME}`` in strings is replaced from `environment`. Raises `OptionError`.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            if renamed := new_name((*path, key)):
                raise OptionError((*path, key), f"{key!r} is called {renamed!r} now")
            near = difflib.get_close_matches(key, fields, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(fields))}"
            raise OptionError((*path, key), f"unknown key {key!r}; {hint}")
        if base is not None and dataclasses.is_dataclass(hints[key]) and isinstance(value, Mapping):
            values[key] = build(hints[key], value, environment, (*path, key), getattr(base, key))
            continue
        convert = _convert if fields[key].repr else _secret
        values[key] = convert(hints[key], value, environment, (*path, key))
    if base is not None:
        values = {name: getattr(base, name) for name in fields} | values
    for name, field in fields.items():
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in values and not has_default:
            raise OptionError((*path, name), f"{name!r} is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise OptionError(path, str(error)) from None


def _convert(hint: Any, value: Any, environment: Mapping[str, str], path: tuple[str | int, ...]) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        *others, last = (arg for arg in args if arg is not type(None))
        for inner in others:
            with contextlib.suppress(OptionError):
                return _convert(inner, value, environment, path)
        return _convert(last, value, environment, path)
    if origin is Literal:
        text = _convert(str, value, environment, path)
        if text not in args:
            raise OptionError(path, f"{text!r} is not one of {', '.join(map(repr, args))}")
        return text
    if origin is tuple:
        return _convert_tuple(args, value, environment, path)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise OptionError(path, f"expected a table, got {value!r}")
        return build(hint, value, environment, path)  # type: ignore[arg-type]
    return _convert_scalar(hint, value, environment, path)


def _convert_tuple(
    args: tuple[Any, ...], value: Any, environment: Mapping[str, str], path: tuple[str | int, ...]
) -> Any:
    if not isinstance(value, list):
        raise OptionError(path, f"expected a list, got {value!r}")
    if args[-1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise OptionError(path, f"expected {len(args)} values, got {len(value)}")
    return tuple(
        _convert(kind, item, environment, (*path, at)) for at, (kind, item) in enumerate(zip(args, value, strict=True))
    )


def _convert_scalar(hint: Any, value: Any, environment: Mapping[str, str], path: tuple[str | int, ...]) -> Any:
    if hint is str and isinstance(value, str):
        return _substitute(value, environment, path)
    if hint is float and not isinstance(value, bool):
        return _number(value, path)
    if hint in (bool, int) and type(value) is hint:
        return value
    raise OptionError(path, f"expected {_NAMES.get(hint, str(hint))}, got {value!r}")


_NAMES = {str: "a string", int: "a whole number", bool: "true or false", float: "a number or a duration"}


def _number(value: Any, path: tuple[str | int, ...]) -> float:
    if isinstance(value, int | float):
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise OptionError(path, f"expected a duration with its unit, like '600ms', '8s', '30m' or '1h', got {value!r}")
    return float(match[1]) * _UNIT[match[2]]


def _substitute(text: str, environment: Mapping[str, str], path: tuple[str | int, ...]) -> str:
    def value_of(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise OptionError(path, f"${{{match[1]}}} is not set in the environment or in .env")
        return environment[match[1]]

    return _REFERENCE.sub(value_of, text)


def unset(
    value: Any, environment: Mapping[str, str], path: tuple[str | int, ...] = ()
) -> dict[str, tuple[str | int, ...]]:
    """Every variable that a table refers to and that is not set, and where it stands first."""
    found: dict[str, tuple[str | int, ...]] = {}
    if isinstance(value, str):
        return dict.fromkeys((name for name in _REFERENCE.findall(value) if name not in environment), path)
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found |= {name: at for name, at in unset(item, environment, (*path, key)).items() if name not in found}
    return found


def _secret(hint: Any, value: Any, environment: Mapping[str, str], path: tuple[str | int, ...]) -> Any:
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_secret_in(item, environment, (*path, at)) for at, item in enumerate(value))
    return _secret_in(value, environment, path, whole=True)


def _secret_in(value: Any, environment: Mapping[str, str], path: tuple[str | int, ...], *, whole: bool = False) -> str:
    found = isinstance(value, str) and (_REFERENCE.fullmatch(value) if whole else _REFERENCE.search(value))
    if not found:
        # The value is not repeated: it may be the secret itself.
        raise OptionError(path, 'secrets stand in the environment or in .env; write a reference here, like "${MY_KEY}"')
    return _substitute(value, environment, path)


def secrets_of(options: Any) -> frozenset[str]:
    """Every text of the configuration that a repr must not show: passwords, keys, tokens."""
    found: set[str] = set()
    for one in dataclasses.fields(options):
        value = getattr(options, one.name)
        if isinstance(value, str) and not one.repr and value:
            found.add(value)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str) and not one.repr and item:
                found.add(item.partition(": ")[2] or item.partition("=")[2] or item)
            if dataclasses.is_dataclass(item):
                found |= secrets_of(item)
    return frozenset(found)
