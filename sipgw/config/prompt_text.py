"""Reads, checks and replaces the prompt in the text of an agent's file, without another change of the file."""

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from sipgw.config.agent_files import DEFAULT, FRONT, split
from sipgw.config.errors import ConfigError
from sipgw.config.files import read_table
from sipgw.config.options import REFERENCE

LONGEST = 50_000
"""Characters of a prompt."""
ALLOWED = "\n\t"
"""Control characters that a prompt may have."""

_VALUE = r'(?:"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\')'
_PROMPT = re.compile(rf"^[ \t]*prompt[ \t]*=[ \t]*({_VALUE})", re.MULTILINE | re.DOTALL)
_AGENT = re.compile(r"^[ \t]*\[[ \t]*agent[ \t]*\][^\n]*(?:\n|\Z)", re.MULTILINE)


def checked(prompt: str) -> str:
    """A prompt that somebody has typed, in the form in which it is stored. Raises `ConfigError` for a prompt that
    cannot be used."""
    prompt = prompt.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not 0 < len(prompt) <= LONGEST:
        raise ConfigError(f"a prompt has from 1 to {LONGEST:,} characters")
    if wrong := next((one for one in prompt if unicodedata.category(one) in ("Cc", "Cs") and one not in ALLOWED), ""):
        raise ConfigError(f"the prompt has a control character, U+{ord(wrong):04X}; remove it")
    if found := REFERENCE.search(prompt):
        raise ConfigError(f"{found[0]} would put a value of the environment into the prompt; write it in the file")
    return prompt


def prompt_in(text: str, path: Path, agent: str) -> str | None:
    """The prompt that the file `text` of an agent has; None if it has none. Raises `ConfigError`."""
    head, body = split(text, path)
    table = read_table(head, str(path))
    return body or (table.get("agent", {}) if agent == DEFAULT else table).get("prompt")


def with_prompt(text: str, path: Path, agent: str, prompt: str) -> str:
    """The file `text` of an agent with `prompt` in place of its own prompt. Raises `ConfigError` if that needs another
    change of the file."""
    head, body = split(text, path)
    table = read_table(head, str(path))
    if path.suffix == ".md" and (body or "prompt" not in table):
        front = FRONT.match(text)
        made = f"{front[0].rstrip()}\n{prompt}\n" if front else f"{prompt}\n"
        if split(made, path) == (head, prompt):
            return made
    else:
        wanted = {**table, "agent": {**table.get("agent", {}), "prompt": prompt}}
        wanted = wanted if agent == DEFAULT else {**table, "prompt": prompt}
        for made in _candidates(text, _quoted(prompt), whole=agent != DEFAULT):
            if _table_of(made, path) == wanted:
                return made
    raise ConfigError(f"{path}: its prompt cannot be replaced from here; write it as prompt = …, or edit it")


def _candidates(text: str, value: str, *, whole: bool) -> list[str]:
    """Possible new texts of the file, each with `value` assigned to `prompt` at another place. The caller lets TOML's
    own parser find the right one."""
    found = [f"{text[: one.start(1)]}{value}{text[one.end(1) :]}" for one in _PROMPT.finditer(text)]
    line = f"prompt = {value}\n"
    if whole:
        top = re.match(r"\+\+\+[ \t]*\n", text)
        at = top.end() if top else 0
        return [*found, f"{text[:at]}{line}{text[at:]}"]
    found += [f"{text[: one.end()].rstrip()}\n{line}{text[one.end() :]}" for one in _AGENT.finditer(text)]
    return [*found, f"{text.rstrip()}\n\n[agent]\n{line}".lstrip()]


def _table_of(text: str, path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(split(text, path)[0])
    except (tomllib.TOMLDecodeError, ConfigError):
        return None


def _quoted(prompt: str) -> str:
    """`prompt` as a TOML string of several lines; quotes that would end the string are escaped."""
    escaped = prompt.replace("\\", "\\\\").replace('""', '"\\"')
    if escaped.endswith('"') and not escaped.endswith('\\"'):
        escaped = f'{escaped[:-1]}\\"'
    opened = '"""\n' if "\n" in prompt else '"""'
    return f'{opened}{escaped}"""'
