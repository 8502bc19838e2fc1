# mypy: disable-error-code="arg-type"
"""Callers are handed over to people whom the gateway calls: real SIP and RTP, the media process, strict fakes.

Who hears whom is proven by the frames: each of the caller's and the person's is different, and mu-law passes untouched.
There are two media processes, so that the two ends of a bridge meet in one of them by design alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from agent.persona import Persona
from media.g711 import FRAME
from sipgw.config.alarms import AlarmOptions
from sipgw.config.cost import PriceOptions
from sipgw.config.people import PersonOptions, TransferOptions
from sipgw.config.tenants import TenantOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.events import SHORTEST, CallTransferred, Event
from sipgw.records.captures.explain import findings
from sipgw.sip.events import Ended
from tests.callee import Callee, callee, rejecting
from tests.calls.test_cloud_call import records
from tests.cdr_events import key
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.media.networks import loud, number_of
from tests.phone import Phone, calling
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

NUMBER = "+14155550123"
CONNECT = "I connect you."
SORRY = sound_of(Persona("", "").not_connected).strip(b"\xff")
ASKED = [Said("A person please.", 500, 1500)]


def connecting(**arguments: str) -> Reply:
    words = ", ".join(f'"{name}": "{value}"' for name, value in {"reason": "asked", **arguments}.items())
    return Reply(text=[CONNECT], calls=[("c1", "transfer_to_human", f"{{{words}}}")])


def murmur(number: int) -> bytes:
    """Frame `number` of a caller too quiet to be a voice; no two are alike."""
    digits = bytes(0x70 | number >> shift & 0xF for shift in (12, 8, 4, 0))
    return bytes(0x70 | (number * 7 + at * at) & 0x8F for at in range(FRAME - 4)) + digits


def murmured(frame: bytes) -> int | None:
    """The number of a frame of `murmur`."""
    number = 0
    for digit in frame[-4:]:
        number = number << 4 | digit & 0xF
    return number if frame == murmur(number) else None


def numbers(phone: Phone, number: Callable[[bytes], int | None]) -> list[int]:
    """The frames of the other side that a phone got untouched, in their order."""
    found = [number(packet.payload) for _, packet in list(phone.received)]
    return [one for one in found if one is not None]


FREE = PriceOptions("trunk", "pbx", "seconds", 0.0, 60)
DEAR = PriceOptions("trunk", "carrier", "seconds", 0.30, 60, direction="out", rounding="60/60")


def heard(phone: Phone, number: Callable[[bytes], int | None], count: int = 100) -> bool:
    """Whether that many were heard, nearly all of them one after the other."""
    found = numbers(phone, number)
    in_order = sum(later - earlier == 1 for earlier, later in pairwise(found))
    assert found == sorted(found)
    return len(found) >= count and in_order >= 0.8 * len(found)


def trunks(person: Callee | None, **more: object) -> tuple[TrunkOptions, ...]:
    caller = TrunkOptions("pbx", "peer", networks=("127.0.0.1/32",))
    return (caller,) if person is None else (caller, person.trunk(networks=("127.0.0.3/32",), country="US", **more))


def world(
    folder: Path,
    people: Sequence[PersonOptions],
    ways: tuple[TrunkOptions, ...],
    replies: Sequence[Reply] = (),
    said=ASKED,
    **more: object,
):
    replies = replies or [connecting(), Reply(text=["Yes?"])]
    return cloud(
        folder, said, replies, trunks=ways,
        change=lambda config: replace(
            config, people=tuple(people), prices=(FREE, DEAR), media=replace(config.media, processes=2),
            **more,
        ),
    )  # fmt: skip


def told(gateway: Cloud) -> list[CallTransferred]:
    """Is told of every try."""
    found: list[CallTransferred] = []

    def watch(event: Event) -> None:
        if isinstance(event, CallTransferred):
            found.append(event)

    gateway.gateway.watchers.add(watch)
    return found


def nothing_left(cloud: Cloud) -> bool:
    """Whether no leg is up, no port is open and no call counts."""
    gateway = cloud.gateway
    channels = sum(one.calls for one in gateway.services.engine.processes)
    return not (
        gateway.calls or +gateway.admission.capacity.calls or gateway.endpoint.agent.core.dialogs.call_ids or channels
    )


@pytest.mark.parametrize("first", ["the caller", "billing"])
def test_a_caller_speaks_with_a_person_until_one_of_them_hangs_up(tmp_path: Path, first: str) -> None:
    async def scenario() -> None:
        async with callee(sound=loud) as person:
            people = [PersonOptions("billing", NUMBER, trunk="carrier")]
            async with world(tmp_path, people, trunks(person)) as gateway:
                tries = told(gateway)
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: person.phones)
                    await until(lambda: heard(caller, number_of))
                    await until(lambda: heard(person.phones[0], murmured))
                    assert sound_of(CONNECT).strip(b"\xff") in caller.heard(), "the agent has said so before"
                    assert gateway.gateway.admission.capacity.calls == {"pbx": 1, "carrier": 1}
                    assert person.legs[0].request.uri.user == NUMBER
                    if first == "billing":
                        person.legs[0].hangup()
                        assert caller.leg
                        assert await caller.leg.over(HANG)
                await until(lambda: person.ended)
                assert person.ended == [Ended("gateway" if first == "billing" else "caller", "BYE")]
                (record,) = await records(gateway.gateway)
                await until(lambda: nothing_left(gateway))
        assert record["ending"] == "transferred"
        assert record["costs"]["trunk"] == pytest.approx(0.30), "the second leg is paid for, too"
        assert record["costs"]["used"]["trunk carrier further seconds"] > 0
        assert record["cause"].startswith(f"to billing (tel:{NUMBER}): ")
        assert record["cause"].endswith(f" s, {first} hung up")
        assert [(one.to, one.accepted) for one in tries] == [(f"billing (tel:{NUMBER})", True)]

    asyncio.run(scenario())


def test_two_who_never_hang_up_are_hung_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(sound=loud) as person:
            people, brief = [PersonOptions("billing", NUMBER, trunk="carrier")], TransferOptions(longest=3)
            async with world(tmp_path, people, trunks(person), transfer=brief) as gateway:
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: person.phones)
                    assert caller.leg
                    assert await caller.leg.over(HANG)
                await until(lambda: person.ended)
                (record,) = await records(gateway.gateway)
                await until(lambda: nothing_left(gateway))
        assert record["ending"] == "transferred"
        assert record["cause"].endswith(" s, the longest that was allowed")

    asyncio.run(scenario())


def test_the_caller_hears_music_while_it_rings_and_who_gives_up_cancels(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(Callee.ring) as person:
            people = [PersonOptions("billing", NUMBER, trunk="carrier")]
            async with world(tmp_path, people, trunks(person)) as gateway:
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: person.legs)
                    before = len(caller.received)
                    await until(lambda: len(caller.received) > before + 60)
                    music = b"".join(packet.payload for _, packet in caller.received[before + 10 : before + 60])
                    assert len(set(music)) > 40, "a tune, not silence"
                await until(lambda: person.ended)
                assert person.ended[0].how == "CANCEL"
                (record,) = await records(gateway.gateway)
                await until(lambda: nothing_left(gateway))
        assert record["ending"] == "caller_hung_up"

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [486, 480, 603, 500])
def test_when_the_person_does_not_answer_the_agent_apologises_and_goes_on(tmp_path: Path, status: int) -> None:
    async def scenario() -> None:
        async with callee(rejecting(status)) as person:
            people = [PersonOptions("billing", NUMBER, trunk="carrier")]
            said = [*ASKED, Said("Then where is my order?", 9000, 10_000)]
            replies = [connecting(), Reply(text=["It is packed."])]
            async with world(tmp_path, people, trunks(person), replies, said) as gateway:
                tries = told(gateway)
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: SORRY in caller.heard())
                    await until(lambda: sound_of("It is packed.").strip(b"\xff") in caller.heard())
                (record,) = await records(gateway.gateway)
                await until(lambda: nothing_left(gateway))
        assert record["ending"] == "caller_hung_up"
        assert [(one.accepted, one.status) for one in tries] == [(False, status)]

    asyncio.run(scenario())


def test_the_next_is_tried_when_one_is_busy_and_one_does_not_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            callee(rejecting(486)) as busy, callee(Callee.ring) as away, callee(sound=loud) as there,
            callee() as at_home,
        ):  # fmt: skip
            way = trunks(None)
            day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
            people = [
                PersonOptions("anna", f"sip:anna@127.0.0.1:{at_home.port}", hours=(f"{day} 00:00-24:00",)),
                PersonOptions("anna", f"sip:anna@127.0.0.1:{busy.port}"),
                PersonOptions("anna", f"sip:anna@127.0.0.1:{away.port}", ring_timeout=3),
                PersonOptions("anna", f"sip:anna@127.0.0.1:{there.port}"),
                PersonOptions("bob", "sip:bob@127.0.0.1:1"),
            ]
            async with world(tmp_path, people, way, [connecting(to="Anna")]) as gateway:
                tries = told(gateway)
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: heard(caller, number_of))
                    assert away.ended[0].how == "CANCEL"
                    assert at_home.legs == [], "who is not on duty is left alone"
                await until(lambda: nothing_left(gateway))
        assert [(one.accepted, one.status) for one in tries] == [(False, 486), (False, 487), (True, 200)]

    asyncio.run(scenario())


def test_the_model_is_told_who_there_is_and_for_what(tmp_path: Path) -> None:
    people = [
        PersonOptions("billing", NUMBER, about="questions about invoices"),
        PersonOptions("anna", NUMBER, hours=("00:00-24:00",)),
    ]

    async def scenario():
        async with world(tmp_path, people, trunks(None), [Reply(text=["Hello."])]) as gateway:
            async with calling(gateway.target, murmur):
                await until(lambda: gateway.llm.requests)
            return gateway.llm.requests[0]["tools"]

    functions = {tool["function"]["name"]: tool["function"] for tool in asyncio.run(scenario())}
    to = functions["transfer_to_human"]["parameters"]["properties"]["to"]
    assert "billing: questions about invoices; anna" in to["description"]


@pytest.mark.parametrize(
    ("tenants", "reason"),
    [
        ((), "carrier: it has 1 calls, its max_calls"),
        ((TenantOptions("acme", ("agent",)),), "no trunk could take the call"),
    ],
)
def test_a_trunk_that_is_full_takes_nobody(tmp_path: Path, tenants: tuple[TenantOptions, ...], reason: str) -> None:
    """A tenant is not told its name."""

    async def scenario() -> None:
        async with callee(sound=loud) as person:
            people = [PersonOptions("billing", NUMBER, trunk="carrier")]
            async with world(tmp_path, people, trunks(person, max_calls=1), tenants=tenants) as gateway:
                gateway.gateway.admission.capacity.calls["carrier"] += 1
                tries = told(gateway)
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: SORRY in caller.heard())
                gateway.gateway.admission.capacity.calls["carrier"] -= 1
                await until(lambda: nothing_left(gateway))
        assert person.legs == []
        assert [(one.status, one.reason) for one in tries] == [(503, reason)]

    asyncio.run(scenario())


def test_the_person_holds_and_comes_back_to_the_present(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(sound=loud) as person:
            people = [PersonOptions("billing", NUMBER, trunk="carrier")]
            async with world(tmp_path, people, trunks(person)) as gateway:
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: person.phones and heard(person.phones[0], murmured))
                    (phone,), (leg,) = person.phones, person.legs
                    plain = leg.local
                    assert (await leg.reinvite(plain.replace(b"sendrecv", b"inactive"))).sdp
                    quiet = len(phone.received)
                    await asyncio.sleep(0.5)
                    assert len(phone.received) <= quiet + 2
                    assert (await leg.reinvite(plain)).sdp
                    last = numbers(phone, murmured)[-1]
                    await until(lambda: len(numbers(phone, murmured)) > 30 and numbers(phone, murmured)[-1] > last + 40)
                    after = [number for number in numbers(phone, murmured) if number > last]
                    assert after[0] > last + 15, "what was said meanwhile is not heard late"
                    await until(lambda: heard(caller, number_of))
                await until(lambda: nothing_left(gateway))

    asyncio.run(scenario())


class Mute(Phone):
    """Its way to us is blocked."""

    async def talk(self) -> None:
        return


def test_a_person_who_is_not_heard_stands_in_the_record_and_on_the_page_of_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.callee.Phone", Mute)

    async def scenario() -> None:
        async with callee() as person:
            people = [PersonOptions("billing", NUMBER, trunk="carrier")]
            async with world(tmp_path, people, trunks(person), alarms=AlarmOptions(least=1)) as gateway:
                async with calling(gateway.target, murmur) as caller:
                    await until(lambda: person.phones and len(person.phones[0].received) > SHORTEST + 5)
                    assert caller.leg
                    caller.leg.hangup()
                (found,) = await records(gateway.gateway)
                record = await gateway.gateway.store.call(found["id"])
                timeline = await gateway.gateway.evidence.timelines.of(key(found))
                (status,) = (one for one in gateway.gateway.status() if one.name == "carrier")
        assert record and timeline
        (leg,) = record["media"]["legs"]
        assert leg["trunk"] == "carrier" and leg["sent"] >= SHORTEST and not leg["received"]
        assert record["media"]["received"], "the caller's own leg was heard"
        assert record["trunk"] != "carrier", "an alarm of the person's trunk changes no record"
        assert "A person who was called into this call was not heard, or not all the time." in [
            one.what for one in findings(timeline)
        ]
        assert [one.fault for one in status.sound if one.raised] == ["one_way"]

    asyncio.run(scenario())
