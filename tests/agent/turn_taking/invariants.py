"""What holds in a call whatever happens, in any order."""

from agent.turn_taking.options import TurnOptions
from agent.turn_taking.parties import BORNE, LONGEST_BORNE, LONGEST_SILENCE, PUT_OFF, WORDLESS
from agent.turn_taking.situation import ENDS, HANGOVER, LAG
from agent.turn_taking.table import ENDLESS, Event, State
from tests.agent.turn_taking.random_call import RandomCall
from tests.agent.turn_taking.steps import Setting, Steps
from tests.agent.turn_taking.telling import pressed_in, said_in

OPTIONS = TurnOptions()
LONGEST = {
    State.LISTENING: PUT_OFF * LONGEST_SILENCE,
    State.HEARING: ENDLESS + OPTIONS.max_endpointing_delay,
    State.DECIDING: ENDLESS + OPTIONS.max_endpointing_delay,
    State.THINKING: 90.0,
    State.RUNNING_TOOL: 240.0,
    State.SPEAKING: 180.0,
    State.PAUSED: ENDLESS,
    State.HOLDING: OPTIONS.wait_limit,
    State.COLLECTING: OPTIONS.digit_pause,
    State.ANNOUNCING: 180.0,
    State.TRANSFERRING: 900.0,
    State.CLOSING: 20.0,
}
"""Seconds for which a caller who says nothing more stays in each state."""


def hold(steps: Steps, setting: Setting, *, replies: bool = True) -> None:
    """Hold a call of these steps, after which the caller says nothing more. `replies`: whether the agent's are heard
    then. Raises `AssertionError` if anything does not hold."""
    call = RandomCall(setting)
    for step, seconds in steps:
        call.happen(step)
        _check(call)
        call.pass_time(seconds)
        _check(call)
    _check_words(call)
    _end(call, replies=replies)


def _check(call: RandomCall) -> None:
    _is_never_over_a_certain_voice(call)
    _has_a_limit(call)
    assert call.subject._silence.absent == call.absent, "who is there"


def _is_never_over_a_certain_voice(call: RandomCall) -> None:
    """The agent's sound has stopped, but for what nobody may interrupt, for the first 0.3 s after a turn's end, for
    words that it cannot hear the caller, over a voice that brought no more words after the recogniser had said that
    they were all, and for `LONGEST_BORNE` at most over one of a caller who has only shown that they listen."""
    subject, log = call.subject, call.subject._log
    if call.voice is None or subject.state in (State.ANNOUNCING, *ENDS):
        return
    if log.complete and call.voice < log.final_at - HANGOVER - LAG and call.now >= log.final_at + WORDLESS - 1e-9:
        call.voice = None  # a babble, from then on
        return
    borne = subject._voice.manner.bearing if subject._voice.manner.listens else 0.0
    assert borne == 0.0 or BORNE <= borne <= LONGEST_BORNE
    if subject.state is State.SPEAKING and call.now < max(call.voice, log.last_at) + borne:
        return
    if call.now < subject._turn.at + HANGOVER or call.now - call.voice >= ENDLESS or call.told:
        return
    assert call.silent or subject.state is State.PAUSED, f"over a certain voice: {subject.state}"


def _has_a_limit(call: RandomCall) -> None:
    """Every state ends by itself in its time, but for that of somebody else, and while the caller does not hear us."""
    subject = call.subject
    if subject.state in (State.TAKEN, State.ENDED) or (subject.is_away and subject.state is State.HOLDING):
        return
    ends = min((at for at, event in subject._limits() if event is not Event.OVERTIME), default=None)
    assert ends is not None, f"{subject.state} has no limit"
    assert ends - call.now <= LONGEST[subject.state] + 1e-6, f"{subject.state} for {ends - call.now:.1f} s"


def _check_words(call: RandomCall) -> None:
    """Each word and each key of the caller is answered once, or waits for it."""
    told, subject = said_in(call.memory), call.subject
    wrong = call.gone.difference(call.either).intersection(told)
    assert not wrong, f"answered although nobody should: {wrong}"
    if subject.state in ENDS:
        return
    log = subject._unanswered()
    known = call.memory.removesuffix(subject._turn.text) if subject._turn.returned else call.memory
    once = said_in(f"{known} {log}")
    assert len(once) == len(set(once)), f"twice: {once}"
    waits = said_in(" ".join((log, subject._agent.aside, *call.turn.words)))
    lost = call.all_said.difference(call.gone, told, waits)
    assert not lost, f"lost: {lost}"
    if subject.state is State.TAKEN:
        return
    keys = pressed_in(f"{known} {log}") + subject._keys.pressed
    assert keys == call.pressed, f"keys: {keys} for {call.pressed}"


def _end(call: RandomCall, *, replies: bool) -> None:
    """A caller who says nothing more hears a goodbye in the end, and an answer to all that they have said before."""
    subject = call.subject
    for step in ("quiet", "same", "back", "person"):
        call.happen(step)
    quiet, limit = call.now, call.now + 4000
    while subject.state is not State.ENDED and call.now < limit:
        assert subject.deadline is not None, f"{subject.state} has no end"
        assert subject.deadline - max(quiet, subject._entered) <= LONGEST[subject.state] + 1e-6, subject.state
        call.pass_time(max(0.0, subject.deadline - call.now))
        if call.replying and (replies or subject.state is State.LISTENING):
            call.happen("says")
            if call.replying:
                call.happen("done")
        if subject.state in (State.LISTENING, State.HOLDING, State.TRANSFERRING):
            assert not subject._log.text, f"{subject.state} with words that nobody answers: {subject._log.text}"
            _check_words(call)
    assert subject.state is State.ENDED, f"the call does not end: {subject.state}"
