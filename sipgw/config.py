"""The configuration: a TOML file, `.env` and the environment become one frozen `Config`.

This is the only reader of the environment. Every part's options are declared beside the code that uses them.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from sipgw.options import OptionError, build

DEFAULT_FILE = Path("sipgw.toml")


class ConfigError(Exception):
    """The configuration cannot be used; the message names file, line, key and what to do."""


def environment() -> dict[str, str]:
    """`.env` of the working directory, overridden by the process's environment; empty values count as unset."""
    merged = {**dotenv_values(".env"), **os.environ}
    return {name: value for name, value in merged.items() if value}


def load(path: Path | None = None, variables: Mapping[str, str] | None = None) -> "Config":
    """Read the configuration from `path`; without one, from ``sipgw.toml`` if it exists, otherwise all defaults."""
    variables = environment() if variables is None else variables
    if path is None:
        if not DEFAULT_FILE.exists():
            return parse("", "defaults", variables)
        path = DEFAULT_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    return parse(text, str(path), variables)


def parse(text: str, name: str, variables: Mapping[str, str]) -> "Config":
    """Make a `Config` from TOML `text`; `name` stands in error messages. Raises `ConfigError`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    _fill_in_keys(table, variables)
    try:
        return build(Config, table, variables)
    except OptionError as error:
        key = ".".join(str(part) for part in error.path)
        line = line_of(text, error.path)
        where = f"{name}:{line}" if line else name
        raise ConfigError(f"{where}: {key}: {error.problem}" if key else f"{where}: {error.problem}") from None


# Environment names that fill in a key which the file does not give: with these alone no file is needed.
KEYS = {
    "ASSEMBLYAI_API_KEY": ("assemblyai", "api_key"),
    "OPENAI_API_KEY": ("openai", "api_key"),
    "OPENAI_BASE_URL": ("openai", "base_url"),
    "OPENAI_MODEL": ("openai", "model"),
    "ELEVENLABS_API_KEY": ("elevenlabs", "api_key"),
    "ELEVENLABS_VOICE_ID": ("elevenlabs", "voice_id"),
}


def _fill_in_keys(table: dict[str, object], variables: Mapping[str, str]) -> None:
    for name, (section, key) in KEYS.items():
        values = table.setdefault(section, {})
        if name in variables and isinstance(values, dict):
            values.setdefault(key, f"${{{name}}}")


_HEADER = re.compile(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([\w.\"-]+)\s*=")


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line (from 1) of `text` that comes nearest to the TOML key `path`; 0 if nothing of it is there."""
    best, best_depth = 0, 0
    table: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            name = header[2].replace('"', "")
            table = tuple(name.split("."))
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                table = (*table, counts[name])
            here = table
        elif key := _KEY.match(line):
            here = (*table, *key[1].replace('"', "").split("."))
        else:
            continue
        if len(here) > best_depth and here == path[: len(here)]:
            best, best_depth = number, len(here)
    return best
