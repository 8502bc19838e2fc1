"""Compares a changed configuration with that of a running gateway (SIGHUP)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from sipgw.config.agent_files import DEFAULT, SHARED
from sipgw.config.config import AgentConfig, GatewayConfig

WITHOUT_RESTART = ("routes",)
"""Tables of the gateway that can change while it runs; all tables of agents can."""
LONGEST = 60
"""Characters of a value that are shown."""


class OptionChange(NamedTuple):
    """One changed value."""

    agent: str
    """The agent of the value; empty for a table of the gateway."""
    key: str
    before: str
    after: str

    @property
    def needs_restart(self) -> bool:
        """Whether it takes effect only after a restart."""
        return not self.agent and self.key.split(".")[0].split("[")[0] not in WITHOUT_RESTART

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
    found = []
    for name in SHARED:
        found += [OptionChange("", *rest) for rest in _compare(name, getattr(before, name), getattr(after, name))]
    old, new = {DEFAULT: before, **agents_before}, {DEFAULT: after, **agents_after}
    own = [field.name for field in fields(AgentConfig)]
    for agent in sorted(old.keys() | new.keys()):
        if agent not in old or agent not in new:
            found.append(OptionChange(agent, "agent", *(("-", "new") if agent in new else ("there", "gone"))))
            continue
        for name in own:
            compared = _compare(name, getattr(old[agent], name), getattr(new[agent], name))
            found += [OptionChange(agent, *rest) for rest in compared]
    return found


def _compare(key: str, before: Any, after: Any) -> Iterator[tuple[str, str, str]]:
    if before == after:
        return
    if is_dataclass(before) and type(before) is type(after):
        for field in fields(before):
            one, other = getattr(before, field.name), getattr(after, field.name)
            if field.repr:
                yield from _compare(f"{key}.{field.name}", one, other)
            elif one != other:
                yield f"{key}.{field.name}", "***", "*** (changed)"
    elif isinstance(before, tuple) and isinstance(after, tuple) and any(map(is_dataclass, before + after)):
        for at, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from _compare(f"{key}[{at}]", one, other)
        if len(before) != len(after):
            yield key, f"{len(before)} of them", f"{len(after)} of them"
    else:
        yield key, _shown(before), _shown(after)


_URL = re.compile(r"([a-z][a-z0-9+.-]*://)(?:[^\s@/'\"]*@)?([^\s/?#'\"]+)[/?#][^\s'\"]*", re.IGNORECASE)


def _shown(value: Any) -> str:
    text = _URL.sub(r"\1\2/***", repr(value))  # the rest may hold a secret
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
