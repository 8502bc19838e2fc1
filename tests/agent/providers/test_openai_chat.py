# mypy: disable-error-code="arg-type, union-attr"
"""The chat completions model against a server that can be like OpenAI and unlike it."""

import asyncio
import contextlib
import json

import openai
import pytest

from agent.errors import ProviderError
from agent.history import History
from agent.limits import whole
from agent.llm import ReplyForm, Text, ToolCall, Usage
from agent.providers.dialect import Dialect, limit_name
from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import OpenAIOptions
from agent.providers.tool_calls import ToolCalls, TooMuchError
from tests.agent.providers.replying import ASK, CALLS, CHAT, KEY, TOOLS
from tests.fakes.openai import FakeOpenAI, Reply, signature

thinking, pieces, failure = CHAT.thinking, CHAT.pieces, CHAT.failure


def request_of(**more) -> dict:
    async def scenario(model, fake):
        async for _ in model.reply(ASK, TOOLS):
            pass
        return fake.requests[0]

    return thinking(scenario, Reply(["Hi."]), **more)


def test_the_table_extra_goes_into_the_request():
    usual = request_of()
    assert request_of(extra={"service_tier": "priority", "max_tokens": 9}) == usual | {
        "service_tier": "priority",
        "max_tokens": 9,
    }


def test_text_comes_as_it_is_written_and_then_the_usage():
    assert pieces(Reply(["It is", " on its way", "."])) == [Text("It is"), Text(" on its way"), Text("."), Usage(11, 7)]


@pytest.mark.parametrize("wire", [1, 7, 1000])
def test_letters_and_json_cut_by_the_network_are_put_together(wire):
    reply = Reply(["Żółw ", "🐢"], calls=CALLS, wire=wire)
    assert pieces(reply) == [Text("Żółw "), Text("🐢"), *(ToolCall(*call) for call in CALLS), Usage(11, 7)]


def test_the_request_holds_what_was_configured_and_nothing_else():
    assert request_of() == {
        "model": "gpt-6-luna",
        "messages": ASK,
        "tools": TOOLS,
        "reasoning_effort": "none",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 400,
    }
    other = request_of(
        max_tokens_name="max_completion_tokens",
        extra={"temperature": 0.2},
        reasoning_effort="none",
        usage=False,
        model="m",
    )
    assert other == {
        "model": "m",
        "messages": ASK,
        "tools": TOOLS,
        "stream": True,
        "max_completion_tokens": 400,
        "temperature": 0.2,
        "reasoning_effort": "none",
    }


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://x.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://api.groq.com/openai/v1", "max_tokens"),
        ("https://llm-gateway.assemblyai.com/v1", "max_tokens"),
        ("https://evil.example/api.openai.com", "max_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
    ],
)
def test_the_limit_of_a_reply_has_two_names(address, name):
    assert limit_name(address) == name


def test_a_server_that_refuses_optional_parameters_is_asked_without_them_from_then_on():
    async def scenario(model, fake):
        for _ in range(2):
            assert [piece async for piece in model.reply(ASK, ()) if isinstance(piece, Text)] == [Text("Hi.")]
        return fake.requests

    unknown = frozenset({"stream_options", "temperature", "max_tokens"})
    requests = thinking(
        scenario, Reply(["Hi."], unknown=unknown), model="m", extra={"temperature": 0.5}, reasoning_effort="low"
    )
    assert len(requests) == 5  # three refusals, once
    for request in requests[3:]:
        assert set(request) == {"model", "messages", "stream", "max_completion_tokens", "reasoning_effort"}


SPOKEN = {"model": "m", "stream_options": {}, "temperature": 0.5, "reasoning_effort": "low", "max_tokens": 400}


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", "max_tokens"),
        ("Unsupported value: 'temperature' does not support 0.5 with this model.", "temperature"),
        ("Unrecognized request argument supplied: reasoning_effort", "reasoning_effort"),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options')}]", "stream_options"),
        ('Invalid JSON payload received. Unknown name "stream_options": Cannot find field.', "stream_options"),
        ("property 'temperature' is unsupported", "temperature"),
        ("The request failed. temperature unsupported_parameter", "temperature"),
        ("maximum context length is 8192 tokens, your request has 8000 plus 400 'max_tokens'. Please reduce", ""),
        ("input length and `max_tokens` exceed context limit: 199000 + 4000 > 200000, unknown", ""),
        ("'max_tokens' or 'temperature' must be a number", ""),
    ],
)
def test_only_what_a_server_does_not_take_is_left_out(words, left_out):
    dialect = Dialect()
    assert dialect.learn(SPOKEN, words) is bool(left_out)
    assert {*SPOKEN} - {*dialect.spoken(SPOKEN)} == {left_out} - {""}


def test_a_server_that_knows_neither_name_is_asked_without_a_limit():
    async def scenario(model, fake):
        assert await anext(model.reply(ASK, ())) == Text("Hi.")
        return set(fake.requests[-1])

    unknown = frozenset({"max_tokens", "max_completion_tokens"})
    assert thinking(scenario, Reply(["Hi."], unknown=unknown), model="m") == {
        "model",
        "messages",
        "stream",
        "stream_options",
    }


def test_a_refusal_of_what_cannot_be_left_out_is_an_error():
    assert "model" in failure(Reply(["Hi."], unknown=frozenset({"model"}))).problem


# Tool calls.


@pytest.mark.parametrize(
    "quirks",
    [
        (),
        ("no_index",),
        ("zero_index",),
        ("whole_call",),
        ("whole_call", "no_index"),
        ("repeat_name",),
        ("finish_stop",),
        ("no_finish",),
        ("no_done",),
        ("no_role_chunk", "choices_null"),
    ],
    ids=" ".join,
)
def test_two_tool_calls_are_told_apart_whatever_the_server_does(quirks):
    assert pieces(Reply(calls=CALLS, quirks=frozenset(quirks)), usage=False) == [ToolCall(*call) for call in CALLS]


def test_arguments_as_an_object_are_taken_too():
    found = pieces(Reply(calls=CALLS[1:], quirks=frozenset({"object_arguments"})), usage=False)
    assert json.loads(found[0].arguments) == {"when": "tomorrow"}


@pytest.mark.parametrize(
    "quirks", [(), ("no_index", "whole_call"), ("whole_call",), ("zero_index", "whole_call"), ("zero_index",)]
)
def test_calls_without_an_id_get_one_of_their_own(quirks):
    first, second = pieces(Reply(calls=CALLS, quirks=frozenset({"no_id", *quirks})), usage=False)
    assert [(call.name, call.arguments) for call in (first, second)] == [call[1:] for call in CALLS]
    assert first.id
    assert first.id != second.id


def test_a_call_without_arguments_has_the_empty_object():
    assert pieces(Reply(calls=(("call_a", "lookup", ""),)), usage=False) == [ToolCall("call_a", "lookup", "{}")]


@pytest.mark.parametrize(("count", "length"), [(17, 2), (1, 70_000)])
def test_more_tool_calls_than_any_reply_needs_are_refused(count, length):
    calls = ToolCalls("x")
    with pytest.raises(TooMuchError):
        for number in range(count):
            calls.add(number, f"id{number}", "lookup", "x" * length)


def test_a_tool_result_may_be_sent_back():
    async def scenario(model, fake):
        calls = [{"id": "call_a", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}]
        answered = [{"role": "assistant", "content": None, "tool_calls": calls}]
        with pytest.raises(ProviderError, match="must be followed by tool messages"):
            async for _ in model.reply([*ASK, *answered], TOOLS):
                pass
        result = {"role": "tool", "tool_call_id": "call_a", "content": "{}"}
        return await anext(model.reply([*ASK, *answered, result], TOOLS))

    assert thinking(scenario, Reply(["It came."])) == Text("It came.")


def called_before(calls) -> list:
    """The messages after these calls, as the memory of a conversation writes them."""
    history = History("Be brief.")
    history.ask("Where is it?")
    history.say().calls = list(calls)
    return history.messages()


def test_what_a_server_signs_its_calls_with_goes_back_to_it_and_to_nobody_else():
    async def scenario(model, fake):
        calls = [piece async for piece in model.reply(ASK, TOOLS) if isinstance(piece, ToolCall)]
        answered = [piece async for piece in model.reply(called_before(calls), TOOLS) if isinstance(piece, Text)]
        return calls, answered

    signs = frozenset({"signs"})
    calls, answered = thinking(scenario, Reply(calls=CALLS, quirks=signs), Reply(["It came."], quirks=signs))
    assert [call.extra for call in calls] == [signature("call_a"), signature("call_b")]
    assert answered == [Text("It came.")]

    async def another(model, fake):
        return await anext(model.reply(called_before(calls), TOOLS))

    assert thinking(another, Reply(["It came."])) == Text("It came.")


def test_what_another_server_signs_its_calls_with_goes_to_no_server_that_signs_by_another_name():
    """Anthropic's model has failed, and Gemini goes on."""

    async def scenario(model, fake):
        calls = [piece async for piece in model.reply(ASK, TOOLS) if isinstance(piece, ToolCall)]
        thought = ToolCall("call_b", "call_back", "{}", {"anthropic": [{"type": "thinking"}]})
        with contextlib.suppress(ProviderError):  # this one lacks a signature, which is another matter
            _ = [piece async for piece in model.reply(called_before([calls[0], thought]), TOOLS)]
        made = next(message["tool_calls"] for message in fake.requests[1]["messages"] if "tool_calls" in message)
        return [call.get("extra_content") for call in made]

    assert thinking(scenario, Reply(calls=CALLS, quirks=frozenset({"signs"}))) == [signature("call_a"), None]


def test_a_refusal_in_a_list_is_read_as_well():
    reply = Reply(["Hi."], unknown=frozenset({"temperature"}), quirks=frozenset({"error_list"}))
    assert pieces(reply, extra={"temperature": 0.5})[0] == Text("Hi.")


# Servers that do not stream, and the ends of a reply.


def test_a_wrong_key_that_is_told_as_a_bad_request_is_one():
    words = "API key not valid. Please pass a valid API key."
    error = failure(Reply(status=400, status_words=words, quirks=frozenset({"error_list"})))
    assert "check the key" in error.advice
    assert not error.of_request, "the next call would be refused, too"


def test_a_server_that_answers_in_one_body_is_understood():
    expected = [Text("Hi."), Usage(11, 7), *(ToolCall(*call) for call in CALLS)]
    assert pieces(Reply(["Hi."], calls=CALLS, json_body=True)) == expected


def test_a_reply_that_is_complete_cannot_fail_any_more():
    """Role, text, finish, then nothing: no usage, no [DONE]."""
    assert pieces(Reply(["Hi."], stall_after=3), gap_limit=1.0) == [Text("Hi.")]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(["Hi."], reset_after=2), "connection failed"),
        (Reply(["Hi."], error_after=2), "The server had an error"),
        (Reply(["Hi."], nonsense_after=1), "sent nonsense"),
        (Reply(), "empty reply"),
        (Reply(finish="content_filter"), "content filter"),
        (Reply(["Hi."], quirks=frozenset({"no_finish", "no_done"})), "broke off"),
        (Reply(calls=(("call_a", "hang_up", ""),), quirks=frozenset({"no_finish", "no_done"})), "broke off"),
        (Reply(calls=(("call_a", "", "{}"),)), "empty reply"),
    ],
)
def test_a_reply_that_breaks_off_is_a_temporary_error(reply, problem):
    error = failure(reply)
    assert problem in error.problem
    assert error.temporary


def test_one_retry_if_asked_for():
    replies = (Reply(status=500, retry_after="0.01"), Reply(["Hi."]))
    assert pieces(*replies, retries=1)[0] == Text("Hi.")


def test_nobody_there():
    async def run():
        model = OpenAILlm(OpenAIOptions(api_key=KEY, url="http://127.0.0.1:9/v1"))
        with pytest.raises(ProviderError, match="connection failed") as caught:
            await anext(model.reply(ASK, ()))
        await model.close()
        assert caught.value.temporary
        assert caught.value.refused

    asyncio.run(run())


def test_one_model_serves_many_calls_at_once():
    async def scenario(model, _fake):
        async def one() -> str:
            return "".join([piece.delta async for piece in model.reply(ASK, ()) if isinstance(piece, Text)])

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(20)]
        return {task.result() for task in tasks}

    assert thinking(scenario, Reply(["Hi ", "there."])) == {"Hi there."}


def test_the_plain_sdk_reads_the_same():
    async def run():
        async with FakeOpenAI([Reply(["Hi ", "there."], calls=CALLS)]) as fake:
            async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.base_url, max_retries=0) as client:
                stream = await client.chat.completions.create(model="m", messages=ASK, stream=True)
                text, arguments = "", {0: "", 1: ""}
                async for chunk in stream:
                    delta = chunk.choices[0].delta
                    text += delta.content or ""
                    for call in delta.tool_calls or ():
                        arguments[call.index] += call.function.arguments  # type: ignore[operator]
            async with openai.AsyncOpenAI(api_key="another", base_url=fake.base_url, max_retries=0) as stranger:
                with pytest.raises(openai.AuthenticationError):
                    await stranger.chat.completions.create(model="m", messages=ASK)
            return text, arguments

    assert asyncio.run(run()) == ("Hi there.", {0: CALLS[0][2], 1: CALLS[1][2]})


def test_the_key_is_in_no_repr_and_no_log(caplog):
    caplog.set_level(0)
    assert KEY not in repr(OpenAIOptions(api_key=KEY))
    failure(Reply(status=429, status_words=f"no, {KEY}"))
    own = [record for record in caplog.records if not record.name.startswith(("asyncio", "websockets"))]
    assert not any(KEY in record.getMessage() for record in own)


@pytest.mark.parametrize("wrong", [{"retries": 2}, {"max_tokens": 0}, {"url": "localhost"}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        OpenAIOptions(**wrong)


FORM = ReplyForm({"type": "function", "function": {"name": "report", "parameters": {"type": "object"}}})


@pytest.mark.parametrize(
    ("words", "learnt"),
    [
        ("This model does not support response format `json_schema`.", True),
        ("This response_format type is unavailable now", True),
        ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", True),
        ("Invalid schema for response_format 'report'", True),
        ("The model is overloaded", False),
    ],
)
def test_a_server_without_structured_outputs_tells_so_in_these_words(words, learnt):
    dialect = Dialect()
    assert dialect.learn(SPOKEN | {"response_format": {}}, words) is learnt


def test_a_form_is_the_schema_of_the_reply_and_no_tool_and_has_room():
    async def scenario(model, fake):
        found = await whole(model, ASK, 60, FORM)
        return found, fake.requests

    found, (request,) = thinking(scenario, Reply(['{"a"', ": 1}"]))
    assert found == '{"a": 1}'
    schema = {"name": "report", "schema": {"type": "object"}, "strict": True}
    assert request["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert "tools" not in request and request["max_tokens"] == ReplyForm.TOKENS
    _, (refused, again) = thinking(scenario, Reply(["{}"], unknown=frozenset({"response_format"})))
    assert {*refused} - {*again} == {"response_format"}, "then the prompt alone holds the model to it"
