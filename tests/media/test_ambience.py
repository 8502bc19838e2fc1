"""A sound under the agent's: what is sent, what is kept, and what counts as sent."""

import asyncio
import math
from types import SimpleNamespace

import pytest

from media.fast.fallback import SILENT
from media.g711 import FRAME, SILENCE, level, mixed, to_linear
from media.process import wire
from media.process.channel import Frames
from media.process.engine import MediaEngine
from media.process.wire import Kind
from media.process.worker_channel import WorkerChannel
from media.session.ambience import Ambience, Backdrop
from media.session.relay import Music
from media.session.sent_levels import LEVELS, RMS_0_DBM0, SentLevels
from tests.media.test_engine import call, with_engine
from tests.media.test_engine_bridge import talk, until
from tests.media.test_session import connected

HUM = b"\x5a" * FRAME + b"\xda" * FRAME
"""Two frames of a quiet sound."""
VOICE = b"\x20" * FRAME


def test_the_sum_of_two_sounds() -> None:
    assert mixed(VOICE, SILENCE) == VOICE
    assert level(mixed(VOICE, VOICE)) > 1.8 * level(VOICE)
    loudest = b"\x80" * FRAME
    assert to_linear(mixed(loudest, loudest)) == to_linear(loudest), "it does not wrap around"


def test_with_nothing_under_it_the_very_frame_is_sent() -> None:
    backdrop = SentLevels().backdrop
    backdrop.thinks = True
    assert backdrop.under(VOICE) is VOICE
    assert backdrop.under(SILENCE) is SILENCE


def test_the_sound_of_thinking_is_heard_after_a_silence_in_which_the_caller_waits() -> None:
    backdrop, loud, slots = Backdrop(), b"\x41" * FRAME, 25
    backdrop.while_thinking(loud, 0.5)

    def sent(count: int, frame: bytes = SILENCE, *, paused: bool = False) -> list[bytes]:
        return [backdrop.under(frame, paused=paused) for _ in range(count)]

    assert sent(100) == [SILENCE] * 100, "nobody waits"
    backdrop.thinks = True
    assert sent(slots + 2) == [SILENCE] * slots + [loud] * 2
    assert sent(1, VOICE) == [VOICE], "the agent speaks"
    assert sent(slots + 1) == [SILENCE] * slots + [loud]
    assert sent(50, paused=True) == [SILENCE] * 50, "the caller speaks"
    backdrop.ambience = Ambience(HUM[:FRAME])
    assert sent(slots + 1)[-2:] == [HUM[:FRAME], mixed(HUM[:FRAME], loud)]
    backdrop.thinks = False
    assert sent(1) == [HUM[:FRAME]]


def test_it_goes_on_in_its_loop_under_words_and_silence() -> None:
    ambience = Ambience(HUM + b"rest")
    assert ambience.under(SILENCE) == HUM[:FRAME]
    assert ambience.under(VOICE) == mixed(VOICE, HUM[FRAME:])
    assert ambience.under(SILENCE) == HUM[:FRAME]


def test_it_is_sent_but_neither_recorded_nor_taken_for_the_agent() -> None:
    channel, said = WorkerChannel(1), list[bytes]()
    channel.session = session = connected()
    session.recording = SimpleNamespace(agent=said.append)  # type: ignore[assignment]
    channel.play(Kind.AMBIENCE, HUM)
    channel.play(Kind.SAY, wire.NUMBER.pack(1) + VOICE)
    sent = [session.transmit(slot)[0][0][12:] for slot in range(3)]
    assert sent == [mixed(VOICE, HUM[:FRAME]), HUM[FRAME:], HUM[:FRAME]]
    assert said == [VOICE, SILENCE, SILENCE]
    first, second = session.sent_levels.take(2)
    assert first < second == SILENT, "else the agent would speak all the time"
    channel.play(Kind.AMBIENCE, b"")
    assert session.transmit(3)[0][0][12:] == SILENCE


def test_a_person_or_music_in_the_place_of_the_agent_is_without_it() -> None:
    session = connected()
    session.sent_levels.backdrop.ambience = Ambience(HUM)
    session.relay = Music(VOICE)
    assert session.transmit(0)[0][0][12:] == VOICE
    session.relay = None
    assert session.transmit(1)[0][0][12:] == HUM[:FRAME]


@pytest.mark.slow
def test_it_is_heard_over_rtp_and_not_by_the_recogniser() -> None:
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (caller, channel), asyncio.TaskGroup() as tasks:
            channel.ambience(HUM[:FRAME])
            await until(caller, HUM[:FRAME])
            channel.say(1, VOICE * 10)
            await until(caller, mixed(VOICE, HUM[:FRAME]))
            await until(caller, HUM[:FRAME])
            talking = tasks.create_task(talk(caller, SILENCE))
            frames = await caller.until(Frames)
            assert set(frames.ulaw) == set(SILENCE)
            assert set(frames.played[1:]) == {SILENT}
            channel.ambience(b"")
            channel.thinking(VOICE, 0.5)
            await until(caller, SILENCE)
            channel.think(on=True)
            await until(caller, VOICE)
            channel.think(on=False)
            await until(caller, SILENCE)
            talking.cancel()

    with_engine(scenario)


def test_the_level_of_every_frame_is_by_definition() -> None:
    defined = [min(126, max(0, round(-20 * math.log10(rms / RMS_0_DBM0)))) for rms in range(1, 1 << 15)]
    assert list(LEVELS) == [SILENT, *defined]
