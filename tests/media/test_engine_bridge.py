"""Bridges in a real media process: sound, keys, music, SRTP, and the other side after one side ends."""

import asyncio

from media.g711 import FRAME, SILENCE, ULAW_TO_ALAW
from media.process.channel import Channel, DtmfDigit, Frames
from media.process.engine import MediaEngine
from media.rtp import packet as rtp
from media.rtp.srtp import Keys, Srtp
from media.session.format import Format
from tests.media.test_engine import Phone, call, with_engine
from tests.waiting import HANG

CALLER, PERSON = bytes([0x11]) * FRAME, bytes([0x22]) * FRAME


async def talk(phone: Phone, payload: bytes, first: int = 0) -> None:
    """Send a frame each 20 ms for ever."""
    number, start = first, asyncio.get_running_loop().time()
    while True:
        phone.send(number, payload)
        number += 1
        await asyncio.sleep(max(0.0, start + (number - first) * 0.02 - asyncio.get_running_loop().time()))


async def until(phone: Phone, payload: bytes, count: int = 5) -> None:
    """Wait until `payload` was received `count` times in a row."""
    row = 0
    async with asyncio.timeout(HANG):
        while row < count:
            row = row + 1 if (await phone.packet()).payload == payload else 0


def test_two_calls_hear_each_other_until_they_are_parted() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (caller, one), call(engine) as (person, other), asyncio.TaskGroup() as tasks:
            talking = [tasks.create_task(talk(caller, CALLER)), tasks.create_task(talk(person, PERSON))]
            await until(caller, SILENCE)
            one.bridge(other)
            await until(person, CALLER, 20)
            await until(caller, PERSON, 1)
            other.unbridge()
            await until(person, SILENCE)
            await until(caller, SILENCE)
            one.say(1, b"\x44" * FRAME * 10)
            await until(caller, b"\x44" * FRAME)
            for task in talking:
                task.cancel()

    with_engine(scenario)


def test_a_bridge_ends_when_one_side_is_closed_and_the_agent_is_heard_again() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (caller, one), asyncio.TaskGroup() as tasks:
            async with call(engine) as (person, other):
                talking = tasks.create_task(talk(person, PERSON))
                one.bridge(other)
                await until(caller, PERSON, 1)
                talking.cancel()
            one.say(1, b"\x44" * FRAME * 10)
            await until(caller, b"\x44" * FRAME)

    with_engine(scenario)


def test_whoever_is_joined_anew_leaves_the_former_partner_alone() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with (
            call(engine) as (caller, one),
            call(engine) as (first, two),
            call(engine) as (second, three),
            asyncio.TaskGroup() as tasks,
        ):
            talking = tasks.create_task(talk(caller, CALLER))
            one.bridge(two)
            await until(first, CALLER)
            one.bridge(three)
            await until(second, CALLER)
            await until(first, SILENCE)
            talking.cancel()

    with_engine(scenario)


def test_keys_are_pressed_again_on_the_other_side_and_told() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (caller, one), call(engine) as (person, other):
            one.bridge(other)
            for number in range(5):
                caller.send(number, CALLER)
            caller.send(5, b"\x07\x0a\x00\xa0", kind=101)
            async with asyncio.timeout(HANG):
                while (packet := await person.packet()).payload_type != 101:
                    pass
            assert packet.payload[0] == 7
            assert (await caller.until(DtmfDigit)).key == "7"

    with_engine(scenario)


def test_the_gateway_gets_no_sound_of_a_bridge() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (caller, one), call(engine) as (person, other), asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(talk(caller, CALLER))
            await caller.until(Frames)
            one.bridge(other)
            await one.stats()
            while not caller.events.empty():
                caller.events.get_nowait()
            await until(person, CALLER, 20)
            assert caller.events.empty()
            one.unbridge()
            await caller.until(Frames)
            talking.cancel()

    with_engine(scenario)


def test_music_is_heard_until_a_bridge() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (caller, one), call(engine) as (person, other), asyncio.TaskGroup() as tasks:
            one.music(b"\x66" * FRAME * 2 + b"\x67" * FRAME)
            async with asyncio.timeout(HANG):
                while (await caller.packet()).payload[:1] != b"\x67":
                    pass
                assert [(await caller.packet()).payload[0] for _ in range(3)] == [0x66, 0x66, 0x67]
            talking = tasks.create_task(talk(person, PERSON))
            one.bridge(other)
            await until(caller, PERSON, 1)
            one.unbridge()
            await until(caller, SILENCE)
            talking.cancel()

    with_engine(scenario)


def test_each_side_has_its_own_codec_and_keys() -> None:
    """The caller speaks PCMU in the clear, the person PCMA by SRTP."""
    ours, theirs = bytes(range(30)), bytes(range(30, 60))
    here, there = Keys("AES_CM_128_HMAC_SHA1_80", ours, theirs), Keys("AES_CM_128_HMAC_SHA1_80", theirs, ours)

    async def scenario(engine: MediaEngine) -> None:
        person, coded = Phone(), Srtp(there)
        other: Channel = await engine.open(person.events.put_nowait)
        other.connect(Format("PCMA", 8), person.sock.getsockname(), keys=here)
        person.sock.connect(("127.0.0.1", other.port))
        async with call(engine) as (caller, one), asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(talk(caller, CALLER))
            one.bridge(other)
            async with asyncio.timeout(HANG):
                for number in range(1000):
                    data = rtp.build(8, False, number, number * FRAME, 5, PERSON.translate(ULAW_TO_ALAW))
                    person.sock.send(coded.protect(data))
                    sealed = await asyncio.get_running_loop().sock_recv(person.sock, 2000)
                    clear = rtp.parse(coded.unprotect(sealed, 0.0) or b"")
                    if clear and clear.payload == CALLER.translate(ULAW_TO_ALAW) and number > 20:
                        break
            await until(caller, PERSON, 1)
            talking.cancel()
        other.close()
        person.sock.close()

    with_engine(scenario)
