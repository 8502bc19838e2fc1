"""Turns a TOML table into frozen option dataclasses; an error names every wrong key.

Every package declares its options as plain frozen dataclasses with type hints; pydantic checks values by these hints.
A field that its dataclass hides from the repr is a secret: it must be a ``${NAME}`` reference. In a list that is
hidden so, each text must hold one: ``"Authorization: Bearer ${TOKEN}"``; in such a table the texts may hold some.
A field with the metadata ``hidden`` may hold secrets and is masked like one. A field with the metadata ``fixed`` is not
taken from a configuration; ``scope`` says where it may stand, and when a change takes effect (`sipgw.config.scope`).
`float` fields take a number of seconds or a duration with its unit: ``"600ms"``, ``"8s"``, ``"30m"``, ``"1h"``.
"""

import dataclasses
import difflib
import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cache, reduce
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agent.rules.rule_error import Keys, RuleError
from sipgw.config.public_text import public_message
from sipgw.config.renamed import instead
from sipgw.config.scope import Scope

T = TypeVar("T")
DEFAULT_FILE = Path("sipgw.toml")
"""The configuration file, unless another one is named."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
REFERENCE = re.compile(r"\$\{(\w+)\}")
PRIVATE = re.compile(
    r"(?:^|[^a-z])(?:api|access|auth|bearer|client|private|secret)*"
    r"(?:keys?|token|secrets?|pass(?:word|wd|phrase)?|auth(?:orization)?|bearer|credentials?)(?:$|[^a-z])",
    re.IGNORECASE,
)
"""Words in the name of a variable, or of an undeclared key, by which its value is taken for a secret."""


class OptionFault(NamedTuple):
    """A value that cannot be used: its place, and one clause that says why."""

    path: Keys
    problem: str


class OptionError(Exception):
    """The configuration cannot be used. `faults` has all its faults, at least one."""

    def __init__(self, *faults: OptionFault) -> None:
        self.faults = tuple(OptionFault(path, public_message(problem)) for path, problem in faults)
        super().__init__("; ".join(fault.problem for fault in self.faults))


@contextmanager
def about(key: str | Keys, *others: str | Keys) -> Iterator[None]:
    """Raise any other `ValueError` of this block as a `RuleError` that names these keys."""
    try:
        yield
    except RuleError:
        raise
    except ValueError as error:
        raise RuleError(str(error), key, *others) from None


class Option(NamedTuple):
    """A key of a table."""

    hint: Any
    default: Any = dataclasses.MISSING
    """`dataclasses.MISSING` if the key must be given."""
    secret: bool = False
    """Whether the value must be a reference, such as ``${NAME}``."""
    hidden: bool = False
    """Whether the value is a secret, or may hold one."""
    scope: Scope | None = None
    """The scope of the key, if it is another one than the scope of its table."""
    name: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether a page, a command, a log or an error may repeat the value that a file gives for this key, of any
        type.

        They may not if the value is hidden, nor if it stands in the place of a table: it may be a misplaced secret.
        """
        return not self.hidden and table_of(self.hint) is None

    def within(self, key: str | int) -> "Option":
        """The option of the value at `key` within this option's value. An undeclared key is hidden."""
        if isinstance(key, int):
            return self
        if table := table_of(self.hint):
            return options_of(table).get(key, UNDECLARED)
        return self._replace(hidden=self.hidden or bool(PRIVATE.search(key)))


UNDECLARED = Option(Any, hidden=True)
"""The option for an undeclared key. Its value is hidden, because the key may be a misspelt name of a secret."""


def options_of(kind: type) -> dict[str, Option]:
    """The keys of the table that `kind` declares."""
    return _options_of(kind)


@cache
def _options_of(kind: type) -> dict[str, Option]:
    hints = typing.get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        if field.metadata.get("fixed"):
            continue
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        hint, told = hints[field.name], field.metadata
        hidden = not field.repr or told.get("hidden", False)
        scope = Scope(told["scope"]) if "scope" in told else None
        found[field.name] = Option(hint, default, not field.repr and _is_text(hint), hidden, scope, field.name)
    return found


def _is_text(hint: Any) -> bool:
    return hint is str or typing.get_origin(hint) is tuple


def table_of(hint: Any) -> type | None:
    """The option class of a table, or of an array of tables; None if `hint` is something else."""
    found = (one for one in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(one))
    return typing.cast(type | None, next(found, None))


def option_at(kind: type, path: Keys) -> Option | None:
    """The option of `kind` at `path`; for an item of a list, the option of the list. None if `kind` has no such key."""
    found, table = None, kind if dataclasses.is_dataclass(kind) else None
    for key in path:
        if isinstance(key, str):
            found = options_of(table).get(key) if table else None
            table = table_of(found.hint) if found else None
    return found


def option_over(kind: type, path: Keys) -> Option:
    """The option of `kind` to which the value at `path` belongs, also if `path` leads into the value of that option."""
    return reduce(Option.within, path, Option(kind))


def build(kind: type[T], table: Mapping[str, Any], environment: Mapping[str, str], *, base: object | None = None) -> T:
    """Make a `kind` from `table`, whose keys must all be fields of `kind`. Keys that `table` lacks are as in `base`.

    ``${NAME}`` in strings is replaced from `environment`. Raises `OptionError`.
    """
    from pydantic import ValidationError

    faults = list[OptionFault]()
    ready = _ready(kind, table, environment, (), faults)
    if base is not None:
        before = {name: _plain(getattr(base, name)) for name in options_of(kind)}
        ready = merged(before, ready)
    try:
        (made,) = _reader(kind).validate_json(json.dumps([ready], default=str))  # type: ignore[arg-type]
    except ValidationError as error:
        told = error.errors(include_url=False)
        misspelt = {one["loc"][:-1] for one in told if one["type"] == _UNKNOWN}
        found = (
            _fault(kind, one, table) for one in told if one["type"] != "missing" or one["loc"][:-1] not in misspelt
        )
        # Report no value twice: a value below a table may be replaced, and a union fails once for each type.
        known = {fault.path[:depth] for fault in faults for depth in range(len(fault.path) + 1)}
        faults += {fault.path: fault for fault in found if fault.path not in known}.values()
    if faults:
        raise OptionError(*faults)
    return typing.cast(T, made)


@cache
def _reader(kind: type) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    # Plain dataclasses take the rules of the type that contains them.
    return TypeAdapter(tuple[kind], config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))  # type: ignore[valid-type]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def merged(before: Any, after: Any) -> Any:
    """The keys of `before` and of `after`; a key of both has the value of `after`. Lists are taken as a whole, and so
    are tables with another `type`, because the keys of the former type would not fit.
    """
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    if before.get("type") != after.get("type", before.get("type")):
        return after
    return before | {key: merged(before.get(key), value) for key, value in after.items()}


def _ready(kind: type, value: Any, environment: Mapping[str, str], path: Keys, faults: list[OptionFault]) -> Any:
    """`value` with references replaced and durations as seconds."""
    if isinstance(value, Mapping):
        fixed = _fixed(kind, path) & value.keys()
        faults += (
            OptionFault(
                (*path, key), instead((*path, key)) or f"{key!r} cannot be set: the gateway has a constant for it"
            )
            for key in sorted(fixed)
        )
        kept = {key: item for key, item in value.items() if key not in fixed}
        return {key: _ready(kind, item, environment, (*path, key), faults) for key, item in kept.items()}
    if isinstance(value, list):
        return [_ready(kind, item, environment, (*path, at), faults) for at, item in enumerate(value)]
    option = option_at(kind, path)
    if option and option.secret and not _refers(value, whole=isinstance(path[-1], str)):
        # The value is not repeated: it may be the secret itself.
        problem = 'secrets stand in the environment or in .env; write a reference here, like "${MY_KEY}"'
        faults.append(OptionFault(path, problem))
        return ""
    if not isinstance(value, str):
        return value
    if missing := [name for name in REFERENCE.findall(value) if name not in environment]:
        faults.append(OptionFault(path, f"${{{missing[0]}}} is not set in the environment or in .env"))
        return value
    text = REFERENCE.sub(lambda match: environment[match[1]], value)
    if option and date in typing.get_args(option.hint) and not _DATE.fullmatch(text):
        faults.append(
            OptionFault(path, f"expected {_DAY}, got {_told(option, value)}")
        )  # pydantic would take digits as seconds since 1970
    return (
        _seconds(text, _told(option, value), path, faults)
        if option and float in (option.hint, *typing.get_args(option.hint))
        else text
    )


def _fixed(kind: type, path: Keys) -> frozenset[str]:
    option = option_at(kind, path)
    table = table_of(option.hint) if option else kind if not path else None
    if not dataclasses.is_dataclass(table):
        return frozenset()
    return frozenset(field.name for field in dataclasses.fields(table) if field.metadata.get("fixed"))


def _refers(value: Any, *, whole: bool) -> bool:
    return isinstance(value, str) and bool(REFERENCE.fullmatch(value) if whole else REFERENCE.search(value))


def _seconds(text: str, written: str, path: Keys, faults: list[OptionFault]) -> float | str:
    match = _DURATION.fullmatch(text)
    if match is None:
        problem = f"expected a duration with its unit, like '600ms', '8s', '30m' or '1h', got {written}"
        faults.append(OptionFault(path, problem))
        return text
    return float(match[1]) * _UNIT[match[2]]


_DAY = "a day like 2026-06-01"
_UNKNOWN = "unexpected_keyword_argument"
_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "float_type": "a number or a duration",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
}

_LIMITS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def _told(option: Option, value: Any) -> str:
    """A value for an error message. A table, a list, and a value that is not repeatable, are named by their type."""
    if not option.repeatable or isinstance(value, Mapping | list):
        return next(words for types, words in _TYPES if isinstance(value, types))
    if isinstance(value, bool):
        return json.dumps(value)  # as in TOML
    return str(value) if isinstance(value, date) else repr(value)


_TYPES: tuple[tuple[Any, str], ...] = (
    (Mapping, "a table"),
    (list, "a list"),
    (str, "a string"),
    (bool, "true or false"),
    (int | float, "a number"),
    (object, "a date or a time"),
)


def _written(table: Any, path: Keys, value: Any) -> Any:
    """The value at `path` as it is written, with its references, because their values may be secrets."""
    for key in path:
        inside = key in table if isinstance(table, Mapping) else isinstance(table, list) and key in range(len(table))
        if not inside:
            return value
        table = table[key]
    return table


def _fault(kind: type, error: Any, table: Mapping[str, Any]) -> OptionFault:
    """An error of pydantic in the words of the configuration."""
    path: Keys = tuple(key for key in error["loc"][1:] if key != "[key]")  # "[key]": the key is wrong
    while path and isinstance(path[-1], str) and option_at(kind, path) is None and option_at(kind, path[:-1]):
        hint = option_at(kind, path[:-1]).hint  # type: ignore[union-attr]
        if table_of(hint) or typing.get_origin(hint) is dict:
            break
        path = path[:-1]  # the name of one type of a union
    option = option_at(kind, path)
    context = error.get("ctx", {})
    given = (
        repr(path[-1])
        if "[key]" in error["loc"]
        else _told(option_over(kind, path), _written(table, path, error["input"]))
    )
    match error["type"]:
        case name if name == _UNKNOWN:
            return OptionFault(path, _unknown(kind, path))
        case "missing" if isinstance(path[-1], str):
            return OptionFault(path, f"{path[-1]!r} is missing")
        case "missing":
            return OptionFault(
                path[:-1], f"expected {len(typing.get_args(option and option.hint))} values, got {len(error['input'])}"
            )
        case "too_long":
            most = "at most " if Ellipsis in typing.get_args(option and option.hint) else ""
            return OptionFault(path, f"expected {most}{context['max_length']} values, got {context['actual_length']}")
        case "too_short":
            return OptionFault(
                path, f"expected at least {context['min_length']} values, got {context['actual_length']}"
            )
        case "literal_error":
            return OptionFault(path, f"{given} is not one of {context['expected'].replace(' or ', ', ')}")
        case "value_error":
            wrong = context["error"]  # a `RuleError`; one of another project's package may name no key
            own = getattr(wrong, "keys", None)
            keys = [(*path, *key) for key in (own if isinstance(own, tuple) else ((),))]
            at = next((key for key in keys if _written(table, key, None) is not None), keys[0])
            return OptionFault(at, getattr(wrong, "problem", str(wrong)))
        case name if name in _EXPECTED:
            brackets = _brackets(option, path, error["input"])
            return OptionFault(path, brackets or f"expected {_EXPECTED[name]}, got {given}")
    limits = [f"{text} {context[name]}" for name, text in _LIMITS.items() if name in context]
    return OptionFault(path, f"must be {limits[0]}, got {given}" if limits else f"{error['msg']}, got {given}")


def _brackets(option: Option | None, path: Keys, value: Any) -> str:
    """Advice if a table stands in the place of a list of tables, or a list in the place of a table; otherwise empty."""
    several, name = typing.get_origin(option and option.hint) is tuple, ".".join(map(str, path))
    if option is None or table_of(option.hint) is None or isinstance(path[-1], int):
        return ""
    if several and isinstance(value, Mapping):
        return f"these are several tables: write [[{name}]], not [{name}]"
    return f"this is one table: write [{name}], not [[{name}]]" if isinstance(value, list) and not several else ""


def _unknown(kind: type, path: Keys) -> str:
    key = str(path[-1])
    if told := instead(path):
        return told
    option = option_at(kind, path[:-1])
    known = options_of((option and table_of(option.hint)) or kind)
    near = nearest(key, known)
    return f"unknown key {key!r}; " + (f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known))}")


def near_or_all(name: str, known: Iterable[str]) -> str:
    """Advice for a `name` that is not in `known`: the most similar known name, or all known names."""
    near, every = nearest(name, known := sorted(known)), ", ".join(known)
    return f"did you mean {near!r}?" if near else f"there are: {every or 'none'}"


def nearest(key: str, known: Iterable[str]) -> str:
    """The name of `known` that is most similar to the misspelt `key`; empty if none is similar."""
    return next(iter(difflib.get_close_matches(key, [*known], 1)), "")
