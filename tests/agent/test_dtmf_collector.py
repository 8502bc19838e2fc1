"""Digits that the agent asks for: how many, up to which key, one of a menu, in time; in secret."""

import asyncio
from typing import Any

import pytest

from agent.dtmf import FIRST, DtmfCollection, DtmfRequest, DtmfState
from agent.hearing.caller import CallerSound
from agent.line import Digit, Gone
from agent.records import TurnEnded
from agent.secrets import Secret, Vault
from agent.tools import Toolbox, tool
from agent.turn_taking.table import State
from tests.agent.holding import Held, Setting, hold
from tests.agent.realtime_holding import hold as hold_realtime
from tests.fakes.line import calls, now, says

CARD = "4111111111111111"


@pytest.mark.parametrize(
    ("wanted", "pressed", "state", "keys"),
    [
        (DtmfRequest(), "7346#", DtmfState.COMPLETE, "7346"),
        (DtmfRequest(most=4, ends_with=""), "7346", DtmfState.COMPLETE, "7346"),
        (DtmfRequest(most=4), "73", DtmfState.OPEN, "73"),
        (DtmfRequest(), "73*46#", DtmfState.COMPLETE, "46"),  # * begins anew
        (DtmfRequest(ends_with="*"), "73*", DtmfState.COMPLETE, "73"),
        (DtmfRequest(fewest=4), "73#", DtmfState.TOO_FEW, "73"),
        (DtmfRequest(), "#", DtmfState.SILENT, ""),
        (DtmfRequest(), "7A3#", DtmfState.COMPLETE, "73"),
        (DtmfRequest(choices="12"), "9", DtmfState.OPEN, ""),
        (DtmfRequest(choices="12"), "92", DtmfState.COMPLETE, "2"),
        (DtmfRequest(choices="*#"), "#", DtmfState.COMPLETE, "#"),
    ],
)
def test_what_keys_amount_to(wanted: DtmfRequest, pressed: str, state: DtmfState, keys: str) -> None:
    collection = DtmfCollection(wanted, 0.0)
    for at, key in enumerate(pressed):
        collection.press(key, float(at))
    assert (collection.state, collection.keys) == (state, keys)


@pytest.mark.parametrize(
    ("pressed", "wanted", "state"),
    [
        ("", DtmfRequest(), DtmfState.SILENT),
        ("73", DtmfRequest(fewest=4), DtmfState.TOO_FEW),
        ("73", DtmfRequest(), DtmfState.COMPLETE),
        ("9", DtmfRequest(choices="12"), DtmfState.SILENT),
    ],
)
def test_time_ends_it(pressed: str, wanted: DtmfRequest, state: DtmfState) -> None:
    collection = DtmfCollection(wanted, 0.0)
    collection.asked(10.0)
    assert collection.deadline == 10.0 + FIRST
    for key in pressed:
        collection.press(key, 12.0)
    collection.handle_timer(collection.deadline - 0.01)
    assert collection.state is DtmfState.OPEN
    collection.handle_timer(collection.deadline)
    assert collection.state is state


@pytest.mark.parametrize("wrong", [{"most": 0}, {"fewest": 9, "most": 4}, {"ends_with": "7"}, {"choices": "yes"}])
def test_what_cannot_be_wanted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        DtmfRequest(**wrong)


def test_a_secret_shows_itself_to_nobody() -> None:
    vault = Vault()
    secret = vault.resolve(Secret(vault.keep(CARD)))
    assert secret.reveal() == CARD
    assert CARD not in f"{secret} {secret!r} {vault!r} {[secret]}"
    with pytest.raises(KeyError):
        vault.resolve(Secret("secret-9"))


# In a conversation


def asking(**more: object) -> Any:
    """A script that has something keyed in at the first turn, and then says what came of it."""

    def script(messages):
        last = messages[-1]
        if last["role"] == "tool":
            return says("Thank you.")
        return [calls("collect_digits", question="Please key it in.", **more)]

    return script


async def pressing(caller, keys: str, after: float = 3.0, gap: float = 0.4) -> None:
    await asyncio.sleep(3)
    await caller.say("I want to pay.")
    await asyncio.sleep(after)
    for key in keys:
        caller.press(key)
        await asyncio.sleep(gap)


def everything(held: Held) -> str:
    """All that anybody may read of a call."""
    return f"{held.reports} {held.llm.asked} {held.tts.spoken} {held.turns} {held.outcome}"


def test_the_agent_asks_waits_without_a_filler_and_goes_on_with_the_digits() -> None:
    agreed: list[str] = []

    async def plan(caller, line, stt):
        line.agree = agreed.append
        await pressing(caller, "7346#", after=5.0)
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=asking(), collects=True))
    assert held.tts.spoken[1:] == ["Please key it in.", "Thank you."]
    assert held.turns[1].tools[0].result == {"status": "complete", "digits": "7346"}
    assert held.line.private == []
    assert held.turns[1].heard == "Please key it in. Thank you.", "one turn"
    assert agreed == [], "what a collection asks for is no consent to a recording"


def test_a_key_after_the_collection_may_be_consent() -> None:
    agreed: list[str] = []

    async def plan(caller, line, stt):
        line.agree = agreed.append
        await pressing(caller, "1#", after=5.0)
        await asyncio.sleep(8)
        caller.press("1")
        await asyncio.sleep(2)
        caller.hang_up()

    held = hold(plan, Setting(script=asking(), collects=True))
    assert held.turns[1].tools[0].result == {"status": "complete", "digits": "1"}
    assert agreed == ["1"]


def test_who_knows_the_question_need_not_hear_it_out() -> None:
    async def plan(caller, line, stt):
        await pressing(caller, "1", after=0.6)
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=asking(choices="12"), collects=True))
    assert held.turns[1].tools[0].result == {"status": "complete", "digits": "1"}
    assert held.turns[1].heard.startswith("Please —"), "cut at the word"
    assert {"role": "assistant", "content": "Please —"}.items() <= held.last_asked()[-2].items()


def test_who_presses_nothing_is_answered_all_the_same() -> None:
    async def plan(caller, line, stt):
        await pressing(caller, "")
        await asyncio.sleep(30)
        caller.hang_up()

    held = hold(plan, Setting(script=asking(), collects=True))
    assert held.turns[1].tools[0].result == {"status": "no key was pressed"}


def test_who_says_it_instead_is_heard() -> None:
    async def plan(caller, line, stt):
        await pressing(caller, "")
        await caller.say("I would rather tell you.")
        await asyncio.sleep(3)
        caller.hang_up()

    def script(messages):
        told = messages[-1]["content"] == "I would rather tell you."
        return says("Go ahead then.") if told else asking()(messages)

    held = hold(plan, Setting(script=script, collects=True))
    assert held.tts.spoken[-1] == "Go ahead then."


def test_only_those_agents_are_offered_it_that_may() -> None:
    async def plan(caller, line, stt):
        await pressing(caller, "7346#")
        await asyncio.sleep(5)
        caller.hang_up()

    held = hold(plan, Setting(script=asking()))
    assert held.turns[1].tools[0].error == "there is no tool 'collect_digits'"
    assert held.llm.offered[0] == 1, "hang_up; without people nobody is put through"


# Secret


@pytest.mark.parametrize("after", [3.0, 0.3], ids=["after the question", "into the question"])
def test_a_card_number_stands_nowhere_but_in_the_tool_that_needs_it(after: float) -> None:
    charged: list[str] = []

    @tool(side_effect=True)
    async def pay(card: Secret) -> dict[str, Any]:
        """Pay by card."""
        charged.append(card.reveal())
        return {"paid": True, "with": f"card {card.reveal()}", "number": int(card.reveal())}

    def script(messages):
        last = messages[-1]
        if last["role"] != "tool":
            return [calls("collect_digits", question="Your card, please.", most=16, secret=True)]
        if "reference" in last["content"]:
            return [calls("pay", card="secret-1")]
        return says("Paid.")

    async def plan(caller, line, stt):
        await pressing(caller, CARD, after=after)
        await asyncio.sleep(5)
        caller.hang_up()

    held = hold(plan, Setting(script=script, tools=[pay], collects=True))
    assert charged == [CARD]
    assert held.tts.spoken[-1] == "Paid."
    shown = everything(held)
    for secret in (CARD, " ".join(CARD), CARD[:6], "pressed"):
        assert secret not in shown
    assert '"keys": 16' in shown
    assert held.turns[1].tools[1].result == {"paid": True, "with": "card secret-1", "number": "secret-1"}
    assert held.line.private == [True, False]


@pytest.mark.parametrize("card", [CARD, "secret-2", "secret-1 or 1=1", ""])
def test_a_tool_for_secrets_takes_no_digits_from_the_model(card: str) -> None:
    @tool
    async def pay(card: Secret) -> str:
        """Pay by card."""
        raise AssertionError("it must not run")

    async def run():
        toolbox = Toolbox([pay])
        toolbox.vault.keep(CARD)
        return await toolbox.run("pay", f'{{"card": "{card}"}}')

    assert asyncio.run(run()).error
    assert pay.schema["function"]["parameters"]["properties"]["card"]["type"] == "string"


def test_the_quiet_of_the_private_time_tells_nothing_of_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    muted: list[bool] = []
    monkeypatch.setattr(CallerSound, "mute", lambda sound, on: muted.append(on))

    async def plan(caller, line, stt):
        await pressing(caller, "1#", after=5.0)
        await asyncio.sleep(5)
        caller.hang_up()

    hold(plan, Setting(script=asking(secret=True), collects=True))
    assert muted == [True, False]


def test_a_caller_who_hangs_up_in_between_leaves_nothing_behind() -> None:
    async def plan(caller, line, stt):
        await pressing(caller, CARD[:7])
        caller.hang_up()
        await asyncio.sleep(2)

    script = asking(secret=True)
    held = hold(plan, Setting(script=script, collects=True))
    assert held.line.private == [True]
    assert CARD[:4] not in everything(held)
    assert [report for report in held.reports if isinstance(report, TurnEnded)]


def test_speech_to_speech_asks_for_digits_too() -> None:
    agreed: list[str] = []

    async def plan(caller, session):
        caller.line.agree = agreed.append
        await asyncio.sleep(2)
        await caller.say("I want to pay.")
        session.call("collect_digits", question="Your card number, please.", most=4, secret=True)
        await asyncio.sleep(0.8)
        for key in "4111":
            caller.line.incoming.put_nowait(Digit(key, now()))
            await asyncio.sleep(0.2)
        session.say("Thank you.")
        await asyncio.sleep(4)
        caller.line.incoming.put_nowait(Digit("1", now()))
        await asyncio.sleep(0.1)
        caller.line.incoming.put_nowait(Gone("the caller hung up"))

    held = hold_realtime(plan, collects=True)
    assert ("aside", "Say exactly this, and nothing else: Your card number, please.") in held.session.did
    given = next(did for did in held.session.did if did[0] == "answer")
    assert given == ("answer", "c1", {"status": "complete", "reference": "secret-1", "keys": 4}, False)
    assert [line for line in map(str, held.messages) if "4111" in line] == []
    assert held.line.private == [True, False]
    assert agreed == ["1"], "the one that nobody asked for"
    assert held.turns[1].heard.startswith("Your card")
    assert held.turns[1].heard.endswith("Thank you.")
    assert not any(did[0] == "give_up" for did in held.session.did)


def test_a_key_into_the_question_leaves_the_agent_silent_with_a_running_tool() -> None:
    """Not speaking: words that come then are no backchannel, and a voice pauses nothing."""
    states: list[State] = []

    async def plan(caller, line, stt):
        await asyncio.sleep(3)
        await caller.say("I want to pay")
        await asyncio.sleep(1.0)
        states.append(caller.call_control.state)
        caller.press("1")
        await asyncio.sleep(0.1)
        states.append(caller.call_control.state)
        line.incoming.put_nowait(Gone("test over", lost=False))

    script = [calls("collect_digits", question="Please enter the long number of your card, and then press hash.")]
    hold(plan, Setting(script=lambda messages: script, collects=True))
    assert states == [State.SPEAKING, State.RUNNING_TOOL]
