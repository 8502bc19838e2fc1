"""Files of TOML that the owner writes: their text, their tables, and the lines of their keys for messages."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from sipgw.config.errors import ConfigError
from sipgw.config.options import Keys, OptionError, build

T = TypeVar("T")
ENCODING = "utf-8-sig"
"""UTF-8, with or without the byte order mark that editors of Windows put in front."""
DEEPEST = 20
"""Tables and lists of a file that may stand within each other; the options need 6."""


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
    except ValueError as error:  # of TOML, or of a number with too many digits for Python
        raise ConfigError(f"{name}: {str(error).partition(';')[0]}") from None
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
    """Make a `kind` from a TOML file that is no configuration. Raises `wrong` with one line: where, and what."""
    try:
        text = text_of(path)
        return build(kind, read_table(text, str(path)), {})
    except ConfigError as error:
        raise wrong(str(error)) from None
    except OptionError as error:
        raise wrong(explain(text, str(path), error)) from None


def explain(text: str, name: str, error: OptionError) -> str:
    """One line for each fault of `error`, with its line in `text`, the file `name`."""
    found = sorted((line_of(text, path), _key_of(path, problem), problem) for path, problem in error.faults)
    return "\n".join(
        ": ".join(filter(None, (f"{name}:{line}" if line else name, key, problem))) for line, key, problem in found
    )


def _key_of(path: Keys, problem: str) -> str:
    """The key of a fault; without its last part if that is the first word of `problem`."""
    said = bool(path) and re.match(rf"{re.escape(str(path[-1]))}\b", problem)
    return ".".join(map(str, path[:-1] if said else path))


_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([\w.\"-]+)\s*=")


def _place(name: str, counts: Mapping[str, int]) -> Keys:
    """The path of a table's name, with the positions of the lists (`counts`) that it stands in."""
    path: Keys = ()
    for part in name.split("."):
        path = (*path, part)
        position = counts.get(".".join(key for key in path if isinstance(key, str)))
        path = path if position is None else (*path, position)
    return path


def line_of(text: str, path: Keys) -> int:
    """The line (from 1) of `text` that comes nearest to the TOML key `path`; 0 if nothing of it is there."""
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
