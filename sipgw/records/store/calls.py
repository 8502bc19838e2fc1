"""Finding calls: filters, pages, and everything that is known of one call."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.config.numbers import spellings
from sipgw.records.store.tables import CallRecord, EventRecord, ToolCallRecord, TurnRecord, columns

PAGE = 1000
"""Calls on a page at most."""
FEW = 500
"""Calls that are found by what they cost or how slow they were, then sorted by time; of more, the list is read."""


@dataclass(frozen=True)
class CallFilter:
    """A filter of calls: all given conditions must match."""

    since: datetime | None = None
    until: datetime | None = None
    """Calls that began at or after `since` and before `until`."""
    number: str = ""
    """The calling or called number; a ``*`` at the end matches any rest."""
    trunk: str = ""
    agent: str = ""
    direction: str = ""
    ending: str = ""
    words: str = ""
    """Words that anybody said in the call."""
    cost_from: float | None = None
    """Calls that cost at least this, in the currency of the price table."""
    slower_than: int | None = None
    """Calls with an answer that took at least so many milliseconds."""
    ended: bool | None = None
    """Only ended calls, or only running calls."""

    def clauses(self) -> list[ColumnElement[bool]]:
        """The filter for SQL."""
        call = CallRecord
        same = {
            call.trunk: self.trunk,
            call.agent: self.agent,
            call.direction: self.direction,
            call.ending: self.ending,
        }
        found: list[ColumnElement[bool]] = [column == value for column, value in same.items() if value]
        if self.since:
            found.append(call.began >= self.since)
        if self.until:
            found.append(call.began < self.until)
        if self.number:
            found.append(or_(_number(call.caller, self.number), _number(call.called, self.number)))
        if self.words:
            said = [column.icontains(self.words, autoescape=True) for column in (TurnRecord.caller, TurnRecord.said)]
            found.append(select(TurnRecord.call).where(TurnRecord.call == call.id, or_(*said)).exists())
        found += self.ranges()
        if self.ended is not None:
            found.append(call.ended.is_not(None) if self.ended else call.ended.is_(None))
        return found

    def ranges(self) -> list[ColumnElement[bool]]:
        """The conditions that no list is sorted by."""
        given = (CallRecord.cost, self.cost_from), (CallRecord.slowest_ms, self.slower_than)
        return [column >= least for column, least in given if least is not None]


def _number(column: Any, wanted: str) -> ColumnElement[bool]:
    found: ColumnElement[bool]
    if wanted.endswith("*"):
        low = wanted[:-1]
        found = and_(column >= low, column < low + "\uffff")  # a range, so that the index is used
    else:
        found = column.in_(spellings(wanted))
    return found


@dataclass(frozen=True)
class RecordPage:
    """Some of the calls, newest first."""

    calls: Sequence[dict[str, Any]]
    """Columns of `CallRecord`."""
    next: str
    """The `after` of the next page; empty after the last."""


async def page_of(session: AsyncSession, wanted: CallFilter, limit: int, after: str) -> RecordPage:
    """Up to `limit` of the wanted calls, newest first. Raises `ValueError` if `after` is not from a `RecordPage`."""
    limit = max(1, min(limit, PAGE))
    query = select(CallRecord).where(*wanted.clauses())
    for rare in wanted.ranges():
        ids = list(await session.scalars(select(CallRecord.id).where(rare).limit(FEW + 1)))
        if len(ids) <= FEW:  # few match: they are sorted; of many, a page is found soon in the order of time
            query = query.where(CallRecord.id.in_(ids))
    if after:
        began, last = _place(after)
        query = query.where(or_(CallRecord.began < began, and_(CallRecord.began == began, CallRecord.id < last)))
    query = query.order_by(CallRecord.began.desc(), CallRecord.id.desc()).limit(limit + 1)
    rows = list(await session.scalars(query))
    more = rows[limit - 1] if len(rows) > limit else None
    return RecordPage([columns(row) for row in rows[:limit]], _cursor(more) if more else "")


def _cursor(row: CallRecord) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.began.isoformat(), row.id]).encode()).decode()


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        began, call = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return datetime.fromisoformat(began).astimezone(UTC), str(call)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ValueError(f"there is no page behind {cursor[:40]!r}") from None


async def whole(session: AsyncSession, query: Select[CallRecord]) -> list[dict[str, Any]]:
    """The calls of `query` with their turns and the tools of each turn."""
    found = [columns(row) | {"turns": []} for row in await session.scalars(query)]
    for some in _chunks(found, 500):
        ids = [call["id"] for call in some]
        turns, tools = (
            defaultdict[str, list[TurnRecord]](list),
            defaultdict[tuple[str, int], list[ToolCallRecord]](list),
        )
        for turn in await session.scalars(
            select(TurnRecord).where(TurnRecord.call.in_(ids)).order_by(TurnRecord.number)
        ):
            turns[turn.call].append(turn)
        runs = select(ToolCallRecord).where(ToolCallRecord.call.in_(ids)).order_by(ToolCallRecord.id)
        for run in await session.scalars(runs):
            tools[run.call, run.turn].append(run)
        for call in some:
            call["turns"] = [_turn(turn, tools[turn.call, turn.number]) for turn in turns[call["id"]]]
    return found


async def events_of(session: AsyncSession, call: str) -> list[dict[str, Any]]:
    """The other events of a call, in order."""
    query = select(EventRecord).where(EventRecord.call == call).order_by(EventRecord.id)
    return [_without(columns(row), "id", "call") for row in await session.scalars(query)]


def _turn(turn: TurnRecord, tools: Iterable[ToolCallRecord]) -> dict[str, Any]:
    return _without(columns(turn), "call", "number") | {
        "tools": [_without(columns(run), "id", "call", "turn") for run in tools]
    }


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _chunks(rows: list[dict[str, Any]], size: int) -> Iterable[list[dict[str, Any]]]:
    return (rows[at : at + size] for at in range(0, len(rows), size))
