"""Records of calls with one identity: the entries in the spool have the identity alone."""

import asyncio
import json
from pathlib import Path
from typing import Any

from sqlalchemy import select

from sipgw.config.records import StoreOptions, WebhookOptions
from sipgw.events import CallKey
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Job
from sipgw.records.artifacts.retention import forget
from sipgw.records.store.store import Store
from sipgw.records.store.tables import DeliveryRecord
from sipgw.records.store.writing import Writer
from sipgw.records.webhooks.deliveries import Deliveries
from tests.cdr_events import START, at


def entries(began: float) -> list[dict[str, Any]]:
    """A call of a caller with the number `began`, and its end."""
    new = {"direction": "in", "trunk": "pbx", "caller": f"{began}", "called": "1", "began": at(began).isoformat()}
    return [{"call": "same", "new": new}, {"call": "same", "set": {"ended": at(9000).isoformat(), "cause": f"{began}"}}]


def test_after_a_kill_events_go_to_the_row_of_their_call_though_an_earlier_one_had_its_identity(tmp_path: Path) -> None:
    async def scenario() -> dict[str, str]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            first, second = entries(1), entries(2)
            async with store.write() as session:
                await Writer("one").apply(session, [*first, second[0]], None)
            async with store.write() as session:
                started = Writer("one")
                await started.resume(session)
                await started.apply(session, second[1:], None)
            return {call["caller"]: call["cause"] for call in await store.calls()}

    assert asyncio.run(scenario()) == {"1": "1", "2": "2"}


def test_who_forgets_a_caller_forgets_the_webhooks_that_wait_of_their_call_alone(tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            deliveries = Deliveries(store, (WebhookOptions("crm", "https://crm.example", "s" * 32),))
            writer = Writer("one")
            for began in (1, 2):
                new, ended = entries(began)
                told = [new | {"told": "initiated"}, ended | {"told": "failed"}]
                async with store.write() as session:
                    await writer.apply(session, told, None)
                    await deliveries.add(session, told)
            async with store.read() as session:
                told = [json.loads(body)["call"] for body in await session.scalars(select(DeliveryRecord.body))]
            assert {*told} == {call["id"] for call in await store.calls()}
            await forget(store, "2", START)
            async with store.read() as session:
                return list(await session.scalars(select(DeliveryRecord.body)))

    left = [json.loads(body) for body in asyncio.run(scenario())]
    assert [(one["event"], one["data"].get("caller") or one["data"]["cause"]) for one in left] == [
        ("initiated", "1"),
        ("failed", "1"),
    ]


def test_a_tenant_sees_the_callbacks_of_its_own_call_alone(tmp_path: Path) -> None:
    async def scenario() -> dict[str, list[str]]:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            jobs, writer = Jobs(store, ""), Writer("one")
            for began, tenant in ((1, "acme"), (2, "globex")):
                new, _ = entries(began)
                new["new"]["tenant"] = tenant
                async with store.write() as session:
                    await writer.apply(session, [new], None)
                call = CallKey("same", at(began))
                job = Job(campaign="", key=f"{call.name} +4930{began}", number=f"+4930{began}", agent=tenant, due=9e9)
                await jobs.promise(job, at(began), (), call)
            return {who: [job.number for job in await jobs.of(who).all("")] for who in ("acme", "globex")}

    assert asyncio.run(scenario()) == {"acme": ["+49301"], "globex": ["+49302"]}
