"""The configuration of every agent: `sipgw.toml` and the files of the folder `agents` beside it."""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from agent.rules.rule_error import Keys, RuleError
from sipgw.config.agent import AgentOptions
from sipgw.config.config import AgentConfig, GatewayConfig, environment, load
from sipgw.config.errors import ConfigError
from sipgw.config.files import ConfigSource, explain, read_table, text_of
from sipgw.config.masking import inside
from sipgw.config.options import (
    DEFAULT_FILE,
    OptionError,
    OptionFault,
    about,
    build,
    merged,
    nearest,
    option_at,
    options_of,
)
from sipgw.config.scope import Scope

DEFAULT = "agent"
"""The name of the agent of ``sipgw.toml``; ``sip:agent@…`` reaches it too."""


SHARED = tuple(name for name in options_of(GatewayConfig) if name not in options_of(AgentConfig))
"""Tables of the gateway as a whole, which an agent cannot change."""


@cache
def scope_of(path: Keys) -> Scope:
    """Where the option of `sipgw.toml` at `path` may stand, and when a change of it takes effect."""
    scopes = (option_at(GatewayConfig, path[: depth + 1]) for depth in range(len(path)))
    own = [one.scope for one in scopes if one and one.scope]
    return own[-1] if own else Scope.GATEWAY if path[0] in SHARED else Scope.AGENT


Tables = TypeVar("Tables", bound=AgentConfig)


def in_force(running: GatewayConfig, read: Tables) -> Tables:
    """`read`, but with the values of `running` for options that only a restart changes. Raises `ConfigError` if these
    values contradict those of `read`."""
    tables, written = dict[str, Any](), dict(read.written)
    for name in options_of(type(read)):
        here = getattr(running, name)
        if scope_of((name,)) is Scope.GATEWAY:
            tables[name], written[name] = here, running.written.get(name)
        elif is_dataclass(here):
            kept = [key for key in options_of(type(here)) if scope_of((name, key)) is Scope.GATEWAY]
            if kept:
                try:
                    with about(()):  # the options of another package may raise any `ValueError`
                        tables[name] = replace(getattr(read, name), **{key: getattr(here, key) for key in kept})
                except RuleError as error:
                    raise read.explained(error.below(name)) from None
                told = running.written.get(name)
                written[name] = {**written.get(name, {}), **{key: inside(told, key) for key in kept}}
    try:
        return read.having(**tables, written=written)
    except RuleError as error:
        raise read.explained(error) from None


MOST = 200
"""Maximum number of agent files."""


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


FRONT = re.compile(r"\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
FENCES = ("+++", "---")
"""The first line of a head, and the first line of the heads that other programs write."""


def files_of(folder: Path) -> dict[str, Path]:
    """The agent files of `folder` by the names of their agents. Raises `ConfigError`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.toml")) + sorted(folder.glob("*.md")):
        name = path.stem.lower()
        if not _NAME.fullmatch(name) or name == DEFAULT:
            raise ConfigError(f"{path}: an agent's name is lower case letters, digits, - and _, and not {DEFAULT!r}")
        if name in found or len(found) >= MOST:
            raise ConfigError(f"{path}: {'there is another file of that name' if name in found else 'too many agents'}")
        found[name] = path
    return found


def load_agents(folder: Path, config: GatewayConfig, variables: Mapping[str, str]) -> dict[str, AgentConfig]:
    """The configurations of all agents: `config` with each file of `folder`, by the file's name. Raises `ConfigError`
    with the faults of all files."""
    found, faults = dict[str, AgentConfig](), list[str]()
    for name, path in files_of(folder).items():
        try:
            found[name] = parse_agent(text_of(path), path, config, variables)
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return found


def parse_agent(text: str, path: Path, config: GatewayConfig, variables: Mapping[str, str]) -> AgentConfig:
    """`config` with the options of the agent's file `text` in place of its own. Raises `ConfigError` with file, line
    and key."""
    source = source_of(text, path)
    sources = source, *config.sources
    try:
        made = build(AgentConfig, source.table, variables, base=config)
    except OptionError as error:
        raise ConfigError(explain(sources, *error.faults, agent=path.stem.lower())) from None
    own = {name: config.written[name] for name in config.written if name not in SHARED}
    return replace(made, written=merged(own, source.table), sources=sources)


def source_of(text: str, path: Path) -> ConfigSource:
    """The agent's file `text`, and the tables of ``sipgw.toml`` that mean the same. Raises `ConfigError`."""
    head, body = split(text, path)
    table = read_table(head, str(path))
    prompt = text.count("\n", 0, text.rindex(body)) + 1 if body else 0
    try:
        return ConfigSource(str(path), head, as_tables(table, body), agent=True, prompt=prompt)
    except OptionError as error:
        raise ConfigError(explain([ConfigSource(str(path), head, table)], *error.faults)) from None


def split(text: str, path: Path) -> tuple[str, str]:
    """The head of a file and the prompt below it. The lines of the head have the same numbers as in the file. Raises
    `ConfigError`."""
    if path.suffix != ".md":
        return text, ""
    front = FRONT.match(text)
    if front is None and text.lstrip().startswith(FENCES):
        raise ConfigError(f"{path}:1: the head begins in the first line, with +++, and ends with a line of +++ alone")
    return ("\n" + front[1], text[front.end() :].strip()) if front else ("", text.strip())


def as_tables(table: dict[str, Any], body: str) -> dict[str, Any]:
    """The tables of ``sipgw.toml`` that mean the same as an agent's file. Raises `OptionError`."""
    sections = options_of(AgentConfig).keys() - options_of(AgentOptions).keys() - {"agent"}
    agent = {key: value for key, value in table.items() if not _is_table(key, value, sections)}
    if shared := [*_beyond(table)]:
        raise OptionError(*(OptionFault(path, "concerns the whole gateway; move it to sipgw.toml") for path in shared))
    if "agent" in agent:
        raise OptionError(OptionFault(("agent",), "its keys stand at the top of an agent's file, without [agent]"))
    if body:
        if "prompt" in agent:
            raise OptionError(OptionFault(("prompt",), "the text below the head is the prompt; leave one of them out"))
        agent["prompt"] = body
    return {key: value for key, value in table.items() if key not in agent} | {"agent": agent}


def _is_table(key: str, value: Any, sections: Set[str]) -> bool:
    """Whether `key` is a table, and not a key of `[agent]`. A misspelt key counts as the name that it is most like."""
    own = options_of(AgentOptions).keys() | {"agent"}
    if key in own | sections:
        return key in sections
    if near := nearest(key, own | sections):
        return near in sections
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(one, Mapping) for one in value))


def _beyond(table: Mapping[str, Any]) -> Iterator[Keys]:
    """The keys of an agent's file that only ``sipgw.toml`` may set."""
    for name, value in table.items():
        if name in options_of(GatewayConfig) and scope_of((name,)) is not Scope.AGENT:
            yield (name,)
        elif isinstance(value, Mapping):
            yield from ((name, key) for key in value if scope_of((name, key)) is not Scope.AGENT)


def load_all(path: Path | None) -> tuple[GatewayConfig, dict[str, AgentConfig]]:
    """The configuration, and those of the agents beside it. Raises `ConfigError`."""
    settings = load(path)
    return settings, load_agents((path or DEFAULT_FILE).parent / "agents", settings, environment())
