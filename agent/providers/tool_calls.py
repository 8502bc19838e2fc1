"""Assembles streamed tool calls from their fragments, also from servers that differ slightly from OpenAI.

Known ways to differ: no index; index 0 for every call; a whole call in one fragment; the name or the id in each
fragment; no id at all. Sans-IO.
"""

import json
from typing import Any

from agent.llm import ToolCall

MAX_CALLS = 16
"""Maximum tool calls in one reply."""

MAX_ARGUMENTS = 64 * 1024
"""Maximum characters of all arguments in one reply."""


class TooMuchError(Exception):
    """The model wrote more tool calls or arguments than any reply needs."""


class _Call:
    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments = ""
        self.extra: dict[str, Any] | None = None


class ToolCalls:
    """The tool calls of one reply."""

    def __init__(self, prefix: str) -> None:
        """`prefix` begins the ids of calls that come without an id. Each reply of a conversation needs another
        prefix."""
        self._prefix = prefix
        self._calls: list[_Call] = []
        self._written = 0
        self._given = 0
        self.cut_off = False
        """Whether `finished` has left out an incomplete call."""

    def add(self, index: object, id_: object, name: object, arguments: object, extra: object = None) -> None:
        """Add a fragment; each of its parts may be None. `extra` is sent back to the server with the call. Raises
        `TooMuchError`."""
        number = index if isinstance(index, int) else None
        identity = id_ if isinstance(id_, str) else ""
        name = name if isinstance(name, str) else ""
        call = self._find(number, identity, name)
        call.id = call.id or identity
        call.name = call.name or name
        if isinstance(arguments, dict):  # some servers send the object itself
            arguments = json.dumps(arguments)
        if isinstance(arguments, str):
            call.arguments += arguments
            self._written += len(arguments)
        if isinstance(extra, dict):
            call.extra = extra
            self._written += len(json.dumps(extra))
        if len(self._calls) > MAX_CALLS or self._written > MAX_ARGUMENTS:
            raise TooMuchError(f"{len(self._calls)} tool calls, {self._written} characters of arguments")

    def _find(self, index: int | None, identity: str, name: str) -> _Call:
        same = [call for call in self._calls if index is None or call.index == index]
        if not same or _is_another(same[-1], identity, name):
            self._calls.append(_Call(index))
            return self._calls[-1]
        return same[-1]

    def finished(self, *, cut: bool = False) -> list[ToolCall]:
        """All calls that have a name, in order; they are forgotten then. Of a reply that was `cut`, only calls with
        complete arguments: a call without arguments may not have been finished.
        """
        named, self._calls = [call for call in self._calls if call.name], []
        calls = [call for call in named if not cut or _is_whole(call.arguments)]
        self.cut_off |= len(calls) < len(named)
        first, self._given = self._given, self._given + len(calls)
        return [
            ToolCall(call.id or f"{self._prefix}{number}", call.name, call.arguments.strip() or "{}", call.extra)
            for number, call in enumerate(calls, start=first)
        ]


def _is_another(call: _Call, identity: str, name: str) -> bool:
    """Whether a fragment with this id and name begins another call than `call`."""
    if not name or not call.name:
        return False
    if identity and call.id:
        return identity != call.id
    return _is_whole(call.arguments)  # complete, so that nothing can follow


def _is_whole(arguments: str) -> bool:
    try:
        value: Any = json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)
