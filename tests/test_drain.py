"""How a gateway stops: on virtual time, with calls of which only their number counts."""

import asyncio

from sipgw.calls.registry import CallRegistry
from sipgw.gateway.drain import GOODBYE, LINGER, drain
from tests.virtual import run


class DrainedCalls(CallRegistry):
    """Calls that end after so many seconds, or `polite` seconds after its agents have said goodbye."""

    def __init__(self, *ends: float, polite: float = 900) -> None:
        self.ends = list(ends)
        self.polite = polite
        self.began = 0.0

    def dismiss_all(self) -> int:
        gone = asyncio.get_running_loop().time() - self.began
        before = list(self.ends)
        self.ends = [min(end, gone + self.polite) for end in before]
        return sum(end > gone for end in before) if self.polite else 0

    def __len__(self) -> int:
        return sum(self.began + end > asyncio.get_running_loop().time() for end in self.ends)


def stopped(draining: DrainedCalls, limit: float, hurried: float | None = None) -> tuple[int, float, list[int]]:
    """How many calls were left when it stopped, when that was, and what was said."""

    async def scenario() -> tuple[int, float, list[int]]:
        hurry, said, loop = asyncio.Event(), list[int](), asyncio.get_running_loop()
        draining.began = loop.time()
        if hurried is not None:
            loop.call_later(hurried, hurry.set)
        left = await drain(draining, limit, hurry, said.append)
        return left, loop.time() - draining.began, said

    return run(scenario())


def test_it_stays_until_the_last_call_has_ended_and_heard_the_answer_to_its_bye() -> None:
    assert stopped(DrainedCalls(3, 8, 20), 300) == (0, 20 + LINGER, [3, 2, 1])


def test_without_calls_it_stops_at_once() -> None:
    assert stopped(DrainedCalls(), 300) == (0, 0, [])


def test_at_the_limit_the_agents_say_goodbye() -> None:
    assert stopped(DrainedCalls(3, 900, polite=4), 10) == (0, 14 + LINGER, [2, 1])


def test_what_is_left_after_the_goodbye_is_hung_up() -> None:
    assert stopped(DrainedCalls(3, 900), 10) == (1, 10 + GOODBYE, [2, 1])


def test_where_nobody_has_a_word_to_say_it_is_hung_up_at_the_limit() -> None:
    assert stopped(DrainedCalls(3, 900, polite=0), 10) == (1, 10, [2, 1])


def test_no_limit_no_goodbye() -> None:
    assert stopped(DrainedCalls(900), 0) == (1, 0, [1])


def test_a_second_signal_ends_the_waiting() -> None:
    assert stopped(DrainedCalls(900), 300, hurried=4.5) == (1, 4.5, [1])
    assert stopped(DrainedCalls(900), 300, hurried=302.5) == (1, 302.5, [1])
    assert stopped(DrainedCalls(3), 300, hurried=3.5) == (0, 3.5, [1])
