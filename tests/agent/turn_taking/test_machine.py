# mypy: disable-error-code="comparison-overlap"
"""What the machine decides, and why."""

import pytest

from agent.hearing.changes import Kind
from agent.turn_taking.expect import Expected
from agent.turn_taking.expect import Kind as Answer
from agent.turn_taking.machine import TurnMachine
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.situation import LONGEST_PAUSE, SHORT_CONFIRM
from agent.turn_taking.table import ENDLESS, Action, Event, State
from tests.agent.turn_taking.calling import (
    STATEMENT,
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


# While the agent speaks


def test_a_certain_voice_pauses_the_reply_and_tells_why() -> None:
    subject = speaking()
    (paused,) = begins(subject, 1.0, return_loss=31.0)
    assert paused.action is Action.PAUSE
    assert str(paused.evidence) == "paused: voice 0.93 for 200 ms, echo −31 dB"
    assert subject.state is State.PAUSED


@pytest.mark.parametrize("kind", [Kind.SHORT_VOICE, Kind.NOISE])
def test_a_short_voice_and_a_cough_cost_nothing(kind: Kind) -> None:
    subject = speaking()
    assert subject.sound(voice(kind, 1.0), 1.2) == ()
    assert subject.state is State.SPEAKING


@pytest.mark.parametrize("text", ["Okay.", "Thank you.", "Perfect.", "Got it.", "I see.", "yeah yeah yeah", "mm-hmm"])
def test_a_backchannel_into_a_statement_lets_the_reply_go_on(text: str) -> None:
    subject = speaking()
    subject.sound(voice(Kind.SHORT_VOICE, 1.3, seconds=0.4), 1.5)
    assert interim(subject, text, 1.4) == ()
    assert set(actions(final(subject, text, 1.8))) <= {Action.KEEP}
    assert subject.state is State.SPEAKING


@pytest.mark.parametrize("text", ["Stop.", "No.", "Wait!", "Hold on.", "But I moved.", "It was the blue one"])
def test_an_interruption_interrupts(text: str) -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert Action.CUT in actions(interim(subject, text, 1.4))
    assert answered(final(subject, text, 1.9)) == [text]


def test_a_long_voice_is_no_backchannel() -> None:
    subject = speaking()
    begins(subject, 1.0)
    ends(subject, 2.5)
    assert answered(final(subject, "Weeeell.", 2.9)) == ["Weeeell."]


@pytest.mark.parametrize("text", ["Okay, thank you, yes.", "Um, hm, thank you, uh."])
def test_words_that_only_agree_are_a_backchannel_however_long(text: str) -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert interim(subject, "Okay", 2.3) == ()
    ends(subject, 2.6)
    assert actions(final(subject, text, 2.9)) == (Action.RESUME,)


def test_few_words_of_a_long_voice_are_judged_when_they_are_all() -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert interim(subject, "Next", 2.3) == ()
    assert answered(final(subject, "Next Tuesday", 2.9)) == ["Next Tuesday"]


def test_the_same_word_answers_a_question() -> None:
    subject = speaking("Shall I book it?")
    begins(subject, 0.5)
    assert answered(final(subject, "Okay.", 1.2)) == ["Okay."]


@pytest.mark.parametrize(("seconds", "confirm"), [(0.4, SHORT_CONFIRM), (0.8, OPTIONS.confirm_after_quiet + 0.3)])
def test_a_reply_that_was_paused_for_nothing_goes_on_sooner_the_shorter_the_voice(
    seconds: float, confirm: float
) -> None:
    subject = speaking()
    begins(subject, 1.0)
    ends(subject, 1.0 + seconds)
    ((at, action, _, why),) = wait(subject, 5.0)
    assert (at, action) == (pytest.approx(1.0 + seconds + confirm), Action.RESUME)
    assert "voice" in why


@pytest.mark.parametrize(
    ("probability", "recogniser", "until"),
    [
        (0.93, "ends turns", LONGEST_PAUSE),
        (0.93, "reports words at once", LONGEST_PAUSE),
        (0.93, "reports words in the end", ENDLESS),
        (0.5, "ends turns", OPTIONS.confirm_limit),
    ],
)
def test_a_voice_without_words_is_talked_over_only_if_it_is_not_certain(
    probability: float, recogniser: str, until: float
) -> None:
    """Else the caller is told that they can hardly be heard."""
    subject = greeted(ends_turns=recogniser == "ends turns")
    if recogniser == "reports words at once":
        interim(subject, "Where is", 2.0)
    final(subject, "Where is my order?", 2.5)
    wait(subject, 6.0)
    subject.says(STATEMENT, "", 6.0)
    subject.sound(voice(Kind.VOICE_STARTED, 8.0, probability), 8.0)
    acts = [Action.RESUME] if probability < 0.9 else [Action.CUT, Action.HARDLY]
    assert [(at, action) for at, action, _, _ in wait(subject, 8.0 + until)] == [(8.0 + until, act) for act in acts]
    assert actions(final(subject, "", 8.1 + until)) == (), "and is not asked again"


def test_a_voice_that_becomes_certain_is_not_talked_over() -> None:
    subject = speaking()
    begins(subject, 1.0, probability=0.75)
    assert subject.sound(voice(Kind.VOICE_CERTAIN, 1.4), 1.4) == ()
    assert wait(subject, 8.0) == []
    assert subject.state is State.PAUSED


def test_a_caller_whose_voice_becomes_certain_is_not_asked_whether_they_are_there() -> None:
    subject = greeted(ends_turns=False)
    begins(subject, 2.0, probability=0.75)
    subject.sound(voice(Kind.VOICE_CERTAIN, 2.4), 2.4)
    assert wait(subject, 25.0) == []
    ends(subject, 25.0)
    final(subject, "That is all of it.", 25.5, 25.0)
    assert [text for *_, text, _ in wait(subject, 30.0)] == ["That is all of it."]


def test_a_voice_that_turns_out_to_be_a_background_pauses_no_longer() -> None:
    subject = speaking()
    begins(subject, 1.0)
    assert actions(ends(subject, 1.6, background=True)) == (Action.RESUME,)


def test_d1_a_choice_of_the_menu_said_over_its_end_is_the_answer() -> None:
    subject = speaking(MENU)
    subject.sound(voice(Kind.SHORT_VOICE, 2.4, seconds=0.4), 2.4)
    assert actions(final(subject, "Support.", 2.5)) == (Action.KEEP,)
    assert answered(subject.done(2.6)) == ["Support."]


@pytest.mark.parametrize("before", [0.5, 2.5])
def test_d1_a_choice_that_was_offered_answers_for_longer(before: float) -> None:
    subject = speaking("You can come on Monday or on Tuesday, whatever suits you best of these two.")
    final(subject, "On Tuesday.", 5.0 - before)
    assert answered(subject.done(5.0)) == ["On Tuesday."]


def test_d1_words_that_repeat_the_agent_are_the_caller_s_once_it_is_silent() -> None:
    subject = speaking("Just say yes or no.")
    subject.done(1.0)
    begins(subject, 1.05)
    assert answered(final(subject, "Yes.", 1.7)) == ["Yes."]


@pytest.mark.parametrize("text", ["My card is four one one one", "No, it is john.smith@example.com"])
def test_the_evidence_holds_no_words_of_the_caller(text: str) -> None:
    subject = speaking()
    told = [*interim(subject, text, 1.0), *final(subject, f"{text}.", 1.5), *subject.press("9", 2.0)]
    told += subject.press("#", 2.5)
    assert len(told) > 3
    words = {"card", "four", "john", "smith", "pressed", "9"}
    assert not [one for one in told if words.intersection(str(one.evidence).replace(".", " ").split())]


def test_a_voice_that_ends_with_the_reply_or_has_words_is_no_false_alarm() -> None:
    subject = speaking()
    begins(subject, 3.0)
    (resumed,) = subject.done(3.25)
    assert (resumed.action, resumed.event) == (Action.RESUME, Event.DONE)
    subject = speaking()
    begins(subject, 3.0)
    interim(subject, "Next", 3.4)
    ends(subject, 3.5)
    resumed = subject.handle_timer(6.0)[0]
    assert (resumed.action, resumed.event) == (Action.RESUME, Event.BACKCHANNEL)
    subject = speaking()
    begins(subject, 3.0)
    ends(subject, 3.5)
    resumed = subject.handle_timer(6.0)[0]
    assert (resumed.action, resumed.event) == (Action.RESUME, Event.UNCONFIRMED)


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize(("runs", "state"), [(True, State.RUNNING_TOOL), (False, State.THINKING)])
def test_words_into_the_silence_in_the_middle_of_a_reply_are_no_backchannel(
    runs: bool, state: State, paused: bool
) -> None:
    subject = greeted()
    assert answered(final(subject, "Where is my order?", 3.0, 2.8))
    subject.says("One moment, please.", "", 4.7)
    if paused:
        begins(subject, 5.5)
        assert subject.state is State.PAUSED
    assert actions(subject.silent(6.0, runs=runs)) == ((Action.RESUME,) if paused else ())
    assert subject.state is state
    ends(subject, 6.2)
    (discarded, answer) = final(subject, "Order seven.", 8.0, 7.8)
    assert discarded.action is Action.DISCARD
    assert (answer.text, answer.instead) == ("Order seven.", ""), "what was answered in part stays answered"


def test_a_turn_is_complete_although_the_reply_to_it_ended_with_a_silence() -> None:
    subject = greeted()
    final(subject, "Where is my order?", 3.0, 2.8)
    subject.endpointing.pause = 2.0
    subject.says("It is there.", "", 6.0)
    subject.silent(7.0, runs=False)
    subject.done(7.0)
    assert subject.state is State.LISTENING
    assert subject.endpointing.pause < 2.0


# The end of the turn


@pytest.mark.parametrize("ends_turns", [False, True])
def test_a_turn_ends_and_tells_why(ends_turns: bool) -> None:
    subject = greeted(ends_turns=ends_turns)
    begins(subject, 2.0)
    interim(subject, "Where is", 2.5)
    ends(subject, 3.0)
    decisions = final(subject, "Where is my order?", 3.2)
    if ends_turns:
        assert answered(decisions) == ["Where is my order?"]
    else:
        assert actions(decisions) == (Action.PREPARE,)
        ((at, action, text, why),) = wait(subject, 4.0)
        assert (at, action, text) == (pytest.approx(3.45), Action.ANSWER, "Where is my order?")
        assert why.startswith("ended: silence 450 ms, complete sentence")


def test_digits_in_groups_are_one_answer() -> None:
    subject = greeted(ends_turns=False)
    subject.expect(Expected(Answer.DIGITS, 9))
    for at, text in ((2.0, "four one five"), (4.1, "nine two six")):
        begins(subject, at)
        ends(subject, at + 0.9)
        assert actions(final(subject, text, at + 1.2)) == (Action.PREPARE,)
        assert wait(subject, at + 2.1) == []
    begins(subject, 6.2)
    ends(subject, 7.1)
    final(subject, "three five eight", 7.3)
    ((at, _, text, why),) = wait(subject, 9.0)
    assert (at, text) == (pytest.approx(7.4), "four one five nine two six three five eight")
    assert "expected digits 9 of 9" in why


def test_d7_a_murmur_between_the_groups_loses_nothing() -> None:
    subject = greeted()
    subject.expect(Expected(Answer.DIGITS, 6))
    for at, text in ((2.0, "four one five"), (3.2, "um"), (4.4, "nine two six")):
        told = final(subject, text, at)
    assert answered(told) == ["four one five um nine two six"] or answered(told) == []
    assert [text for _, _, text, _ in wait(subject, 9.0)] or answered(told)


def test_d2_words_answered_early_are_not_doubled() -> None:
    subject = greeted()
    final(subject, "Hello there", 1.5)  # it has ended turns by itself before
    subject.says("Yes?", "", 2.0)
    subject.done(2.5)
    subject.expect(Expected(Answer.DIGITS))
    begins(subject, 3.0)
    interim(subject, "seven four six", 3.9)
    ends(subject, 4.0)
    ((at, _, text, _),) = wait(subject, 11.0)
    assert (at, text) == (pytest.approx(4.0 + OPTIONS.max_endpointing_delay), "seven four six")
    begins(subject, 11.0)
    assert actions(interim(subject, "seven four six two", 11.6)) == (Action.DISCARD,)
    (prepared,) = final(subject, "seven four six two nine", 12.0)
    assert (prepared.text, prepared.instead) == ("seven four six two nine", "seven four six")


def test_d2_what_was_heard_of_the_reply_stays_answered() -> None:
    subject = greeted()
    interim(subject, "I would like to change my flight.", 2.0)
    wait(subject, 5.0)
    subject.says("I can help you with that, one moment.", "", 5.2)
    begins(subject, 5.5)
    told = final(subject, "I would like to change my flight to Monday please", 6.5)
    assert [(one.text, one.instead) for one in told if one.action is Action.ANSWER] == [("to Monday please", "")]


def test_d5_a_caller_who_pauses_is_talked_into_once() -> None:
    subject, at, interrupted = greeted(), 2.0, 0
    for part in ("I ordered a lamp.", "It came yesterday.", "The box was open.", "I called the shop.", "They told me."):
        begins(subject, at)
        ends(subject, at + 1.5)
        told = list(final(subject, part, at + 1.9))
        told += [action for _, action, _, _ in wait(subject, at + 2.4)]  # type: ignore[misc]
        if subject.state is State.THINKING:
            subject.says("I see.", "", at + 2.4)
            interrupted += 1
        at += 2.4  # a pause of 0.9 s
    assert interrupted == 1


def test_a_correction_is_the_caller_s_next_turn() -> None:
    subject = greeted()
    final(subject, "The first one.", 2.0)
    decisions = final(subject, "No, the second one.", 2.6)
    assert decisions[0].action is Action.DISCARD
    (prepared,) = [one for one in decisions if one.text]
    assert (prepared.text, prepared.instead) == ("The first one. No, the second one.", "The first one.")


def test_the_agent_does_not_begin_over_a_caller_who_speaks() -> None:
    subject = greeted()
    final(subject, "Where is it?", 2.0)
    begins(subject, 2.3)
    assert actions(subject.says("It is here.", "", 2.6)) == (Action.PAUSE,)


@pytest.mark.parametrize(("goes_on", "paused"), [(False, []), (True, [Action.PAUSE])])
def test_the_end_of_what_is_answered_is_noticed_late(goes_on: bool, paused: list[Action]) -> None:
    subject = greeted()
    begins(subject, 2.0)
    final(subject, "Where is it?", 3.0)
    assert subject.says("It is here.", "", 3.1) == ()
    if not goes_on:
        ends(subject, 2.9)
    assert [action for _, action, _, _ in wait(subject, 3.9)] == paused


# Keys


@pytest.mark.parametrize(("expected", "keys"), [(None, "1234#"), (Expected(Answer.DIGITS, 4), "1234")])
def test_d7_keys_in_the_middle_of_words_are_one_turn(expected: Expected | None, keys: str) -> None:
    subject = greeted()
    if expected:
        subject.expect(expected)
    interim(subject, "my number is", 2.0)
    told = [one for at, key in enumerate(keys) for one in subject.press(key, 2.5 + 0.1 * at)]
    assert answered(tuple(told)) == ["my number is [pressed 1 2 3 4]"]
    assert final(subject, "my number is", 3.5) == ()


def test_keys_are_complete_after_a_pause() -> None:
    subject = greeted()
    subject.press("4", 2.0)
    assert subject.state is State.COLLECTING
    assert [(at, text) for at, _, text, _ in wait(subject, 9.0)] == [(2.0 + OPTIONS.digit_pause, "[pressed 4]")]


def test_keys_are_bounded() -> None:
    subject = greeted(max_digits=8)
    for _ in range(100):
        subject.press("1", 2.0)
    assert answered(subject.press("#", 3.0)) == [f"[pressed {' '.join('1' * 8)}]"]
    assert subject.press("#", 4.0) == ()


def test_the_end_of_what_the_agent_said_is_no_end_of_a_turn_that_has_begun_since() -> None:
    subject = greeted(ends_turns=False)
    begins(subject, 2.0)
    assert Action.ANSWER not in actions(final(subject, "I have a", 2.7)), "the voice is on"
    assert subject.state in (State.HEARING, State.DECIDING)
    assert subject.done(2.8) == ()


@pytest.mark.parametrize(("last", "answer"), [("Um.", []), ("Uh, um.", []), ("Um, wait.", ["Um, wait."])])
def test_a_sound_that_was_passed_over_while_the_agent_spoke_is_no_answer_after_it(last: str, answer: list[str]) -> None:
    subject = greeted()
    subject.says("It is on its way.", "", 2.0)
    assert interim(subject, "Um", 2.8) == ()
    subject.done(3.0)
    assert answered(final(subject, last, 3.4)) == answer
