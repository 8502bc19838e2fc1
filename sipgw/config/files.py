"""TOML files that the owner writes: their text, their tables, and the lines of their keys for error messages."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agent.rules.rule_error import Keys
from sipgw.config.errors import ConfigError
from sipgw.config.options import REFERENCE, OptionError, OptionFault, build

T = TypeVar("T")
ENCODING = "utf-8-sig"
"""UTF-8, with or without the byte order mark that editors of Windows put in front."""
_IN_TOML = re.compile(r" \(at line (\d+), (column \d+)\)$")
"""The place at the end of an error of `tomllib`."""
DEEPEST = 20
"""How deep tables and lists of a file may be nested; the options need 6 levels."""


def text_of(path: Path) -> str:
    """The text of a file that the owner writes. Raises `ConfigError`."""
    try:
        return path.read_text(ENCODING)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: this is no UTF-8; save the file in the encoding UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None


def read_table(text: str, name: str) -> dict[str, Any]:
    """TOML `text` as tables. Raises `ConfigError`."""
    try:
        table = tomllib.loads(text)
        deep = _is_deep(table)
    except RecursionError:
        deep = True
    except ValueError as error:  # a TOMLDecodeError, or a number with too many digits for Python
        problem = str(error).partition(";")[0]
        place = _IN_TOML.search(problem)
        told = f"{name}:{place[1]}: {problem[: place.start()]} ({place[2]})" if place else f"{name}: {problem}"
        raise ConfigError(told) from None
    if deep:
        raise ConfigError(f"{name}: more than {DEEPEST} tables and lists stand within each other")
    return table


def _is_deep(table: Mapping[str, Any]) -> bool:
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        below = (one.values() if isinstance(one, dict) else one for one in level)
        level = [item for items in below for item in items if isinstance(item, dict | list)]
    return bool(level)


def read_as(kind: type[T], path: Path, wrong: type[Exception]) -> T:
    """Make a `kind` from a TOML file that is no configuration. Raises `wrong` with a line for each fault: its place,
    and the problem."""
    try:
        text = text_of(path)
        source = ConfigSource(str(path), text, read_table(text, str(path)))
        return build(kind, source.table, {})
    except ConfigError as error:
        raise wrong(str(error)) from None
    except OptionError as error:
        raise wrong(explain([source], *error.faults)) from None


class ConfigSource(NamedTuple):
    """A file, or the environment, that gives values for keys."""

    name: str
    """Name of the file; empty for the environment."""
    text: str
    table: Mapping[str, Any]
    """The tables, with references, in the form that ``sipgw.toml`` would have."""
    agent: bool = False
    """Whether the keys of the table `agent` stand at the top of the file, as in the file of an agent."""
    prompt: int = 0
    """The line at which the prompt begins, if it stands as text below the head; otherwise 0."""

    def depth(self, path: Keys) -> int:
        """How many keys of `path`, counted from the outermost, this source has."""
        value: Any = self.table
        for number, key in enumerate(path):
            inside = (
                key in value if isinstance(value, Mapping) else isinstance(value, list) and key in range(len(value))
            )
            if not inside:
                return number
            value = value[key]
        return len(path)

    def has(self, path: Keys) -> bool:
        """Whether this source gives a value for `path`."""
        return self.depth(path) == len(path)

    def own(self, path: Keys) -> Keys:
        """`path` as it stands in this file."""
        return path[1:] if self.agent and path[:1] == ("agent",) else path

    def line(self, path: Keys) -> int:
        """The line (from 1) that is nearest to `path`; 0 if the file has no key of `path`."""
        if self.prompt and path == ("agent", "prompt"):
            return self.prompt
        return line_of(self.text, self.own(path))

    def place(self, path: Keys) -> str:
        """``FILE:LINE`` of `path`, or ``environment NAME``."""
        if not self.name:
            return f"environment {self.references(path)[0]}"
        line = self.line(path)
        return f"{self.name}:{line}" if line else self.name

    def references(self, path: Keys) -> list[str]:
        """The variables of the environment to which the value at `path` refers. The source must have `path`."""
        value: Any = self.table
        for key in path:
            value = value[key]
        return REFERENCE.findall(json.dumps(value, default=str))


def explain(sources: Sequence[ConfigSource], *faults: OptionFault, agent: str = "") -> str:
    """One line for each fault: the place of its key in the first of `sources` that has it, the key, and the problem.

    A key that no source has is reported at the nearest table around it. With `agent`, the first source is the file of
    this agent, and a line about another source names the agent too.
    """
    found = list[tuple[int, int, str]]()
    for path, problem in faults:
        depths = [one.depth(path) if one.name or one.has(path) else 0 for one in sources]
        at = depths.index(max(depths)) if sources else 0
        source = sources[at] if sources else None
        place, key = (source.place(path), source.own(path)) if source else ("", path)
        line = source.line(path) if source else 0
        whose = f"agent {agent}" if agent and not (source and source.agent) else ""
        found.append((at, line, ": ".join(filter(None, (place, ".".join(map(str, key)), whose, problem)))))
    return "\n".join(text for *_, text in sorted(found))


_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([\w.\"-]+)\s*=")


def _place(name: str, counts: Mapping[str, int]) -> Keys:
    """The path of the table `name`. `counts` has the positions, from 0, in the arrays of tables that it is part of."""
    path: Keys = ()
    for part in name.split("."):
        path = (*path, part)
        position = counts.get(".".join(key for key in path if isinstance(key, str)))
        path = path if position is None else (*path, position)
    return path


def line_of(text: str, path: Keys) -> int:
    """The line (from 1) of `text` that is nearest to the TOML key `path`; 0 if `text` has no part of `path`."""
    best, best_depth = 0, 0
    table: Keys = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            name = header[2].replace('"', "")
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
            here = table = _place(name, counts)
        elif key := _KEY.match(line):
            here = (*table, *key[1].replace('"', "").split("."))
        else:
            continue
        if len(here) > best_depth and here in (path[: len(here)], (*path, 0)):
            best, best_depth = number, len(here)
    return best
