"""The agent's own voice comes back from the line: it neither stutters nor answers itself, and callers are heard."""

import asyncio
from collections import deque
from itertools import groupby

import numpy as np
import pytest

from agent.line import SAMPLE_RATE, Audio
from agent.stt import Transcript
from agent.turn_taking.options import TurnOptions
from agent.vad import HANGOVER
from tests.agent.hearing.lines import played
from tests.agent.hearing.mixing import Sound, at_level, noise, to_ulaw, ulaw_clip
from tests.agent.holding import LONG, Held, Setting, by_last, hold, spoken_seconds
from tests.fakes.line import LETTER, FakeCaller, FakeLine, FakeStt, now, says

AGENT = at_level(ulaw_clip("jfk.wav"), -16.0)
CALLER = at_level(ulaw_clip("lv_0880.wav"), -20.0)
SLOT = 160
SILENT = b"\xff\x7f" * (SLOT // 2)
LOUD = b"\x10\x90" * (SLOT // 2)
QUESTION = "Where is my order"
PIZZA = "Would you like the large pizza or the small pizza?"


class Understanding:
    """STT that understands what comes back of the fake voice, whose sound is its letters; some time later, as STT does.

    Of a word that is cut off they make what there is of it, and a turn ends after 0.4 s of silence.
    """

    def __init__(self, stt: FakeStt, *, loses_finals: bool) -> None:
        self._stt, self._loses_finals = stt, loses_finals
        self._sound, self._given, self._end = bytearray(), 0, 0.0
        self._told = ""
        self.finals: list[str] = []

    def hear(self, slot: bytes, given: float) -> None:
        if slot not in (SILENT, LOUD):
            self._sound += slot
            self._given, self._end = 0, given
            text = self._text()
            if len(text.split()) > len(self._told.split()):
                self._told = text
                self._later(0.3, text, final=False)
        elif self._sound:
            self._given += SLOT
            if self._given >= 0.4 * SAMPLE_RATE:
                self.finals.append(self._text())
                self._later(0.1, "" if self._loses_finals else self._text(), final=True)
                self._sound.clear()
                self._told = ""

    def _text(self) -> str:
        runs = [(chr(byte), len(list(run))) for byte, run in groupby(self._sound) if byte != 0xFF]
        return "".join(letter * round(length / LETTER) for letter, length in runs)

    def _later(self, seconds: float, text: str, *, final: bool) -> None:
        if not text:
            return
        put, heard = self._stt.heard.put_nowait, Transcript(text, final, False, self._end)
        asyncio.get_running_loop().call_later(seconds, put, heard)


class Loop:
    """A line on which all that is played comes back, 15 dB weaker; the fake voice's letters sound as real speech."""

    def __init__(self, caller: FakeCaller, line: FakeLine, stt: FakeStt, delay: float, *, loses_finals: bool) -> None:
        self._line, self._given = line, 0.2
        self.stt = Understanding(stt, loses_finals=loses_finals)
        self._way = deque([(SILENT, np.zeros(SLOT))] * round(delay / 0.02))
        self._played = 0
        self._room = noise(np.random.default_rng(1), 1.0, -62.0)
        self.silent_since = now()
        """Since when nothing was played."""
        self.caller = 0
        """Slots in which the caller still makes a sound."""

    async def run(self, seconds: float) -> None:
        """Let time go by."""
        for _ in range(round(seconds / 0.02)):
            await asyncio.sleep(0.02)
            letters = bytes(self._line.played[self._played :]).ljust(SLOT, b"\xff")[:SLOT]
            sounds = len(self._line.played) > self._played
            sent = _slot(AGENT, self._played) if sounds else np.zeros(SLOT)
            self._played = len(self._line.played)
            self._way.append((letters if sounds else SILENT, sent * 10 ** (-15 / 20)))
            if sounds:
                self.silent_since = now()
            letters, came = self._way.popleft()
            if self.caller:
                came = came + _slot(CALLER, 160 * (100 - self.caller))
                self.caller, letters = self.caller - 1, LOUD
            self._given += 0.02
            came = came + _slot(self._room, round(self._given * SAMPLE_RATE))
            self._line.incoming.put_nowait(Audio(to_ulaw(came), now(), played(sent)))
            self.stt.hear(letters, self._given)

    async def ask(self, question: str) -> None:
        """The caller says it."""
        self.caller = 60
        await self.run(2.2)
        self.stt._stt.heard.put_nowait(self.transcript(question, final=True))

    def transcript(self, text: str, *, final: bool) -> Transcript:
        return Transcript(text, final, False, self._given)


def _slot(sound: Sound, at: int) -> Sound:
    at %= len(sound) - SLOT
    return sound[at : at + SLOT]


def looped(plan, script, *, delay: float = 0.16, loses_finals: bool = False) -> Held:
    """A call whose caller does as planned, on a line with an echo."""

    async def person(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        loop = Loop(caller, line, stt, delay, loses_finals=loses_finals)
        await loop.run(5.0)
        await plan(loop, caller, stt)
        caller.hang_up()

    return hold(person, Setting(script=by_last(script), options=TurnOptions()))


@pytest.mark.parametrize(
    ("delay", "loses_finals"),
    [
        (0.06, False),
        (0.48, True),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in [(0.06, True), (0.16, False), (0.16, True), (0.3, False), (0.3, True), (0.48, False)]
        ),
    ],
)
def test_an_echo_makes_it_stutter_twice_and_is_never_answered(delay: float, loses_finals: bool) -> None:
    took: list[float] = []
    stt: list[str] = []

    async def plan(loop: Loop, caller: FakeCaller, _: FakeStt) -> None:
        for _ in range(3):  # type: ignore[assignment]
            await loop.ask(QUESTION)
            began = now()
            await loop.run(spoken_seconds(LONG) + 4.0)
            took.append(loop.silent_since - began)
            stt.extend(loop.stt.finals)

    held = looped(plan, {"Where": says(LONG)}, delay=delay, loses_finals=loses_finals)
    assert stt, "something did come back"
    asked = [(turn.caller, turn.heard) for turn in held.turns if turn.caller]
    assert asked == [(QUESTION, LONG)] * 3
    assert not held.line.cuts[:-1], "nothing was broken off before the call ended"
    pause = delay + HANGOVER + TurnOptions().confirm_after_quiet + 0.5
    assert took[0] < spoken_seconds(LONG) + 2 * pause
    assert max(took[1:]) < spoken_seconds(LONG) + pause, "once it is known that pausing is no use it is tried but once"


def test_an_echo_may_be_as_long_as_the_reply() -> None:
    async def plan(loop: Loop, caller: FakeCaller, stt: FakeStt) -> None:
        await loop.ask(QUESTION)
        await loop.run(25.0)

    said = f"I have it here. It left our warehouse this morning. {LONG}"
    held = looped(plan, {"Where": says(said)})
    assert [turn.heard for turn in held.turns if turn.caller] == [said]


@pytest.mark.parametrize("interrupts", [0.5, 3.0])
def test_a_caller_who_speaks_over_an_echo_is_heard(interrupts: float) -> None:
    async def plan(loop: Loop, caller: FakeCaller, stt: FakeStt) -> None:
        await loop.ask(QUESTION)
        await loop.run(interrupts)
        loop.caller = 60
        await loop.run(0.6)
        stt.heard.put_nowait(loop.transcript("no cancel", final=False))
        await loop.run(0.7)
        stt.heard.put_nowait(loop.transcript("no cancel that", final=True))
        await loop.run(8.0)

    held = looped(plan, {"Where": says(LONG), "cancel": says("Cancelled.")})
    assert [turn.caller for turn in held.turns if turn.caller] == [QUESTION, "no cancel that"]
    assert held.turns[-1].heard == "Cancelled."
