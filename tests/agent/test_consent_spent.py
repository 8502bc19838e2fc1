"""One yes is good for one run; what is no answer at all, or too long to be judged whole, is none."""

import asyncio

import pytest

from agent import tools
from agent.consent import LONGEST, Consent, judged
from agent.history import History, Sentence
from agent.providers.local.brain.llm import LocalLlm
from agent.tools import Toolbox, ToolError, tool
from tests.agent.test_consent import QUESTION, cancelling, verdict
from tests.fakes.line import FakeLlm
from tests.virtual import run as on_virtual_time


@pytest.mark.faults("D9")
def test_the_embedded_brain_takes_no_yes_to_something_else() -> None:
    before = f"Agent: {QUESTION}\nAgent: Are you still there?"
    assert on_virtual_time(judged(LocalLlm(), "cancel_order {}", before, "Yes.")) is False


@pytest.mark.faults("D9")
@pytest.mark.parametrize("answer", ["mm-hmm", "Hello?", "hello, hm", "[pressed 1]", "[pressed 1 2] hello", ""])
def test_sounds_greetings_and_keys_are_put_to_nobody(answer: str) -> None:
    assert consents(answer) == (False, 0)


@pytest.mark.faults("D9")
def test_what_would_have_to_be_cut_is_no_yes() -> None:
    long = "well " * (LONGEST // 5 + 1)
    assert consents(f"{long} I suppose so") == (False, 0)
    assert consents("yes " * LONGEST) == (False, 0)
    llm = FakeLlm(lambda messages: [verdict("yes")])
    assert on_virtual_time(judged(llm, "send " + "x" * LONGEST, QUESTION, "I suppose so")) is False
    assert on_virtual_time(judged(llm, "send", "x" * (LONGEST + 1), "I suppose so")) is False
    assert llm.asked == []


def consents(answer: str) -> tuple[bool, int]:
    """Whether such an answer to the question is a yes, if each that is judged is one, and how many are judged."""
    history, judgements = History(""), 0

    async def agree(action: str, before: str, answer: str) -> bool:
        nonlocal judgements
        judgements += 1
        return True

    consent = Consent(history, agree)
    consent.ask("k")
    history.say().sentences.append(Sentence(1, QUESTION, samples=1, complete=True))
    history.ask(answer)
    return on_virtual_time(consent.given("k", "cancel_order", {})) is not None, judgements


@pytest.mark.faults("D9")
def test_one_yes_is_good_for_one_run() -> None:
    """Although the tool may be repeated, and both calls of it wait for the same judgement."""
    ran: list[str] = []

    @tool(confirm=True, repeatable=True)
    async def pay(amount: int) -> str:
        """Pay."""
        ran.append("paid")
        raise ToolError("the bank is closed")

    async def agree(action: str, before: str, answer: str) -> bool:
        await asyncio.sleep(1)
        return True

    async def twice() -> None:
        box, history = Toolbox([pay]), History("")
        box.consent = Consent(history, agree)
        await box.run("pay", '{"amount": 5}')
        history.say().sentences.append(Sentence(1, "Pay 5, is that right?", samples=1, complete=True))
        history.ask("well I suppose so")
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(box.run("pay", '{"amount": 5}'))
        assert ran == ["paid"]
        await box.run("pay", '{"amount": 5}')
        assert ran == ["paid"], "and for none after one that failed"

    on_virtual_time(twice())


@pytest.mark.faults("D9")
def test_two_calls_of_one_order_that_one_yes_allows_are_one_run() -> None:
    ran: list[str] = []
    order = cancelling(ran)

    async def agree(action: str, before: str, answer: str) -> bool:
        await asyncio.sleep(1)
        return True

    async def twice() -> list[object]:
        box, history = Toolbox([order]), History("")
        box.consent = Consent(history, agree)
        await box.run("cancel_order", '{"number": "7"}')
        history.say().sentences.append(Sentence(1, QUESTION, samples=1, complete=True))
        history.ask("well I suppose so")
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(box.run("cancel_order", '{"number": "7"}')) for _ in range(2)]
        return [run.result().result for run in runs]

    assert on_virtual_time(twice()) == ["cancelled", "cancelled"]
    assert ran == ["7"]


@pytest.mark.faults("D9", "A3")
def test_a_yes_by_which_nothing_was_begun_is_good_for_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads for tools are busy, and nobody may wait for one."""
    ran: list[str] = []

    @tool(confirm=True)
    def pay(amount: int) -> str:
        """Pay."""
        ran.append("paid")
        return "paid"

    async def tries() -> list[object]:
        box, history = Toolbox([pay]), History("")
        box.consent = Consent(history)
        await box.run("pay", '{"amount": 5}')
        history.say().sentences.append(Sentence(1, "Pay 5, is that right?", samples=1, complete=True))
        history.ask("Yes.")
        with monkeypatch.context() as full:
            full.setattr(tools.TOOLS, "workers", 0)
            full.setattr(tools.TOOLS, "waiting", 0)
            first = await box.run("pay", '{"amount": 5}')
        return [first.error, *[(await box.run("pay", '{"amount": 5}')).result for _ in range(2)]]

    assert asyncio.run(tries()) == [tools.NOT_BEGUN, "paid", "paid"]
    assert ran == ["paid"]
