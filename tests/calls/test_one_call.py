"""The fault of one call is its own: whatever goes wrong in it, the others go on and new ones come in."""

import asyncio
import re
from pathlib import Path

import pytest

from sipgw.calls.session import CallSession
from sipgw.events import CallBegan, CallEnded, Event
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.events import Confirmed, Ended
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.tools.load.host import ParrotGateway
from tests.calls.test_same_call_id import Caller, world
from tests.waiting import HANG


class Stranger(asyncio.DatagramProtocol):
    """Sends datagrams as they are, and keeps the status of each answer but 100."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[int] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if (status := int(data[8:11])) > 100:
            self.answers.put_nowait(status)


async def answered(gateway: ParrotGateway, invite: bytes) -> int:
    loop = asyncio.get_running_loop()
    transport, stranger = await loop.create_datagram_endpoint(
        Stranger, remote_addr=("127.0.0.1", gateway.endpoint.port)
    )
    transport.sendto(invite)
    try:
        async with asyncio.timeout(HANG):
            return await stranger.answers.get()
    finally:
        transport.close()


def invite(call_id: bytes, user: bytes = b"1002") -> bytes:
    offer = make_offer(LocalMedia("127.0.0.1", 9, tls=False))
    head = b"""INVITE sip:agent@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK7;rport
From: <sip:%b@127.0.0.1>;tag=1
To: <sip:agent@127.0.0.1>
Call-ID: %b
CSeq: 1 INVITE
Contact: <sip:%b@127.0.0.1:9>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: %d

"""
    return head.replace(b"\n", b"\r\n") % (user, call_id, user, len(offer)) + offer


async def goes_on(gateway: ParrotGateway, phone: Endpoint, first: Caller) -> None:
    """The first call is there, ends as it should, and another comes in."""
    second = Caller(phone, "1003", gateway)
    await second.until(Confirmed)
    assert len(gateway.calls) == 2
    for caller in (first, second):
        caller.leg.hangup()
        await caller.until(Ended)


def test_a_call_id_that_is_no_text_is_refused_and_ends_no_other_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (gateway, phone):
            first = Caller(phone, "1001", gateway)
            await first.until(Confirmed)
            assert await answered(gateway, invite(b"caf\xe9@127.0.0.1")) == 400
            await goes_on(gateway, phone, first)

    asyncio.run(scenario())


@pytest.mark.parametrize("where", ["_begin", "_hold"])
def test_a_fault_before_a_call_is_held_ends_that_call_alone(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who were told that it began are told that it ended, and its place on the trunk is free again."""
    right = getattr(CallSession, where)

    def wrong(self, *args, **more):
        if self.info.caller == "1002":
            raise ValueError("a fault of ours")
        return right(self, *args, **more)

    told: list[Event] = []

    async def scenario() -> None:
        async with world(tmp_path) as (gateway, phone):
            gateway.watchers.add(told.append)
            first = Caller(phone, "1001", gateway)
            await first.until(Confirmed)
            assert await answered(gateway, invite(b"plain")) == 500
            await goes_on(gateway, phone, first)
            async with asyncio.timeout(HANG):
                while gateway.calls:
                    await asyncio.sleep(0)
            assert gateway.admission.capacity.calls.total() == 0

    monkeypatch.setattr(CallSession, where, wrong)
    asyncio.run(scenario())
    began, ended = ([one.call for one in told if isinstance(one, kind)] for kind in (CallBegan, CallEnded))
    assert sorted(began) == sorted(ended)
    assert ("plain" in began) == (where == "_hold")
    assert all(re.fullmatch(r"caller_hung_up|failed", one.ending.kind) for one in told if isinstance(one, CallEnded))


def test_the_ending_names_the_fault_and_not_the_group_of_tasks_that_it_comes_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wrong(*_: object) -> None:
        raise LookupError("a fault of ours")

    told: list[Event] = []

    async def scenario() -> None:
        async with world(tmp_path) as (gateway, phone):
            gateway.watchers.add(told.append)
            caller = Caller(phone, "1001", gateway)
            await caller.until(Ended)
            async with asyncio.timeout(HANG):
                while gateway.calls:
                    await asyncio.sleep(0)

    monkeypatch.setattr(CallSession, "_talk", wrong)
    asyncio.run(scenario())
    (ended,) = (one.ending for one in told if isinstance(one, CallEnded))
    assert (ended.kind, ended.cause) == ("failed", "internal error: LookupError")
