"""The times of words are kept in a bundle, so that a replayed caller has heard as much."""

import json

from sipgw.records.bundles.check import check
from sipgw.records.bundles.recorder import ObservedTts, Recorder
from sipgw.tools.replay.script import ReplayedTts, ReplayScript
from tests.fakes.line import FakeTts
from tests.virtual import run


def test_a_voice_tells_the_times_of_its_words_again() -> None:
    async def scenario() -> None:
        recorder = Recorder()
        voice = ObservedTts(FakeTts(timed=160), recorder)
        await voice.open()
        told = [piece async for piece in voice.speak("One two.", "Zero.")]
        assert told[1::2] == [(3, 160), (8, 320)]
        frames = json.loads(json.dumps(recorder.frames))
        frames += [
            {"of": "line", "do": "exchange", "t": 0, "channel": 1, "remote": ["", 1], "direction": "", "format": {
                "encoding": "", "payload_type": 0, "dtmf_payload_type": None, "inband_keys": False}},
            {"of": "ended", "t": 9, "kind": ""},
        ]  # fmt: skip
        check(frames)
        again = ReplayedTts(ReplayScript(frames, bytes(recorder.sound), lambda text: text), "fake-voice")
        await again.open()
        assert [piece async for piece in again.speak("One two.", "Zero.")] == told

    run(scenario())
