"""Two days of calls in a database, and what the home page has to tell of them, on whatever database; and days to look
at.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, EventRecord, ExpenseRecord, TurnRecord
from sipgw.web.overview import MOST, overview
from tests.web.sample_calls import REFUSED, SILENT, SLOW, yesterday

NOW = datetime(2026, 11, 23, 14, 10, tzinfo=timezone(timedelta(hours=2)))
"""In the gateway's zone: its day began at 22:00 UTC."""


def call(name: str, ago: float, ending: str = "caller_hung_up", cause: str = "", **more: Any) -> CallRecord:
    """A call that began `ago` hours before `NOW`."""
    began = (NOW - timedelta(hours=ago)).astimezone(UTC)
    values: dict[str, Any] = {
        "id": name, "trunk": "office", "agent": "agent", "caller": "+15550100", "called": "+15550199", "began": began,
        "answered": began, "ended": began + timedelta(seconds=60), "ending": ending, "cause": cause,
        "media": {"sent": 3000, "received": 3000, "mos": 4.3},
    }  # fmt: skip
    return CallRecord(**(values | more))


def turns(name: str, *waits: int) -> list[TurnRecord]:
    """Turns with so many milliseconds; 0 for one without an answer."""
    return [
        TurnRecord(call=name, number=number, caller="a", said="b", latency_ms={"total": wait} if wait else {})
        for number, wait in enumerate(waits)
    ]


async def fill(store: Store) -> None:
    """Today eight calls: three were bad, one was slow; yesterday two; one of last week; one that goes on."""
    costs = {"trunk": 0.01, "llm": 0.02, "estimated": ["llm x tokens_in"], "total": 0.03}
    rows: list[Any] = [
        call("good", 1, cost=0.03, costs=costs), *turns("good", 0, *range(100, 2000, 100)),
        call("slow", 1.1, cost=0.1, costs={"trunk": 0.1, "estimated": []}), *turns("slow", 5200),
        call("key", 2, "failed", "llm failed: OpenAI: 401"), call("mute", 3, media={"sent": 400, "received": 0}),
        call("brief", 3.1, media={"sent": 40, "received": 0}), call("backup", 4, agent="repairs"),
        call("early", 13.9), call("old record", 5, media={}),
        call("yesterday", 20, "line_lost", "network: 408"), call("fine", 21), call("last week", 90, cost=5.0),
        call("now", 0.1, "", answered=None, ended=None),
        EventRecord(call="key", at=NOW - timedelta(hours=2), kind="provider_failed",
                    about={"part": "llm", "cause": "OpenAI: 401 Unauthorized"}),
        EventRecord(call="backup", at=NOW - timedelta(hours=4), kind="provider_failed",
                    about={"part": "tts", "cause": "ElevenLabs: no sound for 2.5 s"}),
        EventRecord(call="backup", at=NOW - timedelta(hours=3.9), kind="provider_failed",
                    about={"part": "tts", "cause": "again"}),
        EventRecord(call="good", at=NOW, kind="answered", about={}),
        ExpenseRecord(at=NOW, what="menu.pdf", cost=0.5, costs={"llm": 0.5, "estimated": []}),
    ]  # fmt: skip
    async with store.write() as session:
        session.add_all([row for row in rows if isinstance(row, CallRecord)])
        await session.flush()
        session.add_all([row for row in rows if not isinstance(row, CallRecord)])


async def hold(store: Store) -> None:
    """Fill the database, and hold what is told of it against what was filled in."""
    async with store.read() as session:
        empty = await overview(session, NOW, "day")
    assert not empty.calls and empty.cost == 0 and len(empty.steps) == 48 and not empty.worst["today"]
    await fill(store)
    async with store.read() as session:
        day, week = await overview(session, NOW, "day"), await overview(session, NOW, "week")
    assert (day.today.calls, day.today.bad, day.today.turns) == (8, 3, 20)
    assert (day.today.p50, day.today.p95) == (1000, 1900), "nearest ranks of 19 turns of 0.1 to 1.9 s and one of 5.2 s"
    assert day.today.began == datetime(2026, 11, 22, 22, tzinfo=UTC), "the gateway's own midnight"
    assert round(day.cost, 6) == 0.63 and day.estimated
    assert {part: round(value, 6) for part, value in day.parts.items()} == {"trunk": 0.11, "llm": 0.52}
    assert sum(step.calls for step in day.steps) == 10 and sum(step.bad for step in day.steps) == 4
    assert sum(step.calls for step in week.steps) == 11 and len(week.steps) == 56
    drawn = {step.began.astimezone(NOW.tzinfo).strftime("%H:%M"): step for step in day.steps if step.turns}
    assert {at: (step.p50, step.p95) for at, step in drawn.items()} == {"13:00": (1000, 1900)}
    assert day.steps[-1].began == datetime(2026, 11, 23, 12, tzinfo=UTC), "the step of now is the last"
    assert {key: (one.times, one.call, one.cause) for key, one in day.failures.items()} == {
        ("agent", "llm"): (1, "key", "OpenAI: 401 Unauthorized"), ("repairs", "tts"): (2, "backup", "again"),
    }  # fmt: skip
    told = {when: [(one.call["id"], one.trouble.word) for one in calls] for when, calls in day.worst.items()}
    assert told == {
        "today": [("mute", "no sound"), ("key", "key refused"), ("backup", "provider failed"), ("slow", "slow")],
        "yesterday": [("yesterday", "line lost")],
    }
    assert day.calls and not day.limited and not day.today_limited


async def hold_worst(store: Store) -> None:
    """The worst call is the first that is named, however many were less bad after it."""
    async with store.write() as session:
        session.add(call("mute", 3, media={"sent": 400, "received": 0}))
        session.add_all(call(f"lost-{number}", 1 + number / 10, "line_lost") for number in range(6))
        session.add_all(call(f"rung-{number}", 0.1 + number / 10, "failed", answered=None) for number in range(6))
    async with store.read() as session:
        day = await overview(session, NOW, "day")
    assert [one.call["id"] for one in day.worst["today"]] == ["mute", "lost-0", "lost-1", "lost-2"]


async def hold_many(store: Store) -> None:
    """Of more calls than count, the latest are told, and that it is not all."""
    async with store.write() as session:
        session.add_all(call(f"many-{number}", number / 10_000, media={}, cost=1.0) for number in range(MOST + 50))
    async with store.read() as session:
        found = await overview(session, NOW, "day")
    assert found.limited and found.today_limited
    assert MOST <= sum(step.calls for step in found.steps) <= MOST + 1
    assert MOST <= found.cost <= MOST + 1, "the work of the database has a bound"


async def add_days(store: Store, instead: str = "") -> None:
    """Two days until now to look at: three calls in an hour by day, of which some went badly; the calls of `play` are
    yesterday's. `instead` stands in place of what others wrote."""
    now = datetime.now(UTC)
    noon = yesterday()
    rows: list[Any] = []
    for number in range(120):
        began = now - timedelta(minutes=5 + 24 * number)
        quiet, failed = not 7 <= began.hour <= 20, number % 17 == 3
        if quiet and number % 6:
            continue
        used = {"stt assemblyai/universal seconds": 41.0, "llm openai/gpt-6-luna tokens_in": 3100.0}
        costs = {
            "trunk": 0.008,
            "stt": 0.006,
            "llm": 0.011,
            "tts": 0.015,
            "used": used,
            "estimated": ["llm x tokens_in"],
        }
        values = {"began": began, "answered": began, "ended": began + timedelta(seconds=30 + number), "cost": 0.04}
        out = number % 5 == 4
        parties = {"caller": "+15550199", "called": "+15550142"} if out else {"caller": f"+1555010{number % 10}"}
        name = f"day-{number}@10.0.0.5"
        ending = {"ending": "failed", "cause": instead or "llm failed: OpenAI: 401"} if failed else {}
        values |= parties | ending | {"costs": costs, "direction": "out" if out else "in"}
        rows.append(call(name, 0, **values))  # type: ignore[arg-type]
        rows += turns(name, *(700 + (number * 37 + turn * 211) % 900 for turn in range(5)))
        if failed:
            cause = {"part": "llm", "cause": instead or "OpenAI: 401 Unauthorized"}
            rows.append(EventRecord(call=name, at=began, kind="provider_failed", about=cause))
    for name, more in (
        (SILENT, {"ending": "line_lost", "cause": "no sound arrived for 30 s", "media": {"sent": 1500, "received": 0}}),
        (SLOW, {"cost": 0.0391, "costs": costs | {"total": 0.0391}}),
        (REFUSED, {"ending": "refused", "cause": "the other side offers only G729", "answered": None, "media": {}}),
    ):
        more |= {"cause": instead} if instead else {}
        rows.append(call(name, 0, **({"began": noon, "answered": noon, "ended": noon + timedelta(seconds=61)} | more)))
    rows += turns(SLOW, 3010, 2810, 3470)
    async with store.write() as session:
        session.add_all([row for row in rows if isinstance(row, CallRecord)])
        await session.flush()
        session.add_all([row for row in rows if not isinstance(row, CallRecord)])
