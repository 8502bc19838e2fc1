"""Texts in a form that PostgreSQL takes: without U+0000 and surrogates, which JSON of strangers may have.

U+FFFD is written instead, in SQLite too. Without that, a name with a zero character at its end would find the row of
another name.
"""

import json
import re
from typing import Any

INSTEAD = "\ufffd"
_REFUSED = re.compile("[\0\ud800-\udfff]")
_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""A zero character in JSON; one more ``\\`` before it makes it six plain characters."""


def parameters(_connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool) -> Any:
    """A statement and its parameters in storable form: a `before_cursor_execute` of SQLAlchemy."""
    return statement, _storable(given)


def _storable(value: Any) -> Any:
    """The storable form of a parameter, of the parameters of a row, or of many rows."""
    if isinstance(value, str):
        return _REFUSED.sub(INSTEAD, value)
    if isinstance(value, list | tuple):
        return type(value)(map(_storable, value))
    return {name: _storable(one) for name, one in value.items()} if isinstance(value, dict) else value


def in_json(value: Any) -> str:
    """JSON of a column; `parameters` gets it after this."""
    return _ESCAPED.sub(rf"\1{INSTEAD}", json.dumps(value, ensure_ascii=False))
