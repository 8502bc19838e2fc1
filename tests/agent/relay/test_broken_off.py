"""Replies of an agent's own server that the caller breaks off: the session alone, and whole conversations."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent.llm import CallCommand, Piece, Text
from agent.relay.call import RelayCall
from agent.relay.messages import SendDigits
from agent.relay.session import Relay
from tests.agent.relay.holding import CALL, Setting, hold
from tests.agent.relay.test_conversation import LONG
from tests.fakes.line import sound_of
from tests.fakes.relay import FakeRelay, answers, text, tokens
from tests.virtual import run


def relay_to(server: FakeRelay) -> Relay:
    return Relay(RelayCall("wss://brain.test/relay", CALL), server.dial)  # type: ignore[arg-type]


def reply(relay: Relay, *said: str) -> AsyncGenerator[Piece, None]:
    return relay.reply([{"role": "user", "content": one} for one in said], ())


@pytest.mark.parametrize("late", ["closed", "read on", "waited for"])
def test_a_reply_that_was_broken_off_takes_nothing_of_the_next_one_however_late_it_ends(late: str) -> None:
    async def read(replying: AsyncGenerator[Piece, None]) -> list[Piece]:
        return [piece async for piece in replying]

    async def scenario() -> tuple[list[Piece], list[Piece]]:
        server = FakeRelay(answers({"Tell": [text("Once upon ", last=False)], "Stop": [1.0, text("Yes?")]}))
        relay = relay_to(server)
        former = reply(relay, "Tell me all.")
        assert await anext(former) == Text("Once upon ")
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(read(former)) if late == "waited for" else None
            await asyncio.sleep(3.5)  # of 4 s in which another token may come
            relay.break_off()
            answer = group.create_task(read(reply(relay, "Tell me all.", "Stop.")))
            await asyncio.sleep(0.1)
            if late == "read on":
                server.sessions[0].deliver(text("Well, ", last=False))
                waiting = group.create_task(read(former))
                await asyncio.sleep(0.1)
            assert waiting is None or waiting.done(), "it ends without the server"
            await former.aclose()
        await relay.close()
        return [] if waiting is None else waiting.result(), answer.result()

    rest, spoken = run(scenario())
    assert rest == []
    assert spoken[-1] == Text("Yes?")


def test_the_answer_to_a_key_waits_for_a_reply_however_late_the_one_that_it_broke_off_ends() -> None:
    async def scenario() -> None:
        server = FakeRelay(answers({"setup": [text("For sales press one, ", last=False)], "dtmf1": [text("Sales.")]}))
        relay = relay_to(server)
        await relay.open()
        await asyncio.sleep(0.1)
        former = reply(relay)
        assert await anext(former) == Text("For sales press one, ")
        relay.break_off()
        relay.press("1")
        await asyncio.sleep(0.1)
        assert relay.waiting
        await former.aclose()
        assert [piece async for piece in reply(relay)] == [Text("Sales.")]
        await relay.close()

    run(scenario())


def test_commands_are_kept_if_the_caller_goes_on_while_another_session_begins() -> None:
    async def scenario() -> list[object]:
        server = FakeRelay(answers({}))
        relay = relay_to(server)
        followed: list[object] = []

        async def follow(command: object) -> None:
            followed.append(command)

        async def read(*said: str) -> None:
            async for piece in reply(relay, *said):
                if isinstance(piece, CallCommand):
                    await piece.do()

        relay.perform = follow
        await relay.open()
        server.sessions[0].deliver({"type": "sendDigits", "digits": "7"})
        server.sessions[0].deliver(1012)
        async with asyncio.TaskGroup() as group:
            broken_off = group.create_task(read("Where is"))
            await asyncio.sleep(0.005)  # it dials
            broken_off.cancel()
        assert relay.waiting
        await read("Where is", "my order?")
        assert len(server.sessions) == 2
        await relay.close()
        return followed

    assert run(scenario()) == [SendDigits("7")]


def test_an_answer_is_heard_though_the_voice_still_closes_the_reply_before_it() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Tell me all.")
        await asyncio.sleep(2)
        await caller.say("Stop please, something else", partial=False)  # its end breaks off and asks in one
        await asyncio.sleep(6)
        caller.hang_up()

    story = "This is a very long story of many words" + 20 * " and of more"
    script = answers({"Tell": [text(f"{story}. ", last=False), 9.0, text("The end.")], "Stop": tokens("Yes? Go on.")})
    held = hold(plan, script, Setting(lingers=0.5))
    assert [one["type"] for one in held.server.messages] == ["prompt", "interrupt", "prompt"]
    assert held.spoken == [f"{story}.", "Yes?", "Go on."]
    assert sound_of("Go on.") in bytes(held.line.played)


@pytest.mark.parametrize(
    ("sent", "spoken", "pressed", "sound"),
    [
        ([text("You chose sales.")], ["You chose sales."], "", sound_of("You chose sales.")),
        ([{"type": "sendDigits", "digits": "7"}], [], "7", b""),
        ([{"type": "play", "source": "https://sounds.test/a.wav"}], [], "", b"\x2a" * 8000),
    ],
    ids=["text", "digits", "sound"],
)
@pytest.mark.parametrize("lingers", [0.0, 0.5])
def test_a_key_into_a_reply_that_still_comes_is_answered(
    sent: list[object], spoken: list[str], pressed: str, sound: bytes, lingers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(source: str) -> bytes:
        return b"\x2a" * 8000

    async def plan(caller, line, server):
        await asyncio.sleep(2.5)
        caller.press("1")
        await asyncio.sleep(12)
        caller.hang_up()

    monkeypatch.setattr("agent.relay.conversation.fetched", fetch)
    menu = [text(f"For sales press one{20 * ', for others another'}, ", last=False), 9.0, text("two for service.")]
    held = hold(plan, answers({"setup": menu, "dtmf1": sent}), Setting(lingers=lingers))
    assert held.spoken[1:] == spoken
    assert held.line.pressed == pressed
    assert sound in bytes(held.line.played)
    assert held.outcome.kind == "caller_hung_up"
    assert [one["type"] for one in held.server.messages] == ["interrupt", "dtmf"]


def test_a_command_behind_a_reply_that_was_broken_off_is_followed_without_an_answer() -> None:
    async def plan(caller, line, server):
        await asyncio.sleep(1)
        await caller.say("Tell me all.")
        await asyncio.sleep(2)
        await caller.sound(0.6, loud=True)
        caller.hear_interim("Stop please")
        await caller.sound(0.3, loud=False)
        caller.hear("")  # they were no words after all: the caller is asked again, and the server is not
        await caller.sound(4, loud=False)
        server.sessions[0].deliver({"type": "sendDigits", "digits": "7"})
        await asyncio.sleep(12)
        caller.hang_up()

    held = hold(plan, answers({"Tell": [text(f"{LONG} ", last=False)]}))
    assert [one["type"] for one in held.server.messages] == ["prompt", "interrupt"]
    assert held.line.pressed == "7"
    assert held.outcome.kind == "caller_hung_up"
