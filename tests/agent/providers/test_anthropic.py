# mypy: disable-error-code="arg-type"
"""Anthropic's Messages against a server as strict as the real one; what all models share stands in `test_openai_*`."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.limits import whole
from agent.llm import ReplyForm, Text, ToolCall, Usage
from agent.providers.anthropic_messages import NOBODY, AnthropicOptions, said
from sipgw.agents.providers import choose
from sipgw.config.config import GatewayConfig, parse
from sipgw.config.errors import ConfigError
from tests.agent.providers.replying import ASK, CALLS, KEY, MESSAGES, TOOLS
from tests.agent.providers.vendors import judged
from tests.fakes.anthropic import THOUGHT, FakeAnthropic, _events
from tests.fakes.openai import Reply

thinking, pieces, failure = MESSAGES.thinking, MESSAGES.pieces, MESSAGES.failure
THINKS = frozenset({"thinks"})


def called(extra: Any = None) -> list[dict[str, Any]]:
    calls = [{"id": id_, "type": "function", "function": {"name": n, "arguments": a}} for id_, n, a in CALLS]
    calls[0] |= {"extra_content": extra} if extra else {}
    results = [{"role": "tool", "tool_call_id": id_, "content": "{}"} for id_, _, _ in CALLS]
    return [*ASK, {"role": "assistant", "content": "One moment.", "tool_calls": calls}, *results]


@pytest.mark.parametrize("wire", [0, 1, 7])
def test_text_comes_as_it_is_written_then_tool_calls_and_usage(wire: int) -> None:
    """What came from the cache and went there is part of the prompt."""
    reply = Reply(["Żółw ", "🐢"], calls=CALLS, wire=wire)
    assert pieces(reply) == [Text("Żółw "), Text("🐢"), Usage(11, 7), *(ToolCall(*call) for call in CALLS)]


def test_the_request_marks_what_is_to_be_cached_and_forbids_to_think() -> None:
    async def scenario(model: Any, fake: Any) -> Any:
        _ = [piece async for piece in model.reply(ASK, TOOLS)]
        return fake.requests[0]

    request = thinking(scenario, Reply(["Hi."]), extra={"service_tier": "auto"})
    assert request == {
        "model": "claude-haiku-5-5",
        "max_tokens": 400,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Where is my order?"}]}],
        "tools": [{"name": n, "description": "x", "input_schema": {"type": "object"}} for n in ("lookup", "call_back")],
        "cache_control": {"type": "ephemeral"},
        "thinking": {"type": "disabled"},
        "service_tier": "auto",
    }


def test_a_form_has_room_and_more_time_than_a_reply() -> None:
    form = ReplyForm(TOOLS[0])

    async def scenario(model: Any, fake: Any) -> Any:
        found = [piece async for piece in model.reply(ASK, [form])]
        return found, fake.requests[0]["max_tokens"]

    reply = Reply(calls=CALLS[:1], delay=0.3)
    found, most = thinking(scenario, reply, first_token_limit=0.1, gap_limit=0.1)
    assert (found[-1].name, most) == (CALLS[0][1], ReplyForm.TOKENS)
    assert failure(reply, first_token_limit=0.1).problem == "nothing within 0.1 s"


def test_each_turn_reads_the_one_before_from_the_cache_and_another_call_the_instructions() -> None:
    async def scenario(model: Any, fake: Any) -> Any:
        first = [*ASK, {"role": "assistant", "content": "It is on its way."}, {"role": "user", "content": "When?"}]
        other = [ASK[0], {"role": "user", "content": "Hello?"}]
        for messages in (ASK, first, other):
            _ = [piece async for piece in model.reply(messages, TOOLS)]
        return fake.cached

    assert thinking(scenario, Reply(["Hi."])) == [0, 4, 3], "two tools, the instructions, the first question"


def test_results_of_parallel_calls_stand_in_one_message_before_the_caller_s_words() -> None:
    found = said([*called(), {"role": "user", "content": "Hello?"}])
    assert [message["role"] for message in found] == ["user", "assistant", "user"]
    assert [block["type"] for block in found[1]["content"]] == ["text", "tool_use", "tool_use"]
    assert [block["type"] for block in found[2]["content"]] == ["tool_result", "tool_result", "text"]


def test_a_greeting_and_a_last_word_of_the_agent_are_framed() -> None:
    hello = {"role": "assistant", "content": "Hello."}
    assert said([ASK[0], hello]) == [
        NOBODY,
        {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        NOBODY,
    ]


def test_arguments_that_are_no_object_are_an_empty_one() -> None:
    for written in ("[]", "{", "[" * 100_000):
        call = {"id": "a", "type": "function", "function": {"name": "lookup", "arguments": written}}
        assert said([{"role": "assistant", "content": None, "tool_calls": [call]}])[1]["content"][0]["input"] == {}


def test_what_was_thought_goes_back_with_the_call() -> None:
    async def scenario(model: Any, fake: Any) -> Any:
        found = [piece async for piece in model.reply(ASK, TOOLS)]
        call = next(piece for piece in found if isinstance(piece, ToolCall))
        assert call.extra == {"anthropic": [THOUGHT]}
        with pytest.raises(ProviderError, match="Expected `thinking`"):
            await anext(model.reply(called(), TOOLS))
        _ = [piece async for piece in model.reply(called(call.extra), TOOLS)]
        return fake.requests

    requests = thinking(scenario, Reply(["Hi."], calls=CALLS, quirks=THINKS), reasoning_effort="low")
    assert requests[0]["thinking"] == {"type": "adaptive"}
    assert requests[0]["output_config"] == {"effort": "low"}
    assert requests[0]["max_tokens"] == 2400


FORM = ReplyForm({"type": "function", "function": {"name": "report", "parameters": {"type": "object"}}})


def filled(reply: Reply, **options: Any) -> tuple[str, dict[str, Any]]:
    """What comes of a form, and the request for it, which the vendor's types take."""
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

    async def scenario(model: Any, fake: Any) -> Any:
        return await whole(model, ASK, 60, FORM), fake.requests[0]

    found, request = thinking(scenario, reply, **options)
    judged(MessageCreateParamsStreaming, request)
    return found, request


def test_a_form_is_a_tool_that_must_be_called_and_has_room() -> None:
    found, request = filled(Reply(calls=[("toolu_1", "report", '{"a": 1}')]))
    assert found == '{"a": 1}'
    assert request["tool_choice"] == {"type": "tool", "name": "report", "disable_parallel_tool_use": True}
    assert request["tools"] == [{"name": "report", "description": "", "input_schema": {"type": "object"}}]
    assert request["max_tokens"] == ReplyForm.TOKENS
    assert filled(Reply(calls=[("toolu_1", "report", "{}")]), max_tokens=5000)[1]["max_tokens"] == 5000


def test_a_model_that_thinks_may_fill_a_form_in_by_words_too() -> None:
    found, request = filled(Reply(['{"a"', ": 1}"], quirks=THINKS), reasoning_effort="low")
    assert found == '{"a": 1}'
    assert "tool_choice" not in request and request["tools"]
    assert request["max_tokens"] == ReplyForm.TOKENS + 2000


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5", "claude-mythos-5"])
def test_a_model_that_cannot_but_think_needs_an_effort(model: str) -> None:
    for effort in ("", "none"):
        with pytest.raises(ConfigError, match=rf"anthropic.*{model} always thinks"):
            parse(f'[anthropic]\nmodel = "{model}"\nreasoning_effort = "{effort}"\n', "sipgw.toml", {})


def test_an_effort_that_the_vendor_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"anthropic\.reasoning_effort"):
        parse('[anthropic]\nreasoning_effort = "minimal"\n', "sipgw.toml", {})


def test_no_effort_is_none_by_either_name() -> None:
    async def scenario(model: Any, fake: Any) -> Any:
        _ = [piece async for piece in model.reply(ASK, TOOLS)]
        return fake.requests[0]

    asked = [thinking(scenario, Reply(["Hi."]), reasoning_effort=effort) for effort in ("", "none")]
    assert asked[0] == asked[1]
    assert pieces(Reply(["Hi."]), model="claude-opus-5-5", reasoning_effort="low")[0] == Text("Hi.")


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(["Hi."], error_after=2), "broke off: Overloaded"),
        (Reply(["Hi."], finish="no_end"), "broke off"),
        (Reply(["Hi."], reset_after=3), "connection failed"),
        (Reply(["Hi."], nonsense_after=3), "nonsense"),
        (Reply(finish="refusal"), "content filter"),
        (Reply(["Hi."], status=529, status_words="Overloaded"), "Overloaded"),
    ],
)
def test_a_reply_that_goes_wrong_is_a_temporary_error(reply: Reply, problem: str) -> None:
    error = failure(reply)
    assert problem in error.problem
    assert error.temporary


@pytest.mark.parametrize("line", ["temperature = 1.5", "top_p = 3", "temperature = -0.1"])
def test_a_number_that_the_vendor_does_not_take_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="must be a number from 0 to 1"):
        parse(f"[anthropic.extra]\n{line}\n", "sipgw.toml", {})


def test_a_server_that_refuses_temperature_is_asked_without_it() -> None:
    assert pieces(Reply(["Hi."]), extra={"temperature": 0.3})[0] == Text("Hi.")


@pytest.mark.parametrize("reply", [Reply(["Hi ", "there."], calls=CALLS, quirks=THINKS), Reply(finish="max_tokens")])
def test_the_vendor_s_types_take_all_that_the_fake_sends(reply: Reply) -> None:
    from anthropic.types import RawMessageStreamEvent  # the package takes two seconds

    for event in _events(reply, {"input_tokens": 1}):
        if event["type"] != "ping":
            judged(RawMessageStreamEvent, event)


@pytest.mark.parametrize("options", [{}, {"reasoning_effort": "low"}])
def test_the_vendor_s_types_take_all_that_our_model_sends(options: dict[str, Any]) -> None:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

    async def scenario(model: Any, fake: Any) -> Any:
        _ = [piece async for piece in model.reply(called(), TOOLS)]
        return fake.requests[0]

    judged(MessageCreateParamsStreaming, thinking(scenario, Reply(["Hi."]), **options))


def test_the_vendor_s_client_speaks_with_the_fake() -> None:
    import anthropic

    async def run() -> Any:
        async with FakeAnthropic([Reply(["Hi."], calls=CALLS)], key=KEY) as fake:
            vendor = anthropic.AsyncAnthropic(api_key=KEY, base_url=fake.url, max_retries=0)
            asked = {"model": "claude-haiku-5-5", "max_tokens": 400, "messages": [ASK[1]]}
            async with vendor, vendor.messages.stream(**asked) as stream:
                return await stream.get_final_message()

    message = asyncio.run(run())
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
    assert message.content[1].input == {"order": "7346", "who": "Łódź 🐢"}
    assert message.usage.output_tokens == 7


def test_without_the_package_the_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = GatewayConfig()
    config = config.having(anthropic=AnthropicOptions(api_key="k"), agent=replace(config.agent, llm="anthropic"))
    assert choose(config).llm == ("anthropic",)
    monkeypatch.setattr("agent.providers.provider.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r'pip install "sipgw\[anthropic\]"'):
        choose(config)
