"""Figures of the home page about the records: calls, failures, latency and cost. The database does the counting, over
at most the latest `MOST` calls; a restart changes nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, case, cast, extract, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.midnight import local_now, midnight
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, EventRecord, ExpenseRecord, TurnRecord, columns
from sipgw.web.trouble import PROVIDER_FAILED, SLOW, Trouble, broken, faults_of, gravity, judged

MOST = 20_000
"""Latest calls that count; the number limits the work of the database."""
FRESH = 20.0
"""Seconds for which an answer is kept, so that many browsers cost as much as one."""
REST = 20
"""An answer is kept for at least this many times the time that it took, so it costs a twentieth of a core at most."""
WORST = 4
"""Worst calls of a day that the page names."""
AGENTS = 100
"""Agents whose failures are counted."""
PARTS = ("trunk", "stt", "llm", "tts", "realtime")

Span = Literal["day", "week"]
SPANS: dict[Span, tuple[int, int]] = {"day": (1800, 48), "week": (3 * 3600, 56)}
"""Seconds of a step of the lines, and how many steps there are."""


class TimeStep(NamedTuple):
    """A step of the lines; calls count where they began."""

    began: datetime
    calls: int = 0
    bad: int = 0
    turns: int = 0
    p50: int = 0
    """Median milliseconds from the caller's last word to the answer."""
    p95: int = 0


class ProviderFailures(NamedTuple):
    """The failures of a part of an agent within the last day."""

    times: int
    last: datetime
    call: str
    cause: str


class BadCall(NamedTuple):
    """A bad call that the page names."""

    call: dict[str, Any]
    trouble: Trouble


@dataclass(frozen=True)
class Overview:
    """The figures of the home page."""

    steps: list[TimeStep]
    today: TimeStep
    cost: float
    """Cost of today's ended calls, and of today's expenses outside of calls."""
    parts: dict[str, float]
    """The cost by part."""
    estimated: bool
    """Whether a part of the cost is based on unchecked prices."""
    failures: dict[tuple[str, str], ProviderFailures]
    """The failures by agent and part."""
    worst: dict[str, list[BadCall]]
    """The worst calls of ``today`` and ``yesterday``."""
    calls: bool
    """Whether there is any record of a call."""
    limited: bool
    """Whether there were more than `MOST` calls, so that some do not count."""
    today_limited: bool = False


@dataclass
class Overviews:
    """Asks the database, once for all browsers within `FRESH` seconds."""

    now: Callable[[], datetime] = local_now
    """The time, in the zone whose midnight begins a day."""
    _kept: dict[tuple[str, Span], tuple[float, Overview]] = field(default_factory=dict)
    """Kept answers by tenant and span, each with its end on the event loop's clock."""
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, store: Store, span: Span) -> Overview:
        """The overview. Raises `SQLAlchemyError`."""
        clock = asyncio.get_running_loop().time
        async with self._asking:
            kept = self._kept.get((store.tenant, span))
            if kept is None or clock() > kept[0]:
                began = clock()
                self._kept = {name: one for name, one in self._kept.items() if began <= one[0]}
                async with store.read() as session:
                    found = await overview(session, self.now(), span)
                took = (clock() - began) * (len(self._kept) + 1)  # all tenants together may cost a twentieth of a core
                kept = self._kept[store.tenant, span] = clock() + max(FRESH, REST * took), found
            return kept[1]


async def overview(session: AsyncSession, now: datetime, span: Span) -> Overview:
    """Ask the database; `now` is in the zone whose midnight begins a day."""
    width, count = SPANS[span]
    first = int(now.timestamp()) // width - count + 1
    began = datetime.fromtimestamp(first * width, UTC)
    day = midnight(now)
    since, limited = await _bounded(session, began)
    since_midnight, today_limited = await _bounded(session, day)
    steps = {number: TimeStep(datetime.fromtimestamp((first + number) * width, UTC)) for number in range(count)}
    seconds = cast(extract("epoch", CallRecord.began), BigInteger)
    for number, step in (await _counted(session, since, seconds // width - first)).items():
        at = min(max(number, 0), count - 1)  # a database may round a moment up
        steps[at] = TimeStep(steps[at].began, **step)
    today = TimeStep(day.astimezone(UTC), **(await _counted(session, since_midnight, literal(0))).get(0, {}))
    cost, parts, estimated = await _cost(session, since_midnight, day)
    yesterday = midnight(day - timedelta(hours=12))
    worst = {
        "today": await _worst(session, day, now + timedelta(days=1)),
        "yesterday": await _worst(session, yesterday, day),
    }
    return Overview(
        list(steps.values()), today, cost, parts, estimated, await _failures(session, now), worst,
        await session.scalar(select(CallRecord.id).limit(1)) is not None, limited, today_limited,
    )  # fmt: skip


async def _bounded(session: AsyncSession, since: datetime) -> tuple[datetime, bool]:
    """The time from which on calls count, and whether earlier calls are left out because of `MOST`."""
    call = CallRecord
    query = select(call.began).where(call.began >= since).order_by(call.began.desc(), call.id.desc())
    last = await session.scalar(query.offset(MOST).limit(1))
    return (since, False) if last is None else (max(since, last), True)


async def _counted(session: AsyncSession, since: datetime, step: ColumnElement[int]) -> dict[int, dict[str, int]]:
    """Calls, bad calls, turns and percentiles by `step`, an expression of the columns of a call."""
    call, turn = CallRecord, TurnRecord
    over = call.began >= since, call.ended.is_not(None)
    number = step.label("step")
    inner = select(number, broken().label("bad")).where(*over).subquery()
    bad = func.sum(case((inner.c.bad, 1), else_=0))
    found: dict[int, dict[str, int]] = {}
    for at, calls, failed in await session.execute(select(inner.c.step, func.count(), bad).group_by(inner.c.step)):
        found[int(at)] = {"calls": calls, "bad": int(failed or 0)}
    for at, turns, p50, p95 in await session.execute(_percentiles(number, turn, over)):
        found[int(at)] |= {"turns": turns, "p50": round(p50), "p95": round(p95)}
    return found


def _percentiles(
    number: ColumnElement[int], turn: type[TurnRecord], over: tuple[ColumnElement[bool], ...]
) -> Select[Any]:
    """Percentiles as nearest ranks, by window functions, because SQLite has no percentiles."""
    total = turn.latency_ms["total"].as_float()
    timed = (
        select(number, total.label("ms"))
        .select_from(CallRecord)
        .join(turn, turn.call == CallRecord.id)
        .where(*over, total > 0)
        .subquery()
    )
    rank = func.row_number().over(partition_by=timed.c.step, order_by=timed.c.ms)
    turns = func.count().over(partition_by=timed.c.step)
    ranked = select(timed.c.step, timed.c.ms, rank.label("rank"), turns.label("turns")).subquery()

    def nearest(percent: int) -> Any:
        place = (cast(ranked.c.turns, Integer) * percent + 99) // 100
        return func.max(case((ranked.c.rank <= place, ranked.c.ms)))

    return select(ranked.c.step, ranked.c.turns, nearest(50), nearest(95)).group_by(ranked.c.step, ranked.c.turns)


async def _cost(session: AsyncSession, calls_since: datetime, since: datetime) -> tuple[float, dict[str, float], bool]:
    """The cost of calls since `calls_since` and of other expenses since `since`; the cost by part; and whether a part
    is an estimate."""
    parts = dict.fromkeys(PARTS, 0.0)
    whole, estimated = 0.0, 0
    for table, at, first in (
        (CallRecord, CallRecord.began, calls_since),
        (ExpenseRecord, ExpenseRecord.at, since),
    ):
        costs: Any = table.costs
        sums = [func.sum(costs[part].as_float()) for part in PARTS]
        marked = func.sum(func.coalesce(func.json_array_length(costs["estimated"]), 0))
        query = select(func.sum(table.cost), marked, *sums).where(at >= first)
        if table is CallRecord:  # the page adds running calls
            query = query.where(CallRecord.ended.is_not(None))
        money, marks, *each = (await session.execute(query)).one()
        whole += money or 0.0
        estimated += int(marks or 0)
        parts = {part: parts[part] + float(value or 0) for part, value in zip(PARTS, each, strict=True)}
    return whole, {part: value for part, value in parts.items() if value}, estimated > 0


async def _failures(session: AsyncSession, now: datetime) -> dict[tuple[str, str], ProviderFailures]:
    """The last failure of each part of each agent within a day, and how many there were."""
    event, call = EventRecord, CallRecord
    since, _ = await _bounded(session, now - timedelta(days=1))
    part = event.about["part"].as_string()
    its = call.agent, part
    rank = func.row_number().over(partition_by=its, order_by=event.id.desc())
    query = select(call.agent, part.label("part"), event.at, event.call, event.about, rank.label("rank"))
    query = (
        query.add_columns(func.count().over(partition_by=its).label("times"))
        .select_from(event)
        .join(call, call.id == event.call)
    )
    found = query.where(call.began >= since, event.kind == PROVIDER_FAILED).subquery()
    last = select(found).where(found.c.rank == 1).limit(AGENTS * len(PARTS))
    return {
        (row.agent, row.part): ProviderFailures(row.times, row.at, row.call, str(row.about.get("cause", "")))
        for row in await session.execute(last)
    }


async def _worst(session: AsyncSession, since: datetime, until: datetime) -> list[BadCall]:
    """The worst calls of a day: those in which nothing was heard, then those in which a provider failed, other
    failures, and those that waited longest for an answer."""
    call, turn = CallRecord, TurnRecord
    since, _ = await _bounded(session, since)
    day = call.began >= since, call.began < until, call.ended.is_not(None)
    query = select(call).where(*day, broken()).order_by(gravity(), call.began.desc()).limit(WORST)
    rows = [columns(row) for row in await session.scalars(query)]
    if len(rows) < WORST:
        slowest = func.max(turn.latency_ms["total"].as_float())
        waited = select(call.id).join(turn, turn.call == call.id).where(*day, ~broken()).group_by(call.id)
        ids = list(await session.scalars(waited.having(slowest >= SLOW).order_by(slowest.desc()).limit(WORST)))
        slow = {row.id: columns(row) for row in await session.scalars(select(call).where(call.id.in_(ids)))}
        rows += [slow[one] for one in ids][: WORST - len(rows)]
    faults = await faults_of(session, [row["id"] for row in rows])
    return [BadCall(row, judged(row, faults.get(row["id"]))) for row in rows]
