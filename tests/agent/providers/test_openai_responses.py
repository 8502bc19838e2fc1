# mypy: disable-error-code="union-attr"
"""The model by the Responses interface against a server as strict as the real one."""

import asyncio

import openai
import pytest

from agent.errors import ProviderError
from agent.limits import whole
from agent.llm import ReplyForm, Text, ToolCall, Usage
from tests.agent.providers.replying import ASK, CALLS, KEY, RESPONSES, TOOLS
from tests.fakes.openai import Reply
from tests.fakes.responses import FakeResponses

thinking, pieces, failure = RESPONSES.thinking, RESPONSES.pieces, RESPONSES.failure


@pytest.mark.parametrize("wire", [0, 1, 7])
def test_text_comes_as_it_is_written_then_usage_then_tool_calls(wire):
    reply = Reply(["Żółw ", "🐢"], calls=CALLS, wire=wire)
    assert pieces(reply) == [Text("Żółw "), Text("🐢"), Usage(11, 7), *(ToolCall(*call) for call in CALLS)]


def test_the_request():
    async def scenario(model, fake):
        async for _ in model.reply(ASK, TOOLS):
            pass
        return fake.requests[0]

    assert thinking(scenario, Reply(["Hi."]), extra={"temperature": 0.2}, reasoning_effort="none") == {
        "model": "gpt-6-luna",
        "input": ASK,
        "tools": [
            {"type": "function", "strict": False, "name": n, "description": "x", "parameters": {"type": "object"}}
            for n in ("lookup", "call_back")
        ],
        "stream": True,
        "store": False,
        "max_output_tokens": 400,
        "temperature": 0.2,
        "reasoning": {"effort": "none"},
    }


def test_a_tool_result_is_sent_back():
    calls = [{"id": "call_a", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}]
    history = [
        *ASK,
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_a", "content": "{}"},
        {"role": "assistant", "content": "It came."},
        {"role": "user", "content": "Thanks."},
    ]

    async def scenario(model, fake):
        assert await anext(model.reply(history, ())) == Text("Hi.")
        with pytest.raises(ProviderError, match="No tool output"):
            await anext(model.reply(history[:3], ()))
        return fake.requests[0]["input"][2:]

    assert thinking(scenario, Reply(["Hi."])) == [
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "call_a", "name": "lookup", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_a", "output": "{}"},
        {"role": "assistant", "content": "It came."},
        {"role": "user", "content": "Thanks."},
    ]


def test_a_reply_that_is_too_long_is_what_was_written():
    assert pieces(Reply(["Hi."], finish="max_output_tokens")) == [Text("Hi."), Usage(11, 7)]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(["Hi."], reset_after=5), "connection failed"),
        (Reply(["Hi."], error_after=5), "The server had an error"),
        (Reply(["Hi."], nonsense_after=4), "sent nonsense"),
        (Reply(["Hi."], finish="no_end"), "broke off"),
        (Reply(["Hi."], finish="failed"), "Slow down"),
        (Reply(finish="content_filter"), "content filter"),
        (Reply(), "empty reply"),
        (Reply(calls=(("call_a", "", "{}"),)), "without a name"),
    ],
)
def test_a_reply_that_breaks_off_is_a_temporary_error(reply, problem):
    error = failure(reply)
    assert problem in error.problem
    assert error.temporary


def test_no_tool_is_called_by_a_reply_that_breaks_off():
    async def scenario(model, _fake):
        found = []
        with pytest.raises(ProviderError):
            async for piece in model.reply(ASK, TOOLS):
                found.append(piece)
        return found

    assert thinking(scenario, Reply(calls=CALLS, finish="no_end")) == []


def test_a_parameter_that_the_model_does_not_take_is_left_out():
    assert pieces(Reply(["Hi."], unknown=frozenset({"temperature"})), extra={"temperature": 0.5})[0] == Text("Hi.")


def test_a_reply_that_calls_too_much_is_cut_off():
    assert not failure(Reply(calls=[(f"c{n}", "lookup", "{}") for n in range(20)])).temporary


def test_the_plain_sdk_reads_the_same():
    async def run():
        async with (
            FakeResponses([Reply(["Hi ", "there."], calls=CALLS)], key=KEY) as fake,
            openai.AsyncOpenAI(api_key=KEY, base_url=fake.base_url, max_retries=0) as client,
        ):
            text, arguments = "", []
            async for event in await client.responses.create(model="m", input=ASK, stream=True):  # type: ignore[arg-type]
                if event.type == "response.output_text.delta":
                    text += event.delta  # type: ignore[operator]
                if event.type == "response.output_item.done" and event.item.type == "function_call":
                    arguments.append(event.item.arguments)
            return text, arguments

    assert asyncio.run(run()) == ("Hi there.", [CALLS[0][2], CALLS[1][2]])


def test_a_form_is_the_schema_of_the_text_and_no_tool():
    form = ReplyForm({"type": "function", "function": {"name": "report", "parameters": {"type": "object"}}})

    async def scenario(model, fake):
        return await whole(model, ASK, 60, form), fake.requests[0]

    found, request = thinking(scenario, Reply(["{}"]))
    assert found == "{}"
    schema = {"type": "json_schema", "name": "report", "schema": {"type": "object"}, "strict": True}
    assert request["text"] == {"format": schema} and "tools" not in request
    assert request["max_output_tokens"] >= ReplyForm.TOKENS
