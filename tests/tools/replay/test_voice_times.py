"""The times of words are kept in a bundle, so that a replayed caller has heard as much."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from agent.tts import Inquiry, Speech, TextToSpeech
from sipgw.records.bundles.check import check
from sipgw.records.bundles.recorder import BundleRecorder, ObservedTts
from sipgw.tools.replay.script import ReplayedTts, ReplayScript
from tests.fakes.line import FakeTts
from tests.virtual import run

AROUND: list[dict[str, Any]] = [
    {"of": "line", "do": "exchange", "t": 0, "channel": 1, "remote": ["", 1], "direction": "", "format": {
        "encoding": "", "payload_type": 0, "dtmf_payload_type": None, "inband_keys": False}},
    {"of": "ended", "t": 9, "kind": ""},
]  # fmt: skip
"""What a bundle has in any case."""


def test_a_voice_tells_the_times_of_its_words_again() -> None:
    async def scenario() -> None:
        recorder = BundleRecorder()
        voice = ObservedTts(FakeTts(timed=160), recorder)
        await voice.open()
        told = [piece async for piece in voice.speak("One two.", "Zero.")]
        assert told[1::2] == [(3, 160), (8, 320)]
        frames = json.loads(json.dumps(recorder.frames))
        frames += AROUND
        check(frames)
        again = ReplayedTts(ReplayScript(frames, bytes(recorder.sound), lambda text: text), "fake-voice")
        await again.open()
        assert [piece async for piece in again.speak("One two.", "Zero.")] == told

    run(scenario())


class Asking(FakeTts):
    """Knows that seven letters were heard, after 50 ms."""

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[Speech, None]:
        yield b"\x10" * 160
        yield Inquiry(lambda samples, told: asyncio.get_running_loop().call_later(0.05, told, 7))  # type: ignore[arg-type]


async def asked(voice: TextToSpeech) -> list[tuple[int, float]]:
    """What it tells that was heard, and after how many seconds."""
    heard, now, began = list[tuple[int, float]](), asyncio.get_running_loop().time, 0.0
    async with aclosing(voice.speak("One two three.")) as pieces:
        async for piece in pieces:
            if isinstance(piece, Inquiry):
                began = now()
                piece.ask(160, lambda letters: heard.append((letters, now())))
    await asyncio.sleep(1.0)
    return [(letters, round(at - began, 3)) for letters, at in heard]


def test_a_voice_tells_again_what_was_heard() -> None:
    async def scenario() -> None:
        recorder = BundleRecorder()
        assert await asked(ObservedTts(Asking(), recorder)) == [(7, 0.05)]
        frames = json.loads(json.dumps(recorder.frames))
        check([*frames, *AROUND])
        again = ReplayedTts(ReplayScript(frames, bytes(recorder.sound), lambda text: text), "fake-voice")
        assert await asked(again) == [(7, 0.05)]

    run(scenario())
