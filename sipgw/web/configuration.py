"""The page of the effective configuration with the meaning of each option; secrets only as set or not."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.config.masking import inside, masked
from sipgw.config.options import options_of
from sipgw.config.show import literal
from sipgw.web.principal import AdminRole
from sipgw.web.state import READING, Here, page

router = APIRouter()


class OptionRow(NamedTuple):
    """One option."""

    name: str
    value: str
    """The value as TOML; of a secret only ``set``. Empty if the option is not set."""
    meaning: str
    changed: bool
    """Whether the value differs from the default."""


class OptionTable(NamedTuple):
    """One table of the configuration file."""

    name: str
    meaning: str
    options: list[OptionRow]


@router.get("/configuration")
async def configuration(request: Request, app: Here, _who: AdminRole) -> Response:
    """The page."""
    # The first read of the sources is slow.
    found = await READING.run(tables, app.gateway.agents.config)
    return page(
        request, "configuration.html", title="Configuration", tables=found,
        users=await app.auth.accounts.users(), keys=await app.auth.accounts.keys(),
    )  # fmt: skip


def tables(config: Any) -> list[OptionTable]:
    """Every table of a configuration; a list gives one table for each entry."""
    return [
        table
        for name in options_of(type(config))
        for table in _below(name, getattr(config, name), inside(config.written, name))
    ]


def _below(name: str, value: Any, written: Any) -> Iterator[OptionTable]:
    """The tables below the key `name`."""
    if is_dataclass(value):
        yield from _tables(name, value, written)
    elif isinstance(value, tuple):
        for at, entry in enumerate(value):
            if is_dataclass(entry):
                yield from _tables(f"[{name}]", entry, inside(written, at))


def _tables(name: str, options: Any, written: Any) -> list[OptionTable]:
    meanings = docstrings(type(options))  # type: ignore[arg-type]  # a class is hashable
    plain, inner = list[OptionRow](), list[OptionTable]()
    for key, option in options_of(type(options)).items():
        value, text = getattr(options, key), inside(written, key)
        tables = list(_below(f"{name.strip('[]')}.{key}", value, text))
        inner += tables
        if not tables:
            shown = _as_toml(masked(option, value, text)) if option.repeatable else ("set" if value else "")
            plain.append(OptionRow(key, shown, meanings.get(key, ""), value != option.default))
    return [OptionTable(name, inspect.cleandoc(type(options).__doc__ or "").partition("\n\n")[0], plain), *inner]


def _as_toml(value: Any) -> str:
    unset = value is None or (isinstance(value, str | tuple | list | dict) and not value)
    return "" if unset else literal(value)


@cache
def docstrings(kind: type) -> dict[str, str]:
    """The text under each field of a dataclass and its bases, by field; code is in backticks."""
    found: dict[str, str] = {}
    for base in reversed(kind.__bases__):
        found |= docstrings(base) if is_dataclass(base) else {}
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(declared, ast.ClassDef)  # noqa: S101  the source of a class
    for field, after in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            value = after.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = " ".join(value.value.split())
    return found
