"""A voice that is on when the call begins: a television, or a caller who speaks at once."""

import numpy as np
import pytest

from agent.floor import Listening
from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind
from agent.hearing.sound import Sound as Heard
from agent.hearing.voices import LATELY, QUIET, Voices
from agent.providers.local.endpoint import RATE as HZ
from agent.providers.local.endpoint import WINDOW, Act, Endpointer, Pauses
from agent.stt import Transcript
from tests.agent.hearing.lines import CALLER, Line, heard, line, model, of
from tests.agent.hearing.mixing import RATE, Sound, at_level, place, to_ulaw, ulaw_clip
from tests.agent.hearing.test_behind import both
from tests.agent.hearing.test_caller import SENTENCES, rng, television


def opened(at: float = 0.0) -> CallerSound:
    """The detector of a call that begins then."""
    subject = CallerSound(model())
    subject.begin(at)
    return subject


def test_a_television_that_is_on_when_the_call_begins_is_no_caller() -> None:
    subject = opened()
    told = heard(subject, line(12.0, rng(), None, television(12.0, 10.0)))
    assert {one.change.kind for one in told} == {Kind.NOISE}
    assert told[0].change.evidence.background
    assert not any(subject.theirs(at / 10) for at in range(120))
    assert subject.others
    assert not subject.presumes, "for so long no caller speaks without a pause"


def test_a_caller_in_front_of_that_television_is_heard() -> None:
    subject = opened()
    told = heard(subject, line(9.0, rng(), None, both(12.0)))
    assert of(told, Kind.VOICE_STARTED)[0].change.at == pytest.approx(1.0, abs=0.4)
    assert subject.theirs(2.0)
    assert not subject.theirs(4.5)
    assert not subject.presumes


@pytest.mark.parametrize("name", SENTENCES)
def test_the_first_voice_was_the_caller_if_the_line_becomes_quiet(name: str) -> None:
    subject, said = opened(), at_level(ulaw_clip(name), CALLER)
    length = len(said) / RATE
    call = line(length + 2.0, rng(), None, place(round((length + 2.0) * RATE), (0.0, said)))
    *before, last = heard(subject, call)
    assert {one.change.kind for one in before} == {Kind.NOISE}
    assert last.change.kind is Kind.SHORT_VOICE
    assert last.at == pytest.approx(last.change.at + QUIET, abs=0.15)
    assert last.change.at - last.change.evidence.seconds == pytest.approx(0.0, abs=0.4)
    assert last.change.evidence.level == pytest.approx(CALLER, abs=4.0)
    assert subject.theirs(0.3)
    assert subject.theirs(length - 0.3)
    assert not subject.others


def test_a_line_that_sends_only_speech_becomes_quiet_when_nothing_comes() -> None:
    subject, said = opened(), at_level(ulaw_clip("lv_0930.wav"), CALLER)
    heard(subject, Line(to_ulaw(said)))
    end = len(said) / RATE
    assert subject.due == pytest.approx(end + QUIET, abs=0.2)
    assert subject.lapse(end + 0.5) == []
    (change,) = subject.lapse(end + QUIET)
    assert change.kind is Kind.SHORT_VOICE
    assert subject.lapse(end + 2 * QUIET) == []


@pytest.mark.parametrize("first", [0.3, 3.0])
def test_who_speaks_later_is_the_caller(first: float) -> None:
    """After some silence, or in the first packet of a line that brought none at first."""
    said = at_level(ulaw_clip("lv_0930.wav"), CALLER)
    lead = first if first < 1.0 else 0.0
    subject = opened()
    told = heard(subject, line(4.0, rng(), None, place(4 * RATE, (lead, said))), clock=first - lead)
    assert told[0].change.kind is Kind.VOICE_STARTED
    assert not subject.others


def test_a_click_at_the_beginning_is_nobody() -> None:
    subject, chance = opened(), np.random.default_rng(5)
    click: Sound = at_level(chance.normal(0, 0.1, 400).astype(np.float32), CALLER)
    said = at_level(ulaw_clip("lv_0930.wav"), CALLER)
    told = heard(subject, line(4.0, rng(), None, place(4 * RATE, (0.0, click), (0.7, said))))
    assert of(told, Kind.VOICE_STARTED)
    assert subject.theirs(1.5)


def test_a_first_voice_that_went_on_for_long_stays_somebody_else() -> None:
    subject = Voices()
    subject.open(0.0)
    subject.listen(0.0)
    first = Heard(0.02, 0.1)
    subject.meet(first)
    subject.presume(first, is_voice=True)
    subject.listen(LATELY + 1.0)
    assert subject.take_first() is None
    assert not subject.include(1.0, None)


def withheld(words: str, *, seconds: float = 5.0) -> tuple[Listening, list[str], list[tuple[bool | None, float]]]:
    """Words of a caller who speaks at once: what is given back, and what the recogniser is told, of when."""
    subject, said = Listening(), at_level(ulaw_clip("lv_0930.wav"), CALLER)
    subject.voice = opened(100.0)
    call = line(seconds, rng(), None, place(round(seconds * RATE), (0.0, said)))
    back: list[str] = []
    told: list[tuple[bool | None, float]] = []
    for at in range(0, len(call.came), 160):
        now = 100.0 + (at + 160) / RATE
        changes = subject.hear(call.came[at : at + 160], now)
        told += [(speaking, round(now - 100.0 - ago, 1)) for speaking, ago in subject.followed(changes)]
        for moment, text, final in ((1.0, words[:9], False), (3.0, words, True)):
            if at == round(moment * RATE):
                part = subject.words(Transcript(text, final=final, eager=final, end=min(moment, 2.6)))
                assert (part.text, part.others) == ("", True), "taken for a television so far"
        back += [one.text for one in subject.restored()]
    return subject, back, told


def test_words_that_were_held_back_are_given_back_once() -> None:
    assert withheld("he was not an ill man")[1] == ["he was not an ill man"]


def test_the_recogniser_is_told_when_that_voice_was() -> None:
    told = withheld("he was not an ill man")[2]
    assert [speaking for speaking, _ in told] == [False, True, False, None]
    assert [at for _, at in told[:3]] == pytest.approx([0.0, 0.0, 2.6], abs=0.4)


def test_the_embedded_recogniser_understands_a_voice_of_which_it_is_told_late() -> None:
    subject = Endpointer(Pauses())
    subject.follow(False, 0)
    for _ in range(3 * HZ // WINDOW):
        assert subject.judge(0.9) == [], "not the caller's so far"
    for _ in range(HZ // WINDOW):
        subject.judge(0.01)
    end = 3 * HZ
    steps = [*subject.follow(True, 0), *subject.follow(False, end), *subject.follow(None, 4 * HZ)]
    assert [(one.act, one.end) for one in steps if one.act is Act.DECODE] == [(Act.DECODE, end)]
    assert [one.text for one in subject.understood(end, "yes") if one.act is Act.FINAL] == ["yes"]
