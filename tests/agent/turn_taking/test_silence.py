# mypy: disable-error-code="arg-type, comparison-overlap"
"""What the machine does when nothing is said or recognised, and around announcements, transfers and tools."""

import pytest

from agent.hearing.changes import Kind
from agent.turn_taking.endpointing import GUESSED
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.parties import DEAF_AFTER, DECODED_AFTER, NOTICED_AFTER, UNHEARD_AFTER, WORDLESS
from agent.turn_taking.table import Action, State
from agent.turn_taking.words import Words
from tests.agent.turn_taking.calling import (
    actions,
    answered,
    begins,
    ends,
    final,
    interim,
    machine,
    speaking,
    voice,
    wait,
)  # fmt: skip

OPTIONS = TurnOptions()
MENU = "Please say sales, billing or support."


def greeted(*, ends_turns: bool = True, **options: float) -> TurnMachine:
    """A machine that listens to a caller who has been greeted, since second 1."""
    subject = machine(ends_turns=ends_turns, **options)
    subject.says("How can I help you?", "", 0.0)
    subject.done(1.0)
    return subject


def test_each_silence_may_last_twice_as_long_as_the_one_before() -> None:
    subject = machine(reprompts=5)
    told = wait(subject, 500.0)
    assert [at for at, *_ in told] == [8.0, 24.0, 56.0, 116.0, 176.0, 236.0, 256.0]
    assert [action for _, action, *_ in told] == [Action.REPROMPT] * 5 + [Action.GOODBYE_SILENCE, Action.END]


def test_d6_a_caller_who_asks_for_time_gets_it_and_comes_back() -> None:
    subject = greeted()
    final(subject, "Hold on a second, let me get my card.", 2.0)
    subject.wait(2.5)
    subject.says("Sure, take your time.", "", 3.0)
    subject.done(4.0)
    assert subject.state is State.HOLDING
    assert wait(subject, 200.0) == []
    assert answered(final(subject, "OK here it is.", 200.0)) == ["OK here it is."]
    subject.says("Thank you.", "", 201.0)
    subject.done(202.0)
    assert subject.state is State.LISTENING


def test_time_that_was_asked_for_has_an_end() -> None:
    subject = greeted()
    final(subject, "Hold on.", 2.0)
    subject.wait(2.5)
    subject.done(4.0)
    assert wait(subject, 400.0)[0][:2] == (2.5 + OPTIONS.wait_limit, Action.REPROMPT)


@pytest.mark.parametrize("ends_turns", [False, True])
def test_a_voice_that_goes_on_behind_words_that_are_all_is_not_waited_for(ends_turns: bool) -> None:
    subject = greeted(ends_turns=ends_turns)
    begins(subject, 2.0)
    decisions = final(subject, "Where is my order?", 4.0)
    assert bool(answered(decisions)) is ends_turns
    if not ends_turns:
        assert [(at, text) for at, _, text, _ in wait(subject, 9.0)] == [
            (4.0 + WORDLESS + OPTIONS.endpointing_delay, "Where is my order?")
        ]
    assert actions(subject.says("On its way.", "", 6.0)) == ()


def test_a_piece_of_speech_does_not_end_the_turn_of_a_caller_who_goes_on_speaking() -> None:
    subject = greeted(ends_turns=False)
    begins(subject, 2.0)
    interim(subject, "Where is my order?", 3.4)
    assert actions(final(subject, "Where is my order?", 4.0)) == (Action.PREPARE,)
    assert wait(subject, 4.9) == []
    ends(subject, 4.9)
    final(subject, "It is a week late.", 5.2)
    assert [text for _, _, text, _ in wait(subject, 6.0)] == ["Where is my order? It is a week late."]


def test_a_voice_that_began_behind_words_is_waited_for() -> None:
    subject = greeted(ends_turns=False)
    begins(subject, 2.0)
    ends(subject, 3.5)
    begins(subject, 3.6)
    final(subject, "Where is my order?", 4.0)
    assert wait(subject, 9.0) == []


def test_nobody_is_asked_while_on_hold() -> None:
    subject = greeted()
    subject.away(True, 2.0)
    assert wait(subject, 600.0) == []
    subject.away(False, 600.0)
    assert wait(subject, 609.0)[0][:2] == (608.0, Action.REPROMPT)


def unheard(subject: TurnMachine, at: float, *, noticed: bool = False) -> list[tuple[float, Action]]:
    begins(subject, at)
    if noticed:
        subject.notice(at + 0.3)
    ends(subject, at + 1.2)
    return [(when, action) for when, action, _, _ in wait(subject, at + 4.0)]


@pytest.mark.parametrize(("probability", "asked"), [(0.68, True), (0.55, False)])
def test_a_short_sound_after_a_question_is_asked_about_if_it_is_likely_a_word(probability: float, asked: bool) -> None:
    subject = greeted()
    begins(subject, 3.0, probability=probability)
    ends(subject, 3.45, probability=probability)
    told = [(at, action) for at, action, _, _ in wait(subject, 8.0)]
    assert told == ([(pytest.approx(3.45 + UNHEARD_AFTER), Action.ASK_AGAIN)] if asked else [])


def test_a_caller_whom_the_recogniser_notices_again_is_given_as_much_time_once_more() -> None:
    subject = greeted()
    begins(subject, 2.0)
    ends(subject, 4.0)
    assert answered(final(subject, "7 3 4 6", 4.3)) == [], "more may follow"
    subject.notice(4.8)
    subject.notice(5.6)  # noises are noticed, too
    ((at, action, _, _),) = wait(subject, 6.5)
    assert (at, action) == (pytest.approx(4.8 + GUESSED), Action.ANSWER)


@pytest.mark.parametrize("noticed", [False, True])
def test_babble_is_asked_about_then_told_that_it_can_hardly_be_heard_and_never_a_failure(noticed: bool) -> None:
    subject = greeted()
    final(subject, "Where is it?", 2.0)
    subject.done(3.0)
    after = NOTICED_AFTER if noticed else UNHEARD_AFTER
    for turn, action in enumerate((Action.ASK_AGAIN, Action.HARDLY, Action.HARDLY, Action.HARDLY)):
        at = 10.0 + 8.0 * turn
        assert unheard(subject, at, noticed=noticed) == [(pytest.approx(at + 1.2 + after), action)]
        subject.says("Sorry?", "", at + 4.0)
        subject.done(at + 5.0)


@pytest.mark.parametrize("ends_turns", [False, True])
def test_a_recogniser_that_finds_no_words_in_a_voice_has_not_failed_and_the_caller_is_asked(ends_turns: bool) -> None:
    subject = greeted()
    subject.endpointing.ends_turns = ends_turns
    told = []
    for turn in range(2 * DEAF_AFTER):
        at = 10.0 + 8.0 * turn
        begins(subject, at)
        subject.notice(at + 0.3)
        ends(subject, at + 1.2)
        assert final(subject, "", at + 1.9) == ()
        told += [(when - at, action) for when, action, _, _ in wait(subject, at + 4.0)]
        subject.says("Sorry?", "", at + 4.0)
        subject.done(at + 5.0)
    assert told == [(pytest.approx(1.2 + UNHEARD_AFTER), one) for one in [Action.ASK_AGAIN, *[Action.HARDLY] * 7]]


def test_a_short_voice_in_which_the_recogniser_finds_no_words_is_nothing() -> None:
    subject = greeted()
    begins(subject, 10.0)
    ends(subject, 10.5)
    final(subject, "", 11.2)
    assert Action.ASK_AGAIN not in [action for _, action, _, _ in wait(subject, 20.0)]


def test_a_recogniser_that_reports_nothing_at_all_has_failed() -> None:
    subject = greeted()
    told = [unheard(subject, at)[0][1] for at in (10.0, 20.0, 30.0)]
    assert told == [Action.ASK_AGAIN, Action.HARDLY, Action.GIVE_UP]


def test_a_recogniser_that_turns_deaf_has_failed_too_but_later() -> None:
    subject = greeted()
    final(subject, "Where is it?", 2.0)
    subject.done(3.0)
    told = [action for turn in range(2 * DEAF_AFTER) for _, action in unheard(subject, 10.0 + 8.0 * turn)]
    assert told.index(Action.GIVE_UP) == DEAF_AFTER
    subject = greeted()
    final(subject, "Where is it?", 2.0)
    subject.done(3.0)
    for turn in range(2 * DEAF_AFTER):
        decided = unheard(subject, 10.0 + 8.0 * turn, noticed=turn % DEAF_AFTER == 0)
        assert Action.GIVE_UP not in [one for _, one in decided]


@pytest.mark.parametrize("how", ["um", "late result"])
def test_time_that_was_asked_for_does_not_end_by_a_sound_or_by_what_the_agent_tells(how: str) -> None:
    subject = greeted()
    final(subject, "Let me get my card.", 2.0)
    subject.says("Sure.", "", 2.5)
    subject.wait(2.5)
    subject.done(3.0)
    if how == "um":
        begins(subject, 10.0)
        ends(subject, 10.4)
        assert final(subject, "Um", 10.8, 10.4) == ()
    else:
        assert actions(subject.late(10.0)) == (Action.TELL,)
        subject.says("Your order has arrived.", "", 10.5)
        subject.done(12.0)
    assert subject.state is State.HOLDING
    assert wait(subject, 400.0)[0][:2] == (2.5 + OPTIONS.wait_limit, Action.REPROMPT)


def test_a_sound_before_the_words_ends_the_time_that_was_asked_for_with_them() -> None:
    subject = greeted()
    subject.wait(1.0)
    subject.done(1.0)
    begins(subject, 10.0)
    interim(subject, "um", 10.4)
    assert answered(final(subject, "um, here it is.", 11.4, 11.0)) == ["um, here it is."]
    subject.says("Thank you.", "", 12.0)
    subject.done(13.0)
    assert subject.state is not State.HOLDING


def test_music_in_the_place_of_the_caller_is_asked_once_then_waited_for() -> None:
    subject = greeted()
    subject.sound(voice(Kind.NOISE, 6.0, seconds=1.2, background=True), 6.0)
    assert [(at, action) for at, action, _, _ in wait(subject, 250.0)] == [(9.0, Action.REPROMPT)]
    assert subject.state is State.HOLDING
    assert answered(final(subject, "I am back.", 260.0)) == ["I am back."]


@pytest.mark.parametrize("ends_turns", [True, False])
@pytest.mark.parametrize("into_speech", [True, False])
def test_babble_without_a_pause_is_told_that_the_caller_can_hardly_be_heard(
    ends_turns: bool, into_speech: bool
) -> None:
    subject = speaking(ends_turns=ends_turns)
    if not into_speech:
        subject.done(0.5)
    begins(subject, 1.0)
    told = []  # type: ignore[var-annotated]
    while (at := subject.deadline) is not None and at <= 300.0:
        told += (decided := actions(subject.handle_timer(at)))
        if {Action.RESUME, Action.ASK_AGAIN, Action.HARDLY}.intersection(decided):
            subject.says("Sorry, could you say that again.", "", at + 0.1)
            subject.done(at + 2.0)
    assert told == [*((Action.CUT, Action.HARDLY) if into_speech else (Action.ASK_AGAIN,)), Action.HARDLY]
    assert subject.state is State.HOLDING, "then it is waited for"


def test_pieces_of_voices_in_the_place_of_the_caller_are_asked_once_then_waited_for() -> None:
    subject, told = greeted(), []
    final(subject, "Where is it?", 2.0)
    subject.done(3.0)
    for at in range(5, 120, 2):
        begins(subject, float(at))
        ends(subject, at + 0.6)
        told += [action for _, action, _, _ in wait(subject, at + 2.0)]
    assert told == [Action.REPROMPT]
    assert subject.state is State.HOLDING


def test_a_moment_of_music_does_not_make_the_agent_wait() -> None:
    subject = greeted()
    subject.sound(voice(Kind.NOISE, 3.0, seconds=0.1, background=True), 3.0)
    assert [at for at, *_ in wait(subject, 60.0)] == [9.0, 25.0, 57.0]


def test_whoever_comes_back_to_music_and_is_not_recognised_is_asked_again_once() -> None:
    subject = greeted()
    subject.sound(voice(Kind.NOISE, 6.0, seconds=1.2, background=True), 6.0)
    wait(subject, 20.0)
    assert unheard(subject, 20.0) == [(pytest.approx(21.2 + UNHEARD_AFTER), Action.ASK_AGAIN)]
    subject.says("Sorry?", "", 24.0)
    subject.done(25.0)
    assert unheard(subject, 30.0) == []
    subject.wait(40.0)
    assert subject.state is State.HOLDING
    assert unheard(subject, 45.0) == [], "they have asked for the time"


@pytest.mark.parametrize("ends_turns", [False, True])
def test_a_caller_of_whom_no_word_is_recognised_is_asked_again_and_never_taken_for_silent(ends_turns: bool) -> None:
    subject, told = greeted(ends_turns=ends_turns), []
    for at in range(2, 120, 8):
        begins(subject, float(at))
        ends(subject, at + 2.0)
        assert final(subject, "", at + 2.5) == ()
        told += [(when - at, action) for when, action, _, _ in wait(subject, at + 6.1)]
        subject.says("Sorry?", "", at + 6.2)
        subject.done(at + 7.2)
    assert {action for _, action in told} == {Action.ASK_AGAIN, Action.HARDLY}
    assert all(after <= 2.0 + DECODED_AFTER for after, _ in told)
    assert len(told) == 15


def test_a_cough_that_the_recogniser_takes_for_nothing_is_nothing() -> None:
    subject = greeted()
    begins(subject, 3.0)
    ends(subject, 3.6)
    final(subject, "", 3.9)
    assert wait(subject, 8.5) == []


def test_a_background_before_a_caller_who_was_answered_does_not_make_them_wait() -> None:
    subject = greeted()
    subject.sound(voice(Kind.NOISE, 3.0, seconds=4.0, background=True), 3.0)
    begins(subject, 4.0)
    ends(subject, 5.0)
    assert answered(final(subject, "Where is my order?", 5.4, 5.0)) == ["Where is my order?"]
    subject.says("On its way.", "", 6.0)
    subject.done(8.0)
    assert [(at, action) for at, action, _, _ in wait(subject, 60.0)][:2] == [
        (16.0, Action.REPROMPT), (32.0, Action.REPROMPT),
    ]  # fmt: skip


@pytest.mark.parametrize("state", [State.HEARING, State.LISTENING])
def test_words_that_are_taken_back_cost_the_caller_no_answer(state: State) -> None:
    subject = greeted()
    final(subject, "Where is my order?", 2.0)
    begins(subject, 2.2)
    assert actions(interim(subject, "on", 2.5)) == (Action.DISCARD,)
    if state is State.LISTENING:
        ends(subject, 2.6)
    (again,) = final(subject, "", 3.0)
    assert (again.text, again.instead) == ("Where is my order?", "Where is my order?")


def test_nothing_interrupts_an_announcement_and_what_was_said_into_it_is_answered() -> None:
    subject = machine()
    subject.announce(0.0)
    subject.says("This call is recorded.", "", 0.1)
    assert begins(subject, 1.0) == ()
    assert subject.hear(Words("No", eager=True), 1.2) == ()
    assert final(subject, "No, stop it.", 1.5) == ()
    assert answered(subject.done(3.0)) == ["No, stop it."]


def test_after_an_announcement_comes_the_greeting() -> None:
    subject = machine()
    subject.announce(0.0)
    final(subject, "mm-hmm", 1.5)
    assert actions(subject.done(3.0)) == (Action.GREET,)


def test_hello_is_answered_by_the_greeting_and_later_by_the_agent() -> None:
    subject = machine()
    assert final(subject, "Hello?", 0.5) == ()
    subject.says("Good morning.", "", 1.0)
    subject.done(2.0)
    assert answered(final(subject, "Hello?", 3.0)) == ["Hello?"]


def test_a_transfer_waits_without_asking_and_ends_with_the_caller_back() -> None:
    subject = greeted()
    subject.transfer(2.0, rings=True)
    assert wait(subject, 60.0) == []
    assert subject.state is State.TRANSFERRING
    subject.transfer(60.0, rings=False)
    assert subject.state is State.LISTENING


def test_while_it_rings_the_caller_is_answered_and_waits_again_afterwards() -> None:
    subject = greeted()
    subject.transfer(2.0, rings=True)
    assert answered(final(subject, "How long will it take?", 5.0)) == ["How long will it take?"]
    subject.says("Not long.", "", 6.0)
    assert subject.state is State.SPEAKING
    subject.done(7.0)
    assert subject.state is State.TRANSFERRING


def test_a_tool_is_a_state_of_its_own_and_what_it_was_called_for_stays_answered() -> None:
    subject = greeted()
    final(subject, "Book it.", 2.0)
    subject.silent(2.1, runs=True)
    assert subject.state is State.RUNNING_TOOL
    (discarded, *_, prepared) = final(subject, "And the other one.", 3.0)
    assert discarded.action is Action.DISCARD
    assert (prepared.text, prepared.instead) == ("And the other one.", "")


@pytest.mark.parametrize("options", [{"reprompt_after": 0}, {"max_duration": -1}, {"confirm_limit": 0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        TurnOptions(**options)
