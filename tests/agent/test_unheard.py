"""Sounds of which the STT reports nothing, or late: asked about, given up, not waited for. The table's part of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.caller_sound import FORGOTTEN, UNHEARD_AFTER
from agent.turn_table import Decision, Event, State
from agent.turns import TurnOptions, Turns
from agent.vad import HANGOVER, ONSET
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.tools.simulate.run import rustling
from tests.agent.holding import PERSONA, Setting, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt

OPTIONS = TurnOptions(final_limit=0)
"""Of STT that is patient."""


def spoke(subject: Turns, at: float, seconds: float, end: Event = Event.QUIET) -> float:
    """Somebody makes a sound of which the STT reports nothing; returns when it is known to have ended."""
    subject.handle(Event.ONSET, at + ONSET)
    subject.handle(end, at + seconds + HANGOVER)
    return at + seconds + HANGOVER


def test_whoever_spoke_without_the_stt_reporting_words_is_asked_to_say_it_again_and_then_the_stt_are_given_up() -> None:
    subject, at = Turns(TurnOptions(), 0.0), 10.0
    for decision in (Decision.ASK_AGAIN, Decision.ASK_AGAIN, Decision.GIVE_UP):
        due = spoke(subject, at, 1.2) + UNHEARD_AFTER
        assert subject.deadline == due
        assert due - (at + 1.2) <= 2.0, "a second is left for the voice"
        assert subject.handle_timer(due - 0.01) == ("", ())
        assert subject.handle_timer(due) == ("", (decision,))
        subject.handle(Event.STARTED, due + 0.3)
        subject.done(due + 2.0)
        at = due + 3.0


def test_noises_that_no_words_come_of_cost_stt_that_have_understood_the_caller_more_than_that() -> None:
    subject, at = Turns(TurnOptions(), 0.0), 10.0
    subject.hear("Where is my order?", final=True, stable=False, now=5.0)
    subject.handle(Event.STARTED, 5.3)
    subject.done(8.0)
    for decision in (*[Decision.ASK_AGAIN] * 5, Decision.GIVE_UP):
        due = spoke(subject, at, 1.2) + UNHEARD_AFTER
        assert subject.handle_timer(due) == ("", (decision,))
        subject.handle(Event.STARTED, due + 0.3)
        subject.done(due + 2.0)
        at = due + 3.0


def test_words_that_are_understood_make_good_what_was_not() -> None:
    subject, at = Turns(TurnOptions(), 0.0), 10.0
    for _ in range(5):
        due = spoke(subject, at, 1.2) + UNHEARD_AFTER
        assert subject.handle_timer(due)[1] == (Decision.ASK_AGAIN,)
        subject.hear("Where is my order?", final=True, stable=False, now=due + 1.0)
        subject.handle(Event.STARTED, due + 1.3)
        subject.done(due + 2.0)
        at = due + 3.0


def test_a_cough_or_two_are_no_words() -> None:
    subject = Turns(TurnOptions(), 9.0)
    spoke(subject, 10.0, 0.4)
    assert subject.deadline == pytest.approx(9.0 + TurnOptions().reprompt_after)
    spoke(subject, 11.5, 0.3)
    assert subject.deadline == pytest.approx(9.0 + TurnOptions().reprompt_after)


def test_nobody_is_asked_whether_they_are_there_while_the_words_of_a_sound_may_still_come() -> None:
    subject = Turns(TurnOptions(), 0.0)
    subject.handle(Event.ONSET, 7.5)
    assert subject.deadline == TurnOptions().max_duration, "the sound is on"
    subject.handle(Event.QUIET, 8.2)
    assert subject.deadline == 8.2 + TurnOptions().final_limit
    assert subject.hear("Yes", final=True, stable=False, now=9.2)[1] == (Decision.ANSWER,)


def test_somebody_who_speaks_on_and_whom_the_stt_follow_is_not_asked_anything() -> None:
    subject = Turns(TurnOptions(), 0.0)
    for at in range(1, 40):
        subject.handle(Event.ONSET, at)
        subject.handle(Event.NOTICED, at + 0.1)
        subject.handle(Event.QUIET, at + 0.9)
        assert subject.handle_timer(at + 0.95) == ("", ())


@pytest.mark.parametrize(
    ("every", "noticed"), [(1.0, False), (1.5, False), (3.0, False), (5.0, False), (5.0, True), (7.5, True)]
)
@pytest.mark.parametrize("patient", [False, True])
def test_sounds_without_words_do_not_keep_the_agent_from_asking_and_hanging_up(
    every: float, noticed: bool, patient: bool
) -> None:
    """A clock, a bird, a dog far away."""
    subject = Turns(OPTIONS if patient else TurnOptions(), 0.0)
    asked: list[Decision] = []

    def wait(until: float) -> None:
        while subject.deadline is not None and subject.deadline <= until:
            now = max(subject.deadline, at)
            decisions = subject.handle_timer(now)[1]
            asked.extend(decisions)
            if decisions in ((Decision.REPROMPT,), (Decision.ASK_AGAIN,)):
                subject.handle(Event.STARTED, now)
                subject.done(now)

    for at in (number * every for number in range(int(300 / every))):
        for event, after in ((Event.ONSET, 0.1), (Event.NOTICED, 0.2), (Event.QUIET, 0.6)):
            if noticed or event is not Event.NOTICED:
                wait(at + after)
                subject.handle(event, at + after)
        if subject.state is State.CLOSING or Decision.GIVE_UP in asked:
            break
    last = asked.index(Decision.GOODBYE_SILENCE if subject.state is State.CLOSING else Decision.GIVE_UP)
    assert set(asked[:last]) <= {Decision.REPROMPT, Decision.ASK_AGAIN, Decision.RESUME}
    assert last >= 2


@pytest.mark.parametrize(
    ("said", "end", "asked"),
    [
        ("Shall I send it?", Event.SPOKEN, True),
        ("Shall I send it?", Event.QUIET, False),
        ("I will send it.", Event.SPOKEN, False),
    ],
)
def test_one_word_after_a_question_is_an_answer_and_a_cough_is_none(said: str, end: Event, asked: bool) -> None:
    subject = Turns(TurnOptions(), 0.0)
    subject.says(said)
    quiet = spoke(subject, 10.0, 0.3, end)
    assert (subject.deadline == pytest.approx(quiet + UNHEARD_AFTER)) is asked
    assert (subject.handle_timer(quiet + UNHEARD_AFTER + 0.001)[1] == (Decision.ASK_AGAIN,)) is asked


def test_short_words_that_are_said_again_are_words() -> None:
    subject = Turns(TurnOptions(), 0.0)
    spoke(subject, 10.0, 0.5)
    quiet = spoke(subject, 12.5, 0.5)
    assert subject.deadline == quiet + UNHEARD_AFTER
    subject = Turns(TurnOptions(), 0.0)
    spoke(subject, 10.0, 0.5)
    quiet = spoke(subject, 10.8 + FORGOTTEN, 0.5)
    assert subject.deadline > quiet + UNHEARD_AFTER


@pytest.mark.parametrize(
    "settled",
    [
        lambda subject: subject.hear("", final=True, stable=False, now=11.3),
        lambda subject: subject.hear("Hello?", final=True, stable=False, now=11.3),
        lambda subject: subject.digit("4", 11.3),
        lambda subject: subject.away(True, 11.3),
        lambda subject: subject.handle(Event.STARTED, 11.3),
    ],
)
def test_a_sound_that_the_stt_account_for_or_that_does_not_matter_any_more_is_not_asked_about(settled) -> None:
    subject = Turns(TurnOptions(), 0.0)
    spoke(subject, 10.0, 1.2)
    settled(subject)
    due = 10.0 + 1.2 + HANGOVER + UNHEARD_AFTER
    assert subject.deadline is not None
    assert Decision.ASK_AGAIN not in subject.handle_timer(due)[1] + subject.handle_timer(subject.deadline)[1]
    if subject.state is State.SPEAKING:
        subject.done(13.0)
        assert subject.deadline == 13.0 + TurnOptions().reprompt_after


def test_what_is_said_over_the_agent_is_judged_by_other_rules() -> None:
    subject = Turns(TurnOptions(), 0.0)
    subject.handle(Event.STARTED, 9.0)
    spoke(subject, 10.0, 1.2)
    assert subject.state is State.HELD
    assert subject.handle_timer(12.5)[1] == (Decision.RESUME,)
    subject.done(13.0)
    assert subject.deadline == 13.0 + OPTIONS.reprompt_after


@pytest.mark.parametrize(("noticed", "asked"), [(True, False), (False, True)])
def test_patient_stt_may_take_their_time_for_what_they_have_noticed(noticed: bool, asked: bool) -> None:
    subject = Turns(OPTIONS, 0.0)
    subject.handle(Event.ONSET, 10.1)
    if noticed:
        subject.handle(Event.NOTICED, 10.3)
    subject.handle(Event.QUIET, 11.5)
    assert (subject.deadline == 11.5 + UNHEARD_AFTER) is asked


def answered_at_once(subject: Turns) -> None:
    """The STT is faster than the detector of silence, and the reply was prepared."""
    subject.handle(Event.ONSET, 10.0)
    assert subject.hear("Where is it?", final=True, stable=False, now=11.0)[1] == (Decision.ANSWER,)


def test_a_reply_need_not_wait_until_the_end_of_what_it_answers_is_noticed() -> None:
    subject = Turns(TurnOptions(), 0.0)
    answered_at_once(subject)
    assert subject.handle(Event.STARTED, 11.1) == ()
    assert subject.state is State.SPEAKING
    subject.handle(Event.QUIET, 11.2)
    assert subject.deadline == TurnOptions().max_duration


def test_but_whoever_goes_on_is_waited_for_a_moment_later() -> None:
    subject = Turns(TurnOptions(), 0.0)
    answered_at_once(subject)
    subject.handle(Event.STARTED, 11.1)
    assert subject.deadline == 11.0 + HANGOVER
    assert subject.handle_timer(11.0 + HANGOVER) == ("", (Decision.PAUSE,))
    subject.handle(Event.QUIET, 12.0)
    assert subject.handle_timer(13.0) == ("", (Decision.RESUME,))
    assert subject.deadline == TurnOptions().max_duration, "it pauses once"


@pytest.mark.parametrize(("onset", "starts"), [(10.0, 11.0 + HANGOVER), (11.05, 11.2)])
def test_a_sound_that_is_not_the_end_of_what_is_answered_is_waited_for(onset: float, starts: float) -> None:
    subject = Turns(TurnOptions(), 0.0)
    answered_at_once(subject)
    if onset > 10.0:
        subject.handle(Event.QUIET, 11.01)
        subject.handle(Event.ONSET, onset)
    assert subject.handle(Event.STARTED, starts) == (Decision.PAUSE,)


YES = read_ulaw(Path(__file__).parents[2] / "sipgw" / "demo_voice" / "yes.wav")
ASKS = replace(PERSONA, greeting="Shall I send it?")


@pytest.mark.parametrize(("sound", "asked"), [(YES, True), (rustling(0.5), False)], ids=["yes", "cough"])
def test_whoever_answers_deaf_stt_in_one_word_is_asked_again_within_three_seconds(sound: bytes, asked: bool) -> None:
    answered: list[bool] = []

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await caller.sound(3.0, loud=False)
        await caller.play(sound)
        before = len(line.played)
        await caller.sound(3.0, loud=False)
        answered.append(len(line.played) > before)
        await caller.sound(4.0, loud=False)
        caller.hang_up()

    said = [turn.said for turn in hold(plan, Setting(persona=ASKS)).turns]
    assert answered == [asked]
    assert said == [ASKS.greeting, ASKS.again][: 1 + asked]
