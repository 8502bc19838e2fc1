"""Rules for showing a configuration. Every page, command, file and log line that shows an option uses these rules:

- The values of an option that its class hides (`Option.repeatable`) are ``***``, of whatever type they are.
- A text that refers to variables is shown as it is written, with its references: ``${NAME}``.
- Only the host of a URL is shown, and only the user of ``user:password``.
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
"""Minimum characters of a value, in the query of a URL or of a variable, that is taken for a secret."""
SHORTEST_SECRET = 4
"""Minimum characters of a password or key that is masked in texts: a shorter one is part of many words."""
TOKEN = 16
"""Minimum characters of a part of a URL's path that is taken for a secret."""
_USER = re.compile(r"(?:\w+_)?user")
"""Names of options that hold a user name. If such a value has a colon, a password follows it by mistake."""


def inside(written: Any, key: str | int) -> Any:
    """The value at `key` of `written`, a table or list of a file; None if `written` has no such key."""
    if isinstance(written, Mapping):
        return written.get(key)
    return written[key] if isinstance(written, list) and isinstance(key, int) and key < len(written) else None


def masked(option: Option, value: Any, written: Any = None) -> Any:
    """The `value` of an option that is no table, as it may be shown. `written` is the value in the file, with
    references."""
    usual = option.repeatable and value == option.default and not any(_references(value, written))
    shown = value if usual else _masked(option, value, written)
    if isinstance(shown, str) and _USER.fullmatch(option.name) and ":" in shown:
        return f"{shown.partition(':')[0]}:{MASK}"
    return shown


def masked_table(options: Any, written: Any) -> dict[str, Any]:
    """The options of a table and of the tables in it, as they may be shown. `written` is the table in the file."""
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
    """The variables to which `written` refers, each with the part of `value` that replaced it."""
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
    """All texts that no output may contain: passwords, keys and tokens, also in URLs and in values of variables.

    `written` is the table `options` in the file; None if `options` is a configuration, which has it. Secrets that are
    `too_short` are left out.
    """
    found: set[str] = set()
    for option, value, text in _changed(options, written):
        found |= _declared(option, value) | _in_texts(value, text)
        found |= {one for _, one in _references(value, text) if option.hidden and len(one) >= SHORTEST}
    return frozenset(one for one in found if len(one) >= SHORTEST_SECRET)


def too_short(options: Any) -> frozenset[str]:
    """The variables whose values are passwords or keys that `secrets_of` leaves out, because they are short."""
    return frozenset(
        name
        for option, value, text in _changed(options, None)
        if option.secret and isinstance(value, str) and len(value) < SHORTEST_SECRET
        for name, _ in _references(value, text)
    )


def _changed(options: Any, written: Any) -> Iterator[tuple[Option, Any, Any]]:
    """Each option with another value than its default: the option, its value, and its value in the file. Options of
    nested tables are included."""
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
    """The secret texts in the `value` of a secret option. In a list, a text such as ``"Name: secret"`` counts without
    the name."""
    if not option.secret:
        return set()
    if isinstance(value, str):
        return {value}
    return {item.partition(": ")[2] or item.partition("=")[2] or item for item in value if isinstance(item, str)}


def _in_texts(value: Any, written: Any, *, known: bool = False) -> set[str]:
    """Secrets in the `value` of an option that is not declared secret: in URLs, and of keys and variables that are
    named like secrets."""
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
    """The password and the query values of a URL, and the parts of its path that have at least `shortest`
    characters."""
    if "://" not in value:
        return set()
    with contextlib.suppress(ValueError):
        url = urllib.parse.urlsplit(value)
        values = {part.partition("=")[2] or part for part in url.query.split("&")}
        long = {part for part in url.path.split("/") if len(part) >= shortest}
        return long | {one for one in (url.password or "", *values) if len(one) >= SHORTEST}
    return set()
