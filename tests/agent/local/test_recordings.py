"""What people really said, through the real models; a decode takes no time here."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from agent.providers.local.endpoint import Act, Pauses
from agent.providers.local.listener import Listener, floats
from agent.turn_taking.expect import Kind
from agent.turn_taking.words import SENTENCE_ENDS
from agent.ulaw import from_linear
from sipgw.records.artifacts.wav import read_ulaw
from tests.agent.local.listening import (
    SILENCE,
    digits_of,
    finals,
    listen,
    noisy,
    recording,
    silero,
    transcripts,
    whisper,
    word_errors,
)
from tests.bench.turns.compose import joined
from tests.bench.turns.corpus import characters

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[3] / "sipgw" / "demo_voice"
CALLERS = Path(__file__).parents[2] / "data" / "callers"
PAUSE = SILENCE * 12_000
ASKED = "What is your order number?"
DICTATED = ("fsdd_theo_7346.wav", "fsdd_george_8005551.wav", "fsdd_jackson_4155550123.wav", "sr_english.wav")
SENTENCES = tuple(name for name in transcripts() if name not in DICTATED)


@cache
def heard(name: str) -> list[str]:
    """What is understood of a recording where nothing special is expected."""
    return finals(listen(recording(name) + PAUSE))


@pytest.mark.parametrize("snr", [None, 20])
def test_sentences_are_understood(snr: float | None) -> None:
    wrong = total = 0
    for name in SENTENCES:
        found = finals(listen(noisy(recording(name) + PAUSE, snr))) if snr else heard(name)
        errors, words = word_errors(transcripts()[name], " ".join(found))
        wrong, total = wrong + errors, total + words
    assert wrong / total <= (0.12 if snr is None else 0.20)


@pytest.mark.parametrize("snr", [None, 20])
@pytest.mark.parametrize("name", DICTATED)
def test_dictated_digits_are_exact_in_one_turn(name: str, snr: float | None) -> None:
    sound = recording(name) + PAUSE
    (text,) = finals(listen(noisy(sound, snr) if snr else sound, said=ASKED))
    assert digits_of(text) == digits_of(transcripts()[name])


@pytest.mark.parametrize("silence", [0.3, 1.0, 5.0])
def test_the_first_words_after_music_are_heard(silence: float) -> None:
    """The model of voices takes them for noise, too, if it has heard nothing else for seconds."""
    name = "fsdd_jackson_4155550123.wav"
    sound = read_ulaw(CALLERS / "music.wav") * 3 + SILENCE * round(8000 * silence) + recording(name) + PAUSE
    (text,) = finals(listen(sound, said=ASKED))
    assert digits_of(text) == digits_of(transcripts()[name])


@pytest.mark.parametrize("lead", range(0, 3200, 400))
def test_a_sentence_has_its_end_wherever_its_sound_begins(lead: int) -> None:
    """The most probable text alone loses the mark of this question when the sound begins 50 ms earlier."""
    sound = floats(SILENCE * lead + read_ulaw(DEMO / "interrupt.wav"))
    assert whisper().transcribe(sound).text.endswith(SENTENCE_ENDS)


def test_of_sentences_that_are_cut_off_at_most_a_third_has_an_end() -> None:
    """Which ones do depends on the processor: quantised sums are rounded in another way without AVX-512 VNNI."""
    texts = list[str]()
    for name in ("ask_order", "interrupt"):
        sound = floats(read_ulaw(DEMO / f"{name}.wav"))
        texts += [whisper().transcribe(sound[: len(sound) * share // 100]).text for share in range(30, 75, 10)]
    ended = [text for text in texts if text.endswith(SENTENCE_ENDS) and not text.endswith("...")]
    assert len(ended) <= len(texts) / 3, ended


def test_onset_first_words_stable_and_final_come_in_this_order_and_on_time() -> None:
    events = listen(recording("goforward.wav") + PAUSE)
    assert [event.act for event in events if event.act not in (Act.DECODE, Act.EARLY)] == [
        Act.ONSET, Act.PART, Act.STABLE, Act.FINAL
    ]  # fmt: skip
    eager, final = events[-2:]
    assert eager.text == final.text == "Go forward 10 meters."
    assert eager.at - eager.end == pytest.approx(0.22, abs=0.035)
    assert final.at - final.end == pytest.approx(0.40, abs=0.035)


def test_resumed_speech_replaces_the_guess() -> None:
    first, second = recording("cards_001.wav"), recording("goforward.wav")
    speech_end = next(event.end for event in listen(first + PAUSE) if event.act is Act.FINAL)
    second_start = next(event.at for event in listen(second + PAUSE) if event.act is Act.ONSET) - 0.1
    joined = first[: int((speech_end + 0.1) * 8000)] + SILENCE * 1400 + second[int(second_start * 8000) :] + PAUSE
    events = listen(joined)
    guesses = [event.text for event in events if event.act is Act.STABLE]
    assert len(guesses) >= 2
    (final,) = finals(events)
    assert final == guesses[-1] != guesses[0]
    assert word_errors("ten of clubs go forward ten meters", final)[0] <= 1


def still(kind: str) -> bytes:
    """3 s without a voice."""
    random = np.random.default_rng(7)
    white = random.normal(0, 1, 24_000)
    sound = {
        "silence": white * 0,
        "white noise": white * 2000,
        "faint noise": white * 60,
        "hum": 3000 * np.sin(np.arange(24_000) * 2 * np.pi * 50 / 8000),
        "rumble": np.convolve(white, np.ones(40) / 6, "same") * 1500,
    }[kind]
    return from_linear(np.clip(sound, -32768, 32767).astype("<i2").tobytes())


@pytest.mark.parametrize("kind", ["silence", "white noise", "faint noise", "hum", "rumble"])
def test_nothing_is_heard_where_nobody_speaks(kind: str) -> None:
    events = listen(still(kind) + PAUSE)
    assert [event.text for event in events if event.text] == []


@pytest.mark.parametrize("kind", ["silence", "white noise", "faint noise", "hum", "rumble"])
@pytest.mark.parametrize("wanted", [Kind.OPEN, Kind.DIGITS, Kind.SPELLING])
def test_the_recogniser_invents_no_words(kind: str, wanted: Kind) -> None:
    """Also when something else than a voice was taken for one."""
    assert whisper().transcribe(floats(still(kind)), wanted).text == ""


@pytest.mark.parametrize("wanted", [Kind.DIGITS, Kind.SPELLING])
@pytest.mark.parametrize("name", SENTENCES)
def test_words_come_through_where_digits_or_letters_are_expected(name: str, wanted: Kind) -> None:
    assert finals(listen(recording(name) + PAUSE, wanted=wanted)) == heard(name)


def group(speaker: str, said: list[str]) -> bytes:
    """Digits of one recorded string in another order, 60 ms apart."""
    known = [one for part in ("dev", "held") for some in characters(part, "digits") for one in some]
    chosen = [next(one for one in known if one.text == word and one.name.startswith(speaker)) for word in said]
    sound = joined("group", chosen, [0.06]).sound
    return SILENCE * 4000 + from_linear((sound * 32767).astype("<i2").tobytes()) + PAUSE


def test_words_between_digits_are_not_left_out() -> None:
    digits = group("fsdd_george", ["five", "zero", "eight"])[: -len(PAUSE)]
    sound = digits + recording("cards_001.wav").strip(SILENCE) + digits[4000:] + PAUSE
    assert "clubs" in " ".join(finals(listen(sound, wanted=Kind.DIGITS))).lower()


@pytest.mark.parametrize(
    ("speaker", "said"),
    [
        ("fsdd_theo", "seven three seven"),
        ("fsdd_theo", "three three six"),
        ("fsdd_george", "five zero eight"),
        ("fsdd_jackson", "one five one"),
        ("fsdd_jackson", "four five one"),
    ],
)
def test_a_group_of_three_digits_is_exact_where_digits_are_expected(speaker: str, said: str) -> None:
    texts = finals(listen(group(speaker, said.split()), wanted=Kind.DIGITS))
    assert digits_of(" ".join(texts)) == digits_of(said)


def test_sound_may_come_in_pieces_of_any_length() -> None:
    sound = recording("cards_001.wav") + PAUSE
    whole, crumbs = Listener(silero(), Pauses()), Listener(silero(), Pauses())
    together = whole.hear(sound)
    apart = [step for at in range(0, len(sound), 77) for step in crumbs.hear(sound[at : at + 77])]
    assert together == apart
    assert [step.act for step in together] == [Act.ONSET, Act.DECODE]


def test_lost_sound_keeps_positions_true() -> None:
    sound = recording("cards_001.wav") + PAUSE
    listener = Listener(silero(), Pauses())
    listener.skip(16_000)
    late = listener.hear(sound)
    assert late[0].start - Listener(silero(), Pauses()).hear(sound)[0].start == pytest.approx(16_000, abs=512)
