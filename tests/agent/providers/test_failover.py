# mypy: disable-error-code="var-annotated"
"""Health, and models and voices that stand in for each other, on virtual time."""

import asyncio
from contextlib import aclosing

import pytest

from agent.errors import ProviderError
from agent.limits import boundary
from agent.llm import Text, ToolCall, Usage
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover import GO_ON, FailoverLlm, FailoverOptions, FailoverTts, unsaid
from agent.providers.faults import http_fault
from agent.tts import Inquiry
from tests.virtual import run

OPTIONS = FailoverOptions()
LOST = ProviderError("x", "connection lost")
REFUSED = ProviderError("x", "refused the API key", temporary=False)
LIMITED = ProviderError("x", "limits the rate", retry_after=60.0)


# Health.


def test_who_failed_rests_and_is_then_first_again():
    health = CircuitBreaker(2)
    assert health.order(0.0) == [0, 1]
    health.failed(0, LOST, 0.0)
    assert health.order(4.9) == [1, 0]
    assert health.order(5.0) == [0, 1]


def test_failures_in_a_row_make_the_rest_longer_and_work_makes_it_short_again():
    health = CircuitBreaker(2)
    for now in (0.0, 5.0, 15.0):
        health.failed(0, LOST, now)
    assert health.order(34.9) == [1, 0]
    assert health.order(35.0) == [0, 1]
    health.worked(0, 35.0)
    health.failed(0, LOST, 40.0)
    assert health.order(45.0) == [0, 1]


def test_calls_that_fail_at_the_same_time_are_one_failure_in_a_row():
    health = CircuitBreaker(2)
    for now in (0.0, 0.0, 0.1, 0.5, 3.0, 4.9):
        health.failed(0, LOST, now)
    assert health.order(5.0) == [0, 1]
    health.failed(0, LOST, 5.0)
    assert health.order(14.9) == [1, 0]
    assert health.order(15.0) == [0, 1]


@pytest.mark.parametrize(("error", "until"), [(LIMITED, 62.0), (REFUSED, 302.0)], ids=["rate limit", "wrong key"])
def test_who_rests_already_rests_longer_if_another_call_learns_of_a_reason(error: ProviderError, until: float):
    health = CircuitBreaker(2)
    health.failed(0, LOST, 0.0)
    health.failed(0, error, 2.0)
    assert health.order(until - 0.1) == [1, 0]
    assert health.order(until) == [0, 1]


def test_a_rate_limit_is_kept_though_older_calls_are_still_served():
    health = CircuitBreaker(2)
    health.failed(0, LIMITED, 0.0)
    health.worked(0, 1.0)
    assert health.order(59.9) == [1, 0]
    assert health.order(60.0) == [0, 1]


def test_a_wrong_key_rests_for_long_and_who_is_due_first_goes_before_it():
    health = CircuitBreaker(3)
    health.failed(0, REFUSED, 0.0)
    health.failed(1, LOST, 0.0)
    health.failed(2, LIMITED, 0.0)
    assert health.order(1.0) == [1, 2, 0]
    assert health.order(299.0) == [1, 2, 0]
    assert health.order(300.0) == [0, 1, 2]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_who_refused_one_request_rests_no_longer_than_who_lost_a_connection(status):
    health, error = CircuitBreaker(2), http_fault("x", status)
    assert not error.temporary, "the same request would be refused again"
    health.failed(0, error, 0.0)
    assert health.order(4.9) == [1, 0]
    assert health.order(5.0) == [0, 1]


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_who_refuses_every_request_rests_for_long(status):
    health = CircuitBreaker(2)
    health.failed(0, http_fault("x", status), 0.0)
    assert health.order(299.0) == [1, 0]


def test_a_fault_of_our_own_in_one_call_puts_nobody_out_for_long():
    health = CircuitBreaker(2)
    with pytest.raises(ProviderError, match="internal error") as caught, boundary("x"):
        raise ValueError
    health.failed(0, caught.value, 0.0)
    assert health.order(5.0) == [0, 1]


# Voices.


class FakeTts:
    """Says each sentence as zeros, 500 samples a character, after `first` seconds; `cut` says after how many."""

    close_error: Exception | None = None

    def __init__(self, name: str, *, open_error=None, error=LOST, cut: int | None = None, first: float = 0.0) -> None:
        self.name, self.texts, self.inquiries = name, [], []
        self.opened = self.closed = 0
        self._open_error, self._error, self._cut, self._first = open_error, error, cut, first

    async def open(self) -> None:
        self.opened += 1
        if self._open_error is not None:
            raise self._open_error

    async def speak(self, text: str, before: str = ""):
        self.texts.append(text)
        await asyncio.sleep(self._first)
        for number in range(len(text)):
            if number == self._cut:
                raise self._error
            yield bytes(500)
            if number == 0:
                yield Inquiry(lambda samples, _told: self.inquiries.append(samples))

    async def close(self) -> None:
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


def voicing(*voices: FakeTts, scenario, health: CircuitBreaker | None = None):
    async def work():
        voice = FailoverTts([lambda one=one: one for one in voices], health or CircuitBreaker(len(voices)), OPTIONS)  # type: ignore[misc]
        await voice.open()
        try:
            return await scenario(voice)
        finally:
            await voice.close()

    return run(work())


async def said(voice, text: str) -> int:
    return sum([len(piece) async for piece in voice.speak(text) if isinstance(piece, bytes)])


TEXT = "Your order is on its way to you."


def test_the_first_voice_serves_and_the_second_is_not_even_opened():
    first, second = FakeTts("one"), FakeTts("two")
    assert voicing(first, second, scenario=lambda voice: said(voice, TEXT)) == 500 * len(TEXT)
    assert (second.opened, second.texts) == (0, [])
    assert (first.closed, second.closed) == (1, 0)


@pytest.mark.parametrize(
    "fault",
    [{"open_error": REFUSED}, {"open_error": KeyError("x")}, {"cut": 0}, {"cut": 0, "error": LIMITED}, {"first": 9.0}],
)
def test_another_voice_says_the_sentence_and_all_further_ones(fault):
    first, second, health = FakeTts("one", **fault), FakeTts("two"), CircuitBreaker(2)

    async def scenario(voice):
        await said(voice, TEXT)
        await said(voice, "Anything else?")
        return asyncio.get_running_loop().time()

    ended = voicing(first, second, scenario=scenario, health=health)
    assert second.texts == [TEXT, "Anything else?"]
    assert health.order(ended) == [1, 0]
    assert ended <= 1000.0 + OPTIONS.first_sound
    assert first.closed <= 1


def test_a_voice_that_does_not_close_keeps_no_other_open():
    voices = [FakeTts("one", cut=0), FakeTts("two")]
    for one in voices:
        one.close_error = RuntimeError("it does not close")
    voicing(*voices, scenario=lambda voice: said(voice, TEXT))
    assert [one.closed for one in voices] == [1, 1]


def test_a_sentence_that_breaks_off_is_finished_by_another_voice_from_the_word_on():
    first, second = FakeTts("one", cut=16), FakeTts("two")  # 8000 samples: 15 characters at the usual rate

    async def scenario(voice):
        await said(voice, TEXT)

    voicing(first, second, scenario=scenario)
    assert second.texts == ["on its way to you."]


@pytest.mark.parametrize(("cut", "asked"), [(16, ([], [])), (0, ([], [99])), (1, ([], [])), (None, ([99], []))])
def test_what_was_heard_is_asked_of_no_voice_that_has_not_said_all_of_it(cut, asked):
    first, second = FakeTts("one", cut=cut), FakeTts("two")

    async def scenario(voice):
        *_, last = [piece async for piece in voice.speak(TEXT) if isinstance(piece, Inquiry)]
        last.ask(99, lambda _letters: None)

    voicing(first, second, scenario=scenario)
    assert (first.inquiries, second.inquiries) == asked


def test_a_rest_without_words_is_said_by_nobody():
    first, second = FakeTts("one", cut=13), FakeTts("two")

    async def scenario(voice):
        await said(voice, "Hello there. »")

    voicing(first, second, scenario=scenario)
    assert second.texts == []


@pytest.mark.parametrize(
    ("samples", "rest"),
    [(0, "Hello there."), (2400, "Hello there."), (2600, "there."), (5900, "there."), (6000, ""), (99999, "")],
)
def test_what_was_not_said(samples, rest):
    assert unsaid("Hello there.", samples, 500.0) == rest


def test_a_voice_that_breaks_off_is_an_error_when_it_is_the_last():
    first, second = FakeTts("one", cut=0), FakeTts("two", cut=3)

    async def scenario(voice):
        with pytest.raises(ProviderError, match="lost"):
            await said(voice, TEXT)

    voicing(first, second, scenario=scenario)


def test_a_voice_that_failed_before_is_asked_again_when_the_others_have_failed_too():
    """Each voice could fail once in a call, however long it was, and the second fault ended it."""
    first, second = FakeTts("one", cut=0), FakeTts("two")

    async def scenario(voice):
        await said(voice, TEXT)
        first._cut, second._cut = None, 0
        return await said(voice, "Anything else?")

    assert voicing(first, second, scenario=scenario) == 500 * len("Anything else?")
    assert (first.texts, second.texts) == ([TEXT, "Anything else?"], [TEXT, "Anything else?"])


def test_two_sentences_that_lose_a_voice_at_once_both_go_on_with_the_next():
    first, second, health = FakeTts("one", cut=0, first=1.0), FakeTts("two"), CircuitBreaker(2)

    async def scenario(voice):
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(said(voice, TEXT)) for _ in range(2)]
        return [one.result() for one in both]

    assert voicing(first, second, scenario=scenario, health=health) == [500 * len(TEXT)] * 2
    assert health.order(1001.0) == [1, 0]


def test_a_sentence_that_is_broken_off_by_the_caller_is_no_failure():
    first, second = FakeTts("one"), FakeTts("two")

    async def scenario(voice):
        async with aclosing(voice.speak(TEXT)) as pieces:
            await anext(pieces)
        await said(voice, "Sorry?")

    voicing(first, second, scenario=scenario)
    assert first.texts == [TEXT, "Sorry?"]


# Models.


class FakeLlm:
    def __init__(self, name: str, *pieces, first: float = 0.0) -> None:
        self.name, self.asked = name, []
        self._pieces, self._first = pieces, first

    async def reply(self, messages, _tools):
        self.asked.append(list(messages))
        await asyncio.sleep(self._first)
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def close(self) -> None:
        pass


ASK = [{"role": "user", "content": "Where is my order?"}]


def thinking(*models: FakeLlm, health: CircuitBreaker | None = None):
    async def work():
        model = FailoverLlm(models, health or CircuitBreaker(len(models)), OPTIONS)
        return [piece async for piece in model.reply(ASK, ())], asyncio.get_running_loop().time()

    return run(work())


@pytest.mark.parametrize("fault", [LOST, REFUSED, LIMITED])
def test_another_model_answers(fault):
    first, second, health = FakeLlm("one", fault), FakeLlm("two", Text("On its way."), Usage(1, 2)), CircuitBreaker(2)
    pieces, now = thinking(first, second, health=health)
    assert pieces == [Text("On its way."), Usage(1, 2)]
    assert second.asked == [ASK]
    assert health.order(now) == [1, 0]


def test_a_model_that_says_nothing_is_not_waited_for():
    pieces, now = thinking(FakeLlm("one", first=60.0), FakeLlm("two", Text("Yes.")))
    assert pieces == [Text("Yes.")]
    assert now == 1000.0 + OPTIONS.first_token


def test_a_reply_that_breaks_off_is_continued():
    first, second = FakeLlm("one", Text("Your order is"), LOST), FakeLlm("two", Text("on its"), Text(" way."))
    pieces, _ = thinking(first, second)
    assert "".join(piece.delta for piece in pieces) == "Your order is on its way."
    assert second.asked[0][1:] == [
        {"role": "assistant", "content": "Your order is"},
        {"role": "user", "content": GO_ON},
    ]


def test_after_a_tool_call_no_other_model_is_asked():
    first, second = FakeLlm("one", ToolCall("1", "cancel", "{}"), LOST), FakeLlm("two", Text("x"))
    with pytest.raises(ProviderError, match="lost"):
        thinking(first, second)
    assert second.asked == []


def test_when_all_models_fail_the_one_that_may_be_asked_first_says_when():
    with pytest.raises(ProviderError, match="limits the rate") as caught:
        thinking(FakeLlm("one", LOST), FakeLlm("two", LIMITED))
    assert (caught.value.temporary, caught.value.retry_after) == (True, 0.0)


def test_when_all_models_fail_the_last_reason_is_told():
    with pytest.raises(ProviderError, match="refused the API key"):
        thinking(FakeLlm("one", LOST), FakeLlm("two", REFUSED))


@pytest.mark.faults("D12")
@pytest.mark.parametrize(("name", "limit"), [("first_token", 6.0), ("first_sound", 4.0), ("open_limit", 5.0)])
def test_a_limit_that_leaves_the_next_no_time_is_refused(name: str, limit: float) -> None:
    for seconds in (limit, 20.0):
        with pytest.raises(ValueError, match=f"{name}: must be below {limit:g} s"):
            FailoverOptions(**{name: seconds})
    FailoverOptions(**{name: limit - 0.1})


@pytest.mark.faults("D12")
def test_models_that_take_all_the_time_before_the_last_are_refused() -> None:
    FailoverOptions(first_token=5.0).check(1)
    FailoverOptions(first_token=5.0).check(2)
    with pytest.raises(ValueError, match="with 3 models it must be below 3 s"):
        FailoverOptions(first_token=3.0).check(3)
