# mypy: disable-error-code="arg-type"
"""Calls that share a Call-ID: whoever calls chooses it, and to SIP they are two as long as their tags differ."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.tools import tool
from sipgw.calls.info import CallInfo
from sipgw.calls.registry import REMEMBERED, CallRegistry
from sipgw.calls.session import CallSession
from sipgw.config.config import GatewayConfig
from sipgw.events import CallBegan, CallEnded, CallKey, Disposition, Watchers
from sipgw.records.captures.capture import SipCapture
from sipgw.sip.checks import DROP
from sipgw.sip.dialog import peer_of
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Confirmed, Ended
from sipgw.sip.identity import Identity
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.uri import Uri
from sipgw.tools.load.host import ParrotGateway
from sipgw.tools.trial import EMBEDDED, trial
from sipgw.trunks.trunks import LOCAL_TRUNK
from tests.cdr_events import key
from tests.records.captures.test_capture import message
from tests.waiting import HANG

SAME = "chosen@by-who-calls"


class Caller:
    """A call with the Call-ID that others have, too."""

    def __init__(self, endpoint: Endpoint, number: str, gateway: ParrotGateway) -> None:
        target = Uri("sip", "agent", "127.0.0.1", gateway.endpoint.port)
        offer = make_offer(LocalMedia("127.0.0.1", 9, tls=False))
        usage = InviteClient.to(endpoint.agent.core, target, f"<sip:{number}@127.0.0.1>", offer)
        headers = usage.invite.headers.without("call-id").with_(("Call-ID", SAME))
        usage.invite = replace(usage.invite, headers=headers)
        self.leg = Leg(usage, peer_of(target), endpoint._after, endpoint._resolver.addresses, Counter())
        self._events = self.leg.events()
        endpoint._after(usage.start)

    async def until(self, kind: type) -> None:
        async with asyncio.timeout(HANG):
            async for event in self._events:
                if isinstance(event, kind):
                    return


@contextlib.asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[ParrotGateway, Endpoint]]:
    config = trial(GatewayConfig(agent=replace(EMBEDDED, greeting="Hello.")), folder)
    phone = Endpoint(EndpointOptions("127.0.0.1", 0, tcp=False), lambda leg: leg.reject(603), lambda *_: DROP)
    async with ParrotGateway(config) as gateway, phone:
        yield gateway, phone


async def of(gateway: ParrotGateway, caller: str) -> dict[str, Any]:
    """The record of the call from that number, once it has ended."""
    async with asyncio.timeout(HANG):
        while True:
            for record in await gateway.store.calls():
                if record["caller"] == caller and record["ended"]:
                    return record
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_two_calls_at_once_are_two_in_everything_that_is_kept_of_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (gateway, phone):
            first = Caller(phone, "1001", gateway)
            await first.until(Confirmed)
            second = Caller(phone, "1002", gateway)
            await second.until(Confirmed)
            live = gateway.calls
            assert {call: one.info.caller for call, one in live.items()} == {SAME: "1001", f"{SAME} 2": "1002"}
            assert {one.info.call_id for one in live.values()} == {SAME}
            assert all(one.context.cost is not None for one in live.values())

            gateway.stop(SAME, "enough")
            await first.until(Ended)
            assert (await of(gateway, "1001"))["ending"] == "ended_here"
            assert list(gateway.calls) == [f"{SAME} 2"], "the other goes on"
            second.leg.hangup()
            await second.until(Ended)
            ended = await of(gateway, "1002")
            assert (ended["id"], ended["ending"]) == (f"{SAME} 2", "caller_hung_up")
            for call, caller in ((SAME, "1001"), (f"{SAME} 2", "1002")):
                timeline = await gateway.evidence.timelines.of(key(await gateway.store.call(call)))
                assert timeline is not None
                assert (timeline["call"], timeline["caller"]) == (call, caller)
                invites = [one for one in timeline["sip"]["messages"] if one["start"].startswith("INVITE")]
                assert len(invites) == 2, "the ladder is that of the Call-ID"

            third = Caller(phone, "1003", gateway)
            await third.until(Confirmed)
            assert list(gateway.calls) == [f"{SAME} 3"], "nor is one that is over confused with it"
            third.leg.hangup()
            await third.until(Ended)
            assert (await of(gateway, "1003"))["id"] == f"{SAME} 3"
            assert (await of(gateway, "1001"))["ending"] == "ended_here"

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_call_after_a_restart_has_neither_the_identity_nor_the_files_of_an_earlier_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        for number, call in enumerate((SAME, f"{SAME} 2", f"{SAME} 3")):
            async with world(tmp_path) as (gateway, phone):
                caller = Caller(phone, f"100{number}", gateway)
                await caller.until(Confirmed)
                assert list(gateway.calls) == [call]
                caller.leg.hangup()
                await caller.until(Ended)
                await of(gateway, f"100{number}")
        async with world(tmp_path) as (gateway, _):
            assert {one["id"]: one["caller"] for one in await gateway.store.calls()} == {
                SAME: "1000", f"{SAME} 2": "1001", f"{SAME} 3": "1002",
            }  # fmt: skip
            first = await gateway.evidence.timelines.of(key(await gateway.store.call(SAME)))
            assert first is not None and first["caller"] == "1000"

    asyncio.run(scenario())


@pytest.mark.slow
def test_what_a_call_changes_is_not_taken_for_a_repetition_of_another_call_with_its_identity(tmp_path: Path) -> None:
    """The server of a tool gives the same answer to the same key: that would be what it told the other caller."""
    keys = []

    @tool(side_effect=True)
    async def order(item: str, idempotency_key: str) -> str:
        """Order something."""
        keys.append(idempotency_key)
        return item

    async def scenario() -> None:
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with world(folder) as (gateway, phone):
                caller = Caller(phone, "1001", gateway)
                await caller.until(Confirmed)
                talk: Any = gateway.calls[SAME].context.conversation
                toolbox = talk._agent.toolbox
                toolbox.offer([order])
                assert not (await toolbox.run("order", '{"item": "tea"}')).error
                caller.leg.hangup()
                await caller.until(Ended)
        assert len(set(keys)) == 2

    asyncio.run(scenario())


def test_identities_of_an_earlier_run_are_not_given_again() -> None:
    later = CallRegistry()
    later.remember(["x", "x 2", "y 7", "z 2026-11-25T20:00:00+00:00"])
    assert [later.identity(call_id) for call_id in ("x", "y", "y 7", "z", "new")] == [
        "x 3",
        "y 8",
        "y 7 2",
        "z 2",
        "new",
    ]
    later.remember(f"call {number} of the last run" for number in range(REMEMBERED))
    later.identity("one more")
    assert len(later._given) == REMEMBERED


def session(call: str) -> CallSession:
    services: Any = SimpleNamespace(engine=None, watchers=Watchers())
    return CallSession(CallInfo(call, LOCAL_TRUNK, Identity()), services)


def test_an_identity_is_given_once_whatever_call_ids_are_chosen() -> None:
    async def scenario() -> None:
        going, forever = CallRegistry(), asyncio.get_running_loop().create_future()

        async def wait() -> None:
            await forever

        async with asyncio.TaskGroup() as group:
            for call_id in ["x", "x 2", "x", "x" * 300, "x" * 400]:
                live = session(going.identity(call_id))
                going.add(live, group.create_task(wait()))
            for number in range(REMEMBERED + 1):
                going.identity(f"other {number}")
            live = session(going.identity("x"))  # the first one is forgotten, but goes on
            going.add(live, group.create_task(wait()))
            assert len(set(going.calls)) == len(going) == 6
            assert max(map(len, going.calls)) < 210
            assert len(going._given) == REMEMBERED
            forever.set_result(None)
        assert not going.calls

    asyncio.run(scenario())


def test_the_call_ids_of_an_earlier_run_that_were_used_last_are_known_longest() -> None:
    going = CallRegistry()
    going.remember(["x", *(f"call {number}" for number in range(2, REMEMBERED - 2)), "y 2", "x 2"])
    assert going.identity("x") == "x 3"


def test_the_identity_of_a_call_that_has_just_ended_is_not_given_again_after_a_long_call() -> None:
    """Its files and their rows come after its end, when the calls that began since are more than are counted."""

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            for before in ([], [SAME]):
                going = CallRegistry()
                for call_id in before:
                    going.identity(call_id)
                first = going.identity(SAME)
                task = group.create_task(asyncio.sleep(0))
                going.add(SimpleNamespace(info=SimpleNamespace(id=first)), task)
                for number in range(REMEMBERED):
                    going.identity(f"call {number}")
                await task
                await asyncio.sleep(0)
                assert not len(going)
                assert going.identity(SAME) not in {first, *before}

    asyncio.run(scenario())


def test_messages_of_calls_that_share_them_go_together() -> None:
    """What they take counts once, and is freed once."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    capture = SipCapture(10_000)
    for call in ("a", "a 2"):
        capture.trace(message("a"))
        capture.watch(CallBegan(call, now, "in", "pbx", "agent", "100", "200", {}, "a"))
    capture.watch(CallEnded("a", now, Disposition("caller_hung_up", ""), {}))
    first, second = capture.of(CallKey("a", now)), capture.of(CallKey("a 2", now))
    assert first is not None
    assert first == second
    assert len(first.messages) == 2
    capture.watch(CallEnded("a 2", now, Disposition("caller_hung_up", ""), {}))
    capture.trace(message("b"))
    capture.watch(CallBegan("b", now, "in", "pbx", "agent", "100", "200", {}, "b"))
    capture.trace(message("b", "INFO sip:x SIP/2.0", size=8_600))
    assert capture.of(CallKey("a", now)) is capture.of(CallKey("a 2", now)) is None
    assert list(capture._calls) == [CallKey("b", now)]
    assert 9_400 < capture.size < 10_000
