"""The board of live calls: what a row shows, and what of it has changed since somebody last looked. Sans-IO."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sipgw.live import LiveCall

Row = dict[str, Any]


class Change(NamedTuple):
    """What is to be changed on a board; only the fields that differ."""

    rows: dict[str, Row]
    gone: list[str]

    def __bool__(self) -> bool:
        return bool(self.rows or self.gone)


def row(live: LiveCall) -> Row:
    """A call as the board shows it."""
    return {
        "state": live.state,
        "direction": live.direction,
        "caller": live.caller,
        "called": live.identity.dialled,
        "agent": live.agent,
        "trunk": live.trunk.name,
        "turn": live.turn,
        "instead": live.call.instead if live.call else "",
        "mos": round(live.mos, 1) or None,
        "cost": round(live.cost.total, 4) if live.cost else None,
        "began": live.began.isoformat(timespec="seconds"),
    }


class Board:
    """What everybody who looks has been told."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def change(self, calls: Mapping[str, LiveCall]) -> Change:
        """Look at `calls` again."""
        now = {call: row(live) for call, live in calls.items()}
        gone = [call for call in self.rows if call not in now]
        changed = {}
        for call, new in now.items():
            old = self.rows.get(call)
            if old is None:
                changed[call] = new
            elif differs := {name: value for name, value in new.items() if old[name] != value}:
                changed[call] = differs
        self.rows = now
        return Change(changed, gone)
