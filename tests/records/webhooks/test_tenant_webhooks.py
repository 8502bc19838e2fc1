"""A webhook of a tenant is told of the calls of this tenant alone; that of the installation of all."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.config.records import StoreOptions, WebhookOptions
from sipgw.events import CostAlarm, Event, MessageTaken, TrunkAlarm
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord, DeliveryRecord
from sipgw.records.webhooks.deliveries import Deliveries
from tests.cdr_events import a_call, at
from tests.records.webhooks.test_webhooks import SECRET, TURNS, WHOLE, World, impatient, telling  # noqa: F401  a fixture
from tests.waiting import until

URL = "https://crm.example/calls"
HOUSE = WebhookOptions("house", URL, SECRET)
ACME, GLOBEX = (WebhookOptions(name, URL, SECRET, tenant=name) for name in ("acme", "globex"))


class Servers(World):
    """The servers of all targets."""

    def __init__(self) -> None:
        super().__init__()
        self.trunks: dict[str, int] = {}
        """How often each was told the name of a trunk."""
        self.by: dict[str, list[tuple[str, str]]] = {"house": [], "acme/acme": [], "globex/globex": []}

    async def send(self, target: WebhookOptions, body: bytes, headers: dict[str, str]) -> None:
        await super().send(target, body, headers)
        told = json.loads(body)
        self.by[target.name].append((told["call"], told["event"]))
        text = json.dumps(told)
        self.trunks[target.name] = (
            self.trunks.get(target.name, 0) + text.count('"trunk": "pbx"') + text.count("trunk pbx")
        )


def events(tenant: str) -> list[Event]:
    call = f"call-{tenant or 'house'}"
    *begun, ended = a_call(call, TURNS, tenant=tenant)
    message = MessageTaken(call, at(40), "Ann", "+14155550123", "x", "normal")
    alarms = (TrunkAlarm(call, at(50), "pbx", "one_way", True, 3, 10), CostAlarm(call, at(51), 5.0, 4.0, "USD"))
    return [*begun, message, *alarms, ended]


def test_no_event_of_another_leaves_to_a_webhook_of_a_tenant(tmp_path: Path) -> None:
    whole = {*WHOLE, "message"}

    async def scenario(world: Servers) -> None:
        async with telling(tmp_path, world, HOUSE, ACME, GLOBEX) as watchers:
            for tenant in ("acme", "", "globex", "initech"):
                for event in events(tenant):
                    watchers.tell(event)
            await until(lambda: len(world.by["house"]) == 4 * (len(WHOLE) + 3))
            theirs = (world.by["acme/acme"], world.by["globex/globex"])
            await until(lambda: all(len(told) == len(WHOLE) + 1 for told in theirs))

    asyncio.run(scenario(world := Servers()))
    assert {call for call, _ in world.by["house"]} == {"call-acme", "call-globex", "call-house", "call-initech"}
    assert world.trunks["house"] > 0 == world.trunks["acme/acme"] == world.trunks["globex/globex"]
    for tenant in ("acme", "globex"):
        told = world.by[f"{tenant}/{tenant}"]
        assert {call for call, _ in told} == {f"call-{tenant}"}
        assert {event for _, event in told} == whole, "an alarm counts the calls of all"


def test_a_report_goes_to_the_tenant_of_the_record_and_one_of_no_record_to_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            world = Servers()
            async with Deliveries(
                store, (HOUSE, ACME, GLOBEX), send=world.send, now=world.now, sleep=world.sleep
            ) as queue:
                async with store.write() as session:
                    session.add(
                        CallRecord(id="mine", trunk="", agent="", caller="", called="", began=at(0), tenant="acme")
                    )
                    await session.flush()
                    report = {"at": at(1).isoformat(), "state": "filled"}
                    entries = [
                        {"call": call, "told": "report", "about": {}, "report": report} for call in ("mine", "gone")
                    ]
                    await queue.add(session, entries)
                queue.added()
                await until(lambda: len(world.by["house"]) == 2 and world.by["acme/acme"])
            assert world.by["acme/acme"] == [("mine", "report")] and world.by["globex/globex"] == []

    asyncio.run(scenario())


def test_what_waits_for_a_webhook_goes_to_no_other_tenant_that_gets_it_later(tmp_path: Path) -> None:
    async def scenario(first: Servers, then: Servers) -> None:
        first.down = True
        async with telling(tmp_path, first, ACME) as watchers:
            for event in events("acme"):
                watchers.tell(event)
            await until(lambda: bool(first.tries))
        async with telling(tmp_path, then, HOUSE, replace(ACME, tenant="globex")):
            async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, store.write() as session:
                await session.execute(update(DeliveryRecord).values(due=then.clock))
                waiting = set(await session.scalars(select(DeliveryRecord.target)))
            assert waiting == {"acme/acme"}
        assert then.tries == 0

    asyncio.run(scenario(Servers(), Servers()))


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        ('tenant = "x"', "'crm' names a tenant 'x' that is not there"),
        ('tenant = "acme"\nagents = ["theirs"]', "'crm': 'theirs' is no agent of 'acme'"),
        ('tenant = "acme"\nagents = ["ours"]', ""),
    ],
)
def test_a_webhook_has_a_tenant_that_is_there_and_its_agents(hook: str, says: str) -> None:
    text = '[[webhooks]]\nname = "crm"\nurl = "https://crm.example"\nsecret = "${SECRET}"\n' + hook
    tenants = '\n[[tenants]]\nname = "acme"\nagents = ["ours"]\n'
    if not says:
        assert parse(text + tenants, "t", {"SECRET": SECRET}).webhooks[0].tenant == "acme"
        return
    with pytest.raises(ConfigError) as caught:
        parse(text + tenants, "t", {"SECRET": SECRET})
    assert says in str(caught.value)
