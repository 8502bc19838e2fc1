"""Packet-loss concealment: its length, no clicks, its fade, and its error against simpler methods."""

import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME, RATE, SILENCE, from_linear, level, to_linear
from media.jitter.plc import REACH, Concealment, bridge
from sipgw.records.artifacts.wav import read_ulaw

SPEECH = Path(__file__).parent.parent / "data" / "speech"


def tone(hertz: float, samples: int, amplitude: float = 8000) -> bytes:
    at = np.arange(samples)
    wave = np.sin(2 * math.pi * hertz * at / RATE) + 0.5 * np.sin(4 * math.pi * hertz * at / RATE + 1)
    return from_linear((amplitude * wave).astype("<i2").tobytes())


def linear(ulaw: bytes) -> np.ndarray:
    return np.frombuffer(to_linear(ulaw), "<i2").astype(float)


def noise_ratio(heard: bytes, sent: bytes) -> float:
    """Decibels of what was sent over the difference."""
    error = linear(heard) - linear(sent)
    return 10 * math.log10(np.sum(linear(sent) ** 2) / (np.sum(error**2) + 1))


@pytest.mark.parametrize("hertz", [80, 125, 211.3, 290])
def test_a_voice_goes_on_at_its_pitch(hertz):
    sound = tone(hertz, 10 * FRAME)
    concealment = Concealment()
    concealment.good(sound[: 8 * FRAME])
    assert noise_ratio(concealment.lost(), sound[8 * FRAME : 9 * FRAME]) > 10


@pytest.mark.parametrize("hertz", [80, 125, 211.3, 290])
def test_with_both_sides_at_hand_it_is_nearer_still(hertz):
    sound = tone(hertz, 20 * FRAME)
    hole = slice(8 * FRAME, 10 * FRAME)
    filled = bridge(sound[: hole.start], 2 * FRAME, sound[hole.stop :])
    assert noise_ratio(filled, sound[hole]) > 10


def test_nothing_is_changed_where_nothing_is_lost():
    sound, concealment = tone(200, 5 * FRAME), Concealment()
    frames = [sound[at : at + FRAME] for at in range(0, len(sound), FRAME)]
    assert [concealment.good(frame) for frame in frames] == frames


def test_a_long_loss_fades_to_silence_within_sixty_milliseconds():
    concealment = Concealment()
    concealment.good(tone(200, 5 * FRAME))
    lost = [concealment.lost() for _ in range(6)]
    levels = [level(frame) for frame in lost]
    assert levels[0] > levels[1] > levels[2] > 0
    assert lost[3:] == [SILENCE] * 3


def test_noise_fades_sooner_than_voice():
    chance = random.Random(1)
    noise = from_linear(np.array([chance.gauss(0, 3000) for _ in range(5 * FRAME)]).astype("<i2").tobytes())

    def left(sound: bytes) -> float:
        concealment = Concealment()
        concealment.good(sound)
        return level([concealment.lost() for _ in range(3)][-1]) / level(sound)

    assert left(noise) < 0.75 * left(tone(200, 5 * FRAME))


def test_there_is_no_click_at_either_end_of_a_loss():
    sound = tone(173, 12 * FRAME)
    steps = np.abs(np.diff(linear(sound))).max()
    concealment = Concealment()
    heard = concealment.good(sound[: 6 * FRAME]) + concealment.lost() + concealment.good(sound[7 * FRAME : 8 * FRAME])
    assert np.abs(np.diff(linear(heard))).max() < 1.5 * steps
    heard = sound[: 6 * FRAME] + bridge(sound[: 6 * FRAME], 2 * FRAME, sound[8 * FRAME :]) + sound[8 * FRAME :]
    assert np.abs(np.diff(linear(heard))).max() < 1.5 * steps


def test_silence_stays_silence():
    concealment = Concealment()
    assert concealment.lost() == SILENCE
    assert concealment.good(SILENCE) == SILENCE
    assert bridge(SILENCE, FRAME, SILENCE) == bridge(b"", FRAME, b"") == SILENCE


def test_a_hole_of_seconds_is_silent_but_for_its_ends():
    filled = bridge(tone(200, FRAME), 2 * RATE, tone(200, FRAME))
    assert level(filled[:FRAME]) > 1000 < level(filled[-FRAME:])
    assert filled[REACH:-REACH] == b"\xff" * (2 * RATE - 2 * REACH)


def test_on_speech_it_is_nearer_to_what_was_said_than_silence_or_repetition():
    errors = {"silence": 0.0, "repeat": 0.0, "one side": 0.0, "both sides": 0.0}
    chance = random.Random(5)
    for path in sorted(SPEECH.glob("*.wav")):
        sound = read_ulaw(path)
        for at in range(2 * FRAME, len(sound) - 4 * FRAME, FRAME):
            if chance.random() >= 0.2:
                continue
            before, lost, after = sound[:at][-2 * FRAME :], sound[at : at + FRAME], sound[at + FRAME :][: 2 * FRAME]
            concealment = Concealment()
            concealment.good(before)
            fills = {
                "silence": SILENCE,
                "repeat": before[-FRAME:],
                "one side": concealment.lost(),
                "both sides": bridge(before, FRAME, after),
            }
            for name, fill in fills.items():
                errors[name] += float(np.sum((linear(fill) - linear(lost)) ** 2))
    assert errors["both sides"] < errors["one side"] < errors["silence"] < errors["repeat"]


def test_the_second_loss_of_a_row_uses_the_frame_that_follows():
    sound, concealment = tone(200, 10 * FRAME), Concealment()
    concealment.good(sound[: 5 * FRAME])
    heard = concealment.lost() + concealment.lost(sound[7 * FRAME : 8 * FRAME])
    assert noise_ratio(heard, sound[5 * FRAME : 7 * FRAME]) > 10
    assert concealment.good(sound[7 * FRAME : 8 * FRAME]) == sound[7 * FRAME : 8 * FRAME], "nothing left to overlap"


@given(before=st.binary(max_size=500), after=st.binary(max_size=500), samples=st.integers(0, 3000))
def test_any_bytes_are_filled_exactly(before, after, samples):
    assert len(bridge(before, samples, after)) == samples


@given(st.lists(st.none() | st.binary(max_size=400), max_size=20))
def test_any_frames_may_come(frames):
    concealment = Concealment()
    for frame in frames:
        heard = concealment.lost() if frame is None else concealment.good(frame)
        assert len(heard) == (FRAME if frame is None else len(frame))
