"""Pages of a list of a million calls by each filter, from SQLite and from PostgreSQL: as the operator sees it, a tenant
with half of the calls, and one with a hundredth of them.

``SIPGW_BENCH_CALLS=20000`` takes fewer calls, and a minute; PostgreSQL is left out where it is not installed. The CPU
is that of this process and the database server; on a busy machine it tells what the time does not.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.config.records import StoreOptions
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.searching import Searches
from sipgw.records.store.store import Store
from tests.bench.gate import Gate, percentile
from tests.interop.postgresql import postgresql
from tests.programs import path

AREA = "dashboard"
CALLS = int(os.environ.get("SIPGW_BENCH_CALLS", "1000000"))
TURNS = 4
SOME = 10_000
"""Calls in one transaction."""
ROUNDS = 20
LIMIT = 100
"""Milliseconds, p95."""
TENANTS = {"": "", "half": ", tenant with half of them", "few": ", tenant with 1 % of them"}
"""Names of who looks, empty for the operator, and how the lines begin."""
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
APART = 7
"""Seconds between two calls."""
MIDDLE = FIRST + timedelta(seconds=APART * CALLS // 2)
FILTERS = {
    "none": CallFilter(ended=True),
    "caller": CallFilter(number="+15550001234", ended=True),
    "called": CallFilter(number="+4930103", ended=True),
    "numbers that begin alike": CallFilter(number="+155500012*", ended=True),
    "agent": CallFilter(agent="agent-1", ended=True),
    "trunk": CallFilter(trunk="pbx", ended=True),
    "trunk that is gone": CallFilter(trunk="old", ended=True),
    "rare outcome": CallFilter(ending="failed", ended=True),
    "cost of half": CallFilter(cost_from=5.0, ended=True),
    "cost of 1 %": CallFilter(cost_from=9.9, ended=True),
    "rare cost": CallFilter(cost_from=9.999, ended=True),
    "slowest answer of 1 %": CallFilter(slower_than=9900, ended=True),
    "word of all calls": CallFilter(words="hello", ended=True),
    "word of 1 %": CallFilter(words="topic7", ended=True),
    "rare word": CallFilter(words="w123", ended=True),
    "beginning of words": CallFilter(words="w1234*", ended=True),
    "two words": CallFilter(words="hello w777", ended=True),
    "word that nobody said": CallFilter(words="zebra", ended=True),
    "word and trunk": CallFilter(words="topic7", trunk="telnyx", ended=True),
    "rare word and numbers that begin alike": CallFilter(words="w123", number="+1555*", ended=True),
    "word of all and caller": CallFilter(words="hello", number="+15550001234", ended=True),
    "word and outcome and cost": CallFilter(words="hello", ending="failed", cost_from=5.0, ended=True),
    "word in a span": CallFilter(words="topic7", since=MIDDLE, until=MIDDLE + timedelta(days=1), ended=True),
}
BEGAN = {
    "sqlite": f"strftime('%Y-%m-%d %H:%M:%S', {int(FIRST.timestamp())} + i * {APART}, 'unixepoch') || '.000000'",
    "postgresql": f"to_timestamp({int(FIRST.timestamp())} + i * {APART})",
}
SERIES = "WITH RECURSIVE n(i) AS (SELECT CAST({low} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {high})"
CALL = """INSERT INTO calls (id, direction, trunk, agent, caller, called, began, answered, ended, ending, cause, cost,
    slowest_ms, media, recording, gateway, tenant) {series} SELECT 'call-' || i || '@203.0.113.7', 'in',
    CASE WHEN i < {gone} THEN 'old' WHEN i % 3 = 0 THEN 'pbx' ELSE 'telnyx' END, 'agent-' || (i % 5),
    '+1555' || substr('' || (10000000 + i * 7919 % 200000), 2), '+49301' || substr('' || (100 + i % 20), 2),
    {began}, {began}, {began}, CASE WHEN i % 5000 = 77 THEN 'failed' ELSE 'caller_hung_up' END, '',
    (i * 104729 % 100000) / 10000.0, i * 7907 % 10000, '{{}}', '', '',
    CASE WHEN i % 2 = 0 THEN 'half' WHEN i % 100 = 1 THEN 'few' ELSE '' END FROM n"""
TURN = """INSERT INTO turns (call, number, caller, said) {series}, t(k) AS (VALUES {turns})
    SELECT 'call-' || i || '@203.0.113.7', k, 'Hello, w' || ((i * 7919 + k * 31) % 19997) || ' w' ||
    ((i * 31 + k) % 997) || ' about topic' || ((i * 17 + k) % 400), 'Sure, w' || ((i * 104729 + k * 7) % 19997) ||
    ' is on its way and w' || ((i * 13 + k * 17) % 9973) || ' too, thank you.' FROM n, t"""


async def fill(session: AsyncSession, low: int, high: int) -> None:
    """Calls from `low` up to `high`."""
    name = session.get_bind().dialect.name
    given = {"series": SERIES.format(low=low, high=high), "began": BEGAN[name], "gone": CALLS // 5}
    given |= {"turns": ", ".join(f"({turn})" for turn in range(TURNS))}
    for statement in (CALL, TURN):
        await session.execute(text(statement.format(**given).replace(":", r"\:")))


async def pages(store: Store, cpu: Callable[[], float]) -> dict[str, tuple[float, float]]:
    """The milliseconds of a page of each filter, p95, and those of CPU: the first one, and one in the middle of all
    calls.
    """
    searches, found = Searches(), dict[str, tuple[float, float]]()
    middle = (await store.page(CallFilter(until=MIDDLE), 1)).next
    for name, wanted in FILTERS.items():
        took, used = [], []
        for after in ("", middle):
            await searches.page(store, wanted, 50, after)
            for _ in range(ROUNDS):
                began, before = time.perf_counter(), cpu()
                await searches.page(store, wanted, 50, after)
                took.append(1e3 * (time.perf_counter() - began))
                used.append(1e3 * (cpu() - before))
        found[name] = percentile(took, 0.95), percentile(used, 0.95)
    return found


async def measured(
    options: StoreOptions, cpu: Callable[[], float] = time.process_time
) -> dict[str, tuple[float, float]]:
    """Fill a database, and look at its pages."""
    async with Store(options) as store:
        for low in range(0, CALLS, SOME):
            async with store.write() as session:
                await fill(session, low, min(low + SOME, CALLS))
        if options.url:
            async with store.write() as session:
                await session.execute(text("ANALYZE"))
        found = dict[str, tuple[float, float]]()
        for tenant, seen in TENANTS.items():
            took = await pages(store.of(tenant) if tenant else store, cpu)
            found |= {f"{name}{seen}": figures for name, figures in took.items()}
        return found


def gates() -> Iterator[Gate]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _gates("SQLite", asyncio.run(measured(StoreOptions(f"{folder}/x.db"))))
    if path("initdb"):
        with postgresql() as server, tempfile.TemporaryDirectory() as folder:
            options = StoreOptions(url=server.url, path=f"{folder}/x.db")
            yield from _gates("PostgreSQL", asyncio.run(measured(options, lambda: time.process_time() + server.cpu())))


def _gates(database: str, found: dict[str, tuple[float, float]]) -> Iterator[Gate]:
    for name, (took, used) in found.items():
        figures = f"{took:.0f} ms, {used:.0f} of CPU"
        yield Gate(AREA, f"page of {CALLS} calls, {database}: {name}", figures, f"<= {LIMIT} ms", took <= LIMIT)
