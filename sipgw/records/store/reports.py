"""The rows of reports on calls: their states, who fills one in, and what is told of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.records.store.tables import CAUSE, CallRecord, ReportRecord


class ReportState(StrEnum):
    """The state of a report. It begins as `WAITING`; every other state is final."""

    WAITING = "waiting"
    FILLED = "filled"
    NOT_MADE = "not made"
    """The report was not made: a cap of the cost was reached, or nothing was said."""
    GIVEN_UP = "given up"
    """The language model failed too often."""


async def due(session: AsyncSession, now: datetime, most: int, *which: ColumnElement[bool]) -> Sequence[str]:
    """Up to `most` calls that match `which` and whose report waits and is due, the longest due first."""
    row = ReportRecord
    query = select(row.call).join(CallRecord, CallRecord.id == row.call).where(*_due(now), *which)
    return list(await session.scalars(query.order_by(row.next_try).limit(most)))


async def claim(session: AsyncSession, calls: Sequence[str], now: datetime, lease: timedelta) -> Sequence[ReportRecord]:
    """The reports on those of `calls` that are still due; nobody else gets them before `lease` is over.

    The try is counted now: otherwise a try that a kill interrupts would never count.
    """
    begun = {"next_try": now + lease, "attempts": ReportRecord.attempts + 1}
    taken = update(ReportRecord).where(ReportRecord.call.in_(calls), *_due(now)).values(begun)
    return list(await session.scalars(taken.returning(ReportRecord).execution_options(synchronize_session=False)))


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return ReportRecord.state == ReportState.WAITING, ReportRecord.next_try <= now


async def settle(session: AsyncSession, call: str, state: ReportState, **values: Any) -> bool:
    """Move a waiting report to `state`, with these columns. False if the report is gone because its caller was
    forgotten, or if another process was faster."""
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
