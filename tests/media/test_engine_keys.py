"""A real media process: two of its calls exchange SRTP and keys with each other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from media.g711 import FRAME
from media.process.channel import Channel, DtmfDigit, Frames
from media.process.engine import MediaEngine
from media.rtp.srtp import PROFILES, Keys
from media.session.format import Format
from media.session.routing import Route
from tests.media.test_engine import SPEECH, with_engine
from tests.waiting import HANG

SILENCE = b"\xff" * FRAME
LENGTHS = dict(zip(PROFILES, (30, 30, 28, 44), strict=True))


class End:
    """One of the two: its channel, and what it hears."""

    def __init__(self) -> None:
        self.events: asyncio.Queue = asyncio.Queue()
        self.channel: Channel

    async def hears(self, wanted: bytes) -> None:
        """Wait until `wanted` was heard."""
        heard = b""
        async with asyncio.timeout(HANG):
            while wanted not in heard:
                event = await self.events.get()
                if isinstance(event, Frames):
                    heard += event.ulaw

    async def is_told(self, count: int) -> str:
        """The next `count` keys."""
        told = ""
        async with asyncio.timeout(HANG):
            while len(told) < count:
                event = await self.events.get()
                told += event.key if isinstance(event, DtmfDigit) else ""
        return told


@contextlib.asynccontextmanager
async def two(engine: MediaEngine) -> AsyncIterator[tuple[End, End]]:
    ends = End(), End()
    for end in ends:
        end.channel = await engine.open(end.events.put_nowait)
    yield ends
    for end in ends:
        end.channel.close()


def connect(here: End, there: End, form: Format, suite: str = "", ours: int = 1, theirs: int = 2) -> None:
    for one, other, pair in ((here, there, (ours, theirs)), (there, here, (theirs, ours))):
        keys = Keys(suite, *(bytes([key]) * LENGTHS[suite] for key in pair)) if suite else None
        one.channel.connect(form, ("127.0.0.1", other.channel.port), keys=keys)


async def talk(one: End, other: End, speech: bytes) -> None:
    """Say enough of it that four frames in a row are in time on a busy machine, too; it is over afterwards."""
    one.channel.say(1, speech * 20)
    await other.hears(speech * 4)
    await other.hears(SILENCE * 5)


@pytest.mark.slow
@pytest.mark.parametrize("suite", PROFILES)
def test_they_understand_each_other_also_after_new_keys(suite: str) -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with two(engine) as (here, there):
            connect(here, there, Format("PCMU", 0), suite)
            for one, other in ((here, there), (there, here)):
                await talk(one, other, SPEECH)
            connect(here, there, Format("PCMU", 0), suite, theirs=3)
            for one, other in ((here, there), (there, here)):
                await talk(one, other, SPEECH[::-1])
            stats = await here.channel.stats()
            assert (stats["unauthentic"], stats["lost"]) == (0, 0)

    with_engine(scenario)


def test_who_has_another_key_is_not_heard() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with two(engine) as (here, there):
            connect(here, there, Format("PCMU", 0), "AEAD_AES_256_GCM")
            wrong = Keys("AEAD_AES_256_GCM", bytes(44), bytes(44))
            there.channel.connect(Format("PCMU", 0), ("127.0.0.1", here.channel.port), keys=wrong)
            async with asyncio.timeout(HANG):
                while (await here.channel.stats())["unauthentic"] < 10:
                    await asyncio.sleep(0.01)
            assert here.events.empty()

    with_engine(scenario)


@pytest.mark.parametrize(
    "form",
    [Format("PCMU", 0, 101), Format("PCMU", 0, inband_keys=True), Format("PCMA", 8, inband_keys=True)],
    ids=["events", "tones", "tones in A-law"],
)
def test_keys_that_one_presses_are_told_to_the_other(form: Format) -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with two(engine) as (here, there):
            connect(here, there, form)
            here.channel.say(1, SPEECH * 20)
            here.channel.send_digits("1159#", tone=0.06, pause=0.06)
            assert await there.is_told(5) == "1159#"

    with_engine(scenario)


def test_what_is_no_key_is_refused_at_once() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with two(engine) as (here, _):
            with pytest.raises(ValueError, match="'x' is not a key"):
                here.channel.send_digits("12x")

    with_engine(scenario)


def test_keys_in_the_sound_are_told_also_while_the_agent_does_not_hear_it() -> None:
    """A supervisor who only listens presses a key to speak."""

    async def scenario(engine: MediaEngine) -> None:
        async with two(engine) as (here, there), two(engine) as (caller, _):
            connect(here, there, Format("PCMU", 0, inband_keys=True))
            caller.channel.confer(there.channel, Route.CALLER_TO_THIRD)
            here.channel.say(1, SPEECH * 20)
            here.channel.send_digits("5", tone=0.06, pause=0.06)
            assert await there.is_told(1) == "5"

    with_engine(scenario)
