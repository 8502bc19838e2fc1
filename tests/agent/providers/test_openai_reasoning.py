"""Models that think before they speak: what their server refuses, and what thinking costs of a reply."""

import itertools

import pytest

from agent.llm import Text, ToolCall, Usage
from agent.providers.dialect import Dialect
from agent.providers.openai_client import OpenAIOptions
from agent.providers.reasoning import reasons
from tests.agent.providers.replying import ASK, CALLS, CHAT, MESSAGES, RESPONSES, TOOLS, every
from tests.fakes.openai import Reply

REFUSAL = (
    "Function tools with reasoning_effort are not supported for gpt-6-luna in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'. reasoning_effort"
)


def requests_of(kind, tools=TOOLS, times=1, **more):
    """What the server was asked for `times` replies."""

    async def scenario(model, fake):
        for _ in range(times):
            assert [piece async for piece in model.reply(ASK, tools) if isinstance(piece, Text)] == [Text("Hi.")]
        return fake.requests

    return kind.thinking(scenario, Reply(["Hi."]), **more)


@pytest.mark.faults("E1")
def test_the_default_model_answers_and_calls_tools_at_the_first_request():
    """Its server refuses tools of a request that leaves the effort out."""

    async def scenario(model, fake):
        pieces = [piece async for piece in model.reply(ASK, TOOLS)]
        assert len(fake.requests) == 1
        assert fake.requests[0]["reasoning_effort"] == "none"
        return pieces

    found = CHAT.thinking(scenario, Reply(["One moment."], calls=CALLS))
    assert found == [Text("One moment."), *(ToolCall(*call) for call in CALLS), Usage(11, 7)]


@pytest.mark.faults("E1")
@pytest.mark.parametrize("model", ["gpt-6-luna", "gpt-5.6-terra"])
def test_an_effort_that_is_refused_with_tools_becomes_none_once_and_for_all(model):
    requests = requests_of(CHAT, times=2, model=model, reasoning_effort="low")
    assert [request["reasoning_effort"] for request in requests] == ["low", "none", "none"]


@pytest.mark.faults("E1")
def test_what_a_refusal_names_is_said_even_if_it_was_left_out():
    dialect = Dialect()
    spoken = {"model": "a-model-of-tomorrow", "tools": TOOLS}
    assert dialect.learn(spoken, REFUSAL)
    assert dialect.spoken(spoken)["reasoning_effort"] == "none"


def test_a_server_that_takes_no_value_at_all_is_not_asked_for_ever():
    dialect = Dialect()
    spoken = {"model": "m", "tools": TOOLS}
    assert dialect.learn(spoken, REFUSAL)
    for words in (REFUSAL, "Unsupported parameter: reasoning_effort"):
        assert not dialect.learn(dialect.spoken(spoken), words)


@pytest.mark.faults("E1")
def test_responses_think_a_little_and_have_room_for_it():
    """What is thought counts against the limit of the reply."""
    (request,) = requests_of(RESPONSES, max_tokens=50)
    assert request["reasoning"] == {"effort": "low"}
    assert request["max_output_tokens"] == 2050


def test_gemini_which_cannot_but_think_thinks_a_little():
    (request,) = requests_of(CHAT, model="gemini-3.8-flash", max_tokens=50)
    assert (request["reasoning_effort"], request["max_tokens"]) == ("low", 2050)


@pytest.mark.parametrize("effort", ["none", "medium", "low"])
def test_only_what_is_thought_about_has_more_room(effort):
    (request,) = requests_of(RESPONSES, max_tokens=50, reasoning_effort=effort)
    assert request["max_output_tokens"] == (50 if effort == "none" else 2050)


@every
def test_a_reply_that_was_spent_on_thinking_says_so(kind):
    def spend(fake):
        finish = {CHAT: "length", RESPONSES: "max_output_tokens", MESSAGES: "max_tokens"}
        fake.replies = [Reply(finish=finish[kind])]

    async def scenario(model, fake):
        spend(fake)
        with pytest.raises(Exception, match="lower reasoning_effort or raise max_tokens"):
            [piece async for piece in model.reply(ASK, ())]

    kind.thinking(scenario, Reply())


def test_models_that_do_not_think_are_asked_as_before():
    for kind, name in ((CHAT, "reasoning_effort"), (RESPONSES, "reasoning")):
        (request,) = requests_of(kind, model="gpt-4.1-mini")
        assert name not in request


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        *[("gpt-6-luna", True), ("gpt-6.1-sol", True), ("gpt-5.6", True), ("openai/gpt-5.6-luna", True)],
        *[("gemini-3.8-flash", True), ("google/gemini-3.1-pro-preview", True), ("gemini-2.5-flash", False)],
        *[("gpt-5.5", False), ("gpt-5", False), ("gpt-4.1-mini", False), ("claude-haiku-4-5", False), ("", False)],
    ],
)
def test_which_models_think(model, thinks):
    assert reasons(model) is thinks


@pytest.mark.faults("E1")
def test_the_default_is_a_model_that_lives():
    assert OpenAIOptions().model == "gpt-6-luna"


@pytest.mark.faults("E1")
def test_only_the_effort_is_learnt_by_its_value_and_what_is_wanted_is_never_dropped() -> None:
    dialect = Dialect()
    request = {"model": "m", "temperature": 0.3}
    assert not dialect.learn(request, "Please set temperature to 'one' for this model.")
    assert dialect.spoken(request) == request
    wanted = "Unsupported: set reasoning_effort to 'none'."
    assert dialect.learn(request, wanted)
    spoken = dialect.spoken(request)
    assert spoken == request | {"reasoning_effort": "none"}
    assert not dialect.learn(spoken, wanted), "it was sent already: nothing else is left to try"
    assert dialect.spoken(request) == spoken


@pytest.mark.faults("E1")
def test_a_server_that_wants_one_effort_and_then_another_gets_none() -> None:
    dialect, request = Dialect(), {"model": "m", "reasoning_effort": "low"}
    tries = 0
    for wanted in itertools.islice(itertools.cycle(("none", "minimal")), 10):
        if not dialect.learn(dialect.spoken(request), f"Unsupported: set reasoning_effort to '{wanted}'."):
            break
        tries += 1
    assert tries == 2
    assert dialect.spoken(request) == {"model": "m"}


def test_two_requests_that_are_refused_at_the_same_time_learn_the_same() -> None:
    dialect, request = Dialect(), {"model": "m", "reasoning_effort": "low"}
    for _ in range(2):
        assert dialect.learn(request, "Unsupported: set reasoning_effort to 'none'.")
    assert dialect.spoken(request) == {"model": "m", "reasoning_effort": "none"}
