# mypy: disable-error-code="arg-type, comparison-overlap"
"""The time limits on models, on virtual time."""

import asyncio

import pytest

from agent.errors import ProviderError
from agent.limits import FIRST_TOKEN, think, whole
from agent.llm import ReplyForm, Text, ToolCall
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover import FailoverLlm, FailoverOptions
from agent.providers.faults import http_fault, wait_of
from agent.providers.openai_client import OpenAIOptions
from tests.fakes.line import FakeLlm
from tests.virtual import run

LOST = ProviderError("x", "connection lost")


def thinking(*replies) -> tuple[list, float]:
    """What comes of a model that answers one request after the other like this, and how many seconds it takes."""
    left = list(replies)

    async def work() -> tuple[list, float]:
        llm, now = FakeLlm(lambda messages: left.pop(0)), asyncio.get_running_loop().time
        begun = now()
        try:
            found = [piece async for piece in think(llm, [], ())]
        except ProviderError as error:
            found = [error.problem]  # type: ignore[list-item]
        return found, now() - begun

    return run(work())


@pytest.mark.faults("D12")
def test_two_tries_share_one_time_limit():
    assert thinking([FIRST_TOKEN + 3.0, Text("Late.")], [Text("Twice as late.")]) == (
        [f"nothing came for {FIRST_TOKEN:g} s"], pytest.approx(FIRST_TOKEN)
    )  # fmt: skip
    answer, seconds = thinking([2.0, LOST], [60.0, Text("Late.")])
    assert answer == [f"nothing came for {FIRST_TOKEN - 2:g} s"]
    assert seconds == pytest.approx(FIRST_TOKEN)


FORM = ReplyForm({"type": "function", "function": {"name": "report", "parameters": {"type": "object"}}})


@pytest.mark.parametrize("models", [1, 2])
def test_a_form_may_take_longer_than_a_caller_waits(models: int):
    """Servers of other protocols hand a tool call over when all of it is written."""
    script = [3 * FIRST_TOKEN, ToolCall("1", "report", '{"a": 1}')]
    backup = FailoverLlm([FakeLlm(lambda messages: script)] * models, CircuitBreaker(models), FailoverOptions())  # type: ignore[return-value]
    assert run(whole(backup, [], 60.0, FORM)) == '{"a": 1}'


@pytest.mark.faults("D12")
@pytest.mark.parametrize("name", ["first_token_limit", "gap_limit"])
@pytest.mark.parametrize("value", [0.0, -1.0, 20.0])
def test_a_limit_that_would_not_hold_is_refused(name: str, value: float):
    with pytest.raises(ValueError, match=f"{name}: must be above 0 and up to 6"):
        OpenAIOptions(**{name: value})
    assert OpenAIOptions(**{name: 6.0})


def limited(retry_after: float = 0.0) -> ProviderError:
    return http_fault("x", 429, retry_after=retry_after)


def test_a_model_that_lost_its_connection_is_asked_again_at_once():
    assert thinking([LOST], [Text("Yes.")]) == ([Text("Yes.")], 0.0)


@pytest.mark.parametrize(("retry_after", "waits"), [(2.0, 2.0), (0.0, 0.5)])
def test_a_model_that_limits_the_rate_is_asked_again_when_it_wants_to_be(retry_after, waits):
    assert thinking([limited(retry_after)], [Text("Yes.")]) == ([Text("Yes.")], pytest.approx(waits))


@pytest.mark.parametrize(("before", "retry_after"), [(0.0, 20.0), (0.0, FIRST_TOKEN), (4.5, 2.0)])
def test_nobody_waits_for_a_model_longer_than_its_time_limit(before, retry_after):
    answer, seconds = thinking([before, limited(retry_after)], [Text("Too late.")])
    assert answer == [limited().problem]
    assert seconds == pytest.approx(before)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "2", "retry-after-ms": "1250"}, 1.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(fields, seconds):
    assert wait_of(fields) == seconds
