"""Local voice activity on recorded telephone speech, with the noise of a line."""

import random
from array import array
from pathlib import Path

import pytest

from agent.ulaw import from_linear, to_linear
from agent.vad import VoiceActivity
from sipgw.wav import read_ulaw

VOICE = Path(__file__).parent.parent.parent / "sipgw" / "demo_voice"
FILES = ["ask_order.wav", "order_number.wav", "phone_number.wav", "interrupt.wav", "goodbye.wav"]


def mixed(ulaw: bytes, amplitude: int) -> bytes:
    """Sound with white noise of an amplitude (16-bit scale) under it, always the same."""
    chance = random.Random(1)
    samples = array("h", to_linear(ulaw))
    noisy = (sample + chance.randint(-amplitude, amplitude) for sample in samples)
    return from_linear(array("h", [max(-32768, min(32767, sample)) for sample in noisy]).tobytes())


def quiet(seconds: float, amplitude: int = 0) -> bytes:
    return mixed(b"\xff" * int(seconds * 8000), amplitude)


def activity(ulaw: bytes, chunk: int = 480) -> list[tuple[bool, float]]:
    subject = VoiceActivity()
    found = []
    for at in range(0, len(ulaw), chunk):
        piece = ulaw[at : at + chunk]
        found += [(change.onset, (at + len(piece)) / 8000 - change.ago) for change in subject.feed(piece)]
    return found


@pytest.mark.parametrize("amplitude", [0, 60, 200])
@pytest.mark.parametrize("name", FILES)
def test_speech_is_noticed_soon_and_its_end_too(name: str, amplitude: int) -> None:
    speech = read_ulaw(VOICE / name)
    sound = mixed(quiet(2) + speech + quiet(2), amplitude)
    changes = activity(sound)
    assert changes[0][0]
    assert 2.0 <= changes[0][1] <= 2.0 + 0.35
    assert not changes[-1][0]
    assert changes[-1][1] <= 2.0 + len(speech) / 8000 + 0.5


@pytest.mark.parametrize("amplitude", [0, 60, 300, 1000])
def test_steady_noise_is_no_speech(amplitude: int) -> None:
    sound = quiet(10, amplitude)
    assert [change for change in activity(sound) if change[0]][1:] == []
    late = [at for onset, at in activity(sound) if onset and at > 5]
    assert late == []


def test_a_click_is_no_onset() -> None:
    click = quiet(1) + quiet(0.06, 20000) + quiet(1)
    assert activity(click) == []


def test_the_length_of_the_chunks_does_not_matter() -> None:
    speech = quiet(1) + read_ulaw(VOICE / "ask_order.wav")
    assert activity(speech, 480) == activity(speech, 160)
