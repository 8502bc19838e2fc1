"""A webhook is told of whole calls: real SIP, RTP and HTTP."""

import asyncio
import json
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from sipgw.calls.request import OriginateRequest
from sipgw.config.records import WebhookOptions
from sipgw.records.cdr.encoder import CdrEncoder
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.records.webhooks.webhooks import genuine
from tests.callee import callee, rejecting
from tests.calls.test_cloud_call import ANSWER, ORDER, every_code
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.http import Exchange
from tests.outbound.test_call_out import NUMBER, calling_out, ended
from tests.phone import calling
from tests.records.store.test_calls_without_database import call_in
from tests.records.webhooks.test_webhooks import SECRET, Target, ok, until

pytestmark = pytest.mark.slow


def test_a_server_is_told_of_a_call_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    async def scenario():
        said = [Said("Where is my order 7346?", 4000, 5000)]
        async with Target(ok) as server:
            hook = WebhookOptions("crm", f"{server.url}/calls", SECRET, private_networks=True)
            async with (
                cloud(
                    tmp_path, said, [ORDER, ANSWER], change=lambda config: replace(config, webhooks=(hook,))
                ) as world,
                calling(world.target, every_code) as phone,
            ):
                await phone.hears(sound_of("Your raincoat is out for delivery."))
            return server.exchanges

    exchanges = asyncio.run(scenario())
    told = [json.loads(exchange.body) for exchange in exchanges]
    events = [one["event"] for one in told]
    assert events[:2] == ["initiated", "answered"]
    assert events[-1] == "completed", "also if the gateway stops right behind the call"
    assert {"turn", "tool"} <= set(events)
    assert len({one["call"] for one in told}) == 1
    assert all(genuine(SECRET, each.headers["sipgw-signature"], each.body, time.time()) for each in exchanges)  # noqa: TID251
    (tool,) = [one["data"] for one in told if one["event"] == "tool"]
    assert tool["result"]["item"] == "a blue raincoat"


class Hours:
    """A clock that is moved to whatever somebody waits for."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.05)
        self.at += timedelta(seconds=seconds)


def test_a_server_that_is_away_for_an_hour_is_told_of_all_its_calls_afterwards_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, away, took = Hours(), [True], defaultdict[str, list[str]](list)
    monkeypatch.setattr("sipgw.gateway.gateway.Deliveries", partial(Deliveries, now=clock.now, sleep=clock.sleep))

    async def respond(exchange: Exchange) -> None:
        if away[0]:
            exchange.reset()
            return
        assert genuine(SECRET, exchange.headers["sipgw-signature"], exchange.body, clock.at.timestamp())
        told = json.loads(exchange.body)
        took[told["call"]].append(told["event"])
        await exchange.answer(200, {})

    async def scenario() -> dict[str, list[str]]:
        happened, minutes = defaultdict[str, list[str]](list), CdrEncoder(lambda _: str)
        async with callee(rejecting(486)) as person, Target(respond) as server:
            hook = WebhookOptions("crm", f"{server.url}/calls", SECRET, private_networks=True)
            async with calling_out(tmp_path, person, change=lambda config: replace(config, webhooks=(hook,))) as (
                world,
                told,
            ):
                began = clock.at
                for hours in (0.5, 1.0):
                    await call_in(world)
                    assert (await ended(world, OriginateRequest(NUMBER, "agent"))).kind == "busy"
                    await until(lambda hours=hours: clock.at > began + timedelta(hours=hours))  # type: ignore[misc]
                assert server.exchanges and not took
                away[0] = False
                for event in told:
                    if (entry := minutes.entry(event)) and "told" in entry:
                        happened[entry["call"]].append(entry["told"])
                await until(lambda: took == happened)
        return happened

    calls = list(asyncio.run(scenario()).values())
    assert [(events[0], events[-1]) for events in calls] == 2 * [("initiated", "completed"), ("initiated", "failed")]
    assert all("answered" in events for events in calls[::2])
    assert took.keys() and not any("answered" in events for events in calls[1::2])
