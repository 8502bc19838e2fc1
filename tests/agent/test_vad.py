"""Local voice activity on recorded telephone speech, with the noise of a line."""

import functools
import math
import random
from array import array
from pathlib import Path

import pytest

from agent.ulaw import from_linear, level, to_linear
from agent.vad import VoiceActivity
from sipgw.records.artifacts.wav import read_ulaw

VOICE = Path(__file__).parent.parent.parent / "sipgw" / "demo_voice"
FILES = ["ask_order.wav", "order_number.wav", "phone_number.wav", "interrupt.wav", "goodbye.wav"]


def mixed(ulaw: bytes, amplitude: int) -> bytes:
    """Sound with white noise of an amplitude (16-bit scale) under it, always the same."""
    chance = random.Random(1)
    samples = array("h", to_linear(ulaw))
    noisy = (sample + chance.randint(-amplitude, amplitude) for sample in samples)
    return from_linear(array("h", [max(-32768, min(32767, sample)) for sample in noisy]).tobytes())


RECORDED = sorted((Path(__file__).parent.parent / "data" / "speech").glob("*.wav"))


@functools.cache
def levels(ulaw: bytes) -> list[float]:
    return [level(ulaw[at : at + 160]) for at in range(0, len(ulaw) - 159, 160)]


def spoken(ulaw: bytes) -> list[tuple[float, float]]:
    """Start and level of the 20 ms pieces that are above 6 % of the loudest."""
    found = levels(ulaw)
    least = max(250.0, 0.06 * sorted(found)[int(0.95 * len(found))])
    return [(0.02 * at, value) for at, value in enumerate(found) if value > least]


@functools.cache
def at_20_db(ulaw: bytes, around: float) -> bytes:
    """Speech between pauses, and white noise a tenth as strong under all of it."""
    pieces = [value for _, value in spoken(ulaw)]
    effective = math.sqrt(sum(value * value for value in pieces) / len(pieces))
    return mixed(quiet(around) + ulaw + quiet(around), round(effective / 10 * math.sqrt(3)))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_people_are_noticed_in_a_quarter_second_at_20_db_of_noise(path: Path) -> None:
    speech = read_ulaw(path)
    changes = activity(at_20_db(speech, 2.0))
    first, last = 2.0 + spoken(speech)[0][0], 2.0 + spoken(speech)[-1][0]
    onsets = [at for onset, at in changes if onset]
    assert 0.1 <= onsets[0] - first + 0.02 <= 0.3, "not before the speech, and soon"
    assert all(at <= last + 0.3 for at in onsets), "no speech in the noise after it"
    assert not changes[-1][0]


def test_most_recorded_people_are_noticed_in_140_ms() -> None:
    late = []
    for path in RECORDED:
        speech = read_ulaw(path)
        onset = next(at for is_onset, at in activity(at_20_db(speech, 2.0)) if is_onset)
        late.append(onset - 2.0 - spoken(speech)[0][0])
    assert sorted(late)[len(late) * 3 // 4] <= 0.14 + 1e-9


def words(ulaw: bytes) -> list[bytes]:
    """The pieces between pauses that are as long as a word."""
    loud = [value > 250 for value in levels(ulaw)]
    begin, found = 0, []
    for at in range(len(loud) + 1):
        if not any(loud[at : at + 7]):
            found.append(ulaw[begin * 160 : at * 160])
            begin = at + 1
    return [one for one in found if 0.2 <= len(one) / 8000 <= 0.8]


def is_like_a_word(ulaw: bytes) -> bool:
    subject = VoiceActivity()
    return any(change.spoken for change in subject.feed(quiet(1) + ulaw + quiet(1)))


def cough(chance: random.Random, dullness: float) -> bytes:
    """A burst that fades away; nothing in it comes again."""
    samples, sample, length = array("h"), 0.0, 4000
    for at in range(length):
        sample = dullness * sample + (1 - dullness) * chance.gauss(0, 1)
        loud = 20000 * math.exp(-6 * at / length)
        samples.append(max(-32768, min(32767, round(loud * sample))))
    return from_linear(samples.tobytes())


def test_short_words_of_recorded_people_are_told_from_coughs() -> None:
    said = [word for path in [*RECORDED, VOICE / "yes.wav"] for word in words(read_ulaw(path))]
    assert len(said) >= 20
    assert sum(map(is_like_a_word, said)) / len(said) >= 0.9
    chance = random.Random(1)
    assert not any(is_like_a_word(cough(chance, dullness)) for dullness in (0.0, 0.4, 0.8) for _ in range(40))


def test_a_line_that_is_noisy_from_the_start_is_no_speech() -> None:
    assert activity(quiet(10, 1000)) == []


def quiet(seconds: float, amplitude: int = 0) -> bytes:
    silence = b"\xff" * int(seconds * 8000)
    return mixed(silence, amplitude) if amplitude else silence


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
    sound = quiet(2) + quiet(10, amplitude)
    assert [change for change in activity(sound) if change[0]][1:] == []
    late = [at for onset, at in activity(sound) if onset and at > 7]
    assert late == []


def test_a_click_is_no_onset() -> None:
    click = quiet(1) + quiet(0.06, 20000) + quiet(1)
    assert activity(click) == []


def test_the_length_of_the_chunks_does_not_matter() -> None:
    speech = quiet(1) + read_ulaw(VOICE / "ask_order.wav")
    assert activity(speech, 480) == activity(speech, 160) != []
    odd = [onset for onset, _ in activity(speech, 100)]
    assert odd == [onset for onset, _ in activity(speech, 160)], "also when no chunk holds a whole window"
