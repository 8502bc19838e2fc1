"""The board of live calls, and its changes since the last update. Sans-IO."""

from collections.abc import Mapping
from typing import NamedTuple

from sipgw.calls.session import CallSession, Row


class BoardChange(NamedTuple):
    """An update of a board; only the fields that differ."""

    rows: dict[str, Row]
    gone: list[str]

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone)


class LiveCallBoard:
    """The state that all browsers have received."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def change(self, calls: Mapping[str, CallSession]) -> BoardChange:
        """Look at `calls` again."""
        now = {call: session.row() for call, session in calls.items()}
        gone = [call for call in self.rows if call not in now]
        changed = {}
        for call, new in now.items():
            old = self.rows.get(call)
            if old is None:
                changed[call] = new
            elif differs := {name: value for name, value in new.items() if old[name] != value}:
                changed[call] = differs
        self.rows = now
        return BoardChange(changed, gone)
