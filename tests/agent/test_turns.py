"""The table of turn-taking, row by row where it matters."""

from dataclasses import replace

import pytest

from agent.patience import FORGETTING, MARGIN
from agent.phrases import phrases_of
from agent.turn_table import TABLE, TIMEOUTS, Decision, Event, State
from agent.turns import DICTATION_LIMIT, FAREWELL_LIMIT, TurnOptions, Turns

OPTIONS = TurnOptions(max_duration=1000, final_limit=0)


def turns(state: State, said: str = "It is out for delivery.") -> Turns:
    subject = Turns(OPTIONS, 0.0)
    subject.says(said)
    if state in (State.SPEAKING, State.HELD):
        subject.handle(Event.STARTED, -10.0)
    subject.state = state
    return subject


def test_every_state_is_reached_and_left() -> None:
    assert {row[0] for row in TABLE.values()} | {State.ANNOUNCING, State.CLOSING, State.ENDED} == set(State)
    assert {state for state, _ in TABLE} == set(State) - {State.ENDED}


@pytest.mark.parametrize("state", [State.SPEAKING, State.HELD])
@pytest.mark.parametrize(
    ("text", "final", "then"),
    [
        ("mm-hmm", True, State.SPEAKING),
        ("okay", True, State.SPEAKING),
        ("out for delivery", True, State.SPEAKING),
        ("stop", False, State.HEARING),
        ("out", False, None),
        ("out", True, State.THINKING),
        ("stop", True, State.THINKING),
        ("okay stop", True, State.THINKING),
    ],
)
def test_what_a_transcript_does_to_a_speaking_agent(state: State, text: str, final: bool, then: State) -> None:
    subject = turns(state)
    subject.hear(text, final=final, stable=False, now=1.0)
    assert subject.state is (then or state), "unchanged if it may be an echo"


def test_yes_answers_a_question_that_is_being_asked() -> None:
    subject = turns(State.SPEAKING, said="Is that right?")
    assert subject.hear("Yes.", final=True, stable=False, now=1.0) == ("Yes.", (Decision.CUT, Decision.ANSWER))


@pytest.mark.parametrize(("late", "answered"), [(1.9, True), (2.1, False)])
def test_yes_a_little_before_the_question_is_kept_for_it(late: float, answered: bool) -> None:
    subject = turns(State.SPEAKING)
    subject.hear("Yes.", final=True, stable=False, now=1.0)
    subject.says("Is that right?")
    text, decisions = subject.done(1.0 + late)
    assert (text, Decision.ANSWER in decisions) == (("Yes.", True) if answered else ("", False))


def test_a_sound_without_words_holds_the_agent_only_for_a_while() -> None:
    subject = turns(State.SPEAKING)
    assert subject.handle(Event.ONSET, 10.0) == (Decision.PAUSE,)
    assert subject.deadline == 10.0 + OPTIONS.confirm_limit
    subject.handle(Event.QUIET, 10.5)
    assert subject.deadline == 10.5 + OPTIONS.confirm_after_quiet
    assert subject.handle_timer(11.4) == ("", ())
    assert subject.handle_timer(11.5) == ("", (Decision.RESUME,))


def test_nothing_interrupts_a_farewell() -> None:
    subject = turns(State.CLOSING)
    for event in (Event.ONSET, Event.WORDS, Event.STABLE, Event.FINAL, Event.OVERTIME):
        assert subject.handle(event, 1.0) == ()
    assert subject.handle(Event.DONE, 2.0) == (Decision.END,)


def test_answering_forgives_earlier_silence() -> None:
    subject = turns(State.LISTENING)
    for now in (8.0, 24.0):
        assert subject.handle_timer(now)[1] == (Decision.REPROMPT,)
    subject.hear("I am here", final=True, stable=False, now=25.0)
    subject.handle(Event.DONE, 26.0)
    assert subject.handle_timer(34.0)[1] == (Decision.REPROMPT,)


@pytest.mark.faults("G3")
def test_each_silence_may_last_twice_as_long_as_the_one_before_up_to_a_minute() -> None:
    subject = Turns(replace(OPTIONS, reprompts=5), 0.0)
    now = 0.0
    for silence in (8.0, 16.0, 32.0, 60.0, 60.0):
        assert subject.deadline == now + silence
        now += silence
        assert subject.handle_timer(now)[1] == (Decision.REPROMPT,)
    assert subject.deadline == now + 60.0
    assert subject.handle_timer(now + 60.0)[1] == (Decision.GOODBYE_SILENCE,)


def test_keys_are_bounded_and_ended_by_hash_or_pause() -> None:
    subject = turns(State.LISTENING)
    for at in range(100):
        subject.digit("1", float(at) / 100)
    text, decisions = subject.digit("#", 1.0)
    assert text == f"[pressed {' '.join('1' * OPTIONS.max_digits)}]"
    assert decisions == (Decision.ANSWER,)
    assert subject.digit("#", 2.0) == ("", ())


@pytest.mark.parametrize("options", [{"reprompt_after": 0}, {"max_duration": -1}, {"confirm_limit": 0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        TurnOptions(**options)


def test_every_timeout_stands_in_the_table() -> None:
    ended_elsewhere = {State.LISTENING, State.HEARING}  # after the last question comes the farewell
    assert all((state, event) in TABLE for state, event in TIMEOUTS.items())
    assert {state for state, event in TIMEOUTS.items() if event is Event.SILENCE} == ended_elsewhere


def test_a_farewell_that_the_line_never_reports_as_played_is_over_at_its_limit() -> None:
    subject = turns(State.SPEAKING)
    subject.close(100.0)
    assert subject.deadline == 100.0 + FAREWELL_LIMIT
    assert subject.handle_timer(100.0 + FAREWELL_LIMIT) == ("", (Decision.END,))
    assert subject.state is State.ENDED


def test_words_after_which_nothing_comes_are_silence_but_a_sound_that_goes_on_is_not() -> None:
    subject = turns(State.LISTENING)
    subject.handle(Event.ONSET, 1.0)
    assert subject.deadline == OPTIONS.max_duration
    subject.handle(Event.QUIET, 2.0)
    subject.hear("I want", final=False, stable=False, now=3.0)
    assert subject.state is State.HEARING
    subject.hear("I want to", final=False, stable=False, now=4.0)
    assert subject.handle_timer(3.9 + OPTIONS.reprompt_after)[1] == ()
    assert subject.handle_timer(4.0 + OPTIONS.reprompt_after)[1] == (Decision.REPROMPT,)


def waiting() -> Turns:
    """Somebody has said something, and the STT does not say that it is all."""
    subject = Turns(replace(OPTIONS, final_limit=2.0), 0.0)
    subject.handle(Event.ONSET, 1.0)
    subject.hear("Where is my order", final=False, stable=False, now=1.8)
    subject.handle(Event.QUIET, 2.0)
    return subject


def test_words_whose_end_the_stt_owe_are_answered_after_a_silence() -> None:
    subject = waiting()
    assert subject.deadline == 4.0
    assert subject.handle_timer(3.9) == ("", ())
    assert subject.handle_timer(4.0) == ("Where is my order", (Decision.ANSWER,))
    assert subject.hear("Where is my order?", final=True, stable=True, now=4.5)[1] == ()
    assert subject.state is State.THINKING


def test_more_of_a_number_is_waited_for_longer() -> None:
    subject = Turns(replace(OPTIONS, final_limit=2.0, dictation_pause=1.0), 0.0)
    subject.says("What is your order number?")
    subject.handle(Event.ONSET, 1.0)
    subject.hear("7 3", final=False, stable=False, now=1.8)
    subject.handle(Event.QUIET, 2.0)
    assert subject.deadline == 5.0


def test_who_goes_on_after_such_an_answer_is_heard() -> None:
    subject = waiting()
    subject.handle_timer(4.0)
    subject.handle(Event.ONSET, 4.2)
    decisions = subject.hear("Where is my order from May", final=False, stable=False, now=4.6)[1]
    assert decisions == (Decision.DISCARD,)


def test_the_same_said_again_later_is_another_turn() -> None:
    subject = waiting()
    subject.handle_timer(4.0)
    text, decisions = subject.hear("Where is my order?", final=True, stable=True, now=8.0)
    assert (text, decisions) == ("Where is my order?", (Decision.DISCARD, Decision.ANSWER))


def test_who_still_makes_a_sound_is_waited_for() -> None:
    subject = waiting()
    subject.handle(Event.ONSET, 2.5)
    assert subject.handle_timer(9.0) == ("", ())


@pytest.mark.parametrize("state", [State.LISTENING, State.HEARING, State.THINKING])
def test_the_agent_waits_with_its_first_sound_for_a_sound_of_the_caller(state: State) -> None:
    subject = turns(state)
    subject.handle(Event.ONSET, 10.0)
    assert subject.handle(Event.STARTED, 10.2) == (Decision.PAUSE,)
    subject.handle(Event.QUIET, 10.6)
    assert subject.handle_timer(10.6 + OPTIONS.confirm_after_quiet)[1] == (Decision.RESUME,)


def test_but_not_for_a_sound_that_has_no_end() -> None:
    subject = turns(State.THINKING)
    subject.handle(Event.ONSET, 10.0)
    assert subject.handle(Event.STARTED, 10.0 + OPTIONS.confirm_limit) == ()
    assert subject.state is State.SPEAKING


@pytest.mark.parametrize("state", [State.LISTENING, State.HEARING])
def test_hello_is_answered_once_the_agent_has_greeted(state: State) -> None:
    subject = turns(state)
    assert subject.hear("Hello?", final=True, stable=False, now=1.0) == ("Hello?", ())
    subject.state = State.SPEAKING
    subject.done(2.0)
    assert subject.hear("Hello?", final=True, stable=False, now=3.0) == ("Hello?", (Decision.ANSWER,))


ASKING = "What is your order number?"


def dictating(said: str = ASKING) -> Turns:
    subject = turns(State.LISTENING, said)
    subject.handle(Event.ONSET, 1.0)
    subject.handle(Event.QUIET, 2.0)
    return subject


def test_a_number_that_was_asked_for_may_be_said_in_pieces() -> None:
    subject = dictating()
    assert subject.hear("7 3", final=True, stable=False, now=2.2) == ("7 3", (Decision.PREPARE,))
    assert subject.deadline == 2.0 + 0.2 + OPTIONS.dictation_pause
    subject.handle(Event.ONSET, 2.6)
    assert subject.handle_timer(3.3) == ("", ()), "the caller is speaking again"
    subject.handle(Event.QUIET, 3.4)
    assert subject.hear("4 6.", final=True, stable=False, now=3.6) == ("7 3 4 6.", (Decision.PREPARE,))
    assert subject.handle_timer(4.5) == ("", ())
    assert subject.handle_timer(4.6) == ("7 3 4 6.", (Decision.ANSWER,))
    assert subject.hear("Thanks", final=True, stable=False, now=9.0)[0] == "Thanks"


def test_words_that_are_not_dictated_complete_it() -> None:
    subject = dictating()
    subject.hear("7 3 4 6", final=True, stable=False, now=2.2)
    assert subject.hear("that is all", final=True, stable=False, now=3.0) == ("7 3 4 6 that is all", (Decision.ANSWER,))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (ASKING, "I do not know it"),
        ("It is out for delivery.", "I have two questions"),
        ("Which colour?", "one red, please"),
    ],
)
def test_nobody_waits_for_what_is_not_dictated(said: str, text: str) -> None:
    assert dictating(said).hear(text, final=True, stable=False, now=2.2) == (text, (Decision.ANSWER,))


def test_a_dictation_ends_although_there_is_noise() -> None:
    subject = dictating()
    subject.hear("7 3 4 6", final=True, stable=False, now=2.2)
    subject.handle(Event.ONSET, 2.3)
    assert subject.deadline == 2.2 + DICTATION_LIMIT
    assert subject.handle_timer(2.2 + DICTATION_LIMIT) == ("7 3 4 6", (Decision.ANSWER,))


def test_who_goes_on_with_a_dictation_is_not_answered_in_the_middle_of_it() -> None:
    subject = dictating()
    subject.hear("7 3 4 6", final=True, stable=False, now=2.2)
    subject.handle(Event.ONSET, 2.3)
    for at in (4.0, 6.0, 8.0, 10.0):
        assert subject.hear("and the", final=False, stable=at == 6.0, now=at)[1] == ()
        assert subject.deadline == at + DICTATION_LIMIT
        assert subject.handle_timer(at + 1.9) == ("", ())


def test_nothing_interrupts_an_announcement_and_what_was_said_into_it_is_answered() -> None:
    subject = turns(State.LISTENING, "This call is recorded.")
    subject.announce(0.0)
    assert subject.handle(Event.STARTED, 0.1) == ()
    assert subject.handle(Event.ONSET, 1.0) == ()
    assert subject.hear("Stop", final=False, stable=True, now=1.2) == ("Stop", ())
    assert subject.hear("Stop it.", final=True, stable=False, now=1.5) == ("", ())
    assert subject.done(3.0) == ("Stop it.", (Decision.ANSWER,))


def test_after_an_announcement_that_nobody_spoke_into_comes_the_greeting() -> None:
    subject = turns(State.LISTENING, "This call is recorded.")
    subject.announce(0.0)
    assert subject.hear("mm-hmm", final=True, stable=False, now=1.5) == ("mm-hmm", ())
    assert subject.done(3.0) == ("", (Decision.GREET,))
    assert subject.state is State.LISTENING


@pytest.mark.parametrize(
    ("languages", "text", "then"),
    [
        (("de",), "Ja, genau.", State.SPEAKING),
        (("en",), "Ja, genau.", State.THINKING),
        (("en", "hi"), "haan ji", State.SPEAKING),
        (("hi",), "हाँ ठीक", State.SPEAKING),
        (("es",), "sí, vale", State.SPEAKING),
        (("fr",), "oui d'accord", State.SPEAKING),
    ],
)
def test_the_mm_hmm_of_the_languages_spoken_does_not_interrupt(languages, text: str, then: State) -> None:
    subject = Turns(OPTIONS, 0.0, phrases_of(languages))
    subject.state = State.SPEAKING
    subject.says("It is on its way.")
    subject.hear(text, final=True, stable=False, now=1.0)
    assert subject.state is then


def test_a_language_without_words_is_an_error() -> None:
    with pytest.raises(ValueError, match="'tlh' is not one of de, en"):
        phrases_of(("tlh",))


@pytest.mark.parametrize("state", [State.LISTENING, State.HEARING])
def test_nobody_is_asked_while_on_hold_and_patience_begins_anew_afterwards(state: State) -> None:
    subject = turns(state)
    subject.away(True, 1.0)
    assert subject.deadline == OPTIONS.max_duration
    assert subject.handle_timer(500.0) == ("", ())
    subject.away(False, 600.0)
    assert subject.deadline == 600.0 + OPTIONS.reprompt_after
    assert subject.handle_timer(subject.deadline) == ("", (Decision.REPROMPT,))


def hesitant(limit: float = 1.0) -> Turns:
    """A caller who went on 0.3 s after the first turn had seemed complete."""
    subject = Turns(TurnOptions(hesitation_limit=limit), 0.0)
    assert subject.hear("I ordered", final=True, stable=False, now=10.0)[1] == (Decision.ANSWER,)
    assert subject.hear("a raincoat", final=True, stable=False, now=10.3)[1] == (Decision.DISCARD, Decision.ANSWER)
    return subject


def test_a_caller_who_pauses_in_the_middle_of_a_sentence_is_waited_for_from_then_on() -> None:
    subject = hesitant()
    subject.handle(Event.STARTED, 11.0)
    subject.done(12.0)
    wait = (0.3 + MARGIN) * FORGETTING
    text, decisions = subject.hear("it was", final=True, stable=False, now=20.0)
    assert (text, decisions) == ("it was", (Decision.PREPARE,)), "the reply is prepared meanwhile"
    assert subject.deadline == pytest.approx(20.0 + wait)
    text, decisions = subject.hear("a blue one", final=True, stable=False, now=20.3)
    assert (text, decisions) == ("it was a blue one", (Decision.PREPARE,))
    assert subject.handle_timer(20.3 + wait) == ("it was a blue one", (Decision.ANSWER,))


def test_a_caller_who_does_not_pause_any_more_is_answered_at_once_again() -> None:
    subject, at = hesitant(), 20.0
    for turn in range(10):
        subject.handle(Event.STARTED, at)
        subject.done(at + 1)
        if subject.hear(f"turn {turn}", final=True, stable=False, now=at + 2)[1] == (Decision.ANSWER,):
            break
        assert subject.handle_timer(at + 3.1)[1] == (Decision.ANSWER,)
        at += 10
    assert 2 <= turn <= 4


@pytest.mark.parametrize(("limit", "after"), [(0.0, 0.3), (1.0, 1.5)])
def test_what_is_said_long_after_or_with_no_patience_asked_for_changes_nothing(limit: float, after: float) -> None:
    subject = Turns(TurnOptions(hesitation_limit=limit), 0.0)
    subject.hear("I ordered", final=True, stable=False, now=10.0)
    subject.hear("hello?", final=True, stable=False, now=10.0 + after)
    subject.handle(Event.STARTED, 13.0)
    subject.done(14.0)
    assert subject.hear("a raincoat", final=True, stable=False, now=20.0)[1] == (Decision.ANSWER,)


def test_keys_are_complete_when_they_are_complete() -> None:
    subject = hesitant()
    subject.handle(Event.STARTED, 11.0)
    subject.done(12.0)
    subject.digit("4", 20.0)
    assert subject.digit("#", 20.5) == ("[pressed 4]", (Decision.ANSWER,))
