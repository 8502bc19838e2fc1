"""The registered providers: one record each, named by the entry points of the installed packages.

A package that cannot be loaded, or whose record cannot be used, is left out, and `problems` says why. The gateway
starts without it.
"""

import keyword
import re
import tomllib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, get_args

from agent.providers.provider import Provider
from agent.records import Part

PARTS: tuple[Part, ...] = get_args(Part)
_CHECKOUT = Path(__file__).parents[2] / "pyproject.toml"
RESERVED = frozenset(
    [
        "accounts",
        "admission",
        "agent",
        "alarms",
        "browser",
        "callbacks",
        "capture",
        "cluster",
        "cost",
        "drain",
        "embed",
        "failover",
        "gate",
        "ivr",
        "knowledge",
        "languages",
        "limits",
        "log",
        "mail",
        "mcp",
        "media",
        "messages",
        "people",
        "prefetch",
        "prices",
        "privacy",
        "recording",
        "report",
        "retention",
        "routes",
        "sip",
        "stir",
        "storage",
        "store",
        "tenants",
        "transfer",
        "trunks",
        "turns",
        "web",
        "webhooks",
    ]
)
"""Names of the gateway's own tables, which no provider may take for its table."""
METHODS = frozenset(["audit_folder", "codes", "explained", "having", "sources", "table", "written"])
"""Attributes of a configuration besides its tables. No table may have one of these names."""
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")


def declared() -> dict[Part, list[EntryPoint]]:
    """The entry points of each part. The gateway's own come first, so that no other package takes their names.

    In a checkout the gateway's own are read from `pyproject.toml`, because an editable installation keeps the entry
    points of the day on which it was made.
    """
    installed = entry_points()
    checkout = tomllib.loads(_CHECKOUT.read_text(encoding="utf-8")) if _CHECKOUT.is_file() else None
    found: dict[Part, list[EntryPoint]] = {}
    for part in PARTS:
        group = f"sipgw.{part}"
        own = [one for one in installed.select(group=group) if _is_own(one)]
        others = [one for one in installed.select(group=group) if not _is_own(one)]
        if checkout is not None:
            points = checkout["project"]["entry-points"].get(group, {})
            own = [EntryPoint(name, value, group) for name, value in points.items()]
        found[part] = [*own, *others]
    return found


def _is_own(entry: EntryPoint) -> bool:
    return entry.dist is not None and entry.dist.name == "sipgw"


@cache
def _read() -> tuple[dict[tuple[Part, str], Provider], tuple[str, ...]]:
    found: dict[tuple[Part, str], Provider] = {}
    problems: list[str] = []
    for part, entries in declared().items():
        records: dict[str, Provider] = {}
        for entry in entries:
            try:
                record = entry.load()
                _check(entry, record, part, [*found.values(), *records.values()])
            except (Exception, SystemExit) as error:  # noqa: BLE001  code of others
                problems.append(f"the provider {entry.name!r} of {entry.group} ({entry.value}) is left out: {error}")
            else:
                records[record.name] = record
        order = sorted(records.values(), key=lambda record: record.auto or 98)
        found |= {(part, record.name): record for record in order}
    return found, tuple(problems)


def _check(entry: EntryPoint, record: Any, part: Part, others: list[Provider]) -> None:
    if not isinstance(record, Provider):
        raise TypeError(f"it is a {type(record).__name__}, no agent.providers.provider.Provider")
    if (record.name, record.part) != (entry.name, part):
        raise ValueError(f"its record is that of {record.name!r} for {record.part}")
    if wrong := next((word for word in (record.name, record.section) if not _WORD.fullmatch(word)), None):
        raise ValueError(f"{wrong!r} is no name of lower case letters, digits and _")
    if keyword.iskeyword(record.section) or record.section in METHODS:
        raise ValueError(f"no table can have the name {record.section!r}")
    for other in others:
        if (other.part, other.name) == (part, record.name) or record.name == "auto":
            raise ValueError("the name is taken")
        if record.section in RESERVED or (other.section == record.section and other.options is not record.options):
            raise ValueError(f"the table [{record.section}] is taken")
    record.options()  # a configuration makes the tables of all providers, also of those that no agent uses
    if not record.options.__module__.startswith("agent."):
        _check_types(record.options)


def _check_types(options: type[Any]) -> None:
    """Raises `TypeError` if an option of `options` has a type hint that pydantic cannot check."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        TypeAdapter(tuple[options]).validate_json("[{}]")  # type: ignore[valid-type]
    except PydanticUserError as error:
        raise TypeError(f"the type of an option cannot be checked: {error.message.partition('. ')[0]}") from None


def problems() -> tuple[str, ...]:
    """A sentence on each provider that is left out."""
    return _read()[1]


def providers(part: Part) -> dict[str, Provider]:
    """The providers of a part by name, in the order in which ``auto`` takes them."""
    return {name: record for (of, name), record in _read()[0].items() if of == part}


def provider(part: str, name: str) -> Provider:
    """A provider of a part. Raises `KeyError`."""
    return _read()[0][part, name]  # type: ignore[index]  # another word is no key


def every() -> tuple[Provider, ...]:
    """All registered providers."""
    return tuple(_read()[0].values())


def tables() -> dict[str, type[Any]]:
    """The option classes of all providers by the names of their tables."""
    return {record.section: record.options for record in sorted(every(), key=lambda record: record.section)}


def variables() -> dict[str, tuple[str, ...]]:
    """Variables of the environment, and for each the keys ``table.key`` that it fills in."""
    found: dict[str, tuple[str, ...]] = {}
    for record in every():
        for name, key in record.variables.items():
            found[name] = (*found.get(name, ()), f"{record.section}.{key}")
    return dict(sorted(found.items()))
