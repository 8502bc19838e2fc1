"""What a call costs is looked at while it lasts, also while no agent speaks in it. On virtual time."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from agent.call_control import CallControlRefused
from sipgw.calls.budget import GOODBYE, LOOK, NOTED, within_budget
from sipgw.calls.context import CallContext
from sipgw.calls.info import CallInfo
from sipgw.events import CallCharged, Disposition, Event, Watchers
from sipgw.policy.cost.cost import Bill
from sipgw.policy.cost.prices import PriceTable
from sipgw.sip.identity import Identity
from sipgw.trunks.trunks import LOCAL_TRUNK
from tests.virtual import run

pytestmark = pytest.mark.faults("C1")

HOUR = 3600.0


class Told:
    """The steering of a conversation: it is asked to say goodbye."""

    def __init__(self, leaves: asyncio.Event, *, polite: bool = True, over: bool = False) -> None:
        self.said: list[str] = []
        self._leaves, self._polite, self._over = leaves, polite, over

    def dismiss(self, outcome: Any) -> None:
        if self._over:
            raise CallControlRefused("it has ended")
        self.said.append(f"{outcome.kind}: {outcome.text}")
        if self._polite:
            self._leaves.set()


def held(*, dear_at: float, instead: str = "", **steered: bool) -> tuple[Disposition, float, list[str]]:
    """A call that lasts for an hour if nobody ends it: its ending, its length, what the agent was told."""

    async def scene() -> tuple[Disposition, float, list[str]]:
        loop = asyncio.get_running_loop()
        begun, leaves = loop.time(), asyncio.Event()
        context = CallContext(CallInfo("a", LOCAL_TRUNK, Identity()), Watchers())
        context.info.answered = context.info.began
        call: Any = SimpleNamespace(context=context, instead=instead, all_hear=lambda: None)
        call_control = Told(leaves, **steered)
        context.conversation = call_control  # type: ignore[assignment]

        async def talk() -> Disposition:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HOUR):
                    await leaves.wait()
            return Disposition("over_budget" if leaves.is_set() else "caller_hung_up", "")

        def why() -> str:
            return "too dear" if loop.time() - begun >= dear_at else ""

        call.too_dear = why
        ending = await within_budget(call, talk())
        return ending, loop.time() - begun, call_control.said

    return run(scene())


def test_the_agent_says_goodbye_when_the_time_that_passes_has_become_too_dear() -> None:
    ending, seconds, said = held(dear_at=100)
    assert (ending.kind, said) == ("over_budget", ["over_budget: too dear"])
    assert 100 <= seconds <= 100 + LOOK


def test_a_caller_who_speaks_with_somebody_else_is_hung_up() -> None:
    ending, seconds, said = held(dear_at=100, instead="anna")
    assert (ending, said) == (Disposition("over_budget", "too dear"), [])
    assert 100 <= seconds <= 100 + LOOK


def test_a_conversation_that_has_ended_or_does_not_end_is_hung_up() -> None:
    assert held(dear_at=50, over=True)[0].kind == "over_budget"
    ending, seconds, _ = held(dear_at=50, polite=False)
    assert ending == Disposition("over_budget", "too dear")
    assert 50 + GOODBYE <= seconds <= 50 + GOODBYE + LOOK


def test_the_cost_is_told_from_the_answer_on_so_that_a_killed_process_leaves_it() -> None:
    told: list[CallCharged] = []

    async def scene() -> None:
        watchers = Watchers[Event]()
        watchers.add(lambda event: told.append(event) if isinstance(event, CallCharged) else None)
        context = CallContext(CallInfo("a", LOCAL_TRUNK, Identity()), watchers)
        context.bill = Bill(PriceTable(()), "in", "+15550100", context.info.began)
        call: Any = SimpleNamespace(context=context, too_dear=lambda: "")

        async def talk() -> Disposition:
            await asyncio.sleep(5)
            context.info.answered = context.info.began
            await asyncio.sleep(3 * NOTED)
            return Disposition("caller_hung_up", "")

        await within_budget(call, talk())

    run(scene())
    assert [one.call for one in told] == ["a"] * 3
    assert all("most" in one.cost for one in told)


def test_a_call_that_stays_cheap_ends_by_itself() -> None:
    ending, seconds, said = held(dear_at=5000)
    assert (ending.kind, said) == ("caller_hung_up", [])
    assert seconds == HOUR
