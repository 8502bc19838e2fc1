"""Deliveries: webhooks wait in the database until they are accepted, in order for each call. They are written in the
same transaction as their records, so none is lost and none is false. A
target that is down costs only rows: the next delivery of each call is tried again at growing intervals, for three days.
"""

import asyncio
import contextlib
import json
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Self

import structlog
from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from sipgw.bounds import FULL
from sipgw.config.records import WebhookOptions
from sipgw.records.privacy.redaction import Redact, in_json
from sipgw.records.store.seen_by import seen_by
from sipgw.records.store.spool import Entry
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, DeliveryRecord
from sipgw.records.webhooks.mail import PARKED, SETTLES, TOO_MANY, Mailer
from sipgw.records.webhooks.webhooks import PostFailed, new_client, post, signature
from sipgw.sip.boundaries import lasting

log = structlog.get_logger()

FIRST_RETRY = 1.0
LONGEST_RETRY = 600.0
"""Seconds of the first and of the longest pause between two tries; the pause doubles each time."""
GIVE_UP = timedelta(days=3)
"""Seconds after which an event is given up; the later events are sent."""
LONGEST_PAUSE = 60.0
"""Longest pause in seconds before a target that takes nothing is tried with other calls."""
MOST_WAITING = 100_000
"""Maximum rows for one target: a day of 10,000 calls. Further ones are dropped, so that they do not fill the disk."""
COUNT_AGAIN = 30.0
"""Seconds until the rows of a full target are counted again: no records are written during the count."""
BATCH = 500
"""Records in one question to the database."""
LEASE = 120.0
"""Seconds for which this gateway claims a delivery."""
LOOK = 30.0
"""Seconds between checks for deliveries of other gateways."""
GOODBYE = 3.0
PARTIES = ("caller", "called", "identity")
"""Fields of the participants, which are sent unredacted."""

ENDS = ("completed", "failed")
"""The events that tell the end of a call."""
Target = WebhookOptions | Mailer
Post = Callable[[WebhookOptions, bytes, dict[str, str]], Awaitable[None]]


@dataclass
class _QueueRoom:
    """Room for further deliveries to one target."""

    left: int = 0
    """A lower bound of the free rows; counted again when it is used up."""
    full_at: datetime | None = None
    """The time of the last count, if it found no room."""

    def known_full(self, now: datetime) -> bool:
        """Whether the last count found no room and was less than `COUNT_AGAIN` seconds ago; the clock may have been
        corrected since."""
        return self.full_at is not None and abs((now - self.full_at).total_seconds()) < COUNT_AGAIN


class Deliveries:
    """The webhooks of one gateway. Use it as an async context manager, around its CDR writer."""

    def __init__(
        self,
        store: Store,
        targets: Sequence[Target],
        redactor: Callable[[str], Redact] = lambda _: str,
        *,
        send: Post | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`redactor` returns the redactor of texts for an agent's name."""
        self._store = store
        self._targets = [_of_tenant(target) for target in targets]
        self._redactor = redactor
        self._send = send
        self._now = now
        self._sleep = sleep
        self._news = {target.name: asyncio.Event() for target in self._targets}
        self._idle = {target.name: False for target in self._targets}
        self._rooms = {target.name: _QueueRoom() for target in self._targets}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            if self._targets and self._send is None:
                client = await stack.enter_async_context(new_client())
                self._send = lambda target, body, headers: post(client, target, body, headers)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            delivering = [partial(self._deliver, target) for target in self._targets]
            tasks = [group.create_task(lasting(one, "webhooks failed")) for one in delivering]
            stack.push_async_callback(self._finish, tasks)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def add(self, session: AsyncSession, entries: Sequence[Entry], gateway: str = "") -> None:
        """Queue the webhooks for `entries`, which have been written. `gateway` is the gateway with the files of their
        calls."""
        told = [entry for entry in entries if "told" in entry]
        tenants = await self._tenants(session, told)
        rows = [row for entry in told for row in self._rows(entry, gateway, tenants.get(_record(entry), ""))]
        wanted = Counter(row["target"] for row in rows)
        full = {name for name, number in wanted.items() if not await self._takes(session, name, number)}
        rows = [row for row in rows if row["target"] not in full]
        if rows:
            await self._mark_first(session, rows)
            await session.execute(insert(DeliveryRecord), rows)
        if ended := [_record(entry) for entry in entries if entry.get("told") in ENDS]:
            for target in self._targets:
                if isinstance(target, Mailer):
                    row, due = DeliveryRecord, self._now() + SETTLES
                    parked = row.target == target.name, row.call.in_(ended), row.tries == 0, row.due > due
                    await session.execute(update(row).where(*parked).values(due=due))

    async def _tenants(self, session: AsyncSession, told: Sequence[Entry]) -> dict[str, str]:
        """The tenant of each record in the database; empty if no target needs it."""
        found: dict[str, str] = {}
        if any(isinstance(one, WebhookOptions) and one.tenant for one in self._targets):
            records, call = list({_record(entry) for entry in told}), CallRecord
            for at in range(0, len(records), BATCH):
                query = select(call.id, call.tenant).where(call.id.in_(records[at : at + BATCH]))
                found |= {row.id: row.tenant for row in await session.execute(query)}
        return found

    async def _mark_first(self, session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
        """Note in each mail whether it is the first of its call. All mails of a call wait for the end of the call."""
        mailers = {target.name for target in self._targets if isinstance(target, Mailer)}
        before: dict[str, set[str]] = {}
        for row in rows:
            if row["target"] in mailers and row["kind"] == "message":
                told, call = json.loads(row["body"]), row["call"]
                if call not in before:
                    table = DeliveryRecord
                    its = table.target == row["target"], table.call == call, table.kind == "message"
                    waiting = select(table.body).where(*its)
                    before[call] = {json.loads(one)["record"] for one in await session.scalars(waiting) if one}
                told["first"] = told["record"] not in before[call]
                before[call].add(told["record"])
                row["body"] = json.dumps(told, ensure_ascii=False)

    async def _takes(self, session: AsyncSession, target: str, number: int) -> bool:
        """Whether `number` more deliveries may wait for `target`; if so, they are counted."""
        room = self._rooms[target]
        if room.left < number and not room.known_full(self._now()):
            row = DeliveryRecord
            waiting = select(row.id).where(row.target == target, row.given_up.is_(None)).limit(MOST_WAITING).subquery()
            room.left = MOST_WAITING - (await session.scalar(select(func.count()).select_from(waiting)) or 0)
            if room.left < number and room.full_at is None:
                log.warning("an event for a webhook is dropped: too many wait for its target", target=target)
            room.full_at = self._now() if room.left < number else None
        if room.left < number:
            FULL["webhooks"] += number
            return False
        room.left -= number
        return True

    def added(self) -> None:
        """Note that the added deliveries are in the database."""
        for name, news in self._news.items():
            self._idle[name] = False
            news.set()

    def _rows(self, entry: Entry, gateway: str, tenant: str) -> list[dict[str, Any]]:
        agent = entry.get("about", {}).get("agent", "")
        targets = [target for target in self._targets if _wants(target, entry["told"], agent, tenant)]
        if not targets:
            return []
        made, identity = self._now(), secrets.token_hex(16)
        told, redact = _body(entry, identity), self._redactor(agent)
        if entry["told"] == "alarm":  # an alarm has only the gateway's own names and numbers
            redact = str
        parties = () if "turn" in entry else PARTIES  # the `caller` of a turn has the caller's words
        told["data"] = {
            name: value if name in parties else in_json(value, redact) for name, value in told["data"].items()
        }
        body = json.dumps(told, ensure_ascii=False)
        row = {"identity": identity, "call": _record(entry), "kind": entry["told"], "body": body, "made": made}
        row |= {"tries": 0, "problem": ""}
        rows: list[dict[str, Any]] = []
        for one in targets:
            rows.append(row | {"target": one.name, "due": made})
            if isinstance(one, Mailer):  # another gateway may send it, or this one with other agents
                mail = asdict(one.addressed(entry["told"], agent)) | {"record": entry["record"], "gateway": gateway}
                due = made + PARKED if entry["told"] == "message" else made
                rows[-1] |= {"due": due, "body": json.dumps(told | mail, ensure_ascii=False)}
            elif one.tenant:
                rows[-1]["body"] = json.dumps(seen_by(told, one.tenant), ensure_ascii=False)
        return rows

    async def _deliver(self, target: Target) -> None:
        """Send the deliveries of `target` until cancelled."""
        news, failures = self._news[target.name], 0
        while True:
            news.clear()
            try:
                claimed, failed, taken = await self._round(target)
                wait = 0.0 if claimed else await self._until_due(target)
            except SQLAlchemyError as error:
                log.warning("webhooks wait for the database", cause=str(error).splitlines()[0][:200])
                failed, taken, wait = 0, 0, FIRST_RETRY
            except Exception:  # the observer boundary: calls go on without their webhooks
                log.exception("webhooks failed")
                failed, taken, wait = 0, 0, LONGEST_PAUSE
            failures = 0 if taken else failures + bool(failed)
            self._idle[target.name] = wait == LOOK or failures > 0
            if failed and not taken:  # a target that takes nothing is not tried with call after call
                await self._sleep(min(LONGEST_PAUSE, _pause(failures - 1)))
            elif wait:
                await self._wait(wait, news)

    async def _wait(self, seconds: float, news: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(_until(self._sleep(seconds))), tasks.create_task(_until(news.wait()))]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def _round(self, target: Target) -> tuple[int, int, int]:
        """Try the next delivery of some calls. Returns the number of tries, the number that the target was asked to
        take but did not, and the number that it took.
        """
        rows = await self._claim(target)
        problems: dict[int, PostFailed] = {}
        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                tasks.create_task(self._try(target, row, problems))
        if rows:
            await self._settle(target, rows, problems)
        return len(rows), sum(one.asked for one in problems.values()), len(rows) - len(problems)

    async def _until_due(self, target: Target) -> float:
        """Seconds until the next delivery to `target` may be tried."""
        row = DeliveryRecord
        query = select(func.min(row.due)).where(row.target == target.name, row.given_up.is_(None))
        async with self._store.read() as session:
            due = await session.scalar(query.where(row.due > self._now()))
        return LOOK if due is None else min(LOOK, max(0.0, (due - self._now()).total_seconds()) + 0.001)

    async def _claim(self, target: Target) -> list[DeliveryRecord]:
        """Claim the first due delivery of each call for a while, and return them. They are ordered by their due time,
        so that old deliveries do not delay later ones. By mail, an alarm does not wait for the messages of its call.
        """
        row, earlier = DeliveryRecord, aliased(DeliveryRecord)
        series = [earlier.target == row.target, earlier.call == row.call, earlier.given_up.is_(None)]
        if isinstance(target, Mailer):
            series.append(earlier.kind == row.kind)
        first = ~exists().where(*series, earlier.id < row.id)
        query = select(row).where(row.target == target.name, row.due <= self._now(), row.given_up.is_(None), first)
        async with self._store.write() as session:
            query = query.order_by(row.due, row.id).limit(target.concurrency).with_for_update(skip_locked=True)
            rows = list(await session.scalars(query))
            session.expunge_all()
            if rows:
                until = self._now() + timedelta(seconds=target.lease if isinstance(target, Mailer) else LEASE)
                await session.execute(update(row).where(row.id.in_([one.id for one in rows])).values(due=until))
        return rows

    async def _try(self, target: Target, row: DeliveryRecord, problems: dict[int, PostFailed]) -> None:
        try:
            await (target.send(row) if isinstance(target, Mailer) else self._post(target, row))
        except PostFailed as error:
            problems[row.id] = error
        except Exception as error:  # the error of one must not delay the others
            log.exception("webhook not sent", target=target.name)
            problems[row.id] = PostFailed(type(error).__name__)

    async def _post(self, target: WebhookOptions, row: DeliveryRecord) -> None:
        assert self._send  # noqa: S101  set when entered
        body = row.body.encode()
        seconds = int(self._now().timestamp())
        headers = {"Sipgw-Signature": signature(target.secret, seconds, body), "Sipgw-Delivery": row.identity}
        await self._send(target, body, headers)

    async def _settle(self, target: Target, rows: list[DeliveryRecord], problems: dict[int, PostFailed]) -> None:
        """Write the outcomes of the tries to the database."""
        table, now = DeliveryRecord, self._now()
        async with self._store.write() as session:
            taken = [row.id for row in rows if row.id not in problems]
            if taken:
                await session.execute(delete(table).where(table.id.in_(taken)))
                if any(row.tries for row in rows):  # the target is up again: waiting deliveries are due now
                    waiting = table.target == target.name, table.due > now, table.tries > 0, table.id.not_in(problems)
                    down = table.problem.not_like(f"%{TOO_MANY}")
                    await session.execute(update(table).where(*waiting, down).values(due=now))
            for row in rows:
                if problem := problems.get(row.id):
                    gone = problem.final or now - row.made > GIVE_UP
                    values: dict[str, Any] = {"tries": row.tries + 1, "problem": str(problem)[:200]}
                    due = now + timedelta(seconds=_pause(row.tries) if problem.wait is None else problem.wait)
                    values |= {"given_up": now, "body": ""} if gone else {"due": due}
                    await session.execute(update(table).where(table.id == row.id).values(**values))
                    if gone or not row.tries:
                        word = "webhook given up" if gone else "webhook not delivered"
                        log.warning(word, target=target.name, call=row.call, kind=row.kind, cause=str(problem))

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                while not all(self._idle.values()):  # noqa: ASYNC110  what they wait for is elsewhere
                    await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()


def _of_tenant(target: Target) -> Target:
    """The target with its tenant's name before its own. If the webhook is given to another tenant later, waiting
    deliveries do not go there."""
    if isinstance(target, WebhookOptions) and target.tenant:
        return replace(target, name=f"{target.tenant}/{target.name}")
    return target


def _record(entry: Entry) -> str:
    return str(entry.get("record", entry["call"]))


def _wants(target: Target, told: str, agent: str, tenant: str) -> bool:
    if isinstance(target, Mailer):
        return bool(target.addressed(told, agent).to)
    if target.tenant and (target.tenant != tenant or told == "alarm"):  # an alarm is based on the calls of all tenants
        return False
    return told in target.events and (not target.agents or agent in target.agents)


def _body(entry: Entry, identity: str) -> dict[str, Any]:
    for part in ("new", "turn", "tool", "message", "event", "set", "report"):
        if part in entry:
            data = entry[part].get("about", entry[part])
            at = next(entry[part][name] for name in ("began", "at", "ended", "answered") if name in entry[part])
            break
    data = {name: value for name, value in data.items() if name not in ("at", "began")}
    return {
        "id": identity,
        "event": entry["told"],
        "call": _record(entry),
        "at": at,
        "about": entry.get("about", {}),
        "data": data,
    }


def _pause(tries: int) -> float:
    """Seconds until the next try; spread, so that calls do not all come back at once."""
    return float(min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(tries, 20)) * random.uniform(0.8, 1.2))


async def _until(done: Awaitable[object]) -> None:
    await done
