"""Whole conversations with an agent's own server on virtual time: every message of ConversationRelay in a scene."""

import asyncio

import pytest

from agent.call_control import CallControlRefused
from agent.persona import Persona
from agent.records import Interrupted, LanguageChanged, Outcome, ProviderFailed, ToolDone
from agent.stt import Transcript
from tests.agent.relay.holding import CALL, Setting, hold
from tests.fakes.line import sound_of
from tests.fakes.relay import answers, text, tokens

LONG = "Your order is out for delivery  and it will be there today before six."


def test_a_turn_is_prompted_and_its_tokens_are_spoken_as_they_come() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(6)
        await caller.say("And the other one?")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, answers({"Where": tokens("It is here. Anything else?"), "And": [text("It is there.")]}))
    (session,) = held.server.sessions
    assert session.messages[0] == {
        "type": "setup", "sessionId": session.messages[0]["sessionId"], **CALL, "customParameters": {"shop": "7"},
    }  # fmt: skip
    assert held.server.messages == [
        {"type": "prompt", "voicePrompt": "Where is my order?", "lang": "en", "last": True},
        {"type": "prompt", "voicePrompt": "And the other one?", "lang": "en", "last": True},
    ]
    assert held.spoken == ["It is here.", "Anything else?", "It is there."]
    assert held.turns[0].heard == "It is here. Anything else?"
    assert held.outcome.kind == "caller_hung_up"


def test_our_greeting_is_said_and_the_server_is_not_asked_for_one() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(4)
        caller.hang_up()

    held = hold(plan, answers({}), Setting(persona=Persona(prompt="", greeting="Hello there.")))
    assert held.spoken == ["Hello there."]
    assert held.server.messages == []


def test_the_server_speaks_unasked_at_the_beginning_and_later() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(4)
        server.sessions[0].deliver(text("One more thing."))
        await asyncio.sleep(4)
        caller.hang_up()

    held = hold(plan, answers({"setup": [text("Welcome to", last=False), text(" the shop.")]}))
    assert held.spoken == ["Welcome to the shop.", "One more thing."]


def test_what_comes_unasked_waits_until_the_caller_has_spoken() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.sound(0.6, loud=True)
        caller.hear_interim("Where is")
        server.sessions[0].deliver(text("By the way."))
        await caller.say("Where is my order?")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, answers({"Where": [text("It is here.")]}))
    assert held.spoken == ["By the way.", "It is here."]


def test_an_interruption_tells_what_was_heard_of_the_tokens_as_they_came() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(2.5)
        await caller.say("Stop please, something else")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, answers({"Where is": tokens(LONG), "Stop": [text("Yes?")]}))
    (told,) = held.server.told("interrupt")
    (interrupted,) = [report for report in held.reports if isinstance(report, Interrupted)]
    heard = told["utteranceUntilInterrupt"]
    assert len(heard) > 10
    assert LONG.startswith(heard), "with the spaces of the server"
    assert heard.split() == interrupted.heard.removesuffix(" —").split()
    assert 1000 < told["durationUntilInterruptMs"] < 4000
    kinds = [one["type"] for one in held.server.messages]
    assert kinds == ["prompt", "interrupt", "prompt"]
    assert held.server.prompts[-1] == "Stop please, something else"
    assert held.spoken[-1] == "Yes?"


def test_tokens_of_a_reply_that_was_broken_off_are_not_spoken() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Tell me all.")
        await asyncio.sleep(2.0)
        await caller.say("Stop please, something else")
        await asyncio.sleep(6)
        caller.hang_up()

    slow = [text("This is a very long story. ", last=False), 2.8, text("Then this. ", last=False), text("Then that.")]
    held = hold(plan, answers({"Tell": slow, "Stop": [2.0, text("Yes?")]}), Setting(stops=False))
    assert held.spoken == ["This is a very long story.", "Yes?"]


def test_a_caller_who_goes_on_before_the_answer_is_prompted_for_the_rest_alone() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("I want to order")
        await asyncio.sleep(0.1)
        await caller.say("two pizzas please")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, answers({"I want": [1.5, text("What?")], "two": [text("Two pizzas.")]}))
    assert held.server.prompts == ["I want to order", "two pizzas please"]
    assert held.spoken == ["Two pizzas."], "the answer to the half was not heard"
    assert held.server.told("interrupt") == [], "nothing was heard that could be interrupted"


def test_partial_prompts_tell_what_the_caller_says_while_they_say_it() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(4)
        caller.hang_up()

    told = hold(plan, answers({}), Setting(partial_prompts=True)).server.told("prompt")
    assert [one["last"] for one in told] == [False, True]
    assert "Where is my order?".startswith(told[0]["voicePrompt"])
    assert [one["last"] for one in hold(plan, answers({})).server.told("prompt")] == [True]


def test_keys_go_to_the_server_one_by_one_and_break_off_what_is_said() -> None:
    agreed: list[str] = []

    async def plan(caller, line, server):
        line.agree = agreed.append
        await asyncio.sleep(2.5)
        caller.press("1")
        await asyncio.sleep(1)
        caller.press("2#")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, answers({"setup": [text(LONG)], "dtmf1": [text("Sales.")]}))
    assert held.server.told("dtmf") == [{"digit": "1"}, {"digit": "2"}, {"digit": "#"}]
    kinds = [one["type"] for one in held.server.messages]
    assert kinds[:2] == ["interrupt", "dtmf"]
    assert held.spoken == [LONG.replace("  ", " "), "Sales."]
    assert held.server.prompts == [], "keys are no prompt"
    assert agreed == ["1", "2", "#"], "each may be consent to a recording"


def test_digits_are_pressed_with_their_pauses() -> None:
    pressed: list[tuple[float, str]] = []

    async def plan(caller, line, server):
        start = asyncio.get_running_loop().time()
        line.send_digits = lambda keys: pressed.append((round(asyncio.get_running_loop().time() - start, 1), keys))
        await asyncio.sleep(5)
        caller.hang_up()

    hold(plan, answers({"setup": [0.5, {"type": "sendDigits", "digits": "9ww12a"}]}))
    assert [keys for _, keys in pressed] == ["9", "12A"]
    assert round(pressed[1][0] - pressed[0][0], 1) == 1.2


def test_the_language_changes_for_what_follows() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Spanish please")
        await asyncio.sleep(6)
        await caller.say("Gracias")
        await asyncio.sleep(4)
        caller.hang_up()

    switch = {"type": "language", "ttsLanguage": "es-MX", "transcriptionLanguage": "es-MX"}
    script = answers({"Spanish": [text("One moment. ", last=False), switch, text("Hola, diga.")],
                      "Gracias": [text("Goodbye.", lang="en-US")]})  # fmt: skip
    held = hold(plan, script, Setting(languages=("en", "es")))
    assert held.in_languages == [("en", "One moment."), ("es", "Hola, diga."), ("en", "Goodbye.")]
    assert [one.language for one in held.reports if isinstance(one, LanguageChanged)] == ["es", "en"]
    assert [one["lang"] for one in held.server.told("prompt")] == ["en", "es"]


def test_a_language_that_the_agent_does_not_speak_is_told_and_the_words_are_spoken() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Swedish please")
        await asyncio.sleep(4)
        caller.hang_up()

    held = hold(plan, answers({"Swedish": [{"type": "language", "ttsLanguage": "sv-SE"}, text("Hej.")]}))
    assert held.server.told("error") == [{"description": "Invalid message: this agent speaks en, not sv"}]
    assert held.spoken == ["Hej."]


def test_end_hangs_up_when_everything_has_been_said() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("That is all.")
        await asyncio.sleep(60)

    held = hold(plan, answers({"That": [text("Goodbye, and thank you."), {"type": "end"}]}))
    assert held.outcome == Outcome("agent_hung_up", "the agent's server ended the session")
    assert bytes(held.line.played).endswith(sound_of("Goodbye, and thank you."))
    assert [[run.name for run in turn.tools] for turn in held.turns] == [[], ["end"]], "the record has it"


def test_end_with_hand_off_data_transfers_the_caller_and_the_record_has_the_data() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("A person please.")
        await asyncio.sleep(60)

    ends = {"type": "end", "handoffData": '{"reasonCode": "live-agent-handoff", "to": "Billing"}'}
    script = answers({"A person": [text("I connect you."), ends]})
    held = hold(plan, script, Setting(can_transfer=True, people={"billing": "bills", "sales": ""}))
    assert held.outcome == Outcome("transfer", "the agent's server handed the call off")
    assert held.transferred == ["Billing"]
    (done,) = [report.run for report in held.reports if isinstance(report, ToolDone)]
    assert done.name == "end"
    assert done.arguments == {"handoffData": {"reasonCode": "live-agent-handoff", "to": "Billing"}}


@pytest.mark.parametrize("data", ["sales", "[" * 50_000], ids=["a word", "nested too deep"])
def test_a_transfer_that_fails_begins_another_session_of_the_same_call(data: str) -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("A person please.")
        await asyncio.sleep(8)
        await caller.say("Then my order.")
        await asyncio.sleep(5)
        caller.hang_up()

    script = answers({"A person": [{"type": "end", "handoffData": data}], "Then": [text("It is here.")]})
    held = hold(plan, script, Setting(can_transfer=True, connects=[False]))
    first, second = held.server.sessions
    assert first.messages[0]["callSid"] == second.messages[0]["callSid"]
    assert first.messages[0]["sessionId"] != second.messages[0]["sessionId"]
    assert held.server.prompts == ["A person please.", "Then my order."]
    assert held.spoken[-1] == "It is here."


def test_a_reply_that_is_not_interruptible_is_heard_to_its_end() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(1.5)
        await caller.say("Stop please, something else")
        await asyncio.sleep(10)
        caller.hang_up()

    held = hold(plan, answers({"Where": [text(LONG, interruptible=False)], "Stop": [text("Yes?")]}))
    assert sound_of(held.spoken[0]) in bytes(held.line.played)
    assert held.server.told("interrupt") == []
    assert held.server.prompts == ["Where is my order?", "Stop please, something else"], "it is answered behind it"
    assert held.spoken[-1] == "Yes?"


def test_a_preemptible_reply_gives_way_to_what_comes_next_and_others_do_not() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(2.5)
        server.sessions[0].deliver(text("News for you."))
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, answers({"setup": [text(LONG, preemptible=True)]}))
    assert held.spoken[-1] == "News for you."
    assert sound_of(held.spoken[0]) not in bytes(held.line.played)
    held = hold(plan, answers({"setup": [text(LONG)]}))
    assert held.spoken[-1] == "News for you."
    assert sound_of(held.spoken[0]) in bytes(held.line.played)


def test_a_server_that_says_nothing_is_covered_and_then_the_caller_hears_an_apology() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(60)

    persona = Persona(prompt="", greeting="", filler="One moment.", apology="Sorry.")
    held = hold(plan, answers({"Where": ()}), Setting(persona=persona))
    assert held.spoken[0] == "One moment."
    assert held.spoken[-1] == "Sorry."
    assert held.outcome.kind == "failed"
    (failed,) = [report for report in held.reports if isinstance(report, ProviderFailed)]
    assert failed == ProviderFailed("llm", "brain: nothing came for 6 s")


def test_a_reply_without_its_end_is_complete_after_a_pause() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(12)
        await caller.say("And the other one?")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, answers({"Where": [text("It is here", last=False)], "And": [text("It is there.")]}))
    assert held.spoken == ["It is here", "It is there."]


def test_a_server_may_answer_with_silence() -> None:
    async def plan(caller, line, server):
        for _ in range(4):
            await asyncio.sleep(2)
            await caller.say("I talk to somebody else.")
        await asyncio.sleep(2)
        caller.hang_up()

    held = hold(plan, answers({"I talk": [text("")]}))
    assert held.spoken == []
    assert held.outcome.kind == "caller_hung_up"


def test_a_text_can_be_said_from_outside_and_a_note_cannot_be_told() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        caller.call_control.say("We close in five minutes.")
        with pytest.raises(CallControlRefused, match="takes no instructions"):
            caller.call_control.instruct("Be brief.")
        await asyncio.sleep(4)
        caller.hang_up()

    held = hold(plan, answers({}))
    assert held.spoken == ["We close in five minutes."]
    assert held.server.messages == []


def test_what_waits_behind_a_reply_is_dropped_with_it_but_for_commands() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(2.5)
        server.sessions[0].deliver(text("Another thing."))
        server.sessions[0].deliver({"type": "language", "ttsLanguage": "es"})
        await caller.say("Stop please, something else")
        await asyncio.sleep(6)
        caller.hang_up()

    script = answers({"setup": [text(LONG)], "Stop": [text("Diga.")]})
    held = hold(plan, script, Setting(languages=("en", "es")))
    assert held.spoken == [LONG.replace("  ", " "), "Diga."]
    assert held.in_languages[-1] == ("es", "Diga.")


def test_our_own_sentences_are_no_part_of_what_was_heard() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(6.5)
        await caller.say("Stop please, something else")
        await asyncio.sleep(6)
        caller.hang_up()

    persona = Persona(prompt="", greeting="", filler="One moment.")
    held = hold(plan, answers({"Where is": [2.5, text(LONG)], "Stop": [text("Yes?")]}), Setting(persona=persona))
    assert held.spoken[0] == "One moment."
    (told,) = held.server.told("interrupt")
    assert LONG.startswith(told["utteranceUntilInterrupt"])
    assert len(told["utteranceUntilInterrupt"]) > 10


def test_a_greeting_that_is_interrupted_is_told_by_its_own_words() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(2)
        await caller.say("Stop please, something else")
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, answers({"Stop": [text("Yes?")]}), Setting(persona=Persona(prompt="", greeting=LONG)))
    (told,) = held.server.told("interrupt")
    assert LONG.replace("  ", " ").startswith(told["utteranceUntilInterrupt"].replace("  ", " "))


def test_words_that_may_not_be_all_are_no_prompt() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.sound(0.6, loud=True)
        caller._stt.heard.put_nowait(Transcript("Where is", final=False, eager=True, end=0.8))
        await asyncio.sleep(0.2)
        assert server.messages == []
        await caller.say("Where is my order?")
        await asyncio.sleep(4)
        caller.hang_up()

    assert hold(plan, answers({})).server.prompts == ["Where is my order?"]
