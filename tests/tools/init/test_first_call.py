"""The caller of `sipgw init`: it takes no sound for an answer, only what the agent reports."""

from datetime import UTC, datetime

import pytest

from agent.records import CallerSaid, ProviderFailed, Report, Turn, TurnEnded
from sipgw.events import CallReported
from sipgw.tools.caller import Action, AgentAudioMonitor, HangUp, Say
from sipgw.tools.init.first_call import ANSWER, PATIENCE, TIMES, FirstCallScript

QUESTION = b"\x00" * 800
ASKED = "Hi, I would like to know where my order is."


class Conversation:
    """The script and an agent that speaks for half a second when it is told to."""

    def __init__(self, about: str = "order") -> None:
        self.script, self.agent = FirstCallScript(QUESTION, about), AgentAudioMonitor()
        self.now = 1.0

    def agent_speaks(self, *reports: Report) -> None:
        self.now += 1.0
        for report in reports:
            self.script.watch(CallReported("c", datetime.now(UTC), report))
        self.agent.hear(b"\x00\x80" * 2000, self.now)

    def after(self, seconds: float) -> Action | None:
        """What the caller does so many seconds after the agent was last heard."""
        self.now = self.agent.sounds_at + seconds
        action = self.script.next(self.now, self.agent)
        if isinstance(action, Say):
            self.agent.spoken_until = self.now + 0.1
            self.now += 0.1
        return action


def asked(about: str = "order") -> Conversation:
    """The greeting is over and the question put."""
    call = Conversation(about)
    assert call.script.next(1.0, call.agent) is None and call.script.fault == "the agent said nothing"
    call.agent_speaks(TurnEnded(Turn("", "Hello", "Hello")))
    assert call.after(0.1) is None, "the agent speaks"
    assert call.after(1.0) == Say(QUESTION)
    return call


def answer(caller: str, heard: str = "Can I have the number?") -> tuple[Report, ...]:
    return CallerSaid(caller, final=True), TurnEnded(Turn(caller, heard, heard))


def test_the_caller_hangs_up_after_an_answer_to_the_question() -> None:
    call = asked()
    assert call.script.next(call.now + 50, call.agent) is None, "no answer yet"
    call.agent_speaks(CallerSaid("Hi, I would", final=False), *answer(ASKED))
    assert call.after(0.1) is None, "the agent speaks"
    assert call.after(1.0) == HangUp()
    assert call.script.fault == "" and call.after(9.0) is None


def test_a_request_to_say_it_again_is_no_answer_and_the_failure_names_what_was_heard() -> None:
    call = asked()
    for number in range(1, TIMES + 1):
        call.agent_speaks(*answer(f"Hi Audrey {number}.", "Sorry, I did not catch that."))
        assert call.after(PATIENCE - 0.5) is None, "the caller is patient"
        assert call.after(PATIENCE + 0.5) == (Say(QUESTION) if number < TIMES else HangUp())
    assert call.script.fault == (
        "the agent did not understand the question, asked 3 of 3 times; "
        'it heard "Hi Audrey 1.", "Hi Audrey 2.", "Hi Audrey 3."'
    )


def test_sound_without_a_word_of_the_caller_is_no_answer() -> None:
    """An agent that reminds the caller of itself."""
    call = asked("")
    call.agent_speaks(TurnEnded(Turn("", "Are you there?", "Are you there?")))
    assert call.after(PATIENCE + 0.5) == Say(QUESTION)
    assert call.script.fault.endswith("it heard no words")


def test_the_second_try_may_be_the_good_one() -> None:
    call = asked()
    call.agent_speaks(*answer("Hi.", "Hello."))
    assert call.after(PATIENCE + 0.5) == Say(QUESTION)
    call.agent_speaks(*answer(ASKED))
    assert call.after(1.0) == HangUp() and not call.script.fault


def test_words_of_a_filler_are_waited_out() -> None:
    call = asked()
    call.agent_speaks(CallerSaid(ASKED, final=True))
    assert call.after(ANSWER - 1) is None and call.script.fault == "the agent gave no answer"
    call.agent_speaks(TurnEnded(Turn(ASKED, "One moment. It comes.", "One moment. It comes.")))
    assert call.after(1.0) == HangUp() and not call.script.fault


def test_any_words_are_enough_for_an_agent_that_may_hear_another_language() -> None:
    call = asked("")
    call.agent_speaks(*answer("Hai, ei wud laik", "Wie bitte?"))
    assert call.after(1.0) == HangUp() and not call.script.fault


@pytest.mark.parametrize("heard", [(), (CallerSaid(ASKED, final=True),)])
def test_an_apology_for_a_provider_that_failed_is_no_answer(heard: tuple[Report, ...]) -> None:
    call = asked()
    sorry = Turn(ASKED, "Sorry, something is wrong.", "Sorry, something is wrong.")
    call.agent_speaks(*heard, ProviderFailed("llm", "402 no credit"), TurnEnded(sorry))
    assert call.script.fault == "llm failed: 402 no credit", "the agent ends the call"
    assert call.after(1.0) is None
