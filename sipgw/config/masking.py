"""Rule for showing a configuration. Every page, command, file and log line that shows an option uses this rule:

- The values of an option that its class hides (`Option.repeatable`) are ``***``, of whatever type they are.
- A text that refers to variables is shown as it is written, with its references: ``${NAME}``.
- Of a URL the host alone is shown, and of ``user:password`` no password.
- The defaults of the code are shown as they are.
"""

import contextlib
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, get_origin

from sipgw.config.options import PRIVATE, REFERENCE, Option, options_of
from sipgw.config.public_text import MASK, password_of, public

SHORTEST = 6
"""Characters from which on a value in the query of a URL, or of a variable, is taken for a secret."""
SHORTEST_SECRET = 4
"""Characters from which on a password or key is masked in texts: a shorter one is part of many words."""
TOKEN = 16
"""Characters from which on a part of the path of a URL is taken for a secret."""
_USER = re.compile(r"(?:\w+_)?user")
"""The name of an option that holds a user name: after a colon stands a password, in the wrong place."""


def inside(written: Any, key: str | int) -> Any:
    """The value at `key` of a table or list of a file; None if there is none."""
    if isinstance(written, Mapping):
        return written.get(key)
    return written[key] if isinstance(written, list) and isinstance(key, int) and key < len(written) else None


def masked(option: Option, value: Any, written: Any = None) -> Any:
    """The value of an option that is no table, as it may be shown; `written` is what its file says."""
    usual = option.repeatable and value == option.default and not any(_references(value, written))
    shown = value if usual else _masked(option, value, written)
    if isinstance(shown, str) and _USER.fullmatch(option.name) and ":" in shown:
        return f"{shown.partition(':')[0]}:{MASK}"
    return shown


def masked_table(options: Any, written: Any) -> dict[str, Any]:
    """The options of a table and of the tables in it, as they may be shown; `written` is what the file says of it."""
    found = dict[str, Any]()
    for name, option in options_of(type(options)).items():
        value, text = getattr(options, name), inside(written, name)
        if is_dataclass(value):
            found[name] = masked_table(value, text)
        elif isinstance(value, tuple) and any(map(is_dataclass, value)):
            found[name] = [masked_table(item, inside(text, at)) for at, item in enumerate(value)]
        else:
            found[name] = masked(option, value, text)
    return found


def _masked(option: Option, value: Any, written: Any) -> Any:
    if isinstance(value, Mapping) and (option.repeatable or option.hint is Any or get_origin(option.hint) is dict):
        return {key: _masked(option.within(key), item, inside(written, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(option.within(at), item, inside(written, at)) for at, item in enumerate(value)]
    if not option.repeatable:
        return value if value in (None, "", {}) else MASK
    if isinstance(written, str) and REFERENCE.search(written):
        return public(written)
    return public(value) if isinstance(value, str) else value


def _references(value: Any, written: Any) -> Iterator[tuple[str, str]]:
    """The variables that `written` refers to, each with the text of `value` that it stands for."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _references(item, inside(written, key))
    elif isinstance(value, list | tuple):
        for at, item in enumerate(value):
            yield from _references(item, inside(written, at))
    elif isinstance(written, str):
        names, between = REFERENCE.findall(written), REFERENCE.split(written)[::2]
        found = re.fullmatch("(.*?)".join(map(re.escape, between)), str(value), re.DOTALL) if names else None
        yield from zip(names, found.groups() if found else [str(value)] * len(names), strict=True)


def secrets_of(options: Any, written: Any = None) -> frozenset[str]:
    """Every text that nothing may repeat: passwords, keys, tokens, also in URLs and by references.

    `written` is what the file says of the table `options`; a configuration knows its own. Without those that are
    `too_short`.
    """
    found: set[str] = set()
    for option, value, text in _changed(options, written):
        found |= _declared(option, value) | _in_texts(value, text)
        found |= {one for _, one in _references(value, text) if option.hidden and len(one) >= SHORTEST}
    return frozenset(one for one in found if len(one) >= SHORTEST_SECRET)


def too_short(options: Any) -> frozenset[str]:
    """The variables whose values are passwords or keys that `secrets_of` leaves out."""
    return frozenset(
        name
        for option, value, text in _changed(options, None)
        if option.secret and isinstance(value, str) and len(value) < SHORTEST_SECRET
        for name, _ in _references(value, text)
    )


def _changed(options: Any, written: Any) -> Iterator[tuple[Option, Any, Any]]:
    """Each option that has not its default, with its value and what the file says, also those of tables in tables."""
    written = getattr(options, "written", None) if written is None else written
    for name, option in options_of(type(options)).items():
        value, text = getattr(options, name), inside(written, name)
        tables = [value] if is_dataclass(value) else value if isinstance(value, tuple) else []
        for at, item in enumerate(tables):
            if is_dataclass(item):
                yield from _changed(item, text if item is value else inside(text, at))
        if not is_dataclass(value) and value != option.default:
            yield option, value, text


def _declared(option: Option, value: Any) -> set[str]:
    """The texts of a secret: of a list those after the name that each line begins with."""
    if not option.secret:
        return set()
    if isinstance(value, str):
        return {value}
    return {item.partition(": ")[2] or item.partition("=")[2] or item for item in value if isinstance(item, str)}


def _in_texts(value: Any, written: Any, *, known: bool = False) -> set[str]:
    """The secrets in texts of options that are none: of URLs, of keys and variables that sound like secrets."""
    if isinstance(value, Mapping):
        return set[str]().union(
            *(
                _in_texts(item, inside(written, key), known=known or bool(PRIVATE.search(key)))
                for key, item in value.items()
            )
        )
    if isinstance(value, list | tuple):
        return set[str]().union(*(_in_texts(item, inside(written, at), known=known) for at, item in enumerate(value)))
    if not isinstance(value, str):
        return set()
    found = ({value} if known else set()) | _within_url(value, shortest=TOKEN)
    found |= {one for one in [password_of(value)] if len(one) >= SHORTEST}
    for name, text in _references(value, written):
        found |= _within_url(text, shortest=SHORTEST)
        found |= {text} if PRIVATE.search(name) and len(text) >= SHORTEST else set()
    return found


def _within_url(value: str, *, shortest: int) -> set[str]:
    """The password and the values of the query of a URL, and the parts of its path from `shortest` characters on."""
    if "://" not in value:
        return set()
    with contextlib.suppress(ValueError):
        url = urllib.parse.urlsplit(value)
        values = {part.partition("=")[2] or part for part in url.query.split("&")}
        long = {part for part in url.path.split("/") if len(part) >= shortest}
        return long | {one for one in (url.password or "", *values) if len(one) >= SHORTEST}
    return set()
