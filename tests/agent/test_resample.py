"""The filter that takes 24 and 16 kHz to 8 kHz."""

import math
import random
from array import array

import pytest

from agent.resample import Decimator, coefficients


def tone(frequency: float, rate: int, seconds: float = 1.0, amplitude: float = 20_000) -> bytes:
    wave = (amplitude * math.sin(2 * math.pi * frequency * n / rate) for n in range(round(rate * seconds)))
    return array("h", (round(sample) for sample in wave)).tobytes()


def decimated(linear: bytes, step: int = 3) -> array:
    filter_ = Decimator(step)
    return array("h", filter_.feed(linear) + filter_.finish())


def decibels(out: array, amplitude: float = 20_000) -> float:
    """The level in the middle of `out` against a sine of `amplitude`."""
    middle = out[500:-500]
    power = sum(sample * sample for sample in middle) / len(middle)
    return 10 * math.log10(max(power, 0.1) / (amplitude * amplitude / 2))


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("frequency", [100, 300, 1000, 2000, 3000, 3300])
def test_what_a_telephone_carries_passes(step, frequency):
    assert decibels(decimated(tone(frequency, 8000 * step), step)) == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("frequency", [4700, 5000, 6000, 7000])
def test_what_would_be_heard_as_something_else_does_not(step, frequency):
    assert decibels(decimated(tone(frequency, 8000 * step), step)) < -55


def test_the_samples_are_those_of_the_tone_in_their_place():
    out, expected = decimated(tone(440, 24_000)), array("h", tone(440, 8000))
    assert len(out) == len(expected)
    # The filter has an even number of taps: its delay is half a sample of the input off the middle.
    assert max(abs(a - b) for a, b in zip(out[50:-50], expected[50:-50], strict=True)) < 0.1 * 20_000


def test_it_does_not_matter_how_the_sound_is_cut():
    linear, chance = tone(1000, 24_000, 0.5), random.Random(1)
    whole = decimated(linear).tobytes()
    filter_, out, at = Decimator(3), b"", 0
    while at < len(linear):
        size = chance.choice([1, 2, 3, 333, 4097])
        out += filter_.feed(linear[at : at + size])
        at += size
    assert out + filter_.finish() == whole


def test_full_scale_does_not_overflow():
    square = array("h", ([32_767] * 40 + [-32_768] * 40) * 100).tobytes()
    out = decimated(square)
    assert max(out) == 32_767
    assert all(a * b >= 0 for a, b in zip(out[8:13], [32_767] * 5, strict=True))  # no wrap to the other sign


def test_the_filter_is_symmetric_and_has_gain_one():
    taps = coefficients(3)
    assert len(taps) == 72
    assert sum(taps) == pytest.approx(1.0)
    assert taps == pytest.approx(taps[::-1])
