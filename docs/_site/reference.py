"""The pages that are drawn from the code: configuration, commands, REST, modules, prices."""

import ast
import dataclasses
import functools
import inspect
import json
import types
import typing
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import grimp
from fastapi.openapi.utils import get_openapi
from typer.cli import get_docs_for_click

from agent.providers.extra import ProviderOptions
from agent.providers.stt import ListenOptions
from agent.providers.tts_session import SpeakOptions
from sipgw import __version__
from sipgw.cli import main
from sipgw.config.config import KEYS, GatewayConfig
from sipgw.config.options import options_of
from sipgw.policy.cost.prices import packaged
from sipgw.web import api

ROOT = Path(__file__).parent.parent.parent
SHARED = dict.fromkeys(("url", "model", "voice_id", "language"), "text") | {"api_key": "secret", "extra": "table"}
"""Keys of the tables of providers, which mean the same in each."""
BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
LENGTHS = {"min_length": "at least", "max_length": "at most"}
_WORDS = {str: "text", int: "whole number", bool: "true or false", float: "number or duration", date: "date"}


def configuration() -> str:
    """Every table of `sipgw.toml`: key, what it takes, its default, what it means; from the option classes."""
    head = """# Configuration

Every table and key of `sipgw.toml`, drawn from the code. Every key is optional. `sipgw check` names file, line and
key of each fault. Durations are numbers of seconds or `"600ms"`, `"8s"`, `"30m"`, `"1h"`. `"${NAME}"` takes a value
from the environment or `.env`; a secret must be such a reference. A file of `agents/` may change most tables for its
agent; `sipgw check` refuses a key there that concerns the whole gateway. `sipgw config show` prints every key with its
value and where that comes from, secrets masked.
"""
    names = "\n".join(f"| `{name}` | {', '.join(f'`{place}`' for place in places)} |" for name, places in KEYS.items())
    return "\n".join(
        [
            head,
            *_tables(GatewayConfig, "", {}, many=False),
            "## Keys of every provider",
            "",
            "These keys mean the same for each provider whose service knows them. Its table has their defaults.",
            "",
            "| key | takes | meaning |",
            "|---|---|---|",
            *(f"| `{name}` | {takes} | {_cell(_shared()[name])} |" for name, takes in SHARED.items()),
            "",
            "## Names in the environment",
            "",
            "These fill in a key that the file does not give.",
            "",
            "| name | key |",
            "|---|---|",
            names,
            "",
        ]
    )


def _shared() -> dict[str, str]:
    return _meant(ListenOptions) | _meant(SpeakOptions)


def _tables(kind: type, name: str, drawn: dict[type, str], *, many: bool) -> Iterator[str]:
    """`drawn` holds the name of each table that the page has already."""
    if first := drawn.get(kind):
        yield f"## `[{name}]`\n\nThe same keys as in `[{first}]`.\n"
        return
    drawn[kind] = name
    meant = _meant(kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    rows, below, own, shared = [], [], [], _shared()
    for field in dataclasses.fields(kind):
        if not field.init or field.metadata.get("fixed"):
            continue
        if issubclass(kind, ProviderOptions) and field.name in SHARED and meant[field.name] == shared[field.name]:
            if value := getattr(kind, field.name, ""):
                own.append(f"`{field.name} = {json.dumps(value)}`")
            continue
        inner = _table_of(hints[field.name])
        if inner:
            below.append((*inner, f"{name}.{field.name}".lstrip("."), meant.get(field.name, "")))
        else:
            takes = "secret" if options_of(kind)[field.name].secret else _takes(hints[field.name])
            only = " In `sipgw.toml` only." if options_of(kind)[field.name].scope else ""
            rows.append(f"| `{field.name}` | {takes} | {_default(field)} | {_cell(meant.get(field.name, '') + only)} |")
    if name:
        title = f"[[{name}]]" if many else f"[{name}]"
        yield f"## `{title}`\n\n{(inspect.getdoc(kind) or '').replace('``', '`')}\n"
        if own:
            yield f"[Keys of every provider](#keys-of-every-provider): {', '.join(own)}.\n"
        if rows:
            yield "\n".join(["| key | takes | default | meaning |", "|---|---|---|---|", *rows, ""])
    for one, repeated, path, _ in below:
        yield from _tables(one, path, drawn, many=repeated)


def _table_of(hint: Any) -> tuple[type, bool] | None:
    """The option class of a table or, with True, of an array of tables."""
    if dataclasses.is_dataclass(hint):
        return typing.cast(type, hint), False
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and dataclasses.is_dataclass(args[0]):
        return typing.cast(type, args[0]), True
    return None


def _takes(hint: Any) -> str:
    """What a key takes, in words, with its range."""
    if typing.get_origin(hint) is Annotated:
        kind, *limits = typing.get_args(hint)
        things = "characters" if kind is str else "values"
        return ", ".join([_takes(kind), *(words for limit in limits for words in _limits(limit, things))])
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _takes(next(arg for arg in args if arg is not type(None)))
    if origin is Literal:
        return ", ".join(f'`"{arg}"`' for arg in args)
    if origin is dict:
        return "table"
    if origin is tuple:
        return f"list of {_takes(args[0])}" if args[-1] is Ellipsis else ", ".join(map(_takes, args))
    return _WORDS.get(hint, str(hint))


def _limits(limit: Any, things: str) -> Iterator[str]:
    for name, value in dataclasses.asdict(limit).items():
        if value and name in LENGTHS:
            yield f"{LENGTHS[name]} {value} {things}"
        elif value is not None and name in BOUNDS:
            yield f"{BOUNDS[name]} {value}"


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is dataclasses.MISSING:
        return "required" if field.default_factory is dataclasses.MISSING else "empty"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    if value is None or value in ("", []):
        return "empty"
    return f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


@functools.cache
def _classes(file: str) -> dict[str, ast.ClassDef]:
    """The classes of a file by their names; `inspect.getsource` would parse the file again for each."""
    body = ast.parse(Path(file).read_text(encoding="utf-8")).body
    return {one.name: one for one in body if isinstance(one, ast.ClassDef)}


def _meant(kind: type) -> dict[str, str]:
    """The sentences below each field of an option class and of the classes it inherits."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        body = _classes(inspect.getfile(one))[one.__name__].body
        for field, said in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(said, ast.Expr):
                found[field.target.id] = inspect.cleandoc(str(ast.literal_eval(said.value)))
    return found


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("{{", "&#123;&#123;").replace("``", "`")


def commands() -> str:
    """Every command with its options, as Typer documents them."""
    group = main.every()
    context = group.make_context("sipgw", [], resilient_parsing=True)
    return get_docs_for_click(obj=group, ctx=context, name="sipgw", title="Commands")


def openapi() -> str:
    """The description of the REST interface as the gateway serves it."""
    return json.dumps(get_openapi(title="sipgw", version=__version__, routes=api.router.routes))


def prices() -> str:
    """The price table of the package, for the calculator."""
    lines = [dataclasses.asdict(line) for line in packaged()]
    return json.dumps(
        [{key: value for key, value in line.items() if value or key == "price"} for line in lines], default=str
    )


def code() -> str:
    """Who imports whom, as a diagram; then every module with its first sentence."""
    graph = grimp.build_graph("sipgw", "media", "agent", cache_dir=None)
    parts = sorted({_part(module) for module in graph.modules} - {"sipgw", "media", "agent"})
    arrows = sorted(
        {
            (_part(importer), _part(imported))
            for importer in graph.modules
            for imported in graph.find_modules_directly_imported_by(importer)
            if _part(importer) != _part(imported)
        }
    )
    packages = [part for part in parts if (ROOT / part.replace(".", "/")).is_dir()]
    drawn = [
        f"    {a.replace('.', '_')}[{a}] --> {b.replace('.', '_')}[{b}]"
        for a, b in arrows
        if {a, b} <= {*packages, "sipgw.gateway.gateway", "media", "agent"}
    ]
    lines = [
        "# Code",
        "",
        "Drawn from the imports of the code. The plan behind it is [the architecture](../architecture.md).",
        "",
        "```mermaid",
        "flowchart TD",
        *drawn,
        "```",
        "",
    ]
    for top in ("sipgw", "media", "agent"):
        lines += [f"## {top}", "", "| module | what it is |", "|---|---|"]
        for path in sorted((ROOT / top).rglob("*.py")):
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            if said and "migrations" not in path.parts:
                lines.append(f"| `{path.relative_to(ROOT)}` | {_cell(said.split(chr(10) + chr(10))[0])} |")
        lines.append("")
    return "\n".join(lines)


def _part(module: str) -> str:
    return ".".join(module.split(".")[:2])
