# mypy: disable-error-code="arg-type"
"""Each part of the full stack dies, or stands still, under the same steady load; and what those who call noticed.

Callers ring in by Kamailio, six a second for six seconds each, and three people have been promised a call back: one
has picked up when it happens, one hears it ring, and the call of the third becomes due meanwhile.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sipgw.records.cdr.writer import INTERRUPTED
from sipgw.records.store.calls import CallFilter
from sipgw.sip.leg import Leg
from tests.callee import Callee
from tests.interop.frozen import freeze, thaw
from tests.interop.promised import hurry, job_is, jobs_of, leases_run_out
from tests.interop.sipp_load import Counts, load
from tests.interop.stack import Stack
from tests.waiting import HANG, until

CALLS, RATE, SECONDS = 42, 6.0, 6.0
TALKING = 12
"""Calls that are up when it happens."""
RINGS = 4.0
"""Seconds until the second picks up."""
ANSWERED, RINGING, LATER = range(3)
"""The last digits of those who have been promised a call."""


class Fault(NamedTuple):
    """Something that happens to gateway number `at`, or to all."""

    part: str
    how: str
    strike: Callable[[Stack, int], object]
    mend: Callable[[Stack, int], object]
    seconds: float = 3.0
    """From the one to the other."""
    costs: str = ""
    """Why the calls that it ends have ended, by their records; empty if it may end none."""

    def __str__(self) -> str:
        return f"{self.part} {self.how}"

    @property
    def waiting(self) -> list[str]:
        """The numbers of those who have been promised a call; the gate lets nobody be called often."""
        return [f"+1415555{1000 + 10 * FAULTS.index(self) + last}" for last in (ANSWERED, RINGING, LATER)]


def _still(seconds: float) -> str:
    return f"stands still for {seconds:.0f} s"


FAULTS = (
    Fault("gateway", "is killed", Stack.kill, Stack.again, 0.5, INTERRUPTED),
    Fault("gateway", _still(6), Stack.pause, lambda one, at: one.pause(at, go_on=True), 6),
    Fault("gateway", "is cut off for 6 s", lambda one, at: freeze(one.gateways[at].process),
          lambda one, at: thaw(one.gateways[at].process), 6),
    Fault("media process", "is killed", lambda one, at: os.kill(one.media(at), signal.SIGKILL),
          lambda *_: None, 0, "media process ended with status -9"),
    Fault("media process", "stands still", lambda one, at: os.kill(one.media(at), signal.SIGSTOP),
          lambda *_: None, 0, "media process did not answer for 4 s and was killed"),
    Fault("Redis", "is killed", lambda one, _: one.redis.kill(), lambda one, _: one.redis.start()),
    Fault("Redis", _still(6), lambda one, _: one.redis.freeze(), lambda one, _: one.redis.thaw(), 6),
    Fault("PostgreSQL", "is killed", lambda one, _: one.postgresql.stop(), lambda one, _: one.postgresql.start()),
    Fault("PostgreSQL", _still(6), lambda one, _: one.postgresql.freeze(), lambda one, _: one.postgresql.thaw(), 6),
    Fault("Kamailio", "is killed", lambda one, _: one.edge.kill(), lambda one, _: one.edge.start()),
    Fault("Kamailio", _still(6), lambda one, _: one.edge.freeze(), lambda one, _: one.edge.thaw(), 6),
)  # fmt: skip


class Noticed(NamedTuple):
    """What came of it."""

    counts: Counts
    had: frozenset[str]
    """The calls in that the gateway had when it was struck, by Call-ID."""
    records: dict[str, list[dict[str, Any]]]
    """Those of the calls in, by Call-ID."""
    out: list[dict[str, Any]]
    """The records of the calls out."""
    rang: list[int]
    """How often each of those was called who had been promised it."""

    def __str__(self) -> str:
        lost, told = len(self.lost), len(self.counts.told)
        return f"{lost} of {len(self.had)} calls lost, {told} of them with a BYE; {self.counts.good} others were well"

    @property
    def lost(self) -> frozenset[str]:
        """Calls that did not end as they were meant to."""
        return self.counts.every - self.counts.well

    def endings(self, calls: Iterable[str]) -> list[set[str]]:
        """What the records say of each of these calls: a gateway that stood still may have a second one."""
        return [{f"{one['ending']}: {one['cause']}" for one in self.records.get(call, [])} for call in calls]


def suffered(running: Stack, folder: Path, fault: Fault) -> Noticed:
    """Let it happen, have it mended, and wait until everything is over."""
    began = datetime.now(UTC)
    callee = running.carrier.callee
    callee.legs.clear()
    callee.takes = _takes
    since = {at: len(running.gateways[at].log) for at in range(2)}
    at = asyncio.run(_promised(running, fault.waiting))
    with load(folder / "sipp", running.edge.port, CALLS, RATE, SECONDS, patience=12) as callers:
        asyncio.run(_talking(running, fault.waiting, since))
        gateway = running.gateways[at]
        fault.strike(running, at)
        had = _going(gateway.log[since[at] :])
        time.sleep(fault.seconds)
        fault.mend(running, at)
        if gateway.killed:  # it wrote lines that were not read yet when it died
            had = _going(gateway.log[since[at] :])
        counts = callers.counts()
        running.edge.gives_calls_to(*running.ports)
    if gateway.killed:
        asyncio.run(leases_run_out(running, fault.waiting[RINGING]))
    rang = asyncio.run(_kept(running, fault.waiting))
    # The log has a call just before the spool does: one that was killed between rang nowhere, and sent no INVITE.
    records = asyncio.run(_recorded(running, began, counts.noticed, sum(rang)))
    ins: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        if one["direction"] == "in":
            ins.setdefault(one["id"].split()[0], []).append(one)
    return Noticed(counts, had, ins, [one for one in records if one["direction"] == "out"], rang)


def _takes(person: Callee, leg: Leg) -> None:
    if str(leg.request.uri.user).endswith(str(RINGING)):
        person.ring(leg)
        person.after(RINGS, person.pick_up, leg)
    else:
        person.pick_up(leg)


def _going(log: list[str]) -> frozenset[str]:
    """The calls that have begun by this log, and not ended."""
    lines = [json.loads(line) for line in log if line.startswith("{")]
    began, ended = ({line["call"] for line in lines if line["event"] == f"call {what}"} for what in ("began", "ended"))
    return frozenset(began - ended)


async def _promised(running: Stack, numbers: list[str]) -> int:
    """Have one pick up and another hear it ring; returns which gateway has the call that rings.

    Before the callers come: they stay for seconds only, and a busy gateway may try such a call again a minute later.
    """
    legs = running.carrier.callee.legs
    for number in (numbers[ANSWERED], numbers[RINGING]):
        await running.plan(number, number, 0)
    await job_is(running, numbers[ANSWERED], "done")
    await until(lambda: numbers[RINGING] in [leg.request.uri.user for leg in legs])
    return next(running.ports.index(leg.source.port) for leg in legs if leg.request.uri.user == numbers[RINGING])


async def _talking(running: Stack, numbers: list[str], since: dict[int, int]) -> None:
    """Wait for the moment, after which the third call becomes due."""
    await running.plan(numbers[LATER], numbers[LATER], 4)
    await until(lambda: sum(len(_going(running.gateways[one].log[since[one] :])) for one in since) >= TALKING)


async def _kept(running: Stack, numbers: list[str]) -> list[int]:
    """Wait until all promises are kept; returns how often whom was called."""
    legs = running.carrier.callee.legs
    async with asyncio.timeout(HANG):
        while any(jobs[number].state != "done" for jobs in [await jobs_of(running)] for number in numbers):
            await hurry(running)
            await asyncio.sleep(0.5)
    for leg in legs:
        running.carrier.soon(leg.hangup)
    called = [leg.request.uri.user for leg in legs]
    return [called.count(number) for number in numbers]


async def _recorded(running: Stack, began: datetime, calls: frozenset[str], out: int) -> list[dict[str, Any]]:
    """The records of all calls that have ended, once these calls in, and so many out, are among them.

    What a gateway took that had stood still, when others had it by then, may go on for half a minute without ACK.
    """
    async with running.store() as store, asyncio.timeout(HANG):
        while True:
            found = await store.calls(CallFilter(since=began, ended=True))
            there = {one["id"].split()[0] for one in found}
            if calls <= there and sum(one["direction"] == "out" for one in found) >= out:
                return found
            await asyncio.sleep(0.1)
