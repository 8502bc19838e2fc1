"""Two pages: the effective configuration with the meaning of each option (secrets only as set or not), and the audit
log."""

import ast
import inspect
import textwrap
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sipgw.web.principal import AdminRole
from sipgw.web.state import READING, Here, page

router = APIRouter()

SHOWN = 400
"""Characters of a value."""


class OptionRow(NamedTuple):
    """One option."""

    name: str
    value: str
    meaning: str
    changed: bool
    """Whether it differs from the default."""


class OptionTable(NamedTuple):
    """One table of the configuration file."""

    name: str
    meaning: str
    options: list[OptionRow]


@router.get("/configuration")
async def configuration(request: Request, app: Here, _who: AdminRole) -> Response:
    """The page."""
    # The first read of the sources is slow.
    found = await READING.run(tables, app.gateway.config)
    return page(
        request, "configuration.html", title="Configuration", tables=found,
        users=await app.auth.accounts.users(), keys=await app.auth.accounts.keys(),
    )  # fmt: skip


@router.get("/configuration/audit")
async def audit(request: Request, app: Here, _who: AdminRole) -> Response:
    """Who did what."""
    return page(request, "audit.html", title="Audit", audit_entries=await app.auth.accounts.audit_entries())


def tables(config: Any) -> list[OptionTable]:
    """Every table of a configuration; a list gives one table for each entry."""
    found = []
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            found += _tables(field.name, value)
        elif isinstance(value, tuple):
            for entry in value:
                found += _tables(f"[{field.name}]", entry)
    return found


def _tables(name: str, options: Any) -> list[OptionTable]:
    meanings = docstrings(type(options))  # type: ignore[arg-type]  # a class is hashable
    plain, inner = list[OptionRow](), list[OptionTable]()
    for field in fields(options):
        value = getattr(options, field.name)
        if not field.init or field.metadata.get("fixed"):
            continue
        if is_dataclass(value):
            inner += _tables(f"{name}.{field.name}", value)
        else:
            shown = _shown(value) if field.repr else "set" if value else "not set"
            plain.append(OptionRow(field.name, shown, meanings.get(field.name, ""), value != _default(field)))
    return [OptionTable(name, inspect.cleandoc(type(options).__doc__ or "").partition("\n\n")[0], plain), *inner]


def _shown(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


def _default(field: "Field[Any]") -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


@cache
def docstrings(kind: type) -> dict[str, str]:
    """The text under each field of a dataclass, its bases included; code stands in backticks."""
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
