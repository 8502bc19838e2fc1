"""Lists the effective configuration: every key, its value, and the source of the value. Secrets are masked.

The list is made from the files, not from the options, so a configuration with faults can be shown too.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_origin

from agent.rules.rule_error import Keys
from sipgw.config.agent_files import DEFAULT, SHARED, files_of, source_of
from sipgw.config.config import AgentConfig, GatewayConfig, keys_of, read
from sipgw.config.errors import ConfigError
from sipgw.config.files import ConfigSource, read_table
from sipgw.config.masking import masked
from sipgw.config.options import (
    DEFAULT_FILE,
    UNDECLARED,
    Option,
    OptionError,
    build,
    merged,
    options_of,
    table_of,
)


class Row(NamedTuple):
    """One key of the configuration."""

    path: Keys
    value: Any
    """The value, as TOML has it and masked; None if the key has no value."""
    origin: str
    """The source: ``FILE:LINE``, with the variables to which the value refers; ``environment NAME``; or ``default``."""
    problem: str = ""


def effective(path: Path | None, agent: str, variables: Mapping[str, str]) -> list[Row]:
    """Every key of the configuration in `path`, with the value that counts for `agent`. The agent of ``sipgw.toml`` is
    "" or "agent".

    Raises `ConfigError` if a file cannot be read as TOML, or if there is no such agent.
    """
    text, name = read(path)
    sources = [ConfigSource(name, text, read_table(text, name)), ConfigSource("", "", keys_of(variables))]
    agent = "" if agent.lower() == DEFAULT else agent
    if agent:
        sources.insert(0, _of_agent((path or DEFAULT_FILE).parent / "agents", agent))
    table: Any = {}
    for source in reversed(sources):
        table = merged(table, source.table)
    kind: type = GatewayConfig
    if agent:
        kind, table = AgentConfig, {name: table[name] for name in table if name not in SHARED}
    problems = {}
    try:
        build(kind, table, variables)
    except OptionError as error:
        problems = dict(error.faults)
    return list(_View(sources, problems).rows(kind, table))


def _of_agent(folder: Path, name: str) -> ConfigSource:
    files = files_of(folder)
    path = files.get(name.lower())
    if path is None:
        raise ConfigError(f"no agent {name!r} in {folder}; there are: {', '.join(sorted(files)) or 'none'}")
    return source_of(read(path)[0], path)


class _View(NamedTuple):
    """The sources and the faults of one configuration, from which its rows are made."""

    sources: Sequence[ConfigSource]
    """The sources; the first that has a key gives its value."""
    problems: Mapping[Keys, str]

    def rows(self, kind: type, table: Mapping[str, Any], default: Any = None, path: Keys = ()) -> Iterator[Row]:
        """Rows for the keys of `table`, then for the tables within it. `default` has the values of keys that `table`
        lacks."""
        known = options_of(kind)
        below = list[Iterator[Row]]()
        for name in (*known, *(name for name in table if name not in known)):
            option, at, given = known.get(name, UNDECLARED), (*path, name), table.get(name, MISSING)
            usual = option.default if default is None else getattr(default, name, MISSING)
            inner = table_of(option.hint)
            tables = list(_tables(given, usual)) if inner else []
            if inner and (tables or given is MISSING):
                many = get_origin(option.hint) is tuple
                below += [self.rows(inner, *one, (*at, n) if many else at) for n, one in enumerate(tables)]
            else:
                yield self._row(at, option, usual if given is MISSING else given)
        for rows in below:
            yield from rows

    def _row(self, at: Keys, option: Option, value: Any) -> Row:
        source = next((one for one in self.sources if one.has(at)), None)
        names = source.references(at) if source and source.name else []
        origin = " ".join((source.place(at), *(f"${{{name}}}" for name in names))) if source else "default"
        problem = next((text for where, text in self.problems.items() if where[: len(at)] == at), "")
        return Row(at, None if value is MISSING else masked(option, value, value), origin, problem)


def _tables(given: Any, usual: Any) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """The tables of one key, each with the options that have the values of keys which the table lacks (or None)."""
    if isinstance(given, Mapping):
        yield given, usual if is_dataclass(usual) else None
    elif isinstance(given, list):
        yield from ((item, None) for item in given if isinstance(item, Mapping))
    elif given is MISSING:
        yield from (({}, one) for one in (usual if isinstance(usual, tuple) else (usual,)) if is_dataclass(one))


def as_toml(rows: Sequence[Row]) -> str:
    """The rows as TOML with a comment after each."""
    lines, table = list[str](), Keys()
    for row in rows:
        if row.path[:-1] != table:
            table = row.path[:-1]
            title = ".".join(name for name in table if isinstance(name, str))
            lines += ["", f"[[{title}]]" if isinstance(table[-1], int) else f"[{title}]"]
        value = literal(row.value)
        comment = row.origin + (f": INVALID: {row.problem}" if row.problem else "")
        lines.append(f"{'# ' if row.value is None else ''}{_bare(str(row.path[-1]))} = {value}  # {_one_line(comment)}")
    return "\n".join(lines).strip() + "\n"


def literal(value: Any) -> str:
    """A value as TOML; empty for None, which TOML does not have."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_bare(key)} = {literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, float | int) and not isinstance(value, bool):
        return str(value)
    return "" if value is None else json.dumps(value, default=str, ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def as_json(rows: Sequence[Row]) -> str:
    """The rows as one JSON object: under each key its `value`, its `origin` and, if it is wrong, its `problem`."""
    found = {}
    for row in rows:
        problem = {"problem": row.problem} if row.problem else {}
        found[".".join(map(str, row.path))] = {"value": row.value, "origin": row.origin, **problem}
    return json.dumps(found, indent=2, default=str, ensure_ascii=False)
