"""Finding calls: filters, pages, and everything that is known of one call."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.util import ClauseAdapter

from sipgw.config.numbers import spellings
from sipgw.events import CallKey
from sipgw.records.store.search import Said, calls_with, columns_in
from sipgw.records.store.tables import CallRecord, EventRecord, ToolCallRecord, TurnRecord, columns

PAGE = 1000
"""Calls on a page at most."""
NEAR = 3000
"""Latest calls that are checked in the order of time before the indexes are used; up to ten times as many if many
match."""
NEAR_WORDS = 4
"""Pages of latest calls that are checked for words before the index of words is used. In this index a tenant's entries
may lie among many entries of other tenants: a frequent word has millions."""
FEW = 300
"""Most calls that are checked one by one for a word."""

NEWEST = CallRecord.began.desc(), CallRecord.id.desc()


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
    """Words that were all said in one turn of the call, in any order; a ``*`` at the end of one matches any rest."""
    cost_from: float | None = None
    """Calls that cost at least this, in the currency of the price table."""
    slower_than: int | None = None
    """Calls with an answer that took at least so many milliseconds."""
    ended: bool | None = None
    """Only ended calls, or only running calls."""

    def clauses(self) -> list[ColumnElement[bool]]:
        """The filter for SQL."""
        return [*self.others(), *([Said(CallRecord.id, self.words, self.since, self.until)] if self.words else [])]

    def others(self) -> list[ColumnElement[bool]]:
        """The filter for SQL without the condition on words."""
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
            found.append(or_(*self._numbers()))
        found += self.ranges()
        if self.ended is not None:
            found.append(call.ended.is_not(None) if self.ended else call.ended.is_(None))
        return found

    def by_index(self) -> list[Select[str, datetime]]:
        """Queries that together find the calls that match all conditions but the words. A number needs two queries: one
        by the index of callers, one by the index of called parties."""
        call, rest = CallRecord, replace(self, number="").others()
        each = [[number, *rest] for number in self._numbers()] if self.number else [rest]
        return [select(call.id, call.began).where(*conditions) for conditions in each]

    def _numbers(self) -> list[ColumnElement[bool]]:
        return [_number(column, self.number) for column in (CallRecord.caller, CallRecord.called)]

    def only_words(self) -> bool:
        """Whether words are the only condition except for time and state."""
        return bool(self.words) and replace(self, words="", since=None, until=None, ended=None) == type(self)()

    def ranges(self) -> list[ColumnElement[bool]]:
        """The conditions by cost and time."""
        given = (CallRecord.cost, self.cost_from), (CallRecord.slowest_ms, self.slower_than)
        return [column >= least for column, least in given if least is not None]


def of_number(same: Sequence[str]) -> ColumnElement[bool]:
    """Whether a call came from a number, or was made to it, also by a redirect; `same` are its spellings."""
    reached = CallRecord.identity["reached"].as_string()
    return or_(CallRecord.caller.in_(same), CallRecord.called.in_(same), reached.in_(same))


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
    place = _place(after) if after else None
    ids = await _found(session, wanted, limit + 1, place)
    rows = list(await session.scalars(select(CallRecord).where(CallRecord.id.in_(ids)).order_by(*NEWEST)))
    more = rows[limit - 1] if len(rows) > limit else None
    return RecordPage([columns(row) for row in rows[:limit]], _cursor(more) if more else "")


async def _found(
    session: AsyncSession, wanted: CallFilter, limit: int, place: tuple[datetime, datetime, str] | None
) -> Sequence[str]:
    """The newest wanted calls after `place`. If many calls match, they are among the latest calls. If few match, an
    index finds them. The database cannot choose between these ways, because it knows only averages.
    """
    call, before = CallRecord, list[ColumnElement[bool]]()
    until = wanted.until
    if place:
        began, later, last = place
        before = [call.began <= began, or_(call.began < began, call.id < last)]
        until = min(until, later) if until else later
    bounds = [*before, *([call.began < until] if until else [])]
    size, most = min(NEAR, NEAR_WORDS * limit) if wanted.words else NEAR, 10 * NEAR
    while True:
        edge = await session.scalar(select(call.began).where(*bounds).order_by(*NEWEST).offset(size - 1).limit(1))
        others = wanted.others()
        # A subquery and no CTE: of the columns of a CTE PostgreSQL has no statistics, and it plans badly.
        near = select(*columns_in(others)).where(*bounds).order_by(*NEWEST).limit(size).subquery("near")
        conditions = [ClauseAdapter(near).traverse(one) for one in others]
        if wanted.words:
            conditions.append(Said(near.c.id, wanted.words, edge, until))
        ordered = near.c.began.desc(), near.c.id.desc()
        ids = list(await session.scalars(select(near.c.id).where(*conditions).order_by(*ordered).limit(limit)))
        if len(ids) >= limit or edge is None or (wanted.since and edge < wanted.since):
            return ids
        if not ids and wanted.only_words():
            break  # the index of words has few such calls
        if size >= NEAR and (size == most or len(ids) * most < limit * size):
            break  # at this rate even `most` calls have too few hits
        size = min(most, max(NEAR, 2 * size * limit // len(ids))) if ids else NEAR
    return await _far(session, wanted, limit, before, until)


async def _far(
    session: AsyncSession,
    wanted: CallFilter,
    limit: int,
    before: Sequence[ColumnElement[bool]],
    until: datetime | None,
) -> Sequence[str]:
    """Like `_found`, by the indexes of the conditions."""
    call, others = CallRecord, wanted.others()
    if wanted.words:
        few = {one for part in wanted.by_index() for one in await session.scalars(part.limit(FEW + 1))}
        if len(few) > FEW:
            return await calls_with(session, wanted.words, [*others, *before], limit, wanted.since, until)
        said = Said(call.id, wanted.words, each=True)
        query = select(call.id).where(call.id.in_(few), *before, said).order_by(*NEWEST).limit(limit)
    elif wanted.number or wanted.ranges():  # no index has all hits in the order of time, so they are sorted
        hits = union(*wanted.by_index()).cte("hits").prefix_with("MATERIALIZED")
        behind = [ClauseAdapter(hits).traverse(one) for one in before]
        query = select(hits.c.id).where(*behind).order_by(hits.c.began.desc(), hits.c.id.desc()).limit(limit)
    else:
        query = select(call.id).where(*others, *before).order_by(*NEWEST).limit(limit)
    return list(await session.scalars(query))


def _cursor(row: CallRecord) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.began.isoformat(), row.id]).encode()).decode()


def _place(cursor: str) -> tuple[datetime, datetime, str]:
    """The time at which the last call of the page before began, the next microsecond, and the identity of this call."""
    try:
        told, call = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        began = datetime.fromisoformat(told).astimezone(UTC)
        return began, began + timedelta(microseconds=1), str(call)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ValueError(f"there is no page after {cursor[:40]!r}") from None


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


async def row_of(session: AsyncSession, call: CallKey) -> str:
    """The identity of the row of a call, which may not be written yet: see `sipgw.records.store.writing.Writer`."""
    query = select(CallRecord.id, CallRecord.began).where(CallRecord.id.in_((call.call, call.name)))
    rows = {row.id: row.began for row in await session.execute(query)}
    alone = call.name not in rows and rows.get(call.call, call.began) == call.began
    return call.call if alone else call.name


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
