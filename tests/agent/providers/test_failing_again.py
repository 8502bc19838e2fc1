"""Speech to text that has failed once stands in again for the one that took its place."""

import pytest

from agent.errors import ProviderError
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover_stt import FailoverStt
from tests.agent.providers.listening import Reader, listen, sound
from tests.agent.providers.test_failover_stt import LOST, OPTIONS, FakeStt, feed, final
from tests.virtual import run


def between(first: list[FakeStt], second: FakeStt) -> FailoverStt:
    """Two, of which the first has one session after the other."""
    sessions = iter(first)
    return FailoverStt([lambda: next(sessions), lambda: second], CircuitBreaker(2), OPTIONS)  # type: ignore[list-item, return-value]


def test_it_is_asked_again_when_the_other_has_understood_something_and_fails_later() -> None:
    """Each could be lost once in a call, however long it was, and the second loss ended it."""
    first = [FakeStt("one", (500, LOST)), FakeStt("one", (500, final("Bye.", 0.5)))]
    stt = between(first, FakeStt("two", (600, final("Hello.", 0.5)), (1000, LOST)))

    async def scenario(both: FailoverStt, reader: Reader) -> list[str]:
        await feed(both, sound(600))
        heard = [(await reader.final()).text]
        await feed(both, sound(1200))
        return [*heard, (await reader.final()).text, both.name]

    assert run(listen(stt, scenario)) == ["Hello.", "Bye.", "one"]  # type: ignore[arg-type]


def test_two_that_understand_nothing_are_asked_once_each() -> None:
    stt = between([FakeStt("one", (500, LOST))], FakeStt("two", (500, LOST)))

    async def scenario(both: FailoverStt, reader: Reader) -> None:
        await feed(both, sound(600))
        with pytest.raises(ProviderError, match="lost"):
            await reader.final()

    run(listen(stt, scenario))  # type: ignore[arg-type]
