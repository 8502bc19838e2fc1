"""The rows of reports on calls: their states, who fills one in, and what is told of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.records.store.tables import CAUSE, CallRecord, ReportRecord


class ReportState(StrEnum):
    """Where a report is in its life. It begins as `WAITING`, and every other state is an end."""

    WAITING = "waiting"
    FILLED = "filled"
    NOT_MADE = "not made"
    """It was not to be made: a cap of the cost was reached, or nothing was said."""
    GIVEN_UP = "given up"
    """The language model did not do it."""


async def due(session: AsyncSession, now: datetime, most: int, *which: ColumnElement[bool]) -> Sequence[str]:
    """Up to `most` calls like `which` whose report waits and is due, the longest due first."""
    row = ReportRecord
    query = select(row.call).join(CallRecord, CallRecord.id == row.call).where(*_due(now), *which)
    return list(await session.scalars(query.order_by(row.next_try).limit(most)))


async def claim(session: AsyncSession, calls: Sequence[str], now: datetime, lease: timedelta) -> Sequence[ReportRecord]:
    """The reports on those of `calls` that are still due; nobody else gets them before `lease` is over.

    The try counts from here on: of one that is broken off by a kill nothing else would tell.
    """
    begun = {"next_try": now + lease, "attempts": ReportRecord.attempts + 1}
    taken = update(ReportRecord).where(ReportRecord.call.in_(calls), *_due(now)).values(begun)
    return list(await session.scalars(taken.returning(ReportRecord).execution_options(synchronize_session=False)))


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return ReportRecord.state == ReportState.WAITING, ReportRecord.next_try <= now


async def settle(session: AsyncSession, call: str, state: ReportState, **values: Any) -> bool:
    """Move a waiting report to `state`, with these columns. False if it is not there any more, as its caller was
    forgotten, or if somebody was faster."""
    values["problem"] = values.get("problem", "")[:CAUSE]
    here = ReportRecord.call == call, ReportRecord.state == ReportState.WAITING
    done: Any = await session.execute(update(ReportRecord).where(*here).values(state=state.value, **values))
    return bool(done.rowcount)


async def report_of(session: AsyncSession, call: str) -> dict[str, Any] | None:
    """The report on a call: ``state``, ``at``, ``problem`` and, if it is filled in, its content; None if there is
    none."""
    found = await session.get(ReportRecord, call)
    if found is None:
        return None
    return {"state": found.state, "at": found.at, "problem": found.problem, **(found.content or {})}
