"""Calls with something else on the line than one caller: a television, a car, music, two people, a machine."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from agent.hearing.levels import SILENT, level, to_linear
from agent.line import Audio
from agent.records import Interrupted, TurnDecided
from agent.stt import Transcript
from agent.turn_taking.options import TurnOptions
from tests.agent.hearing.mixing import RATE, Sound, at_level, noise, place, to_ulaw, ulaw_clip
from tests.agent.holding import LONG, PERSONA, Held, Setting, by_last, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt, calls, now, says

Said = tuple[float, str, str]
"""When somebody says it, which recording it is, and what the recogniser makes of it, word by word, 0.4 s late."""
LAG = 0.4
OFFSET = 0.2
"""Seconds of the fake caller's sound before a scene."""


def level_of(name: str, dbm0: float) -> Sound:
    return at_level(ulaw_clip(name), dbm0)


def lasting(sound: Sound, seconds: float) -> Sound:
    """Over and over."""
    return np.resize(sound, round(seconds * RATE))


async def play(line: FakeLine, sound: bytes) -> None:
    """Make a sound on a line that tells what it has sent meanwhile, so that its echo is measured."""
    for at in range(0, len(sound), 480):
        before = len(line.played)
        await asyncio.sleep(0.06)
        sent = to_linear(bytes(line.played[before:])[-480:].rjust(480, b"\xff"))
        levels = (level(sent[slot : slot + 160]) for slot in range(0, 480, 160))
        told = bytes(127 if one == SILENT else min(126, max(0, round(-one))) for one in levels)
        line.incoming.put_nowait(Audio(sound[at : at + 480].ljust(480, b"\xff"), now(), told))


def scene(
    setting: Setting, seconds: float, behind: Sequence[tuple[float, Sound]], *said: Said
) -> tuple[Held, list[float]]:
    """The call, and when the agent could be heard, in steps of 20 ms."""
    clips = [(at, level_of(name, -20.0)) for at, name, _ in said]
    sound = to_ulaw(place(round(seconds * RATE), *behind, *clips))
    audible: list[float] = []

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def tell() -> None:
            for (at, clip), (_, _, text) in zip(clips, said, strict=True):
                words = text.split()
                for number in range(1, len(words) + 1):
                    end = at + number / len(words) * len(clip) / RATE
                    await asyncio.sleep(max(0.0, start + end + LAG - loop.time()))
                    final = number == len(words)
                    stt.heard.put_nowait(Transcript(" ".join(words[:number]), final, False, end + OFFSET))

        async def watch() -> None:
            while loop.time() < start + seconds:
                if not line.silent:
                    audible.append(loop.time() - start)
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            group.create_task(play(line, sound))
            group.create_task(tell())
            group.create_task(watch())
        caller.hang_up()

    return hold(plan, setting), audible


def asked(held: Held) -> list[str]:
    return [message["content"] for message in held.last_asked() if message["role"] == "user"]


def paused(held: Held) -> list[str]:
    return [one.evidence for one in held.reports if isinstance(one, TurnDecided) and one.decision == "pause"]


def holes(audible: Sequence[float], since: float, until: float) -> float:
    """Seconds of silence of the agent between its first and its last sound there."""
    there = [at for at in audible if since <= at <= until]
    return sum(max(0.0, then - at - 0.03) for at, then in pairwise(there))


ORDER: Said = (4.0, "lv_0880.wav", "Where is my order?")
TELLS = Setting(script=by_last({"Where": says(LONG * 2), "": says("Yes?")}))


@pytest.mark.parametrize("below", [10, 20])
def test_d3_a_television_behind_the_caller_makes_no_long_hole_in_a_reply(below: int) -> None:
    television = lasting(level_of("jfk.wav", -20.0 - below), 30)
    held, audible = scene(TELLS, 24, [(0.0, television)], ORDER)
    assert not [one for one in held.reports if isinstance(one, Interrupted)]
    assert held.turns[-1].heard == LONG * 2
    assert holes(audible, 7.5, 24) <= 1.5


def test_a_caller_in_a_car_is_answered_and_the_reply_is_not_paused() -> None:
    car = noise(np.random.default_rng(1), 30, -38.0)
    held, audible = scene(TELLS, 24, [(0.0, car)], ORDER)
    assert asked(held) == ["Where is my order?"]
    assert min(at for at in audible if at > 4.0) < 9.0
    assert not paused(held)


def test_two_people_at_one_telephone_are_one_party_whose_words_stand_once() -> None:
    held, audible = scene(
        Setting(script=lambda _: [0.6, *says("I have it.")]), 20, [],
        (4.0, "lv_0880.wav", "We would like to change our flight."), (7.1, "something.wav", "To Monday, not Tuesday."),
    )  # fmt: skip
    assert asked(held) == ["We would like to change our flight. To Monday, not Tuesday."]
    assert len([at for at in audible if 4.2 < at < 9.5]) <= 2, "it was silent as long as one of them spoke"
    assert held.turns[-1].heard == "I have it."


def test_voices_in_the_place_of_the_caller_are_asked_once_and_then_waited_for() -> None:
    """A PBX that has parked the caller without SIP hold; the recogniser makes no words of what it plays."""
    plays = lasting(level_of("jfk.wav", -22.0), 100)
    held, _ = scene(
        replace(TELLS, options=TurnOptions()), 125, [(7.0, plays)], (1.5, "lv_0880.wav", "One moment please."),
        (116.0, "something.wav", "Where is my order?"),
    )  # fmt: skip
    assert held.outcome.kind == "caller_hung_up"
    assert sum(text in (PERSONA.reprompt, PERSONA.again, PERSONA.hardly) for text in held.tts.spoken) <= 1
    assert asked(held)[-1] == "Where is my order?"


def test_an_answering_machine_that_begins_in_mid_call_is_heard_out_and_hung_up_on() -> None:
    script = by_last({"Where": says(LONG * 2), "leave a message": [*says("Goodbye."), calls("hang_up")]})
    held, audible = scene(
        replace(TELLS, script=script), 40, [], ORDER,
        (11.0, "jfk.wav", "The person you are calling is not available. Please leave a message after the tone."),
    )  # fmt: skip
    assert held.outcome.kind == "agent_hung_up"
    assert asked(held) == [
        "Where is my order?",
        "The person you are calling is not available. Please leave a message after the tone.",
    ]
    assert not [at for at in audible if 12.2 < at < 22.0], "it does not speak into the message"
