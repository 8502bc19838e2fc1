"""Conversations with an agent's own server that is lost, slow, wrong or endless, on virtual time."""

import asyncio

import pytest

from agent.persona import Persona
from agent.providers.websocket import ConnectError
from agent.records import Outcome
from agent.relay import session, talk
from agent.relay.session import AGAIN
from agent.relay.talk import WAITING
from tests.agent.relay.holding import Setting, hold
from tests.fakes.line import sound_of
from tests.fakes.relay import answers, text


def test_a_lost_connection_is_made_again_and_the_prompt_is_repeated() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Where is my order?")
        await asyncio.sleep(6)
        caller.hang_up()

    lost = iter([[1011], [text("It is here.")]])
    held = hold(plan, lambda message: next(lost) if message["type"] == "prompt" else ())  # type: ignore[arg-type]
    first, second = held.server.sessions
    assert first.messages[0]["callSid"] == second.messages[0]["callSid"]
    assert held.server.prompts == ["Where is my order?"] * 2
    assert held.spoken == ["It is here."]


def test_a_server_that_goes_away_between_turns_is_there_again_before_the_next_one() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(2)
        server.refuses = [ConnectError("no connection"), None]
        server.sessions[0].deliver(1012)
        await asyncio.sleep(2)
        assert len(server.sessions) == 2
        caller.press("5")
        await asyncio.sleep(2)
        caller.hang_up()

    held = hold(plan, answers({"dtmf5": [text("Five.")]}))
    assert held.spoken == ["Five."]


def test_a_server_that_stays_away_is_apologised_for() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        server.refuses = [ConnectError("refused with HTTP 401", 401)] * 10
        server.sessions[0].deliver(1006)
        await asyncio.sleep(4)
        await caller.say("Where is my order?")
        await asyncio.sleep(30)

    held = hold(plan, answers({}), Setting(persona=Persona(prompt="", greeting="", apology="Sorry.")))
    assert held.spoken == ["Sorry."]
    assert held.outcome.kind == "failed"
    assert "brain.test" not in held.outcome.text, "the URL may be a secret"


def test_a_server_that_cannot_be_reached_at_the_beginning_is_apologised_for() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(30)

    persona = Persona(prompt="", greeting="Hello.", apology="Sorry.")
    setting = Setting(persona=persona, refuses=[ConnectError("no connection within 2.5 s")])
    held = hold(plan, answers({}), setting)
    assert held.spoken == ["Sorry."]
    assert held.outcome.kind == "failed"


def test_a_server_that_closes_properly_ends_the_call() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("That is all.")
        await asyncio.sleep(60)

    held = hold(plan, answers({"That": [text("Goodbye then."), 1000]}))
    assert held.outcome == Outcome("agent_hung_up", "the agent's server ended the session")
    assert sound_of("Goodbye then.") in bytes(held.line.played)
    assert len(held.server.sessions) == 1


def test_words_between_the_end_and_its_goodbye_keep_the_caller_in_a_new_session() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("That is all.")
        await asyncio.sleep(1.2)
        await caller.say("No, wait, my order!")
        await asyncio.sleep(6)
        caller.hang_up()

    goodbye = [text("Goodbye, and thank you for calling us today. ", last=False), {"type": "end"}]
    held = hold(plan, answers({"That": goodbye, "No, wait": [text("It is here.")]}))
    assert len(held.server.sessions) == 2
    assert held.spoken[-1] == "It is here."
    assert held.outcome.kind == "caller_hung_up"


def test_ten_messages_in_a_row_that_cannot_be_followed_end_the_session() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        for number in range(9):
            server.sessions[0].deliver({"type": "sing", "number": number})
        server.sessions[0].deliver(text("Fine."))
        for _ in range(9):
            server.sessions[0].deliver("no JSON")
        assert server.sessions[0].closed is None
        server.sessions[0].deliver("[1]")
        assert server.sessions[0].closed == 1007
        await caller.say("Where is my order?")
        await asyncio.sleep(30)

    held = hold(plan, answers({}), Setting(persona=Persona(prompt="", greeting="", apology="Sorry.")))
    told = held.server.told("error")
    assert told[0] == {"description": "Invalid message: unknown type: sing"}
    assert told[-1] == {"description": "Invalid message: a message is a JSON object"}
    assert held.spoken == ["Fine.", "Sorry."]
    assert "10 messages in a row that cannot be followed" in held.outcome.text


def test_a_reply_that_never_ends_is_cut() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Tell me all.")
        await asyncio.sleep(1)
        caller.hang_up()

    endless = [text("word " * 1000, last=False) for _ in range(8)]
    held = hold(plan, answers({"Tell": endless}))
    assert held.server.told("error") == [
        {"description": "Invalid message: a reply has at most 20000 characters; the rest is not spoken"}
    ]


def test_of_one_long_token_no_more_is_spoken_than_of_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "LONGEST", 2000)

    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Tell me all.")
        await asyncio.sleep(800)
        caller.hang_up()

    held = hold(plan, answers({"Tell": [text("This is it. " * 500)]}))
    assert len(held.server.told("error")) == 1
    assert 1800 < sum(map(len, held.spoken)) <= 2000


def test_a_reply_of_many_tokens_may_wait_while_the_caller_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "WAITING", 200)

    async def plan(caller, line, server):
        await asyncio.sleep(1)
        caller.hear_interim("I tell you")
        await caller.sound(1.0, loud=True)
        for number in range(400):
            server.sessions[0].deliver(text("so. " if number % 100 == 99 else "so ", last=False))
        server.sessions[0].deliver(text("This is all."))
        await caller.say("I tell you.")
        await asyncio.sleep(150)
        caller.hang_up()

    held = hold(plan, answers({}))
    assert held.server.told("error") == []
    assert "This is all." in held.spoken


def test_a_server_that_accepts_sessions_and_loses_each_is_left_alone_until_the_caller_speaks() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(9)
        assert len(server.sessions) == 1 + len(AGAIN)
        caller.press("5")
        await caller.say("Where is my order?")
        await asyncio.sleep(30)
        caller.hang_up()

    held = hold(plan, lambda message: [text("Wait."), 1011] if message["type"] == "setup" else ())
    assert len(held.server.sessions) <= 3 * (1 + len(AGAIN))


def test_what_waits_is_bounded() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        caller.hear_interim("I tell you")
        await caller.sound(1.0, loud=True)
        for _ in range(WAITING + 5):
            server.sessions[0].deliver({"type": "sendDigits", "digits": "1"})
        caller.hang_up()
        await asyncio.sleep(1)

    held = hold(plan, answers({}))
    assert len(held.server.told("error")) == held.brain.refused == 5


def test_hand_off_data_that_no_record_can_follow_is_kept_as_its_text() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("A person, please.")
        await asyncio.sleep(60)

    deep = '{"a":' * 900 + "1" + "}" * 900
    script = answers({"A person": [{"type": "end", "handoffData": deep}]})
    held = hold(plan, script, Setting(can_transfer=True))
    assert held.outcome.kind == "transfer"
    (turn,) = held.turns
    assert turn.as_dict()["tools"][0]["arguments"] == {"handoffData": deep}
