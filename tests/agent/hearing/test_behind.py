"""Somebody behind the caller: when that is noticed, and whose words are whose."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from agent.floor import Listening
from agent.hearing.behind import BELOW, LONG, LONG_ALONE, Behind
from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind
from agent.hearing.levels import SECONDS
from agent.hearing.sound import Sound as Heard
from agent.hearing.voices import Voices
from agent.stt import Transcript, Word
from tests.agent.hearing.lines import CALLER, heard, line, model, of
from tests.agent.hearing.mixing import RATE, Sound, at_level, place, ulaw_clip
from tests.agent.hearing.test_caller import SENTENCES, rng, television

LEFT = 3.0
"""When the caller stops, seconds."""


def both(below: float) -> Sound:
    """A caller in front of a television, then the television alone."""
    said = at_level(ulaw_clip("jfk.wav")[: round(2.0 * RATE)], CALLER)
    return television(9.0, below) + place(9 * RATE, (LEFT - 2.0, said))


@pytest.mark.parametrize("below", [10.0, 14.0])
def test_the_end_of_a_caller_is_told_although_a_television_goes_on(below: float) -> None:
    ends = of(heard(CallerSound(model()), line(9.0, rng(), None, both(below))), Kind.VOICE_ENDED)
    told = next(one for one in ends if one.change.evidence.behind)
    assert told.change.at == pytest.approx(LEFT, abs=0.35)
    assert told.at < LEFT + 1.2
    assert "goes on behind" in str(told.change.evidence)


def test_a_television_that_pauses_soon_after_the_caller_was_still_somebody_else() -> None:
    sound, subject = both(10.0), CallerSound(model())
    sound[round(3.55 * RATE) : round(4.15 * RATE)] = 0.0
    told = heard(subject, line(9.0, rng(), None, sound))
    (end,) = (one.at for one in told if one.change.evidence.behind)
    assert end < 3.55
    assert not [one for one in of(told, Kind.VOICE_STARTED) if one.at > end]
    assert not subject.theirs(4.8)


@pytest.mark.parametrize(
    ("known", "heard_on", "goes_on"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_the_end_of_a_caller_tells_that_somebody_known_goes_on_if_the_line_is_not_quiet(
    known: bool, heard_on: bool, goes_on: bool
) -> None:
    subject, sound = Voices(), Heard(10.0, 12.3, stressed=12.0)
    if known:
        subject.background.goes_on(-30.0)
    subject.begin(sound, 10.1)
    subject.listen(12.5 if heard_on else 12.3)
    assert subject.end(sound) == (False, goes_on)
    assert sound.heard == (12.0 if goes_on else 12.3), "soft sounds from the last loud syllable on may be either's"
    assert subject.include(12.5, None) is not goes_on


@pytest.mark.parametrize("back", [CallerSound.reset, partial(CallerSound.mute, on=False)])
def test_the_quiet_of_a_muted_line_does_not_tell_that_nobody_is_behind_the_caller(
    back: Callable[[CallerSound], None],
) -> None:
    subject = CallerSound(model())
    heard(subject, line(3.0, rng(), None, television(3.0, 12.0)))
    heard(subject, line(2.0, rng()), clock=3.0)
    back(subject)
    ends = of(heard(subject, line(9.0, rng(), None, both(12.0)), clock=5.0), Kind.VOICE_ENDED)
    told = next(one for one in ends if one.change.evidence.behind)
    assert told.at < 5.0 + LEFT + 1.0


@pytest.mark.parametrize("name", SENTENCES)
def test_nobody_is_behind_a_caller_who_is_alone_and_becomes_quiet(name: str) -> None:
    subject, said = CallerSound(model()), at_level(ulaw_clip(name), CALLER)
    assert heard(subject, line(6.0, rng(), None, place(6 * RATE, (1.0, said))))
    assert subject.theirs(5.9), "nobody is known to speak behind this caller"


@pytest.mark.parametrize("lead", [0.1, 0.3, 1.0])
def test_the_soft_end_of_a_sentence_is_the_callers_who_speaks_as_soon_as_the_line_opens(lead: float) -> None:
    """Its last words are 12 dB softer than those before, for longer than somebody behind needs to be noticed."""
    said = at_level(ulaw_clip("goforward.wav"), CALLER)
    subject = CallerSound(model())
    (end,) = of(heard(subject, line(6.0, rng(), None, place(6 * RATE, (lead, said)))), Kind.VOICE_ENDED)
    assert not end.change.evidence.behind
    assert subject.theirs(lead + 1.5), "the last word"


def test_a_caller_on_a_line_that_was_quiet_may_fall_by_more_than_eight_decibels_in_mid_sentence() -> None:
    said = at_level(ulaw_clip("lv_0930.wav"), CALLER)
    said[round(0.8 * RATE) : round(2.0 * RATE)] *= 10 ** (-12.0 / 20)
    subject = CallerSound(model())
    (end,) = of(heard(subject, line(8.0, rng(), None, place(8 * RATE, (2.0, said)))), Kind.VOICE_ENDED)
    assert not end.change.evidence.behind
    assert end.change.at == pytest.approx(2.0 + len(said) / RATE, abs=0.3)
    assert subject.theirs(3.5), "the soft words are theirs, too"


def test_what_is_quieter_for_long_is_somebody_else_and_one_loud_syllable_is_the_caller_again() -> None:
    subject, slots = Behind(), round(LONG / SECONDS)
    assert subject.take(-20.0)
    while subject.take(-20.0 - BELOW - 3.0):
        pass
    assert subject.level(alone=False) is None
    for _ in range(slots):
        subject.take(-20.0 - BELOW - 3.0)
    assert subject.level(alone=False) == pytest.approx(-31.0)
    assert subject.level(alone=True) is None, "a caller beside whom nobody was heard may be quiet for longer"
    for _ in range(4):
        subject.take(-20.0)
    assert subject.level(alone=False) is None


def listening(below: float | None) -> Listening:
    """Of a line with a television so many decibels below the caller, or without one."""
    subject, chance = Listening(), np.random.default_rng(3)
    subject.voice = CallerSound(model())
    sound = place(9 * RATE, (1.0, at_level(ulaw_clip("jfk.wav")[: 2 * RATE], CALLER))) if below is None else both(below)
    call = line(9.0, chance, None, sound)
    for at in range(0, len(call.came), 320):
        subject.hear(call.came[at : at + 320], 100.0 + (at + 320) / RATE)
    return subject


def told_to_recogniser(*, below: float | None) -> list[tuple[float, bool | None]]:
    """Since when it holds, and whether the caller speaks."""
    subject, found = Listening(), []
    subject.voice = CallerSound(model())
    sound = place(9 * RATE, (1.0, at_level(ulaw_clip("jfk.wav")[: 2 * RATE], CALLER))) if below is None else both(below)
    call = line(9.0, np.random.default_rng(3), None, sound)
    for at in range(0, len(call.came), 320):
        now = 100.0 + (at + 320) / RATE
        changes = subject.hear(call.came[at : at + 320], now)
        found += [(now - 100.0 - ago, speaking) for speaking, ago in subject.followed(changes)]
    subject.voice.forget_background()
    return [*found, *((9.0 - ago, speaking) for speaking, ago in subject.followed([]))]


def test_the_recogniser_is_told_that_the_caller_has_stopped_where_a_television_goes_on() -> None:
    told = told_to_recogniser(below=10.0)
    assert {speaking for _, speaking in told[:-1]} == {False}
    assert any(at == pytest.approx(LEFT, abs=0.35) for at, _ in told)
    assert told[-1] == (9.0, None), "whoever speaks next is the caller"
    assert told_to_recogniser(below=None) == [], "a caller who is alone needs no help"


def test_words_behind_the_caller_are_left_out() -> None:
    placed = (Word("fellow", 1.4, 1.8), Word("Americans", 1.9, 2.6), Word("buy", 4.5, 4.8), Word("now", 4.9, 5.2))
    told = Transcript("fellow Americans buy now", final=True, eager=True, end=5.2, words=placed)
    words = listening(10.0).words(told)
    assert words.text == "fellow Americans"
    assert words.others
    assert words.final
    assert len(words.began) == 2
    assert words.ended < 103.0
    assert listening(None).words(told).text == told.text, "nobody is known to speak behind this caller"


def test_words_without_times_of_their_own_are_placed_where_they_were_reported_first() -> None:
    subject = listening(10.0)
    assert subject.words(Transcript("fellow", final=False, eager=False, end=1.8)).text == "fellow"
    later = subject.words(Transcript("fellow buy", final=False, eager=False, end=4.8))
    assert (later.text, later.others) == ("fellow", True)
    subject.voice.forget_background()
    assert subject.words(Transcript("fellow buy yes", final=True, eager=True, end=8.9)).text == "fellow yes"


def test_no_word_of_a_caller_who_is_alone_is_left_out_however_late_their_voice_is_noticed() -> None:
    subject = Listening()
    subject.voice = CallerSound(model())
    soft, loud = (at_level(ulaw_clip("lv_0880.wav"), dbm0) for dbm0 in (-58.0, CALLER))
    call = line(12.0, np.random.default_rng(3), None, place(12 * RATE, (1.0, loud), (5.0, soft), (8.0, loud)))
    for at in range(0, len(call.came), 320):
        subject.hear(call.came[at : at + 320], 100.0 + (at + 320) / RATE)
        if at == 4 * RATE:
            subject.voice.false_alarm()  # its words come late
    assert not any(105.0 < began < 107.0 for began, _ in subject.voice._voices._times), "too soft to be noticed"
    placed = (Word("he", 5.2, 5.4), Word("was", 5.5, 5.8), Word("young", 8.4, 9.0))
    words = subject.words(Transcript("he was young", final=True, eager=True, end=9.0, words=placed))
    assert (words.text, words.others) == ("he was young", False)


@pytest.mark.parametrize(("below", "alone"), [(9.0, True), (16.0, False)])
def test_who_speaks_on_far_below_the_caller_is_somebody_else(below: float, alone: bool) -> None:
    subject = CallerSound(model())
    heard(subject, line(6.0, rng(), None, place(6 * RATE, (2.0, at_level(ulaw_clip("jfk.wav")[: 3 * RATE], CALLER)))))
    subject.confirmed()
    heard(subject, line(9.0, rng(), None, place(9 * RATE, (2.0, television(6.0, below)))), clock=10.0)
    assert subject.theirs(18.0) is alone


def answered(subject: CallerSound) -> None:
    """A caller has spoken, alone on the line, and was answered."""
    heard(subject, line(6.0, rng(), None, place(6 * RATE, (2.0, at_level(ulaw_clip("jfk.wav")[: 3 * RATE], CALLER)))))
    subject.confirmed()


@pytest.mark.parametrize("refused", [False, True])
def test_the_quiet_before_a_voice_that_was_refused_does_not_tell_that_nobody_is_behind_the_caller(
    refused: bool,
) -> None:
    subject, sound = Voices(), Heard(8.0, 8.1)
    subject.listen(0.0)
    for at in range(20, 102, 5):  # two seconds of quiet, then sound
        subject.listen(at / 10)
    if refused:
        subject.refuse(Heard(4.0, 5.0, loud=40, voice=40, power=40 * 10**-3.0))
    subject.begin(sound, 8.1)
    for slot in range(100):
        subject.go_on(sound, -20.0 if slot < 60 else -32.0, 8.1 + SECONDS * slot)
    assert LONG < 0.7 < LONG_ALONE
    assert subject.is_left(sound) is refused


@pytest.mark.parametrize(("after", "alone"), [(0.4, False), (3.5, True)])
def test_a_voice_that_is_refused_soon_after_the_caller_is_one_behind_them(after: float, alone: bool) -> None:
    subject, said = CallerSound(model()), at_level(ulaw_clip("jfk.wav")[: 3 * RATE], CALLER)
    answered(subject)
    call = place(10 * RATE, (1.0, said), (4.0 + after, television(3.0, 10.0)))
    told = heard(subject, line(10.0, rng(), None, call), clock=6.0)
    assert len(of(told, Kind.VOICE_STARTED)) == 1, "the television was refused at once"
    assert subject.others is not alone
    assert subject.theirs(6.0 + 4.0 + after + 1.5) is alone


def spoken(subject: Voices, at: float, slots: int, dbm0: float = -20.0) -> Heard:
    """A voice of the caller that is told at `at`."""
    sound = Heard(at - 0.1, at)
    subject.begin(sound, at)
    for slot in range(slots):
        sound.heard = at + SECONDS * slot
        subject.listen(sound.heard)
        subject.go_on(sound, dbm0, sound.heard)
    return sound


def passing(subject: Voices, at: float, slots: int) -> None:
    """A voice that is too quiet to be the caller's."""
    for slot in range(slots):
        subject.listen(at + SECONDS * slot)
    subject.go_by(Heard(at, at + SECONDS * slots, loud=slots, voice=slots, power=slots * 10**-3.2))


@pytest.mark.parametrize(("passed", "slots", "quiet"), [(40, 40, 0.5), (15, 20, 0.0)])
def test_the_soft_beginning_of_a_sentence_does_not_count_together_with_a_quieter_voice_before(
    passed: int, slots: int, quiet: float
) -> None:
    """On a line that was quiet lately, and on one that never is. The last word of the sentence before was soft, too."""
    subject = Voices()
    subject.listen(0.0)
    subject.listen(quiet)
    before = spoken(subject, 0.1 + quiet, 100)
    for _ in range(9):
        subject.go_on(before, -33.0, before.heard)
    assert subject.end(before) == (False, False)
    passing(subject, 3.0, passed)
    assert not subject.others
    again = spoken(subject, 3.4 + passed * SECONDS, slots, -33.0)
    assert not subject.is_left(again)
    for slot in range(50):
        subject.go_on(again, -33.0, 5.0 + SECONDS * slot)
    assert subject.is_left(again), "this is for too long to be the caller's"


@pytest.mark.parametrize(("dbm0", "theirs"), [(-33.0, True), (-40.0, False)])
def test_a_caller_who_ends_softly_may_begin_softly(dbm0: float, theirs: bool) -> None:
    """On a line that is never quiet; somebody who is far quieter goes on behind them."""
    subject = Voices()
    subject.listen(0.0)
    before = spoken(subject, 0.05, 100)
    for _ in range(20):
        subject.go_on(before, dbm0, before.heard)
    assert subject.end(before) == (False, False)
    again = spoken(subject, 2.9, 19, dbm0)
    assert subject.is_left(again) is not theirs
    assert subject.others is not theirs
    assert not subject.is_left(spoken(subject, 3.3, 50)), "a loud syllable is the caller again"


def test_a_soft_word_at_the_end_of_a_long_story_and_one_at_its_next_beginning_are_the_callers() -> None:
    said = at_level(ulaw_clip("lv_0930.wav"), CALLER)
    soft, end, length = 10 ** (-12.0 / 20), said.copy(), len(said) / RATE
    end[-RATE // 2 :] *= soft
    parts = [(0.3 + number * (length + 0.3), said) for number in range(5)]
    parts.append((0.3 + 5 * (length + 0.3), end))
    begins = parts[-1][0] + length + 0.4
    begin = said.copy()
    begin[: RATE // 2] *= soft
    subject, seconds = CallerSound(model()), begins + length + 2.0
    call = line(seconds, rng(), None, place(round(seconds * RATE), *parts, (begins, begin)))
    told = heard(subject, call)
    assert not [one for one in told if one.change.evidence.behind]
    (last,) = [one.change for one in of(told, Kind.VOICE_ENDED) if one.at > begins]
    assert last.at == pytest.approx(begins + length, abs=0.5)
    assert not subject.others


@pytest.mark.parametrize(("gap", "known"), [(0.5, True), (1.1, False)])
def test_murmurs_with_a_quiet_second_between_them_are_nobody_who_goes_on(gap: float, known: bool) -> None:
    subject = Voices()
    subject.listen(0.0)
    assert subject.end(spoken(subject, 1.1, 100)) == (False, False)
    for number in range(2):
        passing(subject, 3.5 + number * (0.7 + gap), 35)
    assert subject.others is known
