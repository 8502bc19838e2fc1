"""The model by the Responses interface against a server as strict as the real one."""

import asyncio

import openai
import pytest

from agent.errors import ProviderError
from agent.model import Text, ToolCall, Usage
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_responses import ResponsesModel
from tests.fakes.openai import Reply
from tests.fakes.responses import FakeResponses

KEY = "sk-test-key"
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my order?"}]
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "x", "parameters": {"type": "object"}}}
    for name in ("lookup", "call_back")
]
CALLS = (("call_a", "lookup", '{"order": "7346", "who": "Łódź 🐢"}'), ("call_b", "call_back", '{"when": "tomorrow"}'))


def thinking(scenario, *replies: Reply, key: str = KEY, **more):
    async def run():
        async with FakeResponses(replies, key=key) as fake:
            model = ResponsesModel(OpenAIOptions(**{"api_key": KEY, "base_url": fake.base_url, **more}))
            try:
                async with asyncio.timeout(10):
                    return await scenario(model, fake)
            finally:
                await model.close()

    return asyncio.run(run())


def pieces(*replies: Reply, **more) -> list:
    async def scenario(model, _fake):
        return [piece async for piece in model.reply(ASK, TOOLS)]

    return thinking(scenario, *replies, **more)


def failure(*replies: Reply, **more) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        pieces(*replies, **more)
    assert KEY not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
    return caught.value


@pytest.mark.parametrize("wire", [0, 1, 7])
def test_text_comes_as_it_is_written_then_usage_then_tool_calls(wire):
    reply = Reply(["Żółw ", "🐢"], calls=CALLS, wire=wire)
    assert pieces(reply) == [Text("Żółw "), Text("🐢"), Usage(11, 7), *(ToolCall(*call) for call in CALLS)]


def test_the_request():
    async def scenario(model, fake):
        async for _ in model.reply(ASK, TOOLS):
            pass
        return fake.requests[0]

    assert thinking(scenario, Reply(["Hi."]), temperature=0.2, reasoning_effort="none") == {
        "model": "gpt-4.1-mini",
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
        (Reply(["Hi."], stall_after=0), "nothing within 0.1 s"),
        (Reply(["Hi."], stall_after=3), "nothing within 0.1 s"),
        (Reply(["Hi."], stall_after=5), "nothing within 0.2 s"),
        (Reply(["Hi."], delay=0.3), "nothing within 0.1 s"),
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
    limits = {"first_token_limit": 0.1, "gap_limit": 0.2} if problem.startswith("nothing") else {}
    error = failure(reply, **limits)
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


@pytest.mark.parametrize(("status", "temporary"), [(400, False), (403, False), (404, False), (429, True), (503, True)])
def test_a_refusal_keeps_its_meaning_and_hides_the_key(status, temporary):
    error = failure(Reply(status=status, status_words=f"no, {KEY}", retry_after="20"))
    assert error.temporary is temporary
    assert error.retry_after == 20.0
    assert "no, ***" in error.problem


def test_a_parameter_that_the_model_does_not_take_is_left_out():
    assert pieces(Reply(["Hi."], unknown=frozenset({"temperature"})), temperature=0.5)[0] == Text("Hi.")


def test_a_wrong_key():
    assert "check the key" in failure(Reply(["Hi."]), key="sk-another").advice


def test_endless_replies_are_cut_off():
    assert not failure(Reply(["x" * 3000] * 10)).temporary
    assert not failure(Reply(calls=[(f"c{n}", "lookup", "{}") for n in range(20)])).temporary


def test_closing_the_reply_cancels_it_upstream():
    async def scenario(model, fake):
        reply = model.reply(ASK, TOOLS)
        assert await anext(reply) == Text("one")
        await reply.aclose()
        await fake.until_cancelled()

    thinking(scenario, Reply(["one", "two"], stall_after=5))


def test_the_plain_sdk_reads_the_same():
    async def run():
        async with (
            FakeResponses([Reply(["Hi ", "there."], calls=CALLS)], key=KEY) as fake,
            openai.AsyncOpenAI(api_key=KEY, base_url=fake.base_url, max_retries=0) as client,
        ):
            text, arguments = "", []
            async for event in await client.responses.create(model="m", input=ASK, stream=True):
                if event.type == "response.output_text.delta":
                    text += event.delta
                if event.type == "response.output_item.done" and event.item.type == "function_call":
                    arguments.append(event.item.arguments)
            return text, arguments

    assert asyncio.run(run()) == ("Hi there.", [CALLS[0][2], CALLS[1][2]])
