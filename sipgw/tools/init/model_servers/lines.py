"""Sets single keys in the text of a TOML file, and leaves the rest unchanged, comments included."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Mapping[str, str]]
"""Texts by table and key."""


class LinesError(Exception):
    """The file is written in such a way that single keys cannot be set."""


def present(text: str, values: Values) -> dict[str, str]:
    """Keys of `values` that `text` has with another value, such as ``"openai.model"``, each with the value in
    `text`."""
    tables = tomllib.loads(text)
    found = {}
    for name, keys in values.items():
        table = tables.get(name)
        for key, value in keys.items():
            if isinstance(table, dict) and key in table and table[key] != value:
                found[f"{name}.{key}"] = str(table[key])
    return found


def with_values(text: str, values: Values) -> str:
    """`text` with these values. Raises `LinesError` if another value would change too."""
    lines = text.removesuffix("\n").split("\n") if text else []
    for name, keys in values.items():
        begin = next((at for at, line in enumerate(lines) if re.match(rf"\s*\[\s*{name}\s*\]\s*(?:#.*)?$", line)), None)
        if begin is None:
            lines += [*([""] if lines and lines[-1].strip() else []), f"[{name}]"]
            begin = len(lines) - 1
        end = next((at for at in range(begin + 1, len(lines)) if re.match(r"\s*\[", lines[at])), len(lines))
        for key, value in keys.items():
            line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
            place = next((at for at in range(begin + 1, end) if re.match(rf"\s*{key}\s*=", lines[at])), None)
            if place is None:
                lines.insert(begin + 1, line)
                end += 1
            else:
                comment = re.search(r"[\"'\w]\s+(#.*)$", lines[place])
                lines[place] = f"{line}  {comment.group(1)}" if comment else line
    written = "\n".join(lines) + "\n"
    try:
        kept = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise LinesError(str(error)) from None
    wanted: dict[str, Any] = tomllib.loads(text)
    for name, keys in values.items():
        wanted.setdefault(name, {}).update(keys)
    if kept != wanted:
        raise LinesError("its tables are written in an unusual way")
    return written
