"""Compares a changed configuration with that of a running gateway (SIGHUP)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, NamedTuple, cast

from agent.rules.rule_error import Keys
from sipgw.agents.agents import Agents
from sipgw.config.agent_files import DEFAULT, SHARED, in_force, scope_of
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.errors import ConfigError
from sipgw.config.masking import inside, masked
from sipgw.config.options import option_over, options_of
from sipgw.config.public_text import MASK
from sipgw.config.scope import Scope

LONGEST = 60
"""Characters of a value that are shown."""


def reloaded(running: GatewayConfig, read: GatewayConfig, others: Mapping[str, AgentConfig]) -> Agents:
    """The agents of the changed configuration `read` and `others`, for a gateway that was started with `running`.

    Raises `ConfigError`, also for files that can be used only after a restart.
    """
    try:
        mixed = {name: in_force(running, one) for name, one in {**others, DEFAULT: read}.items()}
        return Agents(cast(GatewayConfig, mixed.pop(DEFAULT)), mixed)
    except ConfigError as error:
        Agents(read, others)  # raises errors that a restart would not solve
        raise ConfigError(f"{error}; the files can be used after a restart") from None


class OptionChange(NamedTuple):
    """One changed value."""

    agent: str
    """The agent of the value; empty for the gateway as a whole."""
    key: str
    before: str
    after: str
    needs_restart: bool = False
    """Whether it takes effect only after a restart."""

    def __str__(self) -> str:
        whose = f"agent {self.agent}: " if self.agent and self.agent != DEFAULT else ""
        return f"{whose}{self.key}: {self.before} → {self.after}"


def changes(
    before: GatewayConfig,
    after: GatewayConfig,
    agents_before: Mapping[str, AgentConfig],
    agents_after: Mapping[str, AgentConfig],
) -> list[OptionChange]:
    """All changes, the gateway's tables first; secrets are not shown."""
    old, new = {DEFAULT: before, **agents_before}, {DEFAULT: after, **agents_after}
    found = list(_changes("", before, after, SHARED))
    for agent in sorted(old.keys() | new.keys()):
        if agent in old and agent in new:
            found += _changes(agent, old[agent], new[agent], options_of(AgentConfig))
        else:
            found.append(OptionChange(agent, "agent", *(("-", "new") if agent in new else ("there", "gone"))))
    return sorted(found, key=lambda change: change.agent)


def _changes(agent: str, before: AgentConfig, after: AgentConfig, names: Iterable[str]) -> Iterator[OptionChange]:
    """Changes of the tables `names`. Changes of the whole gateway are reported once, with the gateway's own agent."""
    for name in names:
        sides = (_Side(getattr(side, name), inside(side.written, name)) for side in (before, after))
        for path, one, other in _compare((name,), *sides):
            scope = scope_of(path)
            if scope is Scope.AGENT:
                yield OptionChange(agent, _key(path), one, other)
            elif agent in ("", DEFAULT):
                yield OptionChange("", _key(path), one, other, scope is Scope.GATEWAY)


def _compare(path: Keys, before: "_Side", after: "_Side") -> Iterator[tuple[Keys, str, str]]:
    one, other = before.value, after.value
    if one == other:
        return
    if is_dataclass(one) and type(one) is type(other):
        for name in options_of(type(one)):
            yield from _compare((*path, name), before.at(name), after.at(name))
    elif isinstance(one, tuple) and isinstance(other, tuple) and any(map(is_dataclass, one + other)):
        for position in range(min(len(one), len(other))):
            yield from _compare((*path, position), before.at(position), after.at(position))
        if len(one) != len(other):
            yield path, f"{len(one)} of them", f"{len(other)} of them"
    else:
        shown = before.shown(path), after.shown(path)
        yield path, shown[0], shown[1] if shown[0] != shown[1] else f"{shown[1]} (changed)"


class _Side(NamedTuple):
    """A value of one of the two configurations, and what its file says."""

    value: Any
    written: Any

    def at(self, key: str | int) -> "_Side":
        """Value at the key."""
        value = self.value[key] if isinstance(key, int) else getattr(self.value, key)
        return _Side(value, inside(self.written, key))

    def shown(self, path: Keys) -> str:
        """The value at `path` as text; secrets are hidden and long values are cut."""
        option = option_over(GatewayConfig, path)
        value = masked(option, self.value, self.written)
        text = repr(value) if option.repeatable else MASK
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _key(path: Keys) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
