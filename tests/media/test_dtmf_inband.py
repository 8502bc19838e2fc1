"""Keys as tones in the sound: the limits of Q.24, and no key detected in speech."""

import random
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.dtmf.events import KEYS
from media.dtmf.inband import ToneReceiver
from media.dtmf.sender import HIGH, LOW, PAD
from media.g711 import RATE, from_linear
from media.session.format import Format
from media.session.session import RtpSession
from sipgw.records.artifacts.wav import read_ulaw

PROMPTS = Path("/usr/share/asterisk/sounds")
SPEECH = (
    Path(__file__).parent.parent / "data" / "speech",
    Path(__file__).parent.parent.parent / "sipgw" / "demo_voice",
)


class Line:
    """Presses keys at a level in dBm0 of both tones together, over noise that is `snr` dB weaker."""

    def __init__(self, seed: int, level: float = -10.0, snr: float | None = 15.0) -> None:
        self.chance = np.random.default_rng(seed)
        self.level, self.snr = level, snr
        self.pressed = ""
        self.parts: list[np.ndarray] = []

    def press(self, count: int, tone: float, pause: float, deviation: float = 0.0, twist: float = 0.0) -> "Line":
        for _ in range(count):
            key = KEYS[self.chance.integers(16)]
            self.pressed += key
            row = next(at for at, keys in enumerate(PAD) if key in keys)
            frequencies = LOW[row], HIGH[PAD[row].index(key)]
            times = np.arange(round(tone * RATE)) / RATE
            sound = sum(
                self._amplitude(level)
                * np.sin(2 * np.pi * frequency * (1 + deviation) * times + self.chance.uniform(0, 2 * np.pi))
                for frequency, level in zip(frequencies, (-3 - twist / 2, -3 + twist / 2), strict=True)
            )
            self.parts += [np.zeros(round(pause * RATE) + self.chance.integers(40)), sound]  # type: ignore[list-item]
        return self

    def _amplitude(self, level: float) -> float:
        return 32124 * 10 ** ((self.level + level - 3.14) / 20)  # ITU-T G.711, table 5

    def heard(self) -> str:
        sound = np.concatenate([*self.parts, np.zeros(800)])
        if self.snr is not None:
            sound += self.chance.normal(0, self._amplitude(-self.snr) / np.sqrt(2), len(sound))
        return listen(from_linear(np.clip(sound, -32767, 32767).astype("<i2").tobytes()))


def listen(ulaw: bytes, piece: int = 480) -> str:
    receiver = ToneReceiver()
    return "".join(receiver.receive(ulaw[at : at + piece]) for at in range(0, len(ulaw), piece))


@pytest.mark.parametrize("snr", [None, 15.0])
@pytest.mark.parametrize("deviation", [-0.015, 0.0, 0.015])
@pytest.mark.parametrize("level", [-30.0, -15.0, 0.0])
def test_keys_of_40_ms_with_40_ms_between_are_all_heard(level: float, deviation: float, snr: float | None) -> None:
    line = Line(5, level, snr).press(400, 0.040, 0.040, deviation)
    assert line.heard() == line.pressed


@pytest.mark.parametrize("twist", [-4.0, 4.0, 6.0])
def test_one_tone_may_be_weaker(twist: float) -> None:
    line = Line(6).press(300, 0.050, 0.050, twist=twist)
    assert line.heard() == line.pressed


def test_a_long_key_is_one_key() -> None:
    line = Line(7).press(20, 2.0, 0.05)
    assert line.heard() == line.pressed


def test_a_gap_of_10_ms_does_not_make_two_keys_of_one() -> None:
    """Q.24: a tone that is cut for so short a time is the same key."""
    line = Line(8, snr=None).press(1, 0.1, 0.1)
    sound = np.concatenate(line.parts)
    sound[-400:-320] = 0
    line.parts = [sound]
    assert line.heard() == line.pressed


@pytest.mark.parametrize("level", [-30.0, -10.0, 0.0])
@pytest.mark.parametrize("snr", [None, 15.0])
def test_tones_of_23_ms_are_no_keys(level: float, snr: float | None) -> None:
    assert Line(9, level, snr).press(500, 0.023, 0.040).heard() == ""


@pytest.mark.parametrize("deviation", [-0.035, 0.035])
@pytest.mark.parametrize("tone", [0.040, 0.500])
def test_tones_that_are_off_by_3_5_percent_are_no_keys(deviation: float, tone: float) -> None:
    assert Line(10).press(200, tone, 0.040, deviation).heard() == ""


def test_one_tone_alone_and_noise_are_no_keys() -> None:
    times = np.arange(RATE) / RATE
    for frequency in (*LOW, *HIGH, 350, 440, 480, 620):  # and those of dial, ring and busy tones
        assert listen(from_linear((8000 * np.sin(2 * np.pi * frequency * times)).astype("<i2").tobytes())) == ""
    noise = np.random.default_rng(1).normal(0, 4000, 60 * RATE)
    assert listen(from_linear(noise.clip(-32767, 32767).astype("<i2").tobytes())) == ""


def test_nothing_is_heard_in_the_recorded_speech() -> None:
    files = [path for folder in SPEECH for path in sorted(folder.glob("*.wav"))]
    assert len(files) > 10
    assert [listen(read_ulaw(path)) for path in files] == [""] * len(files)


@pytest.mark.slow
@pytest.mark.programs("prompts")
def test_nothing_is_heard_in_an_hour_of_prompts() -> None:
    """English, Spanish and French as Debian packages them: 1.4 h by three speakers."""
    seconds, wrong = 0.0, []
    for path in sorted(PROMPTS.rglob("*.wav")):
        with wave.open(str(path)) as recording:
            sound = recording.readframes(recording.getnframes())
        seconds += len(sound) / 2 / RATE
        if told := listen(from_linear(sound), 1 << 20):
            wrong.append((path.name, told))
    assert wrong == []
    assert seconds > 3600


@given(st.lists(st.integers(1, 700), min_size=1, max_size=30), st.integers(0, 2**32))
def test_how_the_sound_is_cut_makes_no_difference(cuts: list[int], seed: int) -> None:
    line = Line(seed).press(5, 0.05, 0.05)
    sound = from_linear(np.concatenate([*line.parts, np.zeros(800)]).astype("<i2").tobytes())
    receiver, told = ToneReceiver(), ""
    while sound:
        for cut in cuts:
            told += receiver.receive(sound[:cut])
            sound = sound[cut:]
    assert told == line.pressed


@given(st.lists(st.binary(max_size=600), max_size=10))
def test_whatever_is_heard_only_keys_are_told(pieces: list[bytes]) -> None:
    receiver = ToneReceiver()
    assert set("".join(receiver.receive(piece) for piece in pieces)) <= set(KEYS)


@pytest.mark.parametrize(
    ("form", "listens"),
    [
        (Format("PCMU", 0), False),
        (Format("PCMU", 0, inband_keys=True), True),
        (Format("PCMU", 0, 101, inband_keys=True), False),
    ],
)
def test_tones_are_listened_for_only_if_wanted_and_without_events(form: Format, listens: bool) -> None:
    session = RtpSession(random.Random(1).getrandbits)
    session.connect(form, ("192.0.2.1", 4000), 0.0)
    assert (session.inbound.tones is not None) == listens


def test_a_re_invite_in_the_middle_of_a_key_does_not_double_it() -> None:
    session = RtpSession(random.Random(1).getrandbits)
    form = Format("PCMU", 0, inband_keys=True)
    session.connect(form, ("192.0.2.1", 4000), 0.0)
    before = session.inbound.tones
    session.connect(form, ("192.0.2.1", 4000), 1.0)
    assert before is not None
    assert session.inbound.tones is before
